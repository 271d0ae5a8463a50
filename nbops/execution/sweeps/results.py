"""A sweep read back from the store."""

from __future__ import annotations

import fcntl
import math
import os
import time
from collections.abc import Iterator, Mapping

import msgspec

from nbops.data import degraded
from nbops.errors import NotFound, StoreCorrupt, UsageError
from nbops.execution.sweeps import texts
from nbops.execution.sweeps.plan import FILE, Specification
from nbops.records import Better, Param, Record, RunStatus, short
from nbops.store.client import Store
from nbops.tracking import artifacts, runs

POINT = "nbops.point"
"""The tag of a child that says which of the sweep's points it is, counted from 0."""
TAKEN = "nbops.taken."
"""Begins a tag of a sweep's run that names the earlier run which stands for a point."""
HOPELESS = "stopped: hopeless"
"""Begins the cause of a point's end that a sampler has stopped."""


class Child(Record):
    """The newest run of a point, how it ended, and the metric's last value."""

    number: int
    run_id: str
    status: RunStatus
    cause: str | None = None
    value: float | None = None

    @property
    def done(self) -> bool:
        """Whether it need not run again."""
        return self.status == "finished" or (self.status == "stopped" and (self.cause or "").startswith(HOPELESS))


class Sweep(Record):
    """A sweep as the store has it; `children` by the number of their point."""

    run_id: str
    specification: Specification
    children: dict[int, Child]
    chosen: dict[int, dict[str, object]] = {}
    """What a sampler has chosen, by the number of the point."""
    old: tuple[str, ...] = ()
    """On what old data points rest, if any do."""

    def values(self, number: int) -> dict[str, object]:
        """What is varied, as the point has it."""
        listed = self.specification.points
        if listed is None:
            return self.chosen.get(number, {})
        return {name: texts.read(text) for name, text in listed[number].items()}

    @property
    def grid(self) -> dict[str, list[object]]:
        """The values of each parameter, if the points are all combinations of them; else none."""
        points = self.specification.points or []
        found = {
            name: list(dict.fromkeys(point.get(name, "") for point in points)) for name in self.specification.varied
        }
        complete = all(len(point) == len(found) for point in points)
        if not points or not complete or len(points) != math.prod(map(len, found.values())):
            return {}
        return {name: [texts.read(text) for text in values] for name, values in found.items()}


def load(store: Store, text: str) -> Sweep:
    """The sweep that an id, its last digits or its name means. Raises NotFound or Ambiguous."""
    run_id = runs.find(store, text)
    try:
        data = artifacts.load(store, run_id, FILE)
    except NotFound as error:
        raise NotFound(
            f"Run {short(run_id)} is no sweep.", hint="`nbops runs list` shows the runs; a sweep is named so."
        ) from error
    try:
        specification = msgspec.json.decode(data, type=Specification)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(
            f"{FILE} of run {short(run_id)} cannot be read: {error}.", hint="Begin a new sweep."
        ) from error
    found = children(store, run_id, specification.goal.metric)
    chosen = values(store, found, specification.varied) if specification.drawn and found else {}
    old = degraded.of_runs(store, (child.run_id for child in found.values()))
    return Sweep(run_id, specification, found, chosen, tuple(dict.fromkeys(old.values())))


def children(store: Store, run_id: str, metric: str = "") -> dict[int, Child]:
    """The newest run of each point of a sweep, in the order of the points."""
    sql = """
        with own as (
            select t.value as number, r.run_id, r.status, r.cause
            from core.runs r
            join core.tags t on t.run_id = r.run_id and t.key = ?
            where r.parent_id = ?
            qualify row_number() over (partition by t.value order by r.seq desc) = 1
        ), taken as (
            select key[len(?) + 1:] as number, r.run_id, r.status, r.cause
            from core.tags t
            join core.runs r on r.run_id = try_cast(t.value as uuid)
            where t.run_id = ? and starts_with(key, ?)
        ), points as (
            select * from own union all select * from taken where number not in (select number from own)
        ), results as (
            select run_id, arg_max(value, seq) as value
            from core.metrics where key = ? and run_id in (select run_id from points) group by run_id
        )
        select number::integer, p.run_id::varchar, status, cause, value
        from points p left join results m on m.run_id = p.run_id
        order by 1
        """
    table = store.read(sql, [POINT, run_id, TAKEN, run_id, TAKEN, metric])
    return {row[0]: Child(*row) for row in table.rows}


def values(store: Store, found: Mapping[int, Child], names: list[str]) -> dict[int, dict[str, object]]:
    """The parameters of these names that the runs of points were given, by the number of the point."""
    sql = "select run_id::varchar, key, value, kind from params where run_id in (select unnest(?::uuid[])) and list_contains(?, key)"
    numbers = {child.run_id: number for number, child in found.items()}
    made: dict[int, dict[str, object]] = {number: {} for number in found}
    for run_id, *param in store.read(sql, [list(numbers), names]).rows:
        item = Param(*param)
        made[numbers[run_id]][item.key] = runs.value_of(item)
    return made


def direction(store: Store, metric: str) -> Better:
    """Which values of a metric are better, as the project has defined it. Raises UsageError when it has not."""
    rows = store.read("select better from metric_definitions where key = ?", [metric]).rows
    if not rows:
        raise UsageError(
            f"Whether a higher or a lower {metric!r} is better is not known.",
            hint=f"Say --minimize or --maximize (better=…), or once for the project: nbops.define_metric({metric!r}, better='lower')",
        )
    better: Better = rows[0][0]
    return better


def follow(store: Store, run_id: str) -> Iterator[dict[str, int]]:
    """How many points of a sweep there are in each state, when this has changed, until its driver is gone."""
    sql = "select status, count(*) from runs where parent_run_id = ? group by status order by status"
    last: dict[str, int] = {}
    while goes_on(store, run_id):
        now = dict(store.read(sql, [run_id]).rows)
        if now != last:
            last = now
            yield now
        time.sleep(0.5)


def goes_on(store: Store, run_id: str) -> bool:
    """Whether the driver of a sweep lives, on this host."""
    try:
        handle = os.open(store.places.alive / run_id, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)
