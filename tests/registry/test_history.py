"""What became of a model is told as it was: by whom, why, and which version an alias stood for at any moment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from nbops.errors import NotFound, UsageError
from nbops.records import now_us
from nbops.registry.card import Card, Policy
from nbops.registry.history import Held, history, holder_at
from nbops.registry.requests import Comment, DescribeModel, Freeze, MoveAlias, Retire, Rollback, TrustModel
from tests.promotion.court import Court
from tests.store.inside import Inside

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    made = Inside(tmp_path_factory.mktemp("inside"))
    yield made
    made.close()


@pytest.fixture
def court(inside: Inside) -> Court:
    return Court(inside)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def moved(court: Court, *moves: tuple[datetime, int | None], alias: str = "champion") -> None:
    """Moves of an alias at given times, in that order; what they are for an owner is tested with the commands."""
    court.version("ann")
    before = None
    for number, (when, after) in enumerate(moves):
        kind = "removed" if after is None else "set"
        court.inside.edit(
            "insert into core.alias_moves values (?, ?, ?, ?, ?, null, ?, ?, 'ann', ?)",
            court.model, alias, before, after, kind, f"reason {number}", when.replace(tzinfo=None), 1_000_000 + number,
        )  # fmt: skip
        before = after


def held(court: Court, when: datetime | str, alias: str = "champion") -> Held:
    return holder_at(court.inside.near(), court.model, alias, when)


def test_an_alias_is_held_from_the_very_moment_of_its_move_until_the_next(court: Court) -> None:
    moved(court, (NOON, 1), (NOON + HOUR, 2), (NOON + 2 * HOUR, None), (NOON + 3 * HOUR, 1))
    expected = [
        (NOON - TICK, None, None, NOON),
        (NOON, 1, NOON, NOON + HOUR),
        (NOON + HOUR - TICK, 1, NOON, NOON + HOUR),
        (NOON + HOUR, 2, NOON + HOUR, NOON + 2 * HOUR),
        (NOON + 2 * HOUR - TICK, 2, NOON + HOUR, NOON + 2 * HOUR),
        (NOON + 2 * HOUR, None, NOON + 2 * HOUR, NOON + 3 * HOUR),
        (NOON + 3 * HOUR, 1, NOON + 3 * HOUR, None),
        (NOON + 300 * HOUR, 1, NOON + 3 * HOUR, None),
    ]
    for when, version, since, until in expected:
        found = held(court, when)
        assert (found.version, found.since, found.until) == (version, since, until), when
    assert held(court, NOON + HOUR).why == "reason 1"
    assert held(court, NOON - TICK).kind is None
    assert held(court, NOON + 2 * HOUR).kind == "removed"


def test_of_two_moves_at_one_time_and_after_the_clock_went_back_the_later_one_counts(court: Court) -> None:
    moved(court, (NOON, 1), (NOON, 2), (NOON + HOUR, 3), (NOON - HOUR, 4))
    assert held(court, NOON).version == 4
    assert held(court, NOON + 2 * HOUR).version == 4
    assert held(court, NOON - HOUR - TICK).version is None
    assert held(court, NOON - HOUR - TICK).until == NOON - HOUR


def test_the_hour_that_the_clocks_show_twice_is_told_apart_by_its_zone(court: Court, berlin: None) -> None:
    first = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)  # 2:30 in summer time
    moved(court, (first, 1), (first + HOUR, 2))
    with pytest.raises(UsageError, match="showed twice"):
        held(court, "2025-10-26 02:30")
    assert held(court, "2025-10-26T02:30+02:00").version == 1
    assert held(court, "2025-10-26T02:30+01:00").version == 2
    assert held(court, "2025-10-26 01:59:59").version is None
    assert held(court, "2025-10-26 03:00").version == 2
    assert str(held(court, "2025-10-26T02:30+02:00")).splitlines() == [
        f"{court.model}@champion stood for version 1 at 2025-10-26 02:30:00 CEST.",
        "It was set by ann at 2025-10-26 02:30:00 CEST: reason 0.",
        "That ended at 2025-10-26 02:30:00 CET.",
    ]


def test_what_nobody_can_know_or_never_was_is_refused(court: Court) -> None:
    moved(court, (NOON, 1))
    with pytest.raises(UsageError, match="is yet to come"):
        held(court, datetime.now(UTC) + HOUR)
    with pytest.raises(NotFound) as near:
        held(court, NOON, alias="champoin")
    assert near.value.hint == f"Did you mean '{court.model}@champion'?"
    with pytest.raises(NotFound, match="There is no model 'nobody'"):
        holder_at(court.inside.near(), "nobody", "champion", NOON)


def test_a_promotion_is_held_with_its_review(court: Court) -> None:
    began = now_us()
    review = court.propose("ann", court.version("ann"))
    assert court.act("bea", review).moved
    found = held(court, datetime.now(UTC))
    assert (found.version, found.kind, found.actor, found.review_id) == (1, "promoted", "bea", review)
    assert found.since is not None
    assert found.since.timestamp() * 1e6 >= began - 1
    assert f"promoted by review {review[-8:]} by bea" in str(found)
    assert str(found).endswith("It is so to this day.")


def test_the_history_tells_who_did_what_and_why(court: Court) -> None:
    model = court.model
    court.ask("boss", DescribeModel(model=model, card=Card(policy=Policy()), why="as agreed"))
    first, second = court.version("ann"), court.version("ann")
    one, other = court.propose("ann", first), court.propose("ann", second, passed=False)
    court.act("bea", one)
    court.act("bea", other, judgement=court.judgement(passed=False))
    court.act("bea", other, "reject", reason="too few rows")
    again = court.propose("cleo", second)
    court.act("ann", again, attested_by="Dr. Roe", evidence="a" * 64)
    court.ask("ann", Rollback(model=model, alias="champion", why="errors in March"))
    court.ask("bea", Freeze(model=model, version=second, frozen=True, why="until mended"))
    court.ask("bea", Freeze(model=model, frozen=False, why="never was"))
    court.ask("bea", Freeze(model=model, frozen=True, why="holidays"))
    court.ask("bea", Freeze(model=model, frozen=False, why="over"))
    court.ask("ann", MoveAlias(model=model, alias="candidate", version=first, why="to look at"))
    court.ask("ann", MoveAlias(model=model, alias="candidate", version=None))
    court.ask("ann", Comment(model=model, text="good in winter", version=first))
    court.ask("ann", Comment(model=model, text="crews ask for it"))
    court.ask("ann", Retire(model=model, version=second, why="superseded"))
    court.ask(
        "ann", TrustModel(reference=f"{model}/1", sha256="0" * 64, types=["lib.Type"], code=["f.py"], pickle=True)
    )
    found = history(court.inside.near(), model)
    runs = {
        row[0]: str(row[1])[-8:]
        for row in court.inside.rows("select version, run_id from model_versions where model = ?", model)
    }
    a, b, c = (review[-8:] for review in (one, other, again))
    assert [(line.actor, line.told) for line in found.happenings] == [
        ("boss", f"the model got its name, {model}"),
        ("boss", "what it is for was said: as agreed"),
        ("ann", f"version 1 registered from run {runs[1]}"),
        ("ann", f"version 2 registered from run {runs[2]}"),
        ("ann", f"review {a}: version 1 proposed as champion, the gate passed: better"),
        ("ann", f"review {b}: version 2 proposed as champion, the gate did not pass: better"),
        ("bea", f"champion promoted: version 1 by review {a}: looked at it"),
        ("bea", f"review {a}: approve: looked at it"),
        (
            "bea",
            f"review {b}: approve (refused: The gate does not let it pass, and the policy does not waive that): looked at it",
        ),
        ("bea", f"review {b}: reject: too few rows"),
        ("cleo", f"review {c}: version 2 proposed as champion, the gate passed: better"),
        ("ann", f"champion promoted: version 2 instead of version 1 by review {c}: looked at it"),
        ("ann", f"review {c}: approve as Dr. Roe decided: looked at it"),
        ("ann", "champion rolled back: version 1 instead of version 2: errors in March"),
        ("bea", "version 2 frozen: until mended"),
        ("bea", "the model frozen: holidays"),
        ("bea", "the model thawed: over"),
        ("ann", "candidate set: version 1: to look at"),
        ("ann", "candidate removed: none instead of version 1"),
        ("ann", "version 1: good in winter"),
        ("ann", "the model: crews ask for it"),
        ("ann", "version 2 retired: superseded"),
        ("ann", f"{model}/1 loaded with trust in lib.Type, f.py, a pickle"),
    ]
    assert [line.seq for line in found.happenings] == sorted(line.seq for line in found.happenings)
    assert len(found.to_text().splitlines()) == 24
    assert found.to_html().count("<tr") == 24


def test_an_event_that_this_nbops_does_not_know_is_told_by_its_verb(court: Court) -> None:
    court.version("ann")
    row = (10**9, "eve", "model.painted", f"model:{court.model}", "{}", "0" * 64, "0" * 64)
    court.inside.edit("insert into core.events values (?, now()::timestamp, ?, ?, ?, ?, ?, ?)", *row)
    assert history(court.inside.near(), court.model).happenings[-1].told == "model.painted"
    court.inside.edit("delete from core.events where actor = 'eve'")


def test_nobody_has_a_history(court: Court) -> None:
    with pytest.raises(NotFound, match="There is no model 'nobody'"):
        history(court.inside.near(), "nobody")


def test_a_name_that_begins_another_name_is_not_mixed_with_it(inside: Inside) -> None:
    one, other = Court(inside), Court(inside)
    other.model = f"{one.model}-b"
    one.version("ann")
    other.version("bea")
    assert {line.actor for line in history(inside.near(), one.model).happenings} == {"ann"}
