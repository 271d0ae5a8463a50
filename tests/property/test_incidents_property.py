"""Whatever is seen in whatever order, and whoever closes what: incidents are what the policy makes of the windows, once each.

The machine is held against its promises; what the owner keeps is held against the machine.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from nbops.monitoring.policy import SEVERITIES, MonitorPolicy, OpenAfter, Warmup
from nbops.monitoring.reconciling import Act, Stored, reconcile
from nbops.monitoring.requests import KeepSignals
from nbops.monitoring.signals import BAD, DECIDED, Closing, Signal, State, standing
from tests.monitoring.ward import READY, Ward, seen, week, weeks
from tests.store.inside import Inside, envelope

STATES = st.text(".o?", max_size=24)
COURSES = st.text("..oob?l ", max_size=24)
POLICIES = st.builds(
    MonitorPolicy, warmup=st.builds(Warmup, windows=st.integers(0, 3)), close_after=st.integers(1, 4),
    open_after=st.integers(1, 3).flatmap(lambda odd: st.builds(OpenAfter, odd=st.just(odd), of=st.integers(odd, 5))),
)  # fmt: skip
SHARP = MonitorPolicy(warmup=Warmup(windows=0), close_after=1, open_after=OpenAfter(odd=2, of=2))
SLOW = MonitorPolicy(warmup=Warmup(windows=0), close_after=2, open_after=OpenAfter(odd=2, of=5))
CARRIERS = st.lists(COURSES, min_size=1, max_size=3)


def of_all(courses: list[str]) -> list[Signal]:
    """The weeks of several items of a cause."""
    return [
        msgspec.structs.replace(one, severity=SEVERITIES[(number + place) % 4])
        for number, course in enumerate(courses)
        for place, one in enumerate(weeks(course, item=f"column {number}"))
    ]


@settings(deadline=None)
@given(policy=POLICIES, course=STATES, quiet=st.integers(2, 5))
def test_a_single_odd_window_opens_nothing(policy: MonitorPolicy, course: str, quiet: int) -> None:
    assume(policy.open_after.odd > 1)
    # So many judged windows lie between two odd ones that they are never looked at together.
    apart = "o" + "." * (policy.open_after.of - 1 + quiet)
    found = standing(policy, weeks("." * 3 + course.replace("o", apart)))
    assert found.episodes == ()
    assert found.word != "trouble"


@settings(deadline=None)
@given(policy=POLICIES, courses=CARRIERS, data=st.data())
def test_the_order_in_which_results_arrive_does_not_matter(
    policy: MonitorPolicy, courses: list[str], data: st.DataObject
) -> None:
    signals = of_all(courses)
    shuffled = data.draw(st.permutations(signals))
    assert standing(policy, shuffled) == standing(policy, signals)


@settings(deadline=None)
@given(policy=POLICIES, courses=CARRIERS, data=st.data())
def test_windows_that_are_not_judged_change_nothing(
    policy: MonitorPolicy, courses: list[str], data: st.DataObject
) -> None:
    policy = msgspec.structs.replace(policy, warmup=Warmup(windows=0))
    signals = of_all(courses)
    found = standing(policy, signals)
    judged = standing(policy, [one for one in signals if one.state in DECIDED])
    assert judged.episodes == found.episodes or len(courses) > 1
    if len(courses) == 1:
        assert (judged.word, found.word).count("trouble") in {0, 2}


@settings(deadline=None)
@given(policy=POLICIES, course=COURSES)
def test_the_episodes_of_one_item_are_what_the_rule_says(policy: MonitorPolicy, course: str) -> None:
    """The rule once more, said plainly: count the bad among the last judged windows, count the fine ones in a row."""
    judged: list[tuple[int, bool]] = []
    expected: list[list[int | None]] = []
    place = 0
    for number, letter in enumerate(course):
        if letter == " ":
            continue
        place += 1
        if letter in "?l" or (place <= policy.warmup.windows and letter != "b"):
            continue
        judged.append((number, letter != "."))
        is_open = bool(expected) and expected[-1][1] is None
        if is_open:
            if len(judged) >= policy.close_after and not any(bad for _, bad in judged[-policy.close_after :]):
                expected[-1][1] = number
                judged.clear()
        elif letter == "b" or (
            letter == "o" and sum(bad for _, bad in judged[-policy.open_after.of :]) >= policy.open_after.odd
        ):
            expected.append([number, None])
    found = standing(policy, weeks(course))
    ends = [[week(end)[0] if end is not None else None for end in episode] for episode in expected]
    assert [[one.opened, one.closed] for one in found.episodes] == ends
    assert (found.word == "trouble") == bool(ends and ends[-1][1] is None)


@settings(deadline=None)
@given(policy=POLICIES, courses=CARRIERS, closings=st.lists(st.integers(0, 23), max_size=3))
@example(policy=SHARP, courses=["b", "?ob"], closings=[])
@example(policy=SLOW, courses=["b.b..", "..o..b"], closings=[])
def test_episodes_follow_each_other_and_their_windows_were_bad(
    policy: MonitorPolicy, courses: list[str], closings: list[int]
) -> None:
    signals = of_all(courses)
    bad = {one.start for one in signals if one.state in BAD}
    found = standing(policy, signals, [Closing(week(number)[0]) for number in closings])
    for one in found.episodes:
        assert {*one.bad} <= bad
        assert one.opened in one.bad
        assert one.first.span[0] == one.bad[0] <= one.opened <= one.bad[-1] == one.last.span[0]
        assert one.items
        assert not {*one.items} & {*one.healed}
        assert SEVERITIES.index(one.severity) <= SEVERITIES.index(one.worst)
    for one, other in itertools.pairwise(found.episodes):
        assert one.closed is not None
        # The window in which one column is well again may be the first bad one of another.
        assert one.bad[-1] < one.closed or one.by_person
        assert one.closed < other.bad[0] or (one.closed == other.bad[0] and not one.by_person)


@settings(deadline=None)
@given(policy=POLICIES, courses=CARRIERS, number=st.integers(0, 23))
def test_after_a_person_closed_it_nothing_of_before_counts(
    policy: MonitorPolicy, courses: list[str], number: int
) -> None:
    policy = msgspec.structs.replace(policy, warmup=Warmup(windows=0))
    signals = of_all(courses)
    later = [one for one in signals if one.start > week(number)[0]]
    closed = standing(policy, signals, [Closing(week(number)[0])])
    anew = [one for one in closed.episodes if one.bad[0] > week(number)[0]]
    if len(courses) == 1:
        assert anew == [*standing(policy, later).episodes]
    assert all(one.closed is not None for one in closed.episodes if one not in anew)


@settings(deadline=None)
@given(course=COURSES)
def test_two_columns_that_are_odd_once_each_make_no_incident(course: str) -> None:
    both = [seen(3, item="wind"), seen(4, item="visib")]
    fine = [seen(n, "fine", item=item) for n in range(8) for item in ("wind", "visib")]
    told = {(one.item, one.start) for one in both}
    assert standing(READY, both + [one for one in fine if (one.item, one.start) not in told]).episodes == ()
    together = [seen(n, item=item) for n in (3, 4) for item in ("wind", "visib")]
    (episode,) = standing(READY, together).episodes
    assert episode.items == ("visib", "wind")


def test_a_version_that_is_used_no_more_holds_no_incident_open() -> None:
    found = standing(READY, [*weeks("oo"), *weeks("...", first=2, version=2)])
    (episode,) = found.episodes
    assert (episode.closed, found.word) == (week(4)[0], "fine")
    assert standing(READY, [*weeks("oo"), *weeks("???", first=2, version=2)]).open is not None


def test_the_severity_does_not_change_with_each_window() -> None:
    bad = [seen(n, severity="page" if n % 2 else "warn") for n in range(6)]
    found = [standing(READY, bad[:count]).episodes[-1].severity for count in range(2, 7)]
    assert found == ["page"] * 5
    calm = standing(READY, [*bad, *weeks("ooo", first=6, severity="warn")])
    assert calm.episodes[-1].severity == "warn"
    assert calm.episodes[-1].worst == "page"


class Book:
    """Incidents as the acts leave them."""

    def __init__(self) -> None:
        self.stored: dict[str, Stored] = {}
        self.told: list[tuple[str, str, str]] = []
        self._ids = (f"incident {number}" for number in itertools.count())

    def settle(self, policy: MonitorPolicy, signals: list[Signal], closings: list[Closing]) -> list[Act]:
        acts = reconcile(standing(policy, signals, closings), [*self.stored.values()], 0, lambda: next(self._ids))
        for act in acts:
            self.write(act)
        return acts

    def write(self, act: Act) -> None:
        if act.act == "opened":
            assert act.incident_id not in self.stored
            self.stored[act.incident_id] = Stored(act.incident_id, act.start, act.severity, (act.start,))
        one = self.stored[act.incident_id]
        assert one.closed is None
        if act.told:
            self.told.append((act.incident_id, "closed" if act.act == "healed" else "open", act.told))
            one = msgspec.structs.replace(one, told=act.told)
        if act.act == "seen":
            assert act.start not in one.seen
            one = msgspec.structs.replace(one, seen=(*one.seen, act.start))
        if act.act in {"raised", "lowered"}:
            one = msgspec.structs.replace(one, severity=act.severity)
        if act.act == "healed":
            one = msgspec.structs.replace(one, closed=act.start)
        self.stored[act.incident_id] = one

    @property
    def open(self) -> list[Stored]:
        return [one for one in self.stored.values() if one.closed is None]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(policy=POLICIES, courses=CARRIERS, data=st.data())
def test_what_is_kept_is_what_stands_whenever_somebody_looks(
    policy: MonitorPolicy, courses: list[str], data: st.DataObject
) -> None:
    signals = data.draw(st.permutations(of_all(courses)))
    book, known = Book(), list[Signal]()
    closings: list[Closing] = []
    while signals:
        count = data.draw(st.integers(1, 6))
        known, signals = known + signals[:count], signals[count:]
        # Some of it is corrected later.
        if data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(known) - 1))
            known[place] = msgspec.structs.replace(known[place], state=data.draw(st.sampled_from(DECIDED)))
        book.settle(policy, known, closings)
        assert book.settle(policy, known, closings) == []
        current = standing(policy, known, closings).open
        assert len(book.open) == (current is not None)
        if current:
            assert book.open[0].severity == current.severity
            assert {*current.bad} <= {*book.open[0].seen}
            if data.draw(st.booleans()) and len(closings) < 2:
                mark = max(one.start for one in known if one.state in DECIDED)
                key = book.open[0].incident_id
                book.stored[key] = msgspec.structs.replace(book.stored[key], closed=mark)
                closings.append(Closing(mark))
                assert book.settle(policy, known, closings) == []
    for key in book.stored:
        heard = [(what, level) for one, what, level in book.told if one == key]
        levels = [SEVERITIES.index(level) for what, level in heard if what == "open"]
        assert levels == sorted({*levels})
        assert Counter(what for what, _ in heard)["closed"] <= bool(levels)


@settings(deadline=None)
@given(policy=POLICIES, course=COURSES, data=st.data())
@example(policy=READY, course="oo....oo", data=None)
def test_however_many_weeks_are_looked_at_together_the_same_incidents_are_kept(
    policy: MonitorPolicy, course: str, data: st.DataObject | None
) -> None:
    signals = weeks(course)
    once, often, known = Book(), Book(), 0
    once.settle(policy, signals, [])
    while known < len(signals):
        known += data.draw(st.integers(1, 8)) if data else len(signals) - 2
        often.settle(policy, signals[:known], [])
    assert [(one.opened, {*one.seen}, one.closed) for one in often.stored.values()] == [
        (one.opened, {*one.seen}, one.closed) for one in once.stored.values()
    ]


@settings(deadline=None)
@given(order=st.permutations(["fine", "odd", "unknown"]))
def test_of_one_item_in_one_window_the_worst_counts(order: list[State]) -> None:
    found = standing(READY, [seen(number, state) for number in (0, 1) for state in order])
    assert found.open is not None


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    made = Inside(tmp_path_factory.mktemp("inside"))
    yield made
    made.close()


@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(courses=CARRIERS, data=st.data())
@example(courses=["oo"], data=None)
def test_the_owner_keeps_one_open_incident_however_often_and_in_whatever_groups_it_is_told(
    inside: Inside, courses: list[str], data: st.DataObject | None
) -> None:
    ward = Ward(inside)
    signals = of_all(courses)
    by_week = [
        [*group] for _, group in itertools.groupby(sorted(signals, key=lambda one: one.start), lambda one: one.start)
    ]
    order = by_week if data is None else data.draw(st.permutations(by_week))
    told = [KeepSignals(subject=ward.subject, signals=group) for group in order for _ in (0, 1)]
    if told:
        assert [one.problem for one in inside.together(*map(envelope, told))] == [None] * len(told)
    current = standing(READY, signals).open
    assert [row for row in ward.incidents("status, severity") if row[0] == "open"] == (
        [("open", current.severity)] if current else []
    )
    messages = ward.messages("kind, count(*) over (partition by title, text)")
    assert all(count == 1 for _, count in messages)
