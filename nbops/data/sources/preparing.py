"""From files as they came to files that can be scanned: expanded, in UTF-8, workbooks as Parquet."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from nbops.data import relation
from nbops.data.sources import excel, expanding
from nbops.data.sources.reading import Lines, Raw
from nbops.data.sources.task import CHUNK, Task, written
from nbops.errors import SourceError

_SUFFIXES = {"parquet": ".parquet", "csv": ".csv", "json": ".json", "excel": ".xlsx"}


def prepared(task: Task, raws: list[Raw]) -> Any:
    """What `relation.opened` takes. Raises SourceError."""
    with contextlib.ExitStack() as undo:
        for raw in raws:
            if raw.path.is_relative_to(task.folder):
                undo.callback(raw.path.unlink, missing_ok=True)
        ready = [_ready(task, raw, None if len(raws) == 1 else number) for number, raw in enumerate(raws, 1)]
        undo.pop_all()
    formats = {raw.format for raw in ready}
    if len(formats) > 1:
        raise SourceError(
            f"{task.shown!r} stands for files of several formats: {', '.join(sorted(formats))}.",
            hint="Narrow the pattern, such as `*.parquet`.",
        )
    options = task.source.options
    told = relation.Files(
        paths=tuple(str(raw.path) for raw in ready),
        format=formats.pop(),  # type: ignore[arg-type]  # nothing else is left
        delimiter=options.delimiter,
        header=options.header,
        null=options.null,
        longest=max(raw.longest for raw in ready),
    )
    task.keep([Path(path) for path in told.paths])
    path = told.paths[0]
    plain = len(told.paths) == 1 and Path(path).suffix.lower() == _SUFFIXES[told.format] and not set("*?[") & set(path)
    sniffed = not (options.delimiter or options.header is not None or options.null) and told.longest < 2_000_000
    return path if plain and sniffed else told


def _ready(task: Task, raw: Raw, number: int | None) -> Raw:
    if raw.compression:
        raw = expanding.expanded(task, raw, number)
    if not raw.format:
        raise SourceError(
            f"It cannot be told from its name how {raw.file.name} is read.",
            hint="Say `format: csv`, or parquet, json, excel.",
        )
    if raw.format == "csv" and task.source.options.encoding != "utf-8":
        return _in_utf8(task, raw, number)
    if raw.format == "excel":
        return excel.converted(task, raw, number)
    return raw


def _in_utf8(task: Task, raw: Raw, number: int | None) -> Raw:
    lines = Lines(raw.file.name, task.source, "csv")
    path = task.staged(".utf-8.csv", number)
    with raw.path.open("rb") as given, written(path) as made:
        while chunk := given.read(CHUNK):
            made.write(lines.add(chunk))
        made.write(lines.end())
    return raw._replace(path=path, longest=lines.longest)
