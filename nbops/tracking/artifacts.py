"""Files, tables, figures and data become blobs on disk and then rows: the bytes are there before a row names them."""

from __future__ import annotations

import hashlib
import io
import json
import mimetypes
import os
import re
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any, Literal

from nbops.config import FOLDER
from nbops.data import exporting
from nbops.data.snapshots import Snapshot
from nbops.errors import NotFound, ParameterError, PathRefused
from nbops.records import Artifact, Dataset
from nbops.render.model import Html
from nbops.store.client import Store
from nbops.tracking.provenance import file_digest, relative
from nbops.tracking.recording import Recording
from nbops.tracking.values import storable

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["file", "figure", "table", "dict", "text", "model", "notebook"]
LONGEST_PATH = 500
_DIGEST_ROWS = 1_000_000
# Halves of characters, which nothing can store, and what tears a line apart.
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def inside(path: str) -> str:
    """A path within a run, with forward slashes. Raises PathRefused for one that is absolute or climbs."""
    # Read as Windows would: it knows both slashes, drives and shares.
    pure = PureWindowsPath(path)
    odd = _UNFIT.search(path) or len(path) > LONGEST_PATH
    # Without a leading dot the first part may be a drive.
    anchor = pure.anchor or PureWindowsPath(pure.as_posix()).anchor
    if not pure.parts or anchor or ".." in pure.parts or odd:
        raise PathRefused(
            f"{path[:80]!r} cannot be the path of a run's file.",
            hint=f"Give a relative path without '..', such as 'plots/residuals.png', on one line of at most {LONGEST_PATH} characters.",
        )
    return pure.as_posix()


def add(recording: Recording, path: str, data: bytes | Path, kind: Kind, media_type: str | None = None) -> Artifact:
    """Keep bytes or a file as the run's `path`. Raises PathRefused, StoreFull."""
    name = inside(path)
    blob = recording.store.put_blob(data)
    media = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
    made = Artifact(path=name, sha256=blob.sha256, size=blob.size, kind=kind, media_type=media)
    recording.artifact(made)
    return made


def add_files(recording: Recording, source: str | os.PathLike[str], path: str | None) -> None:
    """Keep a file, or every file of a folder. Raises NotFound, and PathRefused for a link in the folder that leaves it."""
    origin = Path(source)
    if not origin.exists():
        raise NotFound(f"There is no file {str(origin)!r}.", hint=f"The current folder is {Path.cwd()}.")
    name = inside(path or Path(os.path.abspath(origin)).name)  # noqa: PTH100 - `..` is taken away, links are kept
    if origin.is_dir():
        for file in list(_files(origin)):
            add(recording, f"{name}/{file.relative_to(origin).as_posix()}", file, "file")
    else:
        add(recording, name, origin, "file")


def add_table(recording: Recording, table: Any, name: str) -> None:
    """Keep a table as Parquet under `tables/`."""
    import pandas as pd

    buffer = io.BytesIO()
    try:
        frame = table if isinstance(table, pd.DataFrame) else pd.DataFrame(table)
        frame.to_parquet(buffer)
    except (ValueError, TypeError, NotImplementedError, OSError) as error:
        raise ParameterError(
            f"The table {name!r} cannot be kept as Parquet: {error}.",
            hint="Columns need text names and one type each; convert the one that is named.",
        ) from error
    add(recording, _named("tables", name, ".parquet"), buffer.getvalue(), "table", "application/vnd.apache.parquet")


def add_figure(recording: Recording, figure: Any, name: str) -> None:
    """Keep a figure, an axes' or a display's under `figures/`: as PNG unless the name says otherwise, drawings of `nbops.render` as SVG."""
    if isinstance(figure, Html) and figure.startswith("<svg "):
        # Only within a page the namespace goes without saying.
        data = figure.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).encode()
        add(recording, _named("figures", name, ".svg"), data, "figure", "image/svg+xml")
        return
    # pyplot saves by itself, and has a function that is named figure.
    candidates = (figure, getattr(figure, "figure", None), getattr(figure, "figure_", None))
    drawn = next((one for one in candidates if hasattr(one, "savefig")), None)
    if drawn is None:
        raise ParameterError(
            f"The figure {name!r} is a {type(figure).__name__}, which has no savefig.",
            hint="Pass a matplotlib figure or axes; write others to a file and use log_artifact.",
        )
    buffer = io.BytesIO()
    suffix = Path(name).suffix if Path(name).suffix in {".png", ".svg", ".pdf"} else ".png"
    drawn.savefig(buffer, format=suffix[1:], bbox_inches="tight")
    add(recording, _named("figures", name, suffix), buffer.getvalue(), "figure")


