"""A pipeline's run in full: its steps with their times, what was healed, what it waited for, what it made, and why its steps ran.

In flow rows of the store; out flow records, and tables that every surface shows. Nothing runs or is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from nbops import times
from nbops.execution.skipping import why
from nbops.execution.skipping.why import Why
from nbops.pipelines import drawing, results, sheet, standing
from nbops.pipelines.sheet import Line, Stands
from nbops.records import Record, at, short
from nbops.render import text
from nbops.render.model import Column
from nbops.render.values import counted, duration
from nbops.store.client import Store
from nbops.tracking import runs

_BEGUN = "select definition, epoch_us(nominal), release from core.pipeline_runs where run_id = ?"
_HEALS = """
select step, failure_class, signal, action, outcome, attempt, cost_seconds
from corrective_actions where run_id = ? order by time, step, attempt
"""
_WAITS = """
select task, asks, approvers, epoch_us(requested), epoch_us(expires), status, decided_by, reason, epoch_us(decided)
from step_approvals where run_id = ? order by requested
"""
_BEGAN = "select task, epoch_us(min(time)) from step_acts where run_id = ? and act = 'started' group by task"
_VERSIONS = """
select s.run_id::varchar, s.source, s.version, s.rows from snapshots s
where s.run_id in (select unnest(?::uuid[])) and not s.removed order by s.source, s.version
"""


class Healed(Record):
    """What was done about a failure, or about rows, of a step, and what came of it."""

    step: str
    failure_class: str
    signal: str
    action: str
    outcome: str
    attempt: int
    cost_seconds: float | None


class Waited(Record):
    """A step that waited for a person: what was asked of whom, and what was said."""

    task: str
    asks: str
    approvers: list[str]
    requested: datetime
    expires: datetime
    status: str
    decided_by: str | None
    reason: str | None
    decided: datetime | None


class Made(Record):
    """A file that the run left as it has to be, by its path in the project; `data` are versions of data that its step made."""

    path: str
    task: str
    status: str
    data: str = ""


class Section(Record):
    """A table with its title."""

    title: str
    columns: list[Column | str]
    rows: list[list[object]]


class Account(Record):
    """A pipeline's run; `parameters` are texts, as they were given, and `began` is by task."""

    line: Line
    actor: str
    host: str
    nominal: datetime | None
    release: int | None
    parameters: dict[str, str]
    began: dict[str, datetime]
    healed: list[Healed]
    waited: list[Waited]
    made: list[Made]

    @property
    def remedy(self) -> str:
        """What a person may do now; empty where nothing is to be done."""
        return standing.remedy(self.line.outcome, self.line.short)

    @property
    def counts(self) -> str:
        """How many steps there are, and how they stand: "3 steps: 2 finished, 1 failed"."""
        numbers: dict[str, int] = {}
        for one in self.line.tasks:
            numbers[one.status] = numbers.get(one.status, 0) + 1
        told = ", ".join(f"{number} {drawing.WORDS.get(word, word)}" for word, number in numbers.items())
        return f"{counted(len(self.line.tasks), 'step')}: {told}"

    @property
    def facts(self) -> list[tuple[Column, object]]:
        """What it is and how it ended, by short names."""
        line = self.line
        given = ", ".join(f"{name} = {told}" for name, told in self.parameters.items())
        pairs: list[tuple[Column | str, object]] = [
            ("run", f"{line.short} of pipeline {line.pipeline}"),
            (Column("outcome", "status"), line.outcome),
            ("why", line.sentence or None),
            ("steps", self.counts),
            (Column("started", "time", unit=times.zone([line.start])), _local(line.start)),
            ("takes" if line.status == "running" else "took", line.lasted),
            ("by", f"{self.actor} on {self.host}"),
            ("begun by", None if line.trigger == "person" else line.trigger),
            ("for", None if self.nominal is None else times.minute(self.nominal)),
            ("ran", f"release {self.release}" if self.release is not None else f"the folder {line.folder} as it was"),
            ("parameters", given or None),
        ]
        known = [(name, value) for name, value in pairs if value is not None]
        return [(name if isinstance(name, Column) else Column(name), value) for name, value in known]

    @property
    def sections(self) -> list[Section]:
        """Its tables, those that have rows."""
        return [one for one in (self._steps(), self._healed(), self._waited(), self._made()) if one.rows]

    def to_text(self) -> str:
        """For a terminal."""
        parts = [text.facts([name for name, _ in self.facts], [told for _, told in self.facts])]
        parts += [text.table(one.columns, one.rows, caption=one.title) for one in self.sections]
        return "\n\n".join(part.rstrip() for part in [*parts, *filter(None, [self.remedy])])

    def _steps(self) -> Section:
        zone = times.zone(self.began.values())
        columns: list[Column | str] = [
            "step", Column("status", "status"), Column("began", "time", unit=zone), Column("took", "time"), "run",
            Column("why", "prose"),
        ]  # fmt: skip
        return Section("Steps", columns, [self._step(one) for one in self.line.tasks])

    def _step(self, one: Stands) -> list[object]:
        began = self.began.get(one.task)
        told = "; ".join(filter(None, ["healed" if one.healed and one.status == "finished" else "", one.sentence]))
        return [
            one.task, drawing.WORDS.get(one.status, one.status), began and f"{began.astimezone():%Y-%m-%d %H:%M:%S}",
            one.seconds if one.seconds is None else duration(one.seconds), one.run_id and short(one.run_id), told or None,
        ]  # fmt: skip

    def _healed(self) -> Section:
        columns: list[Column | str] = [
            "step", "failure", Column("what was seen", "prose"), Column("what was done", "prose"), Column("outcome", "status"), "cost",
        ]  # fmt: skip
        rows = [
            [one.step, one.failure_class, one.signal, one.action, one.outcome, one.cost_seconds and duration(one.cost_seconds)]
            for one in self.healed
        ]  # fmt: skip
        return Section("Healing", columns, [list[object](row) for row in rows])

    def _waited(self) -> Section:
        zone = times.zone(time for one in self.waited for time in (one.requested, one.decided or one.expires))
        columns: list[Column | str] = [
            "step", Column("asks", "prose"), "whom", Column("status", "status"), "by", Column("asked", "time", unit=zone),
            Column("decided", "time", unit=zone), Column("reason", "prose"),
        ]  # fmt: skip
        rows = [
            [
                one.task, one.asks or None, " or ".join(one.approvers) or "somebody", one.status, one.decided_by, _local(one.requested),
                _local(one.decided) if one.decided else f"until {_local(one.expires)}", one.reason,
            ]
            for one in self.waited
        ]  # fmt: skip
        return Section("Waited for a person", columns, [list[object](row) for row in rows])

    def _made(self) -> Section:
        data = any(one.data for one in self.made)
        columns: list[Column | str] = [
            Column("file", "code"), "step", Column("status", "status"), *(["data"] if data else []),
        ]  # fmt: skip
        rows = [[one.path, one.task, one.status, *([one.data or None] if data else [])] for one in self.made]
        return Section("Made", columns, [list[object](row) for row in rows])


