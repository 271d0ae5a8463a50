"""Steps that wait for a person, and what a person says."""

from __future__ import annotations

from nbops.errors import Conflict, NotFound
from nbops.pipelines.requests import Decide, Decision
from nbops.records import Record, short
from nbops.store.client import Store
from nbops.tracking import runs


class Waiting(Record):
    """A task that waits for a person; times in UTC microseconds."""

    run_id: str
    pipeline: str
    task: str
    asks: str
    approvers: list[str]
    requested: int
    expires: int


def waiting(store: Store, run_id: str | None = None) -> list[Waiting]:
    """What waits, of a run or of all, the oldest first; what has expired waits no more."""
    sql = """
        select a.run_id::varchar, a.pipeline, a.task, a.asks, a.approvers, epoch_us(a.requested), epoch_us(a.expires)
        from step_approvals a join step_runs s on s.run_id = a.run_id and s.task = a.task
        where a.status = 'open' and s.status = 'parked' and a.expires > now()::timestamp and (? is null or a.run_id = ?::uuid)
        order by a.requested
    """
    return [Waiting(*row) for row in store.read(sql, [run_id, run_id]).rows]


def decide(store: Store, run: str, task: str | None, decision: Decision, reason: str) -> tuple[str, str]:
    """Approve or reject what waits in a run; gives the task and the run's id.

    Raises NotFound, Conflict when several wait and none is named, ReviewRefused.
    """
    run_id = runs.find(store, run)
    there = [one.task for one in waiting(store, run_id)]
    if task is None:
        if len(there) != 1:
            what = f"{len(there)} steps wait: {', '.join(there)}" if there else "no step waits for a person"
            raise Conflict(
                f"In run {short(run_id)} {what}.",
                hint="Name the step." if there else "`nbops status` shows what waits.",
            )
        task = there[0]
    elif task not in there:
        raise NotFound.of("waiting step", task, there, otherwise="`nbops status` shows what waits.")
    store.write(Decide(run_id=run_id, task=task, decision=decision, reason=reason))
    return task, run_id
