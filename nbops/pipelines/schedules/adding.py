"""What somebody wants to have run, and when, becomes a schedule: options of a command line or what stands in a form flow in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from nbops.pipelines.schedules import listing, targets
from nbops.pipelines.schedules import spec as specs
from nbops.pipelines.schedules.spec import Spec, of_block
from nbops.records import Record
from nbops.store.client import Store


class Added(Record):
    """A schedule that is there now; `what` is added, changed or same."""

    name: str
    what: str
    spec: Spec


def wanted(store: Store, target: Path, timing: Mapping[str, object], parameters: Mapping[str, str]) -> Spec:
    """What is to be run when, checked; of a folder, the `schedule:` of its pipeline.yaml says what `timing` does not.

    Raises what the target would refuse: NotFound, PathRefused, ConfigError, ParameterError, UsageError.
    """
    whole = target.expanduser().resolve()
    place = listing.target(store.settings.project, whole)
    block = targets.declared(whole) if whole.is_dir() else None
    said = msgspec.to_builtins(block) if block else {}
    if timing.keys() & {"cron", "every"}:
        said |= {"cron": "", "every": ""}
    said.update(timing)
    said["parameters"] = {**said.get("parameters", {}), **parameters}
    spec = of_block(said, place, "the options")
    targets.check(store, spec)
    return spec


def add(store: Store, spec: Spec, name: str, now: datetime, *, change: bool = False) -> Added:
    """Keep it, under the name of its target where none is given. Raises UsageError, and Conflict for a name that is taken."""
    called = specs.name(name or targets.called(store.settings.project, spec.target), given=bool(name))
    return Added(called, listing.put(store, called, spec, change=change, now=now), spec)
