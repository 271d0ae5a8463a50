"""Drills: failures are provoked in a copy of the project, and what then heals, stops or pages is told. The project itself is not touched.

The copy has a store of its own, and nobody is told of what happens there. The notebooks run for real: what they do elsewhere, they do.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from nbops import config
from nbops.data import spans
from nbops.errors import ExecutionError, UsageError
from nbops.execution import beside
from nbops.execution.parameters.reading import is_python, is_tagged
from nbops.pipelines import definition
from nbops.pipelines.course import Asked, Ended
from nbops.pipelines.graph import Graph
from nbops.pipelines.steps import Step
from nbops.records import Record
from nbops.render import text
from nbops.store.client import Store

_LARGEST = 5 * 10**9
_NEVER = {"__pycache__", "node_modules"}
COLUMNS = ["failure", "in step", "what happens", "how", "who hears of it"]
_ONCE = """
import os as _os
if not _os.path.exists({mark!r}):
    open({mark!r}, "w").close()
    {code}
"""
_SPOILED = """
import os as _os
import duckdb as _duckdb
_from = "'" + str({name}).replace("'", "''") + "'"
_names = [row[0] for row in _duckdb.sql(f"describe select * from {{_from}}").fetchall()]
_quoted = ['"' + name.replace('"', '""') + '"' for name in _names]
_columns = [{column} for number, column in enumerate(_quoted)]
_duckdb.sql(f"copy (select {{', '.join(_columns)}} from {{_from}}) to {{_from[:-1]}}.spoiled' ({format})")
_os.replace(f"{{{name}}}.spoiled", {name})
"""
_NULLS = "f'case when row_number() over () > 1 then {column} end as {column}'"
_RENAMED = """f'{column} as "renamed {number}"' if number == 0 else column"""
_FORMATS = {".csv": "format csv, header", ".parquet": "format parquet"}


class Failure(Record):
    """A failure to provoke in a step: `code` runs before its own cells, or after them when it spoils what was made."""

    name: str
    step: str
    code: str
    after: bool = False


class Drilled(Record):
    """What came of a failure: the outcome of the run, and of the step, in words."""

    failure: str
    step: str
    outcome: str
    how: str
    hears: str
    blocked: list[str]


class Drill(Record):
    """A drill of a pipeline."""

    pipeline: str
    failures: list[Drilled]

    def to_text(self) -> str:
        """A line for each failure."""
        rows = [[one.failure, one.step, one.outcome, one.how, one.hears] for one in self.failures]
        return text.table(COLUMNS, rows, caption=f"{self.pipeline}: what would happen")


def failures(made: Graph) -> list[Failure]:
    """The failures that can be provoked in a pipeline, each in the first step that it fits."""
    steps = [step for step in made.steps.values() if is_python(step.interface.language)]
    first = next((step for step in steps if not made.before(step.name)), None)
    found: list[Failure] = []
    if first is not None:
        refused = "raise ConnectionRefusedError(111, 'Connection refused')"
        found.append(Failure("source down", first.name, refused))
    checked = next(((step, name) for step in steps for name in step.outs if name in made.operations.contracts), None)
    if checked is not None:
        step, name = checked
        told = _FORMATS.get(Path(step.outs[name]).suffix, "format parquet")
        for failure, column in (("dirty rows", _NULLS), ("renamed column", _RENAMED)):
            code = _SPOILED.format(name=name, column=column, format=told)
            found.append(Failure(failure, step.name, code, after=True))
    if steps:
        killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
        found.append(Failure("kernel killed once", steps[-1].name, killed))
        found.append(Failure("kernel killed each time", steps[-1].name, killed))
        found.append(Failure("disk full", steps[-1].name, "raise OSError(28, 'No space left on device')"))
    return found


def drill(
    store: Store,
    folder: Path,
    given: dict[str, object] | None = None,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Drill:
    """Provoke each failure in a copy of the project, one after the other; between them everything is well.

    Raises ConfigError for a pipeline that could not run, UsageError for a project that is too large to be copied, ExecutionError when
    the pipeline fails already without being made to.
    """
    project = store.settings.project
    made = definition.load(folder, given)
    with _copied(project) as copy:
        here = copy / made.folder.relative_to(project)
        progress("as it is")
        before = _run(copy, here, given or {})
        if before.outcome not in {"done", "unchanged", "healed", "degraded"}:
            raise ExecutionError(
                f"The pipeline is {before.outcome} already without being made to fail: {before.sentence}",
                hint="Run it first, and mend that.",
            )
        done = []
        for failure in failures(made):
            progress(failure.name)
            done.append(_provoked(copy, here, made.steps[failure.step], failure, given or {}))
    return Drill(made.name, done)


def _provoked(copy: Path, here: Path, step: Step, failure: Failure, given: dict[str, object]) -> Drilled:
    path = here / step.path.relative_to(step.path.parent)
    # A source has no file: it gets one for as long as it is made to fail.
    before = path.read_bytes() if path.exists() else None
    try:
        _spoil(path, step, failure, copy)
        ended = _run(copy, here, given)
    finally:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(before)
    _run(copy, here, given)
    return _told(failure, ended)


def _spoil(path: Path, step: Step, failure: Failure, copy: Path) -> None:
    """Put the failure's code into the notebook of a step."""
    import nbformat
    from nbformat import v4

    node = nbformat.from_dict(step.node)
    mark = str(copy / f".drilled-{failure.name.replace(' ', '-')}")
    code = _ONCE.format(mark=mark, code=failure.code) if failure.name.endswith("once") else failure.code
    cells = [*node.cells]
    after = next((index + 1 for index, cell in enumerate(cells) if is_tagged(cell)), 0)
    cells.insert(len(cells) if failure.after else after, v4.new_code_cell(code))
    nbformat.write(v4.new_notebook(cells=cells, metadata=node.metadata), path)


