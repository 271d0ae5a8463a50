"""What is due, done: models with predictions are looked at, retrainings that a policy wants by time are asked for, wishes are taken on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from nbops.monitoring import incidents, running, windows
from nbops.monitoring.running import Monitored
from nbops.promotion import retrain
from nbops.promotion.retrain import Wish
from nbops.records import Record, at
from nbops.store.client import Store


class Ticked(Record):
    """What was looked at, and how the wishes for a retraining that were taken further stand."""

    monitored: tuple[Monitored, ...]
    wishes: tuple[Wish, ...]


def tick(
    store: Store,
    model: str | None = None,
    *,
    until: datetime | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Ticked:
    """Do what is due by a time (now), for one model or all. Raises as `running.monitor`."""
    when = until or datetime.now(UTC)
    names = [name for name in running.monitored(store) if model in {None, name}]
    looked = tuple(running.monitor(store, name, until=when, progress=progress) for name in names)
    for name in names:
        if _due(store, name, when):
            retrain.ask(store, name, reason="It is time by the policy.", until=when, cause="schedule")
    done = retrain.tick(store, model, until=when, progress=progress)
    return Ticked(looked, tuple(done))


def _due(store: Store, model: str, when: datetime) -> bool:
    """Whether the policy wants a training by time, and there was none on the months that ended last, or since so long."""
    policy = incidents.policies(store, model)[0].policy
    if policy.retrain.notebook is None or policy.retrain.every is None:
        return False
    data = windows.months_before(when, policy.retrain.months, windows.zone(policy.timezone))
    earlier = [at(one.data_until) for one in retrain.wishes(store, model, everything=True)]
    known = store.read(
        "select epoch_us(min(first)) from prediction_segments where model = ?", [model]
    ).rows[0][0]  # fmt: skip
    begun = max([at(known), *earlier])
    return data.until - begun >= timedelta(seconds=policy.retrain.every)
