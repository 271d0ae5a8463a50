"""A sweep from its beginning to its end. It needs its process for itself: takes signals, changes the environment and forks."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from nbops import config
from nbops.errors import UsageError
from nbops.execution import driving, secrets
from nbops.execution import parameters as typed
from nbops.execution.lanes import Lane, Nursery, verdict
from nbops.execution.live import SWEEP
from nbops.execution.own import Own
from nbops.execution.skipping import finding
from nbops.execution.sweeps import plan as plans
from nbops.execution.sweeps import results
from nbops.execution.sweeps.asked import Asked
from nbops.execution.sweeps.dealing import Dealer, Ended, Known, Progress
from nbops.execution.sweeps.lanes import Order, worker
from nbops.execution.sweeps.plan import Plan
from nbops.records import new_id, short
from nbops.store.client import Store, connect
from nbops.tracking import artifacts, runs
from nbops.tracking.recording import Recording


def sweep(
    asked: Asked,
    settings: config.Settings,
    *,
    watch: Callable[[Progress], None],
    stop: int = -1,
) -> Ended:
    """Carry out what is asked. Raises what keeps it from beginning: no kernel has started then.

    `watch` hears of every change, and once a second. An interrupt, SIGTERM, or the end of what the descriptor `stop` reads lets the
    running points stop; the sweep can be resumed.
    """
    signals = driving.listen()
    driving.prepare()
    store = connect(config.existing(settings) if asked.resume else settings)
    before = results.load(store, asked.resume) if asked.resume else None
    plan = plans.again(before.specification, asked) if before else plans.make(asked)
    secrets.refuse_values(msgspec.json.encode(plan.specification).decode())
    _may_use_secrets(store, plan)
    count = plans.lanes(plan)
    driving.share_cores(count)
    own = Own(store)
    with contextlib.closing(
        Nursery(lambda line: Lane(line, Order, worker(store, plan)).live(), own.send_away)
    ) as nursery:
        plan = _directed(store, plan)
        dealer = Dealer(
            store, plan, nursery, lanes=count, signals=signals, known=None if asked.force else _known(store, plan)
        )
        with _open(store, plan, before) as recording:
            lock = own.hold()
            if lock >= 0:
                nursery.entrust(lock)
            own.start([(plan.node, plan.path.parent)])
            return dealer.deal(recording, before, watch, stop)


def _known(store: Store, plan: Plan) -> Known:
    ways = plan.specification.ways
    cwd = Path(ways.cwd) if ways.cwd else None
    return finding.finder(store, plan.path, cwd=cwd, kernel=ways.kernel, declared_only=False)


def _may_use_secrets(store: Store, plan: Plan) -> None:
    """Raise what would keep every point from its secrets."""
    values = typed.resolve(plan.interface, plan.example)
    secrets.resolve(store.settings, plan.path.resolve(), secrets.asked(plan.interface, values))


def _directed(store: Store, plan: Plan) -> Plan:
    """The plan with the direction of its metric. Raises UsageError when nobody has said it."""
    goal = plan.specification.goal
    if not goal.metric or goal.better:
        return plan
    goal = msgspec.structs.replace(goal, better=results.direction(store, goal.metric))
    return plan._replace(specification=msgspec.structs.replace(plan.specification, goal=goal))


@contextlib.contextmanager
def _open(store: Store, plan: Plan, before: results.Sweep | None) -> Iterator[Recording]:
    """The sweep's own run, begun or gone on with; it ends with what is raised."""
    told = plan.specification
    if before:
        if results.goes_on(store, before.run_id):
            raise UsageError(f"Sweep {short(before.run_id)} is running.", hint="Stop it first, or wait for its end.")
        recording = runs.reopen(store, before.run_id, folder=plan.path.parent)
    else:
        birth = runs.Birth(new_id(), told.name or f"sweep {', '.join(told.varied)}", {SWEEP: plan.kind})
        values = typed.resolve(plan.interface, plan.example)
        params = typed.plain({name: values[name] for name in plan.fixed})
        recording = runs.begin_headless(store, plan.path, params=params, parent=runs.invited(), birth=birth)
        artifacts.add(recording, plans.FILE, msgspec.json.format(msgspec.json.encode(told)), "dict", "application/json")
        recording.flush()
    try:
        yield recording
    finally:
        if not recording.ended:
            recording.end(*verdict(sys.exc_info()[1]))
