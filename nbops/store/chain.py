"""The hash chain over the store's events: how they are linked, and walking along them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from nbops.events import Event
from nbops.records import Record

if TYPE_CHECKING:
    from nbops.store.client import Store

GENESIS = "0" * 64
_PAGE = 10_000


class Entry(Record):
    """An event as it is kept: `time` in UTC microseconds, `detail` is JSON, `hash` is over `previous_hash` and the rest."""

    seq: int
    time: int
    actor: str
    verb: str
    subject: str
    detail: str
    previous_hash: str
    hash: str

    @property
    def intact(self) -> bool:
        """Whether the hash is that of the other fields."""
        fields = self.seq, self.time, self.actor, self.verb, self.subject, self.detail
        return link(self.previous_hash, *fields) == self.hash


class Walk(Record):
    """How far the chain holds: `count` events up to `seq`, where its head is `head`.

    `passed` tells at which sequence each hash that was looked for stands. `problem` names the first event that does not belong, which
    `broken` is; both are empty when all belong.
    """

    count: int
    seq: int
    head: str
    passed: dict[str, int] = {}
    problem: str = ""
    broken: Entry | None = None


def link(previous: str, *fields: object) -> str:
    """The hash of an event: SHA-256 (hex) over the hash before it and its own fields, joined without ambiguity as JSON."""
    return hashlib.sha256(msgspec.json.encode([previous, *fields])).hexdigest()


def linked(previous: str, seq: int, time: int, actor: str, event: Event) -> tuple[Any, ...]:
    """An event as a row of `core.events`, its own hash last; `time` in UTC microseconds."""
    fields = (seq, time, actor, str(event.__struct_config__.tag), event.subject, msgspec.json.encode(event).decode())
    return *fields, previous, link(previous, *fields)


def entries(store: Store, condition: str = "true", *values: object) -> Iterator[Entry]:
    """The events in their order, a page at a time; `condition` is SQL of ours over the columns of the view `events`."""
    sql = f"""
        select seq, epoch_us(time), actor, verb, subject, detail, previous_hash, hash from core.events
        where (seq, hash) > (?, ?) and ({condition}) order by seq, hash limit {_PAGE}
    """  # noqa: S608 - see above
    # Whatever somebody wrote into the table comes by, a second event of one number as well.
    last: list[object] = [-(2**63), ""]
    while page := store.read(sql, [*last, *values]).rows:
        yield from (Entry(*row) for row in page)
        last = [page[-1][0], page[-1][-1]]


def walk(store: Store, looked_for: Collection[str] = ()) -> Walk:
    """Follow the chain from its beginning to its end, or to the first event that does not belong.

    An event that disagrees with itself is named rather than one that only follows where something is gone: with another number, for
    instance, an event stands elsewhere than it is missed.
    """
    head, seq, count, passed = GENESIS, 0, 0, dict.fromkeys({GENESIS}.intersection(looked_for), 0)
    orphan: Entry | None = None
    for entry in entries(store):
        if not entry.intact:
            return _broken(entry, "{} was edited", Walk(count=count, seq=seq, head=head, passed=passed))
        if orphan is None and entry.previous_hash != head:
            orphan = entry
        if orphan is None:
            head, seq, count = entry.hash, entry.seq, count + 1
            if head in looked_for:
                passed[head] = seq
    found = Walk(count=count, seq=seq, head=head, passed=passed)
    return _broken(orphan, "something before {} is gone or was edited", found) if orphan else found


def _broken(entry: Entry, what: str, found: Walk) -> Walk:
    told = what.format(f"{entry.verb} of {entry.subject}")
    return msgspec.structs.replace(found, problem=f"the chain breaks at sequence {entry.seq}: {told}", broken=entry)
