"""What is done about a step that failed: a policy for each class of failures, and the decision for one of them.

Pure: nothing is done here.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Literal

import msgspec

from nbops.pipelines.declaration import Heal, Limits, Operation
from nbops.records import FailureClass, Record

_LONGEST_WAIT = 300.0
LOST = "runner.lost"
"""The rule for a step whose process died, which says nothing about the step."""
_LOST_RETRIES = 10
# A refusal by the source is the same the next time, and somebody has to look at it.
_AT_ONCE = frozenset({"http.refused", "source.untrusted"})


class Policy(Record):
    """What is done about a class: so many tries again, `wait` seconds before the first, which doubles; see `declaration.Heal`."""

    retries: int = 0
    wait: float = 0.0
    longer: float = 1.0
    alone: bool = False
    fallback: bool = True
    why: str = ""


POLICIES: dict[FailureClass, Policy] = {
    "transient": Policy(retries=3, wait=2.0, why="it may well work when it is tried again"),
    "data_access": Policy(retries=1, wait=5.0, why="a source that cannot be reached may be back in a moment"),
    "schema_change": Policy(why="the same data would have the same shape again"),
    "dirty_rows": Policy(why="the same rows would be as dirty again"),
    "resource": Policy(retries=1, wait=1.0, alone=True, why="alone on the machine it may have enough"),
    "kernel_death": Policy(retries=1, alone=True, why="a fresh process, with nothing beside it, may live"),
    "timeout": Policy(retries=1, longer=2.0, why="with twice the time it may end"),
    "code_bug": Policy(why="trying again changes nothing"),
    "environment": Policy(why="the surroundings have to be mended first"),
}
"""What holds when nobody says otherwise. `fallback` also needs an age that the step allows."""


class Action(Record):
    """What is to be done: `wait` in seconds, `longer` multiplies the limit of time; `words` go into the record."""

    kind: Literal["retry", "fallback", "stop"]
    words: str
    wait: float = 0.0
    longer: float = 1.0
    alone: bool = False


def policy(failure_class: FailureClass, operation: Operation, defaults: Limits) -> Policy:
    """The policy for a step: what it says itself, else what pipeline.yaml says for all, else ours."""
    made = POLICIES[failure_class]
    for limits in (defaults, operation):
        if limits.retries is not None and made.retries:
            made = msgspec.structs.replace(made, retries=limits.retries)
        if (said := limits.heal.get(failure_class)) is not None:
            made = msgspec.structs.replace(made, **_said(said))
    return made


def decide(
    failure_class: FailureClass,
    rule: str,
    held: Policy,
    *,
    tries: Mapping[FailureClass, int],
    lost: int,
    idempotent: bool = True,
    rng: random.Random | None = None,
) -> Action:
    """What to do about a failure; `tries` counts those of each class that were made before, `lost` the runners that died."""
    otherwise = Action(
        "fallback" if held.fallback else "stop", f"not tried again: {held.why}" if held.why else "not tried again"
    )
    if not idempotent:
        return msgspec.structs.replace(otherwise, words="not tried again: the step says that it may not run twice")
    if rule == LOST:
        again = Action("retry", "in a fresh process", wait=0.0)
        return (
            again
            if lost <= _LOST_RETRIES
            else msgspec.structs.replace(otherwise, words=f"given up after {lost} processes died")
        )
    before = tries.get(failure_class, 0)
    if rule in _AT_ONCE or before >= held.retries:
        words = f"given up after {before + 1} tries" if before else otherwise.words
        return msgspec.structs.replace(otherwise, words=words)
    most = min(held.wait * 2**before, _LONGEST_WAIT)
    # Full jitter: who failed together does not come back together.
    wait = (rng or random.Random()).uniform(0, most)  # noqa: S311 - no secret
    return Action("retry", _words(held, before + 1), wait, held.longer ** (before + 1), held.alone)


def _said(said: Heal) -> dict[str, object]:
    return {name: value for name in Heal.__struct_fields__ if (value := getattr(said, name)) is not None}


def _words(held: Policy, number: int) -> str:
    ways = [
        *(["with nothing beside it"] if held.alone else []),
        *([f"with {held.longer**number:g} times the time"] if held.longer > 1 else []),
    ]
    return f"tried again ({number} of {held.retries}){', ' if ways else ''}{' and '.join(ways)}"
