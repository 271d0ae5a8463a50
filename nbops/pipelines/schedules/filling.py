"""By whose times a pipeline's folder is filled in: its schedule's, or those of one that is kept for that alone, and paused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nbops import times
from nbops.errors import Ambiguous, UsageError
from nbops.pipelines.schedules import adding, listing, targets
from nbops.pipelines.schedules.listing import Schedule
from nbops.pipelines.schedules.requests import ActOnSchedule, PutSchedule
from nbops.store.client import Store

_WHY = "kept for backfills"


def schedule(
    store: Store, folder: Path, timing: Mapping[str, Any], parameters: Mapping[str, str], *, working_tree: bool
) -> Schedule:
    """The schedule of a folder; without one it is made, paused, of `timing` and what the folder's pipeline.yaml says.

    Raises Ambiguous when there are several, UsageError when nothing says the times or there is a schedule of other ones, and what
    `targets.check` raises.
    """
    target = listing.target(store.settings.project, folder)
    found = [one for one in listing.every(store) if one.spec.target == target]
    if len(found) > 1:
        names = " and ".join(one.name for one in found)
        raise Ambiguous(
            f"{target} has {len(found)} schedules: {names}.", hint="Name one: `nbops schedule backfill NAME …`."
        )
    said = {key: value for key, value in timing.items() if value is not None}
    if found and not said and not parameters and not working_tree:
        return found[0]
    if not said.keys() & {"cron", "every"} and targets.declared(folder) is None:
        raise UsageError(
            f"{target} has no schedule, and its pipeline.yaml says none: its times are not known.",
            hint="Give --cron or --every, or write `schedule:` into its pipeline.yaml.",
        )
    spec = adding.wanted(store, folder, {**said, **({"working_tree": True} if working_tree else {})}, parameters)
    if found and found[0].spec != spec:
        raise UsageError(
            f"{target} has the schedule {found[0].name!r}, which is another one.",
            hint="Leave the options out to fill in its times, or change it: `nbops schedule add --change`.",
        )
    if found:
        return found[0]
    name = targets.called(store.settings.project, target)
    now = datetime.now(UTC)
    following = spec.calendar().next(now)
    store.write(
        PutSchedule(
            name=name, spec=spec, looked=times.microseconds(now), next=None if following is None else times.microseconds(following)
        ),
        ActOnSchedule(name=name, deed="paused", why=_WHY),
    )  # fmt: skip
    return listing.get(store, name)