def _told(failure: Failure, ended: Ended) -> Drilled:
    stood = {key: one for key, one in ended.tasks.items() if key == failure.step or key.startswith(f"{failure.step}[")}
    one = next(iter(stood.values()))
    words = {"failed": "stops", "degraded": "goes on with old data", "healed": "heals", "done": "is not noticed"}
    hears = {"failed": "pages the operators", "degraded": "warns the operators"}
    how = one.sentence or (
        f"it ended well at try {one.attempt}" if one.attempt > 1 else "rows were set aside" if one.healed else ""
    )
    blocked = [key for key, other in ended.tasks.items() if other.status == "blocked"]
    told = hears.get(ended.outcome, "nobody; it is in the record")
    return Drilled(failure.name, failure.step, words.get(ended.outcome, ended.outcome), how, told, blocked)


def _run(copy: Path, folder: Path, given: dict[str, object]) -> Ended:
    """A run in the copy, in a process of its own."""
    from nbops.execution.sweeps import texts

    order = _Order(str(copy), str(folder), {name: texts.given(value) for name, value in given.items()})
    environ = {**os.environ, "NBOPS_PROJECT": str(copy)}
    with tempfile.TemporaryFile() as errors:
        process, asking, answer = beside.begin(__name__, order, errors, cwd=copy, env=environ)
        with asking, answer:
            line = answer.read()
        process.wait()
        if not line:
            raise ExecutionError(
                f"The run in the copy died: {beside.last_words(errors)}.", hint="`nbops run` shows more of it."
            )
    said = msgspec.json.decode(line, type=_Said)
    if said.problem:
        raise said.problem.error
    if said.ended is None:
        raise ExecutionError("The run in the copy said nothing.", hint="`nbops run` shows more of it.")
    return said.ended


class _Order(Record):
    project: str
    folder: str
    parameters: dict[str, Any]


class _Said(Record):
    ended: Ended | None = None
    problem: beside.Problem | None = None


def main() -> None:
    """Be the process that runs the copy."""
    from nbops.errors import NbopsError
    from nbops.execution import reading
    from nbops.execution.sweeps.texts import Given
    from nbops.pipelines import driver

    reading.only_files()
    order = msgspec.json.decode(beside.question(), type=_Order)
    answer = beside.answers()
    given = {name: msgspec.convert(one, Given).value for name, one in order.parameters.items()}
    try:
        ended = driver.run(
            Asked(folder=order.folder, parameters=given, trigger="drill"),
            config.settings(order.project),
            watch=lambda _: None,
        )
        said = _Said(ended)
    except NbopsError as error:
        said = _Said(problem=beside.Problem.of(error))
    with answer:
        answer.write(msgspec.json.encode(said))


@contextlib.contextmanager
def _copied(project: Path) -> Iterator[Path]:
    """A copy of the project without its store and what is hidden. Raises UsageError."""
    size = sum(path.stat().st_size for path in _files(project))
    if size > _LARGEST:
        raise UsageError(
            f"The project holds {spans.readable(size)}; a drill copies {spans.readable(_LARGEST)} at most.",
            hint="Keep large data outside of the project's folder.",
        )
    with tempfile.TemporaryDirectory(prefix="nbops-drill-", ignore_cleanup_errors=True) as place:
        copy = Path(place).resolve() / project.name
        copy.mkdir()
        for path in _files(project):
            target = copy / path.relative_to(project)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
        for name in ("nbops.toml", "pyproject.toml"):
            if (project / name).is_file():
                shutil.copy2(project / name, copy / name)
        # It is a project of its own, whatever lies around it.
        (copy / config.FOLDER).mkdir(mode=0o700, exist_ok=True)
        yield copy
        _leave(copy)


def _files(project: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(project):
        here = Path(root)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and name not in _NEVER and not (here / name / "pyvenv.cfg").exists()
        ]
        yield from (here / name for name in names if not name.startswith(".") and (here / name).is_file())


def _leave(copy: Path) -> None:
    """Let the owner of the copy's store go."""
    from nbops.errors import NbopsError

    with contextlib.suppress(NbopsError):
        Store(config.settings(copy)).stop_owner()


if __name__ == "__main__":
    main()
