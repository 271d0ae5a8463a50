"""What a standing does to the incidents that are kept: pure, and nothing when it is done again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from nbops.monitoring.policy import SEVERITIES, Severity
from nbops.monitoring.requests import Verb
from nbops.monitoring.signals import Episode, Standing
from nbops.records import Record

REVISED = "What was seen then is judged otherwise now."


class Stored(Record):
    """An incident as it is kept: windows by their start, `seen` all that it was bad in.

    `told` is the highest severity that people heard of, `muted_until` UTC microseconds.
    """

    incident_id: str
    opened: int
    severity: Severity
    seen: tuple[int, ...]
    closed: int | None = None
    told: Severity | None = None
    muted_until: int | None = None


class Act(Record):
    """Something to be done about an incident; the first of a new one is `opened`. `told` is the severity at which people hear of it."""

    incident_id: str
    act: Verb
    start: int
    severity: Severity
    text: str
    episode: Episode | None
    told: Severity | None = None


def reconcile(standing: Standing, stored: Sequence[Stored], now: int, make_id: Callable[[], str]) -> list[Act]:
    """What to do so that the incidents of a cause are what its standing says; `now` is UTC microseconds.

    An episode and an incident that share windows are the same, and at most one is open. What opened and ended before anybody looked is
    kept and not told. What was told stays, even if late results make nothing of it: then it heals.
    """
    found: list[Act] = []
    for one in stored:
        shared = [episode for episode in standing.episodes if _shares(episode, one)]
        if one.closed is None:
            found += _gone_on(shared[-1], one, now) if shared else [_revised(one, now)]
    for episode in standing.episodes:
        # What goes on is none of those that have ended, whatever late results say of them.
        if not any(_shares(episode, one) for one in stored if episode.closed is not None or one.closed is None):
            found += _begun(episode, make_id())
    return found


def _shares(episode: Episode, one: Stored) -> bool:
    ends = max((*one.seen, one.opened)) if one.closed is None else one.closed
    return episode.bad[0] <= ends and (episode.closed is None or min((*one.seen, one.opened)) <= episode.closed)


def _begun(episode: Episode, incident_id: str) -> list[Act]:
    over = episode.closed is not None
    severity = episode.worst if over else episode.severity
    told = None if over or episode.season is not None else severity
    first = Act(incident_id, "opened", episode.opened, severity, " ".join(episode.sentences), episode, told)
    seen = _seen(episode, incident_id, (episode.opened,))
    return [first, *seen, *([_healed(episode, incident_id, None)] if over else [])]


def _gone_on(episode: Episode, one: Stored, now: int) -> list[Act]:
    acts = _seen(episode, one.incident_id, one.seen)
    if episode.closed is not None:
        return [*acts, _healed(episode, one.incident_id, _heard(one, now))]
    difference = SEVERITIES.index(episode.severity) - SEVERITIES.index(one.severity)
    if difference:
        verb: Verb = "raised" if difference > 0 else "lowered"
        text = " ".join(episode.sentences)
        acts.append(Act(one.incident_id, verb, episode.bad[-1], episode.severity, text, episode))
    unheard = one.told is None or SEVERITIES.index(episode.severity) > SEVERITIES.index(one.told)
    if acts and unheard and episode.season is None and not _muted(one, now):
        acts[-1] = msgspec.structs.replace(acts[-1], told=episode.severity)
    return acts


def _revised(one: Stored, now: int) -> Act:
    last = max((*one.seen, one.opened))
    return Act(one.incident_id, "healed", last, one.severity, REVISED, None, _heard(one, now))


def _seen(episode: Episode, incident_id: str, known: Sequence[int]) -> list[Act]:
    text = " ".join(episode.sentences)
    return [
        Act(incident_id, "seen", start, episode.severity, text, episode) for start in episode.bad if start not in known
    ]


def _healed(episode: Episode, incident_id: str, told: Severity | None) -> Act:
    text = "All is well again."
    return Act(incident_id, "healed", episode.closed or episode.opened, episode.severity, text, episode, told)


def _heard(one: Stored, now: int) -> Severity | None:
    """At which severity people hear that it is over: those who heard that it was not."""
    return None if _muted(one, now) else one.told


def _muted(one: Stored, now: int) -> bool:
    return one.muted_until is not None and now < one.muted_until
