"""From signals to the standing of a cause: a pure function of the policy, what was seen in each window, and what people did.

A *signal* is one thing looked at in one window. Signals of one *cause* make one incident: all columns that break the same rule for
data, all that drift, all slices of a metric. Each item of a cause, which is a column, slice or metric of a version, is judged by itself:
two columns that are odd once each do not add up. The cause is in trouble as long as any of its items is.

Whoever makes signals says of everything that is looked at how it is in each window, also when it is fine: what is not said there has
not been looked at. An item that is not among its cause's any more (another version took over, a column is gone) is judged by the rest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from nbops.monitoring.policy import SEVERITIES, Kind, MonitorPolicy, Severity, worst
from nbops.monitoring.windows import Window
from nbops.records import Record

State = Literal["learning", "fine", "odd", "broken", "unknown"]
"""`odd` counts, `broken` is trouble at once; `unknown` has no labels yet, or too few; `learning` is before anything is judged."""
Word = Literal["learning", "fine", "odd", "trouble", "unknown"]
"""How a cause stands: `odd` is not enough for an incident yet."""
BAD: tuple[State, ...] = ("odd", "broken")
DECIDED: tuple[State, ...] = ("fine", *BAD)


class Signal(Record):
    """One thing looked at in one window, which begins at `start` and ends at `until` (UTC microseconds).

    `cause` is what incidents are made by, `item` the column, slice or metric, and `sentence` what a person reads.
    """

    cause: str
    kind: Kind
    state: State
    severity: Severity
    sentence: str
    start: int
    until: int
    item: str = ""
    version: int | None = None


class Closing(Record):
    """A person closed the incident of the cause; `start` is that of the last window that was judged by then."""

    start: int


class Episode(Record):
    """A stretch of windows in trouble, each window told by its start.

    At `opened` it was enough for an incident, at `closed` it had healed or a person closed it; `bad` are all its windows that were not
    fine, those before it opened included: `first` and `last` are told with their ends, too. `severity` is how bad it was in the last
    few windows, `worst` how bad at all. `items` are not well, or were not when it ended, which `sentences` say of the last time; `healed`
    is well again. `season` says why the last bad window was expected.
    """

    kind: Kind
    opened: int
    severity: Severity
    worst: Severity
    items: tuple[str, ...]
    sentences: tuple[str, ...]
    bad: tuple[int, ...]
    first: Window
    last: Window
    version: int | None = None
    healed: tuple[str, ...] = ()
    closed: int | None = None
    by_person: bool = False
    season: str | None = None


class Standing(Record):
    """How a cause stands after all its windows: a word, and every stretch of trouble, oldest first; the last may go on."""

    word: Word
    episodes: tuple[Episode, ...] = ()

    @property
    def open(self) -> Episode | None:
        """The trouble that goes on."""
        return self.episodes[-1] if self.episodes and self.episodes[-1].closed is None else None


def cause(kind: Kind, rule: str = "") -> str:
    """What signals are held together by: the broken rule or assumption, the metric; all columns that drift have one cause."""
    return f"{kind}: {rule}" if rule else kind


def standing(policy: MonitorPolicy, signals: Iterable[Signal], acts: Iterable[Closing] = ()) -> Standing:
    """How one cause stands, from all its signals, in whatever order they became known, and the closings by people."""
    windows: dict[int, list[Signal]] = {}
    for one in signals:
        windows.setdefault(one.start, []).append(one)
    closings = sorted({act.start for act in acts})
    course = _Course(policy)
    for start in sorted(windows):
        while closings and closings[0] < start:
            course.close(closings.pop(0))
        course.go_on(start, windows[start])
    for act in closings:
        course.close(act)
    return Standing(word=course.word, episodes=tuple(course.episodes))


class _Item:
    """One item of a cause: trouble begins after k of its last n judged windows and ends after m fine ones."""

    def __init__(self, name: str, policy: MonitorPolicy) -> None:
        self.name = name
        self._policy = policy
        self._seen = 0
        self._recent: deque[Signal] = deque(maxlen=policy.open_after.of)
        self._clean = 0
        self.ailing = False
        self.bad: list[Signal] = []
        self.state: State | None = None

    def forget(self, before: int | None = None) -> None:
        """What was before a window does not count any more, or nothing that was: it healed, or a person closed the incident."""
        kept = [one for one in self._recent if before is not None and one.start >= before]
        self._recent.clear()
        self._recent.extend(kept)
        self.ailing, self._clean = False, 0

    def see(self, signal: Signal) -> None:
        """Take in how it is in the next window."""
        self._seen += 1
        early = self._seen <= self._policy.warmup.windows and signal.state != "broken"
        state: State = "learning" if early and signal.state in DECIDED else signal.state
        if state != "unknown" or self.state is None:
            self.state = state
        if state in DECIDED:
            self._judge(signal)

    def miss(self, others: Sequence[Signal]) -> None:
        """It is not looked at any more; the others of its cause are."""
        known = next((one for one in others if one.state in DECIDED), None)
        if known:
            self.state = "fine"
            self._judge(msgspec.structs.replace(known, state="fine"))

    @property
    def severity(self) -> Severity:
        """How bad it was in the last few windows, so that it does not go up and down with each of them."""
        return worst([one.severity for one in self._recent if one.state in BAD] or [self.bad[-1].severity])

    def _judge(self, signal: Signal) -> None:
        self._recent.append(signal)
        if signal.state == "fine":
            self._clean += 1
            if self.ailing and self._clean >= self._policy.close_after:
                self.forget()
            return
        self._clean = 0
        odd = [one for one in self._recent if one.state in BAD]
        if not self.ailing:
            self.ailing = signal.state == "broken" or len(odd) >= self._policy.open_after.odd
            self.bad = odd
        else:
            self.bad.append(signal)


class _Course:
    """The windows of a cause as they go by."""

    def __init__(self, policy: MonitorPolicy) -> None:
        self._policy = policy
        self._items: dict[tuple[int | None, str], _Item] = {}
        self._involved: list[_Item] = []
        self._bad: dict[int, Signal] = {}
        self.episodes: list[Episode] = []

    @property
    def word(self) -> Word:
        """How it stands now."""
        states = {item.state for item in self._items.values()}
        if self._running():
            return "trouble"
        if states & {*BAD}:
            return "odd"
        words: tuple[Word, ...] = ("learning", "unknown", "fine")
        return next((word for word in words if word in states), "learning")

    def go_on(self, start: int, signals: Sequence[Signal]) -> None:
        """Take in the next window."""
        there = _worst_of_each(signals)
        for key in sorted(there.keys() - self._items.keys(), key=str):
            self._items[key] = _Item(key[1], self._policy)
        for key, item in self._items.items():
            if key in there:
                item.see(there[key])
            else:
                item.miss(signals)
        if ailing := [item for item in self._items.values() if item.ailing]:
            self._trouble(start, ailing)
        elif self._running():
            # An odd window of another column, before the trouble was over, belongs to that trouble and to none after it.
            for item in self._items.values():
                item.forget(before=start)
            self._end(start, by_person=False)

    def close(self, start: int) -> None:
        """A person closed it."""
        for item in self._items.values():
            item.forget()
        self._end(start, by_person=True)

    def _running(self) -> Episode | None:
        return self.episodes[-1] if self.episodes and self.episodes[-1].closed is None else None

    def _trouble(self, start: int, ailing: list[_Item]) -> None:
        """Begin an episode, or go on with it."""
        before = self._running()
        if before is None:
            self._involved, self._bad = [], {}
        for item in ailing:
            self._bad |= {one.start: one for one in item.bad}
        self._involved += [item for item in ailing if item not in self._involved]
        ailing.sort(key=lambda item: SEVERITIES.index(item.severity), reverse=True)
        first, last = (
            Window.between(self._bad[end].start, self._bad[end].until) for end in (min(self._bad), max(self._bad))
        )
        severity, items = ailing[0].severity, _names(ailing)
        found = Episode(
            kind=ailing[0].bad[-1].kind,
            opened=before.opened if before else start,
            severity=severity,
            worst=worst([severity, before.worst]) if before else severity,
            items=items,
            sentences=tuple(dict.fromkeys(item.bad[-1].sentence for item in ailing)),
            bad=tuple(sorted(self._bad)),
            first=first,
            last=last,
            version=ailing[0].bad[-1].version,
            healed=tuple(name for name in _names(self._involved) if name not in items),
            season=self._policy.season(last),
        )
        self.episodes[len(self.episodes) - (before is not None) :] = [found]

    def _end(self, start: int, *, by_person: bool) -> None:
        """End the episode, if there is one."""
        if last := self._running():
            self.episodes[-1] = msgspec.structs.replace(last, closed=start, by_person=by_person)


def _names(items: Sequence[_Item]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.name for item in items if item.name))


def _worst_of_each(signals: Sequence[Signal]) -> dict[tuple[int | None, str], Signal]:
    """One signal of each item: what is bad comes before what is not known, and that before what is fine."""
    found: dict[tuple[int | None, str], Signal] = {}
    for one in signals:
        key = one.version, one.item
        if key not in found or _rank(one) > _rank(found[key]):
            found[key] = one
    return found


def _rank(signal: Signal) -> tuple[int, int]:
    order: tuple[State, ...] = ("fine", "unknown", "learning", "odd", "broken")
    return order.index(signal.state), SEVERITIES.index(signal.severity)
