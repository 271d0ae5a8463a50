"""The last good products of a step, to go on with when it fails: they lie there still, and are not older than the step allows."""

from __future__ import annotations

from pathlib import Path

from nbops import times
from nbops.data import snapshots
from nbops.errors import NbopsError
from nbops.execution.skipping.plan import memory
from nbops.pipelines.graph import Graph, Task
from nbops.pipelines.steps import name_in
from nbops.records import Record, at
from nbops.render import values
from nbops.store.client import Store

_MADE = """
select o.digest, epoch_us(max(r.end_time)) from run_outputs o join runs r using (run_id)
where o.path = ? and r.status = 'finished' and not r.deleted group by o.digest order by 2 desc limit 1
"""
_CONFIRMED = """
select epoch_us(max(a.time)) from step_acts a join pipeline_runs p using (run_id)
where p.pipeline = ? and a.task = ? and a.act in ('finished', 'unchanged') and a.stale_since is null
"""


class Kept(Record):
    """Whether a step's last products can be gone on with: since when they are (UTC microseconds), or why they cannot."""

    since: int | None
    sentence: str


def last_good(store: Store, graph: Graph, task: Task, *, oldest: float | None, now: int) -> Kept:
    """The last good products of a task, at most `oldest` seconds old; those of a contract are put back from their snapshot."""
    if oldest is None:
        return Kept(None, "how old its last products may be is not said (`fallback:`)")
    if not task.outs:
        return Kept(None, "it makes nothing that others could go on with")
    confirmed = store.read(_CONFIRMED, [graph.name, task.key]).rows[0][0]
    digests, since = memory(store), list[int]()
    for name, path in task.outs.items():
        found = store.read(_MADE, [name_in(store.settings.project, path)]).rows
        if not found:
            return Kept(None, f"no earlier run made {name!r}")
        digest, made = found[0]
        if digests.content(path, Path(path).parent).digest != digest and not _put_back(store, graph, name, path):
            return Kept(None, f"{name!r} is not what the last good run made")
        since.append(max(int(made), int(confirmed or 0)))
    age = (now - min(since)) / 1e6
    told = f"{' and '.join(task.outs)} of {times.minute(at(min(since)))} ({values.duration(age)} old)"
    if age > oldest:
        return Kept(None, f"{told} is older than {values.duration(oldest)}, which is the most that is allowed")
    return Kept(min(since), told)


def _put_back(store: Store, graph: Graph, name: str, path: str) -> bool:
    """Write the last version of a product that has a contract; whether there is one."""
    if name not in graph.operations.contracts or Path(path).suffix != ".parquet":
        return False
    try:
        found = snapshots.latest(store, name)
        if found is None:
            return False
        found.write(Path(path))
    except NbopsError:
        return False
    return True
