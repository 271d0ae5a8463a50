"""Steps that wait for a person, and what a person says."""

from __future__ import annotations

import os
import subprocess
import sys

from nbops import times
from nbops.errors import Conflict, NotFound
from nbops.pipelines.requests import Decide, Decision
from nbops.records import Record, at, short
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
    requested_by: str = ""

    @property
    def needs(self) -> str:
        """What is asked of whom, by whom and until when, as a sentence without its full stop."""
        who, until = " or ".join(self.approvers) or "somebody", times.minute(at(self.expires))
        waits = f"waits until {until} for {who} to approve it, asked by {self.requested_by}"
        return (
            f"{self.pipeline}: {self.asks} {self.task} {waits}"
            if self.asks
            else f"{self.task} of {self.pipeline} {waits}"
        )


def waiting(store: Store, run_id: str | None = None) -> list[Waiting]:
    """What waits, of a run or of all, the oldest first; what has expired waits no more."""
    sql = """
        select a.run_id::varchar, a.pipeline, a.task, a.asks, a.approvers, epoch_us(a.requested), epoch_us(a.expires),
            a.requested_by
        from step_approvals a join step_runs s on s.run_id = a.run_id and s.task = a.task
        where a.status = 'open' and s.status = 'parked' and a.expires > now()::timestamp and (? is null or a.run_id = ?::uuid)
        order by a.requested
    """
    return [Waiting(*row) for row in store.read(sql, [run_id, run_id]).rows]


def decided(store: Store) -> list[str]:
    """The runs that waited for people and can go on: nothing of them waits any more, because it was decided on or has expired."""
    sql = """
        select p.run_id::varchar from pipeline_runs p
        where p.outcome = 'waiting' and not exists (
            select 1 from step_runs s join step_approvals a on a.run_id = s.run_id and a.task = s.task
            where s.run_id = p.run_id and s.status = 'parked' and a.status = 'open' and a.expires > now()::timestamp
        )
        order by p.start_time
    """
    return [row[0] for row in store.read(sql).rows]


def go_on(store: Store, run_id: str) -> int:
    """Go on with a run in a process of its own, to its end; gives its exit status. What has expired is left out."""
    environ = {**os.environ, "NBOPS_PROJECT": str(store.settings.project)}
    command = [sys.executable, "-P", "-m", "nbops", "pipeline", "resume", run_id, "--expired", "--json"]
    done = subprocess.run(command, cwd=store.settings.project, env=environ, stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - ours
    return done.returncode


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
