"""What was done about a model, as dated sentences: incidents that opened and healed, what people did, retrainings, and who took over."""

from __future__ import annotations

from typing import NamedTuple

from nbops import times
from nbops.evaluation.bootstrap import Interval, Paired
from nbops.monitoring.incidents import Case, Done
from nbops.records import at
from nbops.reports import wording
from nbops.reports.moments import day, moment
from nbops.reports.standing import Move
from nbops.reports.watched import CHAMPION, Asked, Known
from nbops.reports.watched_pictures import matters
from nbops.reports.watched_words import day_of

_DID = {
    "opened": "an incident opened", "raised": "it got worse", "lowered": "it got less bad", "healed": "it healed",
    "acknowledged": "acknowledged it", "commented": "said", "muted": "muted it", "unmuted": "ended the mute", "closed": "closed it",
}  # fmt: skip
_KINDS = {
    "performance": "it was worse than allowed", "estimate": "it seemed to be worse than allowed", "drift": "its data moved",
    "prediction": "its answers moved", "data": "its data were broken", "assumption": "what it takes for granted did not hold",
}  # fmt: skip


class Deed(NamedTuple):
    """Something that was done, when (UTC microseconds); of `weight` 0 it is a detail, of 2 nobody should miss it."""

    time: int
    words: str
    weight: int


def deeds(known: Known) -> list[Deed]:
    """Everything, the oldest first."""
    found = [deed for case in known.cases for deed in _of_incident(known, case)]
    found += [deed for asked in known.asked for deed in _of_wish(known, asked)]
    found += [_of_move(move) for move in known.moves if move.alias == CHAMPION]
    return sorted(found, key=lambda one: one.time)


def about(case: Case) -> str:
    """What an incident is about: "it was worse than allowed (version 1)"."""
    version = f" (version {case.version})" if case.version is not None else ""
    return f"{_KINDS.get(case.kind, case.cause)}{version}"


def done(known: Known, one: Done) -> tuple[str, str]:
    """What was done, and the words that go with it."""
    until = f"until {moment(at(one.until))}" if one.until is not None else ""
    window = (
        f"window of {day_of(known, one.start)}"
        if one.start is not None and one.act not in {"commented", "acknowledged"}
        else ""
    )
    said = (
        one.text
        if one.act in {"acknowledged", "commented", "muted", "unmuted", "closed"}
        else f"{window}, {one.severity}"
    )
    return _DID.get(one.act, one.act), " · ".join(filter(None, (said, until)))


def _of_incident(known: Known, case: Case) -> list[Deed]:
    weight = 2 if matters(case.severity) else 0
    told = []
    for one in case.acts:
        quoted = f": {wording.quoted(one.text)}" if one.text.strip() else "."
        if one.act == "opened":
            what = f"Incident: {about(case)} from {day_of(known, case.since)} on."
            told.append(Deed(one.time, what, weight))
        elif one.act == "healed":
            told.append(Deed(one.time, f"Healed: {about(case)}, and is well again.", weight))
        elif one.act in {"acknowledged", "commented", "muted", "unmuted", "closed"}:
            until = f" until {moment(at(one.until))}" if one.until is not None else ""
            verb = {"acknowledged": "acknowledged the incident", "commented": "said of the incident", "muted": f"muted the incident{until}",
                    "unmuted": "ended the mute of the incident", "closed": "closed the incident"}[one.act]  # fmt: skip
            told.append(Deed(one.time, f"{one.actor} {verb}{quoted}", min(weight, 2 if one.act == "closed" else 1)))
    return told


def _of_wish(known: Known, asked: Asked) -> list[Deed]:
    wish = asked.wish
    why = wording.quoted(wish.reason)
    begun = {
        "person": f"{asked.actor} asked for a new version: {why}", "schedule": f"The schedule asked for a new version: {why}",
        "incident": "The incident asked for a new version.",
    }[wish.cause]  # fmt: skip
    told = [Deed(wish.created, begun, 1)]
    came = _came(known, asked)
    if came:
        told.append(Deed(asked.changed, came, 2 if wish.state in {"proposed", "refused", "waiting"} else 1))
    return told


def _came(known: Known, asked: Asked) -> str:
    """What came of a wish."""
    wish = asked.wish
    data = f"data from {day_of(known, wish.data_from)} to {day_of(known, wish.data_until - 1)}"
    made = (
        f"Version {wish.challenger}, trained on {data}"
        if wish.challenger is not None
        else f"A version trained on {data}"
    )
    words = wording.ended(wish.message or "")
    beside = _beside(asked)
    return {
        "blocked": f"The training waits: {words}",
        "started": f"A new version is being trained on {data}.",
        "trained": f"{made}, is being judged.",
        "waiting": f"{made}, waits to be judged: {words}",
        "proposed": f"{made}, was proposed{f': {beside}' if beside else '.'} {_answered(known, wish.review_id)}".rstrip(),
        "refused": f"{made}, was refused: {beside or words}"
        if wish.challenger is not None
        else f"No new version was trained: {words}",
        "failed": f"No new version: {words}",
        "withdrawn": f"The wish for a new version was withdrawn: {words}",
    }.get(wish.state, "")


def _beside(asked: Asked) -> str:
    """How the new version did beside the one in use, on the same rows."""
    found = asked.verdicts.champion if asked.verdicts is not None else None
    paired = found.evidence.paired if found is not None else None
    if found is None or paired is None or paired.challenger is None or paired.champion is None:
        return ""
    unit = found.evidence.units.get(found.policy.metric, "")
    own, other = (_told(paired, value, unit) for value in (paired.challenger, paired.champion))
    told = f"on the same {paired.rows:,} rows its {wording.measured(found.policy.metric)} is {own}, version {found.holder}'s is {other}"
    if paired.low is not None and paired.high is not None and paired.low <= 0 <= paired.high:
        return f"{told}, which may be chance."
    return f"{told}."


def _told(paired: Paired, value: float, unit: str) -> str:
    rounded = float(f"{value:.3g}")
    return wording.with_interval(
        Interval(paired.metric, rounded, None, None, paired.level, paired.rows, paired.blocks), unit
    )


def _answered(known: Known, review_id: str | None) -> str:
    """How the review stands that came of it."""
    case = next((one for one in known.pending if one.review_id == review_id), None)
    return f"It waits for an approval until {day(at(case.expires))}." if case is not None else ""


def _of_move(move: Move) -> Deed:
    when = times.microseconds(move.since)
    if move.version is None:
        return Deed(when, f"Version {move.before} was taken out of use by {move.actor}: {wording.quoted(move.why)}", 2)
    if move.kind == "rolled back":
        words = (
            f"{move.actor} went back from version {move.before} to version {move.version}: {wording.quoted(move.why)}"
        )
        return Deed(when, words, 2)
    instead = f" in place of version {move.before}" if move.before is not None else ""
    return Deed(when, f"Version {move.version} went into use{instead}, by {move.actor}: {wording.quoted(move.why)}", 2)