class Reason(Record):
    """Why a step was executed, by `why`; without that, how it stands and why nothing was executed."""

    task: str
    status: str
    sentence: str
    run_id: str | None = None
    why: Why | None = None

    def __str__(self) -> str:
        if self.why is not None:
            told = "; ".join([*self.why.because, *([] if self.why.because else self.why.never)])
            return f"{self.task} was executed ({short(self.run_id or '')}): {told}"
        if self.status in standing.GOOD and self.run_id:
            rests = f"; {self.sentence}" if self.sentence else ""
            return f"{self.task} was not executed: unchanged since run {short(self.run_id)}{rests}"
        return f"{self.task} was not executed: {self.sentence or drawing.WORDS.get(self.status, self.status)}"


class Reasons(Record):
    """Why the steps of a pipeline's run were executed, or were not."""

    run_id: str
    pipeline: str
    steps: list[Reason]

    def __str__(self) -> str:
        executed = sum(one.why is not None for one in self.steps)
        told = f"Run {short(self.run_id)} of pipeline {self.pipeline} executed {executed} of {counted(len(self.steps), 'step')}:"
        return "\n".join([told, *(f"- {one}" for one in self.steps)])


def of_run(store: Store, run_id: str) -> Account | None:
    """The account of a run; None when it is none of a pipeline."""
    line = sheet.of_runs(store, [run_id]).get(run_id)
    if line is None:
        return None
    info = runs.info(store, run_id)
    ((told, nominal, release),) = store.read(_BEGUN, [run_id]).rows
    kept = results.defined(told)
    return Account(
        line, info.actor, info.host, at(nominal) if nominal else None, release,
        {name: one.text for name, one in kept.parameters.items()},
        {task: at(moment) for task, moment in store.read(_BEGAN, [run_id]).rows},
        [Healed(*row) for row in store.read(_HEALS, [run_id]).rows], _waits(store, run_id),
        _products(store, line, {one.key: one.writes for one in kept.tasks}),
    )  # fmt: skip


def reasons(store: Store, line: Line) -> Reasons:
    """Why each step of a run was executed, or was not."""
    executed = {task for task, _ in store.read(_BEGAN, [line.run_id]).rows}
    steps = [
        Reason(
            one.task, one.status, one.sentence, one.run_id,
            why.of_run(store, one.run_id) if one.run_id and one.task in executed else None,
        )
        for one in line.tasks
    ]  # fmt: skip
    return Reasons(line.run_id, line.pipeline, steps)


def _waits(store: Store, run_id: str) -> list[Waited]:
    found = store.read(_WAITS, [run_id]).rows
    return [
        Waited(task, asks, who, at(requested), at(expires), status, by, reason, at(decided) if decided else None)
        for task, asks, who, requested, expires, status, by, reason, decided in found
    ]


def _products(store: Store, line: Line, writes: Mapping[str, Sequence[str]]) -> list[Made]:
    good = [one for one in line.tasks if one.status in standing.GOOD]
    data: dict[str, list[str]] = {}
    ids = [one.run_id for one in good if one.run_id]
    for run_id, source, version, rows in store.read(_VERSIONS, [ids]).rows if ids else ():
        data.setdefault(run_id, []).append(f"{source} version {version}, {counted(rows, 'row')}")
    return [
        Made(
            path,
            one.task,
            "old" if one.stale_since is not None else one.status,
            "; ".join(data.get(one.run_id or "", ())),
        )
        for one in good
        for path in writes.get(one.task, ())
    ]


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
