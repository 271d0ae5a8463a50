"""How the tasks of a run stand, and what that makes of those that wait for them, and of the run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from nbops.data import degraded
from nbops.pipelines.graph import Task
from nbops.pipelines.requests import Outcome
from nbops.records import Record
from nbops.render import values
from nbops.render.values import counted

Status = Literal[
    "waiting", "running", "finished", "unchanged", "degraded", "excluded", "blocked", "failed", "stopped", "parked"
]
GOOD = ("finished", "unchanged", "degraded")
"""What it made is there."""
OVER = (*GOOD, "excluded", "blocked", "failed", "stopped")
GONE_ON = "; gone on with "
"""Between why a step failed and the old products that took the place of what it would have made."""
_NEXT = {
    "failed": "Mend it, then: nbops pipeline resume {}",
    "lost": "Go on: nbops pipeline resume {}",
    "stopped": "Go on: nbops pipeline resume {}",
    "waiting": "Decide: nbops pipeline approve {} --reason …",
}


class Standing(Record):
    """How a task stands: `sentence` says why, `healed` that it took more than one try, `since` of when what it rests on is."""

    status: Status = "waiting"
    sentence: str = ""
    attempt: int = 0
    run_id: str | None = None
    healed: bool = False
    since: int | None = None
    exit: int = 0
    rejected: bool = False


class Told(Record):
    """What is said of a task that rests on old data: what nothing before it has said, and the tasks on whose old data it rests."""

    own: str
    on: tuple[str, ...] = ()

    def __str__(self) -> str:
        rests = f"rests on {values.listed(self.on)}" if self.on else ""
        return " ".join(filter(None, [self.own, f"It {rests}." if self.own and rests else rests]))


def awaited(task: Task, stand: Mapping[str, Standing]) -> list[str]:
    """The tasks that it still waits for."""
    return [key for key in task.before if stand[key].status not in OVER]


def bound(key: str, before: Mapping[str, Iterable[str]]) -> set[str]:
    """The tasks that an approval of one decides about: itself, what comes behind it, and what all of these wait for."""
    found = {key}
    for later, earlier in before.items():
        if not found.isdisjoint(earlier):
            found.add(later)
    for later in reversed(list(before)):
        if later in found:
            found.update(before[later])
    return found


def follows(task: Task, stand: Mapping[str, Standing]) -> Standing | None:
    """What becomes of a task because of those before it, which are over; None when it may run."""
    if task.step.operation.always:
        return None
    for key in task.before:
        before = stand[key]
        if before.status in {"failed", "blocked"}:
            return Standing("blocked", f"{key} {'failed' if before.status == 'failed' else 'was blocked'}")
        if before.status == "stopped":
            return Standing("blocked", f"{key} was stopped")
        if before.status == "excluded":
            return Standing("excluded", f"{key} was left out", rejected=before.rejected)
    return None


def stale(task: Task, stand: Mapping[str, Standing]) -> int | None:
    """Since when the oldest of what it rests on is (UTC microseconds), if any of that is old."""
    return min((since for key in task.before if (since := stand[key].since) is not None), default=None)


def rests(pipeline: str, task: Task, stand: Mapping[str, Standing]) -> str:
    """On what old data a task rests because of those before it, in sentences; empty when on none."""
    return " ".join(
        dict.fromkeys(
            told
            for key in task.before
            if stand[key].since is not None and (told := hands_on(pipeline, key, stand[key]))
        )
    )


def hands_on(pipeline: str, key: str, one: Standing) -> str:
    """What a task says about its old products to those who read them; empty when they are not old."""
    if one.since is None:
        return ""
    why = _fell_back(pipeline, key, one.sentence)
    return degraded.sentence(one.since, why) if why else one.sentence


def _fell_back(pipeline: str, key: str, sentence: str) -> str:
    """Why a task went on with old products of its own; empty when it only read some."""
    cause, fell_back, _ = sentence.partition(GONE_ON)
    return f"step {key} of {pipeline} failed: {cause.rstrip('.')}" if fell_back else ""


def once(pipeline: str, sentences: Mapping[str, str]) -> dict[str, Told]:
    """What is said of tasks that rest on old data (their sentences, in their order), each reason where it begins."""
    begun = {why: key for key, one in sentences.items() if (why := _fell_back(pipeline, key, one))}
    found = {}
    for key, one in sentences.items():
        if _fell_back(pipeline, key, one):
            found[key] = Told(one)
            continue
        said = degraded.sentences(one)
        own = [told for why, told in said.items() if begun.setdefault(why, key) == key]
        found[key] = Told(" ".join(own), tuple(begun[why] for why in said if begun[why] != key))
    return found


def outcome(  # noqa: PLR0911 - one for each way to end, the worst first
    pipeline: str, stand: Mapping[str, Standing], *, stopped: str = "", late: bool = False
) -> tuple[Outcome, str, int]:
    """The word, the sentence and the exit status of a run whose tasks stand so."""
    all_ = list(stand.items())
    broken = [(key, one) for key, one in all_ if one.status == "failed"]
    if stopped and not late:
        return "stopped", stopped, 130
    if broken or late:
        return (
            "failed",
            _failed(broken, all_, stopped),
            next((one.exit for _, one in broken if one.exit), 23 if late else 25),
        )
    parked = [one for _, one in all_ if one.status == "parked"]
    if parked:
        return "waiting", "; ".join(one.sentence for one in parked), 0
    if any(one.status in {"blocked", "stopped", "waiting"} for _, one in all_):
        return (
            "stopped",
            "; ".join(f"{key}: {one.sentence}" for key, one in all_ if one.status in {"blocked", "stopped"}),
            130,
        )
    if rejected := [one for _, one in all_ if one.rejected and one.status == "excluded"]:
        return "rejected", rejected[0].sentence, 30
    old = once(pipeline, {key: one.sentence for key, one in all_ if one.since is not None})
    if any(one.status == "degraded" for _, one in all_):
        return "degraded", _degraded(old), 0
    resting = "".join(f"; {one.own}" for one in old.values() if one.own)
    healed = [key for key, one in all_ if one.healed]
    if healed:
        return "healed", f"{', '.join(healed)} ended well after being healed{resting}", 0
    if all(one.status in {"unchanged", "excluded"} for _, one in all_) and any(
        one.status == "unchanged" for _, one in all_
    ):
        return "unchanged", f"nothing has changed{resting}", 0
    return "done", f"{_done(one for _, one in all_)}{resting}", 0


def remedy(outcome: str, run: str) -> str:
    """What a person may do about a run that ended so, by its short id; empty where nothing is to be done."""
    return _NEXT.get(outcome, "").format(run)


def _failed(broken: list[tuple[str, Standing]], all_: list[tuple[str, Standing]], late: str) -> str:
    told = [f"{key}: {one.sentence}" for key, one in broken] + ([late] if late else [])
    blocked = sum(one.status == "blocked" for _, one in all_)
    return "; ".join(told) + (f"; {counted(blocked, 'step')} did not run" if blocked else "")


def _degraded(old: Mapping[str, Told]) -> str:
    told = [f"{key}: {one.own}" for key, one in old.items() if one.own]
    behind = [key for key, one in old.items() if one.on]
    if behind:
        rest = "rests" if len(behind) == 1 else "rest"
        told.append(
            f"{counted(len(behind), 'step')} {rest} on {'it' if len(told) == 1 else 'that'}: {values.listed(behind)}"
        )
    return "; ".join(told)


def _done(all_: Iterable[Standing]) -> str:
    numbers: dict[str, int] = {}
    for one in all_:
        numbers[one.status] = numbers.get(one.status, 0) + 1
    words = {"finished": "executed", "unchanged": "unchanged", "excluded": "left out"}
    return ", ".join(f"{number} {words.get(status, status)}" for status, number in numbers.items())
