"""What a run of a pipeline would do now, and why: each task, without executing or writing anything."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable

from nbops.data import degraded
from nbops.errors import NbopsError
from nbops.execution import parameters as typed
from nbops.execution.skipping import why
from nbops.execution.skipping.finding import Row, earlier, find
from nbops.execution.skipping.plan import Plan, interpreter, memory, plan
from nbops.pipelines import graph, standing
from nbops.pipelines.graph import Graph, Task
from nbops.records import Record, short
from nbops.render import text
from nbops.store.client import Store

COLUMNS = ["step", "would", "why", "reads", "writes"]


class Planned(Record):
    """What would become of a task: `run`, `skip`, or `perhaps`, where that hangs on one before it or on a condition."""

    task: str
    step: str
    file: str
    verdict: str
    why: str
    reads: list[str]
    writes: list[str]
    before: list[str]


class PipelinePlan(Record):
    """The tasks in their order; `aside` are files that are no steps, with the reason."""

    pipeline: str
    folder: str
    tasks: list[Planned]
    aside: dict[str, str]

    def to_text(self) -> str:
        """A line for each task."""
        rows = [[one.task, one.verdict, one.why, " ".join(one.reads), " ".join(one.writes)] for one in self.tasks]
        counts = {word: sum(one.verdict == word for one in self.tasks) for word in ("run", "skip", "perhaps")}
        told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        lines = [text.table(COLUMNS, rows, caption=f"{self.pipeline}: {told}")]
        return "\n".join([*lines, *(f"not a step: {file} ({reason})" for file, reason in self.aside.items())])


class Sight:
    """Plans of tasks, and the earlier runs that stand for them, asked for all at once; digests of files are shared."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._digests = memory(store)
        self._pythons: dict[str, str] = {}
        self._ahead: dict[str, Plan] = {}
        self._known: dict[tuple[str, str], list[Row]] = {}
        self.stale = degraded.tagged(store)
        """The runs that rest on old data."""

    def look_ahead(self, tasks: Iterable[Task]) -> None:
        """Ask what is known of all of them; of those that cannot be planned yet nothing is."""
        for task in tasks:
            with contextlib.suppress(NbopsError):
                self._ahead[task.key] = self.planned(task)
        plans = list(self._ahead.values())
        self._known = {(made.static_key, made.notebook): [] for made in plans} | earlier(self._store, plans)

    def changed(self) -> None:
        """Something is executed: what a task depends on is looked up anew."""
        self._ahead.clear()

    def planned(self, task: Task) -> Plan:
        """What a task's run would depend on. Raises ParameterError."""
        if task.key in self._ahead:
            return self._ahead[task.key]
        step = task.step
        values = typed.resolve(step.interface, task.values, strict=self._store.settings.execution.strict_parameters)
        kernel = step.operation.kernel or step.node.metadata.get("kernelspec", {}).get("name") or "python3"
        if kernel not in self._pythons:
            self._pythons[kernel] = interpreter(kernel)
        return plan(
            self._store, step.node, step.interface, values, notebook=str(step.path), cwd=step.path.parent, kernel=kernel,
            tree=step.tree, digests=self._digests, python=self._pythons[kernel], contracts=task.contracts,
            compared=True,
        )  # fmt: skip

    def find(self, made: Plan, *, stale: bool = False) -> str | None:
        """The run that can be taken in its place; one that rests on old data only where this one would, too (`stale`).

        What was asked ahead is used once: another process may have made one since.
        """
        place = made.static_key, made.notebook
        known = self._known.pop(place, None)
        if self.stale and not stale:
            rows = earlier(self._store, [made]).get(place, []) if known is None else known
            known = [row for row in rows if row[0] not in self.stale]
        return find(self._store, made, declared_only=False, known=known, digests=self._digests).run_id


def make(store: Store, made: Graph, *, force: bool = False) -> PipelinePlan:
    """The plan of a run that began now."""
    tasks, sight = graph.tasks(made), Sight(store)
    if not force:
        sight.look_ahead(tasks)
    verdicts = _verdicts(store, sight, tasks, set(), force=force)
    before = {task.key: task.before for task in tasks}
    asked = {
        task.key
        for task in tasks
        if task.step.operation.approval is not None
        and any(verdicts[key].verdict != "skip" for key in standing.bound(task.key, before))
    }
    if asked:
        verdicts = _verdicts(store, sight, tasks, asked, force=force)
    return PipelinePlan(made.name, str(made.folder), list(verdicts.values()), made.aside)


def _verdicts(
    store: Store, sight: Sight, tasks: Iterable[Task], asked: Collection[str], *, force: bool
) -> dict[str, Planned]:
    """What would become of each task; a person would be `asked` about some."""
    verdicts: dict[str, Planned] = {}
    for task in tasks:
        verdict, reason = _verdict(store, sight, task, verdicts, asked=task.key in asked, force=force)
        names = {name: [path.rpartition("/")[2] for path in paths] for name, paths in task.ins.items()}
        verdicts[task.key] = Planned(
            task.key, task.name, task.step.file, verdict, reason, [file for files in names.values() for file in files],
            [path.rpartition("/")[2] for path in task.outs.values()], list(task.before),
        )  # fmt: skip
    return verdicts


def _verdict(  # noqa: PLR0911 - one reason after the other
    store: Store, sight: Sight, task: Task, before: dict[str, Planned], *, asked: bool, force: bool
) -> tuple[str, str]:
    operation = task.step.operation
    if asked:
        by = operation.approval.by if operation.approval else ()
        return "perhaps", f"when {' or '.join(by) or 'somebody'} approves it"
    if operation.when:
        return "perhaps", f"when {operation.when}"
    if force:
        return "run", "it is forced"
    if not operation.skip:
        return "run", "it is never skipped"
    if operation.source:
        return "run", "its source is asked for what is new"
    if waits := [key for key in task.before if before[key].verdict != "skip"]:
        return "perhaps", f"if {' or '.join(waits)} changes what it reads"
    try:
        planned = sight.planned(task)
        if run_id := sight.find(planned):
            return "skip", f"unchanged since run {short(run_id)}"
        if sight.stale and (run_id := sight.find(planned, stale=True)):
            return "run", f"run {short(run_id)} rests on old data"
        found = why.of_plan(store, planned, declared_only=False)
    except NbopsError as error:
        return "run", error.message
    return "run", "; ".join(found.because)
