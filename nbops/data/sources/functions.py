"""Functions as sources: what one returns or yields, tables and batches of Arrow or DataFrames, becomes Parquet."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.data.sources.appending import beginning
from nbops.data.sources.origin import Fetched
from nbops.data.sources.parquet import Writer
from nbops.data.sources.retrying import Transient
from nbops.data.sources.task import Task
from nbops.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa


def fetch(task: Task) -> Fetched:
    """What the function itself raises goes to the caller, but for connections and time-outs, which are tried again."""
    function = task.source.given or imported(task.source.address, task.project)
    given = {"since": _since(task)} if _takes_since(function) else {}

    def once() -> Writer:
        with Writer(task) as writer:
            try:
                for batch in batches(function(**given), task.shown):
                    task.attempts.check()
                    writer.add(batch)
            except (ConnectionError, TimeoutError) as error:
                raise Transient(
                    f"the function met a {type(error).__name__}: {error}", hint="Look whether what it reads is there."
                ) from error
        return writer

    writer = task.attempts.run(task.shown, once)
    if not writer.paths and task.since is None:
        raise SourceError(
            f"{task.shown} gave nothing, not even columns.",
            hint="It returns or yields tables of Arrow or DataFrames; an empty one has columns, too.",
        )
    return writer.fetched()


def batches(given: object, name: str) -> Iterator[pa.RecordBatch]:
    """The rows of what a function gave, which is `name`; at least one batch for each table, so that its columns are known.

    Raises SourceError for what has no rows.
    """
    import pyarrow as pa

    if isinstance(given, pa.RecordBatch):
        yield given
        return
    if _is_pandas(given):
        given = _table(given, name)
    if isinstance(given, pa.Table):
        yield from given.to_batches(max_chunksize=100_000) or [pa.RecordBatch.from_pylist([], schema=given.schema)]
    elif hasattr(given, "__arrow_c_stream__"):
        reader = pa.RecordBatchReader.from_stream(given)
        empty = True
        for batch in reader:
            empty = False
            yield batch
        if empty:
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)
    elif inspect.isgenerator(given) or isinstance(given, list | tuple | Iterator):
        for part in given:
            if isinstance(part, dict | list | tuple | str):
                raise _rowless(part, name)
            yield from batches(part, name)
    elif given is not None:
        raise _rowless(given, name)


def _since(task: Task) -> Any:
    append = task.source.append
    return task.since if append is None or task.since is None else beginning(append, task.since)


def _rowless(given: object, name: str) -> SourceError:
    return SourceError(
        f"{name} gave a {type(given).__name__}, which has no rows that can be read.",
        hint="It returns or yields tables, batches or readers of Arrow, or DataFrames of pandas or polars.",
    )


def _is_pandas(given: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(given, pandas.DataFrame)


def _table(frame: Any, name: str) -> pa.Table:
    import pyarrow as pa

    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except pa.ArrowException as error:
        raise SourceError(
            f"A DataFrame of {name} cannot be stored: {error}", hint="Give each column values of one type."
        ) from error


def _takes_since(function: Callable[..., object]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return False
    return any(one.name == "since" or one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)


def imported(address: str, project: Path) -> Callable[..., object]:
    """The function that `python:module.function` or `python:path/to/file.py:function` names. Raises SourceError."""
    where, _, name = address.removeprefix("python:").rpartition(":")
    if where:
        module = _of_file(project, where)
    else:
        where, _, name = address.removeprefix("python:").rpartition(".")
        module = _of_package(project, where)
    function = getattr(module, name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if inspect.isfunction(value) and not key.startswith("_")]
        raise SourceError(
            f"There is no function {name!r} in {where}.", hint=f"It has: {', '.join(known) or 'no function'}."
        )
    found: Callable[..., object] = function
    return found


def _of_file(project: Path, where: str) -> Any:
    path = project / where
    if not path.is_file():
        raise SourceError(f"There is no file {where!r}.", hint=f"It is looked for in {project}.")
    # Read anew each time: a notebook changes the file between two fetches.
    spec = importlib.util.spec_from_file_location(f"nbops_source_{path.stem}", path)
    assert spec is not None  # noqa: S101 - it ends in .py
    assert spec.loader is not None  # noqa: S101 - the same
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _of_package(project: Path, where: str) -> Any:
    root = str(project)
    sys.path.insert(0, root)
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        raise SourceError(
            f"The module {where!r} of the source cannot be imported: {error}.",
            hint=f"Put it into {project}, or install it; `python:path/to/file.py:function` names a file.",
        ) from error
    finally:
        sys.path.remove(root)
