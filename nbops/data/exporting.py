"""A version of data as one Parquet file, for whatever reads files; the file says which version it is.

What a file says is believed once its rows have been looked at: who changes them and keeps the words is found out.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from nbops import duck
from nbops.data.canonical import content_hash, content_sum, families
from nbops.data.relation import Files, opened
from nbops.errors import SourceError, StoreFull
from nbops.records import Record

_KEY = "nbops.snapshot"


class Told(Record):
    """What a file says of itself."""

    reference: str
    content_hash: str


class Version(Record):
    """The version of data that a file holds; `columns` are the DuckDB types by name."""

    reference: str
    content_hash: str
    rows: int
    columns: dict[str, str]


def write(rows: str, reference: str, digest: str, path: Path) -> Path:
    """What stands behind FROM as one file, whole or not at all. Raises SourceError when it cannot be written, StoreFull."""
    told = msgspec.json.encode(Told(reference, digest)).decode()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    con = duck.scratch()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        duck.to_parquet(con, f"select * from {rows}", temporary, says={_KEY: told})
        temporary.replace(path)
    except StoreFull:
        raise
    except (OSError, duck.errors()) as error:
        raise SourceError(
            f"{reference} cannot be written to {path}: {str(error).splitlines()[0]}",
            hint="Look whether the folder may be written and has room.",
        ) from error
    finally:
        con.close()
        with contextlib.suppress(OSError):
            temporary.unlink()
    return path


def version_in(path: Path) -> Version | None:
    """The version that a file says it is, if its rows are those; None for any other file."""
    with path.open("rb") as file:
        if file.read(4) != b"PAR1":
            return None
    from pyarrow import ArrowException, parquet

    try:
        said = (parquet.read_metadata(path).metadata or {}).get(_KEY.encode())
        told = msgspec.json.decode(said, type=Told) if said else None
    except (ArrowException, msgspec.MsgspecError):
        return None
    if told is None:
        return None
    try:
        with opened(Files(paths=(str(path),), format="parquet")) as relation:
            total, columns = content_sum(relation), relation.columns
    except duck.errors():  # its end is whole, and something before it is not
        return None
    if content_hash(families(columns), total) != told.content_hash:
        return None
    return Version(told.reference, told.content_hash, total.rows, columns)