def add_dict(recording: Recording, value: object, name: str) -> None:
    """Keep a dict or list as JSON."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(
            f"{name!r} cannot be written as JSON: {error}.", hint="Keep plain values only, or log it as text or a file."
        ) from error
    add(recording, _suffixed(name, ".json"), storable(text).encode(), "dict", "application/json")


def add_text(recording: Recording, text: str, name: str) -> None:
    """Keep text."""
    add(recording, _suffixed(name, ".txt"), storable(text).encode(), "text")


def add_input(recording: Recording, data: Any, name: str) -> Dataset:
    """Name data that the run read, with a digest of its content."""
    dataset = describe(data, name, recording.store.settings.project)
    recording.input(name, dataset)
    return dataset


def describe(data: Any, name: str, project: Path) -> Dataset:
    """A dataset's digest, rows and columns. Frames are hashed by value, files by their bytes.

    A version of data is known by its content, in the file that it was written to as well.
    """
    if isinstance(data, Snapshot):
        source = f"snapshot:{data.reference}"
        return Dataset(name=name, digest=data.content_hash, source=source, rows=data.rows, columns=dict(data.columns))
    if isinstance(data, (str, os.PathLike)):
        path = Path(data)
        if not path.is_file():
            raise NotFound(f"There is no file {str(path)!r}.", hint=f"The current folder is {Path.cwd()}.")
        if (found := exporting.version_in(path)) is not None:
            source = f"snapshot:{found.reference}"
            return Dataset(name=name, digest=found.content_hash, source=source, rows=found.rows, columns=found.columns)
        return Dataset(
            name=name,
            digest=file_digest(path),
            source=relative(str(path.resolve()), project) or "",
            rows=None,
            columns={},
        )
    import pandas as pd

    frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)
    columns = {str(column): str(kind) for column, kind in frame.dtypes.items()}
    return Dataset(name=name, digest=_frame_digest(frame), source="memory", rows=len(frame), columns=columns)


def load(store: Store, run_id: str, path: str) -> bytes:
    """The bytes of a run's file, verified. Raises NotFound with what the run has."""
    table = store.read("select path, sha256 from artifacts where run_id = ?", [run_id])
    found, name = {row[0]: row[1] for row in table.rows}, inside(path)
    if name not in found:
        raise NotFound.of(
            "file of this run", path, found, otherwise=f"It has: {', '.join(sorted(found)[:20]) or 'none'}."
        )
    return store.get_blob(found[name])


def load_table(store: Store, run_id: str, name: str) -> pd.DataFrame:
    """A table of a run. Raises NotFound."""
    import pandas as pd

    return pd.read_parquet(io.BytesIO(load(store, run_id, _named("tables", name, ".parquet"))))


def _named(folder: str, name: str, suffix: str) -> str:
    return f"{folder}/{inside(name).removesuffix(suffix)}{suffix}"


def _suffixed(name: str, suffix: str) -> str:
    return inside(name) if Path(name).suffix else f"{inside(name)}{suffix}"


def _files(folder: Path) -> Iterator[Path]:
    root = folder.resolve()
    for path in sorted(folder.rglob("*")):
        # A store in the folder is not to swallow itself.
        if FOLDER in path.relative_to(folder).parts:
            continue
        if not path.resolve().is_relative_to(root):
            raise PathRefused(
                f"{path} is a link that leaves the folder {folder}.",
                hint="Copy what it points to into the folder, or log that file itself.",
            )
        if path.is_file():
            yield path


def _frame_digest(frame: pd.DataFrame) -> str:
    import pandas as pd

    digest = hashlib.sha256(repr([(str(c), str(t)) for c, t in frame.dtypes.items()]).encode())
    for start in range(0, len(frame), _DIGEST_ROWS):
        part = frame.iloc[start : start + _DIGEST_ROWS]
        try:
            hashed = pd.util.hash_pandas_object(part, index=False)
        except TypeError:
            # The text of lists and dicts can be hashed.
            hashed = pd.util.hash_pandas_object(part.astype(str), index=False)
        digest.update(hashed.to_numpy().tobytes())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    for name in ("tolist", "isoformat"):
        method = getattr(value, name, None)
        if callable(method):
            return method()
    return sorted(value, key=str) if isinstance(value, (set, frozenset)) else str(value)
