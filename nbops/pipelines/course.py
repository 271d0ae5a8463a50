"""The course of a pipeline's run: which task may run, what came of it, what heals it, and how all of it ends."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from nbops import times
from nbops.errors import NbopsError, UsageError
from nbops.execution import live
from nbops.execution.lanes import Crew, Nursery, Stop
from nbops.execution.own import Own
from nbops.execution.skipping.plan import Plan
from nbops.failures import EXIT_STATUSES, CorrectiveAction, record_action
from nbops.failures.requests import Outcome as Healed
from nbops.monitoring import incidents
from nbops.pipelines import (
    alerting,
    expressions,
    fallback,
    healing,
    health,
    planning,
    products,
    results,
    settling,
    standing,
)
from nbops.pipelines.declaration import Size, Span
from nbops.pipelines.graph import Graph, Task
from nbops.pipelines.healing import Action
from nbops.pipelines.requests import (
    Act,
    AskApproval,
    Claim,
    Doing,
    EndPipelineRun,
    HoldPolicy,
    KeepActs,
    Outcome,
    Trigger,
)
from nbops.pipelines.requests import Release as ReleaseClaim
from nbops.pipelines.standing import Standing, Status
from nbops.pipelines.working import Order, Told
from nbops.records import FailureClass, Record, RunStatus, at, new_id, now_us, short
from nbops.render.values import duration
from nbops.store.client import Store
from nbops.tracking.recording import Recording, Usage
from nbops.tracking.requests import EndRun

_LOOK_SECONDS = 0.5
_WEEK = 7 * 86_400.0


class Asked(Record):
    """What somebody asks for: a folder with parameters, or a run to `resume`. `nominal` in UTC microseconds.

    `release` is `current` or a number; without one the folder runs as it is. `expired`: what nobody has approved in time is left out, and
    not asked again.
    """

    folder: str = ""
    parameters: dict[str, object] = {}
    resume: str = ""
    release: str = ""
    expired: bool = False
    force: bool = False
    lanes: int = 0
    trigger: Trigger = "person"
    nominal: int | None = None


class Progress(Record):
    """How far a run is: how each task stands."""

    run_id: str
    tasks: dict[str, Standing]

    def count(self, *status: Status) -> int:
        """How many tasks stand so."""
        return sum(one.status in status for one in self.tasks.values())


class Ended(Record):
    """How a run ended, in a word, a sentence and an exit status; tasks in their order. `told`: a message waits for delivery."""

    run_id: str
    pipeline: str
    outcome: Outcome
    sentence: str
    exit: int
    tasks: dict[str, Standing]
    seconds: float
    told: bool = False


class Hands:
    """What executes: lanes, made when the first step needs one, and the server that forks their kernels."""

    def __init__(self, nursery: Nursery, own: Own, lanes: int, signals: list[int]) -> None:
        self.crew: Crew[Order, Told] = Crew(nursery, Told, most=lanes, signals=signals)
        self._nursery = nursery
        self._own = own
        self._ready = False

    def ready(self, tasks: list[Task]) -> None:
        """Have the server running, with what these tasks import."""
        if self._ready:
            return
        self._ready = True
        lock = self._own.hold()
        if lock >= 0:
            self._nursery.entrust(lock)
        self._own.start({task.name: (task.step.node, task.step.folder) for task in tasks}.values())


class _Job:
    """A task that is on its way: what was tried, and when and how it may go on."""

    def __init__(self, task: Task, number: int) -> None:
        self.task = task
        self.number = number
        self.attempt = 0
        self.tries: dict[FailureClass, int] = {}
        self.lost = 0
        self.not_before = 0.0
        self.longer = 1.0
        self.alone = False
        self.claimed = ""
        self.pending: list[CorrectiveAction] = []
        self.since: int | None = None
        self.outside: products.Old | None = None
        self.healed = False


class Course:
    """One run: tasks go out to lanes, and what comes back is noted, healed and kept."""

    def __init__(
        self, store: Store, made: Graph, tasks: list[Task], recording: Recording, asked: Asked, hands: Hands, known: Mapping[str, Standing]
    ) -> None:  # fmt: skip
        self._store = store
        self._graph = made
        self._recording = recording
        self._asked = asked
        self._hands = hands
        self._crew = hands.crew
        self._jobs = {task.key: _Job(task, number) for number, task in enumerate(tasks)}
        self._known = known
        self._stand = {task.key: _kept(known.get(task.key)) for task in tasks}
        for key, job in self._jobs.items():
            job.attempt = known[key].attempt if key in known else 0
        self._sight = planning.Sight(store)
        self._old = products.old(store)
        for key, one in products.outside(store, made, tasks, self._old).items():
            self._jobs[key].outside = one
        self._running: dict[int, tuple[_Job, float, _Pulse]] = {}
        self._acts: list[Act] = []
        self._stopped = ""
        self._late = False
        self._began, self._start = time.monotonic(), now_us()
        self._rng = random.Random()  # noqa: S311 - spreads tries again, no secret

    def drive(self, watch: Callable[[Progress], None], stop: int) -> Ended:
        """Execute what is missing and end the run; a second request to stop kills."""
        live.unasked(self._store, self._recording.run_id)
        self._bring_home()
        self._tidy()
        if not self._asked.force:
            self._sight.look_ahead(job.task for key, job in self._jobs.items() if self._stand[key].status == "waiting")
        with self._crew.ears(stop):
            self._go_on()
            watch(self._progress())
            while self._crew.orders or self._waits():
                for order, told in self._crew.wait(self._patience()):
                    self._note(order, told or self._lost(order))
                self._go_on()
                watch(self._progress())
        self._crew.dismiss()
        return self._end()

    def _go_on(self) -> None:
        for reason in self._crew.heard():
            self._stop(live.asked(self._store, self._recording.run_id) or reason)
        self._limits()
        self._advance()
        self._keep()

    def _bring_home(self) -> None:
        """Tasks whose processes died with their driver: those that had nothing left to do but to say so have ended well."""
        living = results.living(self._store)
        for key, job in self._jobs.items():
            stood = self._known.get(key)
            if stood is None or stood.status != "waiting" or not stood.run_id or short(stood.run_id) in living:
                continue
            if settling.finished(self._store, stood.run_id):
                self._store.write(EndRun(run_id=stood.run_id, status="finished", ended=now_us()))
                self._put(job, Standing("finished", attempt=stood.attempt, run_id=stood.run_id))
            else:
                settling.forget(job.task, stood.run_id)

    def _tidy(self) -> None:
        """What executions left beside products that died."""
        folders = {
            Path(path).parent for job in self._jobs.values() for path in job.task.outs.values() if "://" not in path
        }
        settling.sweep_up(folders, results.living(self._store), now=time.time())

    # What may run.

    def _waits(self) -> bool:
        """Whether something will run that does not yet, and does not wait for a person either."""
        if self._stopped:
            return False
        parked: set[str] = set()
        for key, job in self._jobs.items():
            if self._stand[key].status == "parked" or not parked.isdisjoint(job.task.before):
                parked.add(key)
        return any(one.status == "waiting" and key not in parked for key, one in self._stand.items())

    def _patience(self) -> float:
        now = time.monotonic()
        soon = [
            job.not_before - now
            for key, job in self._jobs.items()
            if self._stand[key].status == "waiting" and job.not_before > now
        ]
        return max(0.0, min([_LOOK_SECONDS, *soon]))

    def _advance(self) -> None:
        """Decide on every task whose turn it is, as long as that changes something."""
        moved = True
        while moved and not self._stopped:
            moved = False
            for key, job in self._jobs.items():
                if self._stand[key].status != "waiting" or standing.awaited(job.task, self._stand):
                    continue
                moved |= self._turn(job)

    def _turn(self, job: _Job) -> bool:
        """Whether a task that waits for no other one got further."""
        task = job.task
        told = standing.follows(task, self._stand)
        # Nobody is asked about nothing: but then nothing is executed either.
        moot = told is None and task.step.operation.approval is not None and self._moot(task)
        if told is None and not job.pending:
            told = self._excluded(task) or (None if moot else self._unapproved(task))
        if told is not None:
            return self._put(job, told)
        if time.monotonic() < job.not_before or self._crew.full or (self._running and (job.alone or self._lonely())):
            return False
        job.since = self._since(job)
        try:
            planned = self._sight.planned(task)
            anew = self._asked.force or bool(job.pending) or not task.step.operation.skip or self._shows_age(job)
            # What was made on old data is made anew once there is new one, whether that is the same or not.
            found = None if anew else self._sight.find(planned, stale=job.since is not None)
        except NbopsError as error:
            return self._put(job, Standing("failed", error.message, exit=error.exit.status))
        if found is not None:
            status: Status = "degraded" if self._degraded(job) else "unchanged"
            return self._put(job, Standing(status, self._rests(job), run_id=found, since=job.since))
        if moot and (told := self._unapproved(task)) is not None:
            # It has changed this very moment.
            return self._put(job, told)
        return self._begin(job, planned)

    def _moot(self, task: Task) -> bool:
        """Whether nothing would be executed, of all that an approval of a task decides about."""
        before = {key: job.task.before for key, job in self._jobs.items()}
        return all(self._idle(self._jobs[key], task) for key in standing.bound(task.key, before))

    def _idle(self, job: _Job, asking: Task) -> bool:
        """Whether a task needs no execution; one whose condition is not known yet may."""
        status, operation = self._stand[job.task.key].status, job.task.step.operation
        if status != "waiting":
            return status in {"finished", "unchanged", "excluded"}
        unknown = operation.source or (operation.when and job.task is not asking)
        if self._asked.force or job.pending or not operation.skip or unknown:
            return False
        try:
            return self._sight.find(self._sight.planned(job.task)) is not None
        except NbopsError:
            return False

    def _shows_age(self, job: _Job) -> bool:
        """Whether it is what people look at, and rests on old data: then it is made anew, to say so."""
        return self._degraded(job) and not any(job.task.key in other.task.before for other in self._jobs.values())

    def _degraded(self, job: _Job) -> bool:
        """Whether a step before it went on with old data; what another pipeline made is as that says."""
        return any(self._stand[key].status == "degraded" for key in job.task.before)

    def _since(self, job: _Job) -> int | None:
        """Of when the oldest is that it rests on, if any of it is old."""
        found = [standing.stale(job.task, self._stand), job.outside.since if job.outside else None]
        return min((since for since in found if since is not None), default=None)

    def _lonely(self) -> bool:
        return any(job.alone for job, _, _ in self._running.values())

    def _excluded(self, task: Task) -> Standing | None:
        """It is left out because its condition does not hold."""
        when = task.step.operation.when
        if not when:
            return None
        known = results.metrics(self._store, {key: self._stand[key].run_id for key in task.before}, self._jobs_names())
        try:
            if expressions.holds(when, known):
                return None
        except UsageError as error:
            return Standing("failed", error.message, exit=EXIT_STATUSES["code_bug"])
        told = ", ".join(
            f"{step}.{metric} is {known.get(step, {}).get(metric)}" for step, metric in expressions.parse(when).names
        )
        return Standing("excluded", f"`{when}` does not hold: {told}")

    def _jobs_names(self) -> dict[str, str]:
        return {key: job.task.name for key, job in self._jobs.items()}

    def _unapproved(self, task: Task) -> Standing | None:
        """It waits for a person, or a person said no."""
        asks = task.step.operation.approval
        if asks is None:
            return None
        found = results.approval(self._store, self._recording.run_id, task.key)
        if found is not None and found.status == "approved":
            return None
        if found is not None and found.status == "rejected":
            return Standing("excluded", f"{found.decided_by} rejected it: {found.reason}", rejected=True)
        if found is not None and found.expires <= now_us() and self._asked.expired:
            ended = times.minute(at(found.expires))
            return Standing("excluded", f"nobody approved it until {ended}", rejected=True)
        if found is None or found.expires <= now_us():
            expires = now_us() + int((asks.expires or _WEEK) * 1e6)
            self._store.write(
                AskApproval(
                    run_id=self._recording.run_id, task=task.key, asks=asks.asks, approvers=asks.by, expires=expires
                )
            )
        else:
            expires = found.expires
        who = " or ".join(asks.by) or "somebody"
        return Standing("parked", f"{task.key} waits until {times.minute(at(expires))} for {who} to approve it")

    # What runs.

    def _begin(self, job: _Job, planned: Plan) -> bool:
        self._sight.changed()
        if planned.declares and job.claimed != planned.static_key:
            held = self._store.write(Claim(key=planned.static_key, run_id=self._recording.run_id))[0]
            if held:
                job.not_before = time.monotonic() + _LOOK_SECONDS
                return False
            job.claimed = planned.static_key
        self._hands.ready([other.task for other in self._jobs.values()])
        job.attempt += 1
        limits = self._limit(job, "cell_timeout")
        memory = self._limit(job, "memory")
        order = Order(
            job.number, new_id(), self._recording.run_id, limits and limits * job.longer, None if memory is None else int(memory),
            self._rests(job),
        )  # fmt: skip
        self._running[job.number] = job, time.monotonic(), _Pulse(self._store.places.runs / order.run_id)
        self._crew.give(order)
        key = job.task.key
        self._stand[key] = Standing("running", attempt=job.attempt, run_id=order.run_id, since=job.since)
        self._act(job, "started", step_run_id=order.run_id)
        return True

    def _rests(self, job: _Job) -> str:
        told = [standing.rests(self._graph.name, job.task, self._stand), job.outside.sentence if job.outside else ""]
        return " ".join(dict.fromkeys(filter(None, told)))

    def _limit(self, job: _Job, name: str) -> float | None:
        own: Span | Size | None = getattr(job.task.step.operation, name)
        value = own if own is not None else getattr(self._graph.operations.defaults, name)
        return None if value is None else float(value)

    def _limits(self) -> None:
        """Stop what takes longer than it may."""
        now = time.monotonic()
        whole = self._graph.operations.timeout
        if whole is not None and not self._stopped and now - self._began > whole:
            self._late = True
            self._stop(f"the run was not done after {duration(float(whole))}", timed_out=True)
        for order in self._crew.orders:
            job, began, pulse = self._running[order.number]
            if pulse.told:
                continue
            step, stall = self._limit(job, "timeout"), self._limit(job, "stall")
            reason = ""
            if step is not None and now - began > step * job.longer:
                reason = f"timeout: the step was not done after {duration(step * job.longer)}"
            elif stall is not None and pulse.silent(now) > stall * job.longer:
                reason = f"timeout: nothing was heard of the step for {duration(stall * job.longer)}, no output and no time of a processor"
            if reason:
                # Once: the second time would kill.
                pulse.told = True
                self._crew.stop(order, Stop(reason, timed_out=True))

    def _stop(self, reason: str, *, timed_out: bool = False) -> None:
        """Nothing more, and what runs is stopped; the second time it is killed."""
        self._stopped = self._stopped or reason
        for order in self._crew.orders:
            self._crew.stop(order, Stop(reason, timed_out=timed_out))

    # What came of it.

    def _note(self, order: Order, told: Told) -> None:
        job, _, _ = self._running.pop(order.number)
        run_id = told.run_id or None
        if told.status == "finished":
            self._settle_actions(job, "healed", told.seconds)
            self._set_aside(job, told)
            status, told_of = self._stands(job, told), self._rests(job)
            self._put(
                job, Standing(status, told_of, job.attempt, run_id, healed=job.healed, since=job.since), seconds=told.seconds
            )  # fmt: skip
        elif told.status == "stopped":
            self._settle_actions(job, "failed", told.seconds)
            self._put(
                job, Standing("stopped", told.cause or "", job.attempt, run_id, exit=told.exit), seconds=told.seconds
            )
        else:
            self._settle_actions(job, "failed", told.seconds)
            self._heal(job, told)

    def _stands(self, job: _Job, told: Told) -> Status:
        """How a task stands that has ended well."""
        if self._degraded(job):
            return "degraded"
        # A source has to be asked to know that it has nothing new. What was to be executed in any case, or healed, was no such question.
        anew = self._asked.force or not job.task.step.operation.skip or job.healed
        return "unchanged" if told.unchanged and not anew else "finished"

    def _lost(self, order: Order) -> Told:
        """What became of an order whose lane died: it may have had nothing left to do but to say so."""
        if settling.finished(self._store, order.run_id):
            self._store.write(EndRun(run_id=order.run_id, status="finished", ended=now_us()))
            return Told(order.number, order.run_id, "finished")
        settling.forget(self._running[order.number][0].task, order.run_id)
        cause, exit_ = "the process that executed it died", EXIT_STATUSES["kernel_death"]
        return Told(order.number, order.run_id, "lost", cause, "execution.kernel", "kernel_death", exit_, healing.LOST)

    def _heal(self, job: _Job, told: Told) -> None:
        held, rule = told.failure_class or "code_bug", told.rule
        job.lost += told.status == "lost"
        operation = job.task.step.operation
        policy = healing.policy(held, operation, self._graph.operations.defaults)
        action = healing.decide(
            held, healing.LOST if told.status == "lost" else rule, policy, tries=job.tries, lost=job.lost,
            idempotent=operation.idempotent, rng=self._rng,
        )  # fmt: skip
        if action.kind == "retry" and not self._stopped:
            job.tries[held] = job.tries.get(held, 0) + (told.status != "lost")
            # A drill asks what is done, not how long it is waited for.
            wait = 0.0 if self._asked.trigger == "drill" else action.wait
            job.not_before, job.longer, job.alone = (
                time.monotonic() + wait,
                max(job.longer, action.longer),
                action.alone,
            )
            self._record(job, told, action, "pending")
            self._stand[job.task.key] = Standing(
                "waiting", f"{told.cause}; {action.words}", job.attempt, told.run_id or None
            )
            self._act(
                job,
                "retrying",
                step_run_id=told.run_id or None,
                failure_class=held,
                sentence=told.cause or "",
                seconds=told.seconds,
            )
            return
        kept = None
        if action.kind == "fallback" and not self._stopped:
            allowed = operation.fallback if operation.fallback is not None else self._graph.operations.defaults.fallback
            kept = fallback.last_good(self._store, self._graph, job.task, oldest=allowed, now=now_us())
        if kept is not None and kept.since is not None:
            words = f"{told.cause}{standing.GONE_ON}{kept.sentence}"
            self._record(job, told, msgspec.structs.replace(action, words=f"gone on with {kept.sentence}"), "healed")
            stood = Standing("degraded", words, job.attempt, told.run_id or None, healed=True, since=kept.since)
            self._put(job, stood, failure_class=held, seconds=told.seconds)
            return
        why = f"; {kept.sentence}" if kept is not None else ""
        self._record(job, told, msgspec.structs.replace(action, words=f"{action.words}{why}"), "failed")
        failed = Standing("failed", told.cause or "", job.attempt, told.run_id or None, exit=told.exit)
        self._put(job, failed, failure_class=held, seconds=told.seconds)

    def _set_aside(self, job: _Job, told: Told) -> None:
        """Rows that did not fit are a healing, too: what was left is gone on with."""
        for one in told.counted:
            if not one.quarantined and not one.dropped:
                continue
            job.healed = True
            made = CorrectiveAction(
                failure_class="dirty_rows", rule="contract.rows", signal=str(one), action="rows set aside", outcome="healed",
                run_id=self._recording.run_id, step=job.task.key, attempt=max(job.attempt, 1),
            )  # fmt: skip
            self._write_action(made)

    def _record(self, job: _Job, told: Told, action: Action, outcome: Healed) -> None:
        made = CorrectiveAction(
            failure_class=told.failure_class or "code_bug", rule=told.rule or healing.LOST, signal=(told.cause or "")[:500],
            action=action.words, outcome=outcome, run_id=self._recording.run_id, step=job.task.key, attempt=max(job.attempt, 1),
            cost_seconds=told.seconds,
        )  # fmt: skip
        if outcome == "pending":
            job.pending.append(made)
        self._write_action(made)

    def _settle_actions(self, job: _Job, outcome: Healed, seconds: float) -> None:
        """What a try again came to, with what it cost: the time of the failed one, and of this one."""
        for action in job.pending:
            job.healed |= outcome == "healed"
            cost = (action.cost_seconds or 0.0) + (0.0 if outcome == "healed" else seconds)
            self._write_action(msgspec.structs.replace(action, outcome=outcome, cost_seconds=cost))
        job.pending.clear()

    def _write_action(self, action: CorrectiveAction) -> None:
        record_action(self._store, action)

    def _put(
        self, job: _Job, stood: Standing, *, failure_class: FailureClass | None = None, seconds: float | None = None
    ) -> bool:
        """A task stands otherwise now."""
        self._stand[job.task.key] = stood
        if job.claimed and stood.status not in {"waiting", "running"}:
            self._store.write(ReleaseClaim(key=job.claimed, run_id=self._recording.run_id))
            job.claimed = ""
        doing: Doing = stood.status  # type: ignore[assignment]  # neither waiting nor running
        self._act(
            job, doing, step_run_id=stood.run_id, failure_class=failure_class, sentence=stood.sentence, healed=stood.healed,
            stale_since=stood.since, seconds=seconds,
        )  # fmt: skip
        return True

    def _act(self, job: _Job, act: Doing, **more: object) -> None:
        self._acts.append(Act(task=job.task.key, step=job.task.name, act=act, attempt=job.attempt, **more))  # type: ignore[arg-type]  # its fields

    def _keep(self) -> None:
        if self._acts:
            acts, self._acts = self._acts, []
            self._store.write(KeepActs(run_id=self._recording.run_id, acts=acts, time=now_us()))

    def _progress(self) -> Progress:
        return Progress(self._recording.run_id, dict(self._stand))

    def _end(self) -> Ended:
        word, sentence, status = standing.outcome(self._graph.name, self._stand, stopped=self._stopped, late=self._late)
        self._keep()
        self._store.write(EndPipelineRun(run_id=self._recording.run_id, outcome=word, sentence=sentence, time=now_us()))
        ends: dict[str, RunStatus] = {
            "failed": "failed",
            "stopped": "stopped",
            "waiting": "stopped",
            "rejected": "stopped",
        }
        classes = results.failure_class(self._store, self._recording.run_id) if word == "failed" else None
        cause = None if word in {"done", "unchanged"} else sentence[:500]
        self._recording.end(ends.get(word, "finished"), cause, Usage(failure_class=classes, exit_status=status))
        # When it has ended it is one of the runs in which patterns are seen.
        told = self._tell(word) | self._tell_consumers()
        return Ended(
            self._recording.run_id, self._graph.name, word, sentence, status, dict(self._stand), time.monotonic() - self._began, told
        )  # fmt: skip

    def _tell_consumers(self) -> bool:
        """Let those who are named hear of products that became old, or are fresh again; whether anybody is to be told."""
        if self._asked.trigger == "drill":
            return False
        tasks = [job.task for job in self._jobs.values()]
        return products.keep(self._store, self._graph, self._recording.run_id, tasks, self._stand, self._old) > 0

    def _tell(self, word: Outcome) -> bool:
        """Let incidents open and heal by how the steps were; whether somebody is to be told."""
        if self._asked.trigger == "drill" or word in {"stopped", "waiting"}:
            return False
        name = self._graph.name
        names = {key: job.task.name for key, job in self._jobs.items()}
        chronic = health.chronic(self._store, name) if any(one.healed for one in self._stand.values()) else []
        seen = alerting.signals(self._stand, names, chronic, self._start, now_us())
        # Of a pipeline that is well, and was, nothing has to be kept.
        if not any(one.state == "broken" for one in seen) and not results.in_trouble(self._store, name):
            return False
        wanted = alerting.policy(self._graph.operations.alerts)
        self._store.write(HoldPolicy(pipeline=name, policy=wanted))
        return any(change.told for change in incidents.keep(self._store, f"pipeline:{name}", seen))


class _Pulse:
    """Whether anything is heard of an execution."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: tuple[object, ...] = ()
        self._since = time.monotonic()
        self.told = False

    def silent(self, now: float) -> float:
        """For how many seconds there was neither output nor work of a processor."""
        state = live.read(self._folder)
        heard = () if state is None else (state.cell, state.line, round(state.cpu, 1))
        if heard != self._last:
            self._last, self._since = heard, now
        return now - self._since


def _kept(known: Standing | None) -> Standing:
    """How a task stands when its run goes on: what ended well need not run again, and what was left out is asked again."""
    return known if known is not None and known.status in standing.GOOD else Standing()
