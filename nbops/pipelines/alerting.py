"""What a run means for incidents: a signal for each step that was looked at, and the policy by which people hear of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from nbops.monitoring.policy import PIPELINES, MonitorPolicy, Notify
from nbops.monitoring.signals import Signal, cause
from nbops.pipelines.declaration import Alerts
from nbops.pipelines.health import Chronic
from nbops.pipelines.standing import Standing

CHRONIC = cause("run", "healed again and again")


def policy(alerts: Alerts) -> MonitorPolicy:
    """How a pipeline is monitored whose pipeline.yaml says that about alerts."""
    if not alerts.to:
        return PIPELINES
    to = tuple(alerts.to)
    heard = Notify(warn=to if "degraded" in alerts.on else (), page=to if "failed" in alerts.on else ())
    return msgspec.structs.replace(PIPELINES, notify=heard)


def signals(
    stand: Mapping[str, Standing], names: Mapping[str, str], chronic: Iterable[Chronic], start: int, until: int
) -> list[Signal]:
    """How each step was in a run (UTC microseconds); what did not come to run says nothing. `names` are steps by task."""
    found: list[Signal] = []
    for key, one in stand.items():
        about = cause("run", f"step {names[key]}")
        if one.status == "failed":
            found.append(Signal(about, "run", "broken", "page", f"{key} failed: {one.sentence}", start, until, key))
        elif one.status == "degraded" and one.healed:
            found.append(
                Signal(about, "run", "broken", "warn", f"{key} is on old data: {one.sentence}", start, until, key)
            )
        elif one.status in {"finished", "unchanged"}:
            found.append(Signal(about, "run", "fine", "info", f"{key} ran as it should.", start, until, key))
    tired = {one.step: one for one in chronic}
    for key, one in stand.items():
        if key in tired:
            found.append(Signal(CHRONIC, "run", "broken", "warn", f"{tired[key]}.", start, until, key))
        elif one.status in {"finished", "unchanged"}:
            found.append(
                Signal(CHRONIC, "run", "fine", "info", f"{key} is not healed again and again.", start, until, key)
            )
    return found
