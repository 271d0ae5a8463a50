"""What became of a model: its events as sentences, and which version an alias stood for at a time. Nothing is changed here."""

from __future__ import annotations

from datetime import datetime
from functools import singledispatch
from typing import ClassVar

import msgspec

from nbops import events, times
from nbops.errors import NotFound, UsageError
from nbops.records import Record, at, now_us, short
from nbops.render import html, text
from nbops.render.model import Column, Html
from nbops.render.view import View
from nbops.store.chain import Entry, entries
from nbops.store.client import Store


class Happening(Record):
    """Something that was done about a model: `told` is a sentence, `seq` its place in the chain of events."""

    seq: int
    time: datetime
    actor: str
    verb: str
    told: str


class Held(Record):
    """What an alias stood for at a time: no `version` before it was first set and after it was removed.

    `since` and `until` bound how long that was so (None: from the beginning, to this day); the rest says how it came to be so.
    """

    model: str
    alias: str
    time: datetime
    version: int | None
    since: datetime | None = None
    until: datetime | None = None
    kind: str | None = None
    actor: str | None = None
    review_id: str | None = None
    why: str | None = None

    def __str__(self) -> str:
        what = "no version" if self.version is None else f"version {self.version}"
        parts = [f"{self.model}@{self.alias} stood for {what} at {times.shown(self.time)}."]
        if self.since is None:
            parts.append("Nobody had set it yet.")
        else:
            review = f" by review {short(self.review_id)}" if self.review_id else ""
            parts.append(
                f"It was {self.kind}{review} by {self.actor} at {times.shown(self.since)}{_because(self.why)}."
            )
        parts.append(f"That ended at {times.shown(self.until)}." if self.until else "It is so to this day.")
        return "\n".join(parts)


class History(View):
    """The happenings of a model, oldest first. Shows itself."""

    kind: ClassVar[str] = "history"

    def __init__(self, model: str, happenings: list[Happening]) -> None:
        self.model = model
        self.happenings = happenings

    def to_text(self) -> str:
        """A line for each."""
        return text.table(*self._table())

    def to_html(self) -> Html:
        """A row for each."""
        return html.table(*self._table(), caption=f"History of {self.model}")

    def _table(self) -> tuple[list[Column | str], list[list[object]]]:
        rows: list[list[object]] = [[one.seq, times.shown(one.time), one.actor, one.told] for one in self.happenings]
        return [Column("sequence", "number"), Column("time", "time"), "who", "what"], rows


def history(store: Store, model: str) -> History:
    """What was done about a model, by whom and why, as the chain of events says. Raises NotFound with what exists."""
    _known(store, model)
    found = [
        Happening(entry.seq, at(entry.time), entry.actor, entry.verb, _told(entry))
        for entry in entries(store, "subject = ? or starts_with(subject, ?)", f"model:{model}", f"model:{model}/")
    ]
    return History(model, found)


def holder_at(store: Store, model: str, alias: str, time: datetime | str) -> Held:
    """What an alias of a model stood for at a time, which is local unless it names a zone; the moment of a move is the new holder's.

    Raises NotFound for a model that is not there or an alias that it never had, UsageError for what is no time or lies in the future.
    """
    when = times.moment(time)
    us = times.microseconds(when)
    if us > now_us():
        raise UsageError(
            f"{times.shown(when)} is yet to come.", hint=f"`nbops models show {model}` tells how it is now."
        )
    _known(store, model)
    # The order is the writer's: of two moves at one time, or after the clock went back, the later one counts.
    moves = store.read(
        """
        select alias, after, epoch_us(time), kind, actor, review_id::varchar, why
        from core.alias_moves where model = ? order by seq
        """,
        [model],
    ).rows
    known = sorted({row[0] for row in moves})
    own = [row[1:] for row in moves if row[0] == alias]
    if not own:
        raise NotFound.of(
            "alias",
            f"{model}@{alias}",
            [f"{model}@{name}" for name in known],
            otherwise=f"It had: {', '.join(known) or 'none'}.",
        )
    last = max((index for index, move in enumerate(own) if move[1] <= us), default=-1)
    until = min((move[1] for move in own[last + 1 :]), default=None)
    held = Held(model=model, alias=alias, time=when, version=None, until=None if until is None else at(until))
    if last < 0:
        return held
    version, since, kind, actor, review, why = own[last]
    return msgspec.structs.replace(
        held, version=version, since=at(since), kind=kind, actor=actor, review_id=review, why=why
    )


