"""The text of a step's file, and the notebook that its cells make; the cells remember the line that they begin at."""

from __future__ import annotations

import hashlib
import tokenize
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nbops.errors import UsageError

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
"""The metadata of a step that names no kernel."""

SQL = "%%sql"
"""What a cell in SQL begins with."""

SQL_METRICS = f"{SQL} --metrics"


class Cell(NamedTuple):
    """A cell to be made: `line` is that of its first line in the file, from 1."""

    kind: str
    source: str
    line: int
    metadata: Mapping[str, Any] = {}


def text_of(path: Path) -> str:
    """A file's text, with plain line ends and no mark at its beginning. Raises UsageError for what is no text."""
    with path.open("rb") as file:
        encoding = "utf-8-sig"
        if path.suffix == ".py":
            try:
                encoding, _ = tokenize.detect_encoding(file.readline)
            except SyntaxError as error:
                # Else the text is none, which is said below with its line.
                if "unknown encoding" in str(error):
                    raise _no_text(path, str(error)) from error
            file.seek(0)
        raw = file.read()
    if b"\0" in raw:
        raise _no_text(path, "it holds bytes that no text has")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _no_text(path, f"line {line} is not {encoding.removesuffix('-sig')}") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _no_text(path: Path, why: str) -> UsageError:
    return UsageError(f"{path} cannot be read as text: {why}.", hint="Save it again as UTF-8.")


def notebook(cells: Iterable[Cell], metadata: Mapping[str, Any]) -> Any:
    """The notebook (nbformat 4) of these cells. A cell of the same text has the same id in every reading."""
    import nbformat

    seen: dict[str, int] = {}
    made = []
    for cell in cells:
        digest = hashlib.sha256(f"{cell.kind} {cell.source}".encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        told = {
            "cell_type": cell.kind, "id": f"{digest}-{seen[digest]}", "source": cell.source,
            "metadata": {**cell.metadata, "nbops": {"line": cell.line}},
        }  # fmt: skip
        made.append({**told, "execution_count": None, "outputs": []} if cell.kind == "code" else told)
    # nbformat's own makers check each cell against the schema, which for a thousand of them takes seconds.
    return nbformat.from_dict({"nbformat": 4, "nbformat_minor": 5, "metadata": dict(metadata), "cells": made})