@singledispatch
def sentence(event: events.Event) -> str:
    """An event about a model in words."""
    return str(event.__struct_config__.tag)


@sentence.register
def _(event: events.ModelCreated) -> str:
    return f"the model got its name, {event.subject.removeprefix('model:')}"


@sentence.register
def _(event: events.ModelDescribed) -> str:
    return f"what it is for was said{_because(event.why)}"


@sentence.register
def _(event: events.VersionRegistered) -> str:
    return f"version {event.version} registered from run {short(event.run_id)}"


@sentence.register
def _(event: events.VersionCommented) -> str:
    return f"{_version(event.version)}: {event.text}"


@sentence.register
def _(event: events.VersionRetired) -> str:
    return f"version {event.version} retired{_because(event.why)}"


@sentence.register
def _(event: events.ModelFrozen) -> str:
    return f"{_version(event.version)} {'frozen' if event.frozen else 'thawed'}{_because(event.why)}"


@sentence.register
def _(event: events.AliasMoved) -> str:
    after = "none" if event.after is None else f"version {event.after}"
    before = "" if event.before is None else f" instead of version {event.before}"
    review = f" by review {short(event.review_id)}" if event.review_id else ""
    return f"{event.alias} {event.kind}: {after}{before}{review}{_because(event.why)}"


@sentence.register
def _(event: events.ReviewProposed) -> str:
    gate = "passed" if event.passed else "did not pass"
    what = f"version {event.version} proposed as {event.alias}, the gate {gate}"
    return f"review {short(event.review_id)}: {what}{_because(event.reason)}"


@sentence.register
def _(event: events.ReviewActed) -> str:
    outcome = "" if event.outcome == "done" else f" ({event.outcome}: {(event.message or '').rstrip('.')})"
    attested = f" as {event.attested_by} decided" if event.attested_by else ""
    return f"review {short(event.review_id)}: {event.act}{attested}{outcome}{_because(event.reason)}"


@sentence.register
def _(event: events.MonitoringChanged) -> str:
    return f"how it is monitored was said{_because(event.why)}"


@sentence.register
def _(event: events.IncidentActed) -> str:
    return f"incident {short(event.incident_id)} ({event.cause}) {event.act}{_because(event.text)}"


@sentence.register
def _(event: events.ModelTrusted) -> str:
    brought = [*event.types, *event.code, *(["a pickle"] if event.pickle else [])]
    return f"{event.subject.removeprefix('model:')} loaded with trust in {', '.join(brought) or 'nothing'}"


_KINDS: dict[str, type[events.Event]] = {str(kind.__struct_config__.tag): kind for kind in events.EVENTS}


def _told(entry: Entry) -> str:
    """An event in words; of one that a newer nbops made, or that was damaged, its verb."""
    try:
        return sentence(msgspec.json.decode(entry.detail, type=_KINDS[entry.verb]))
    except (KeyError, msgspec.DecodeError):
        return entry.verb


def _because(why: str | None) -> str:
    return f": {why}" if why else ""


def _version(number: int | None) -> str:
    return "the model" if number is None else f"version {number}"


def _known(store: Store, model: str) -> None:
    names = [row[0] for row in store.read("select name from models order by name").rows]
    if model not in names:
        raise NotFound.of("model", model, names, otherwise=f"Registered: {', '.join(names) or 'none'}.")
