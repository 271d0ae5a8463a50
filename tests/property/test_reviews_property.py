"""Whatever people do in whatever order, and whenever the owner ends: aliases are what the events say.

No version that was not approved holds a protected one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nbops.errors import NbopsError
from nbops.events import AliasMoved
from nbops.promotion.requests import Verb
from nbops.registry.card import Card, Policy
from nbops.registry.requests import DescribeModel, Freeze, MoveAlias, Retire, Rollback
from nbops.store import chain
from tests.examples import some
from tests.promotion.court import Court
from tests.store.inside import Inside

PEOPLE = st.sampled_from(["ann", "bea", "cleo"])
ALIASES = st.sampled_from(["champion", "candidate"])
VERSIONS = st.integers(1, 4)
VERBS: st.SearchStrategy[Verb] = st.sampled_from(
    ["approve", "approve", "approve", "reject", "send back", "answer", "withdraw"]
)
POLICIES = st.builds(
    Policy, protected=st.sampled_from([("champion",), ("candidate", "champion"), ()]), approvers=st.integers(1, 2),
    author_may_approve=st.booleans(), must_pass=st.booleans(),
)  # fmt: skip
STEPS = st.one_of(
    st.tuples(st.just("version"), PEOPLE),
    st.tuples(st.just("propose"), PEOPLE, VERSIONS, ALIASES, st.booleans()),
    st.tuples(st.just("act"), PEOPLE, st.integers(0, 5), VERBS, st.booleans()),
    st.tuples(st.just("act"), PEOPLE, st.integers(0, 5), VERBS, st.booleans()),
    st.tuples(st.just("move"), PEOPLE, st.none() | VERSIONS, ALIASES),
    st.tuples(st.just("roll back"), PEOPLE, ALIASES),
    st.tuples(st.just("freeze"), PEOPLE, st.none() | VERSIONS, st.booleans()),
    st.tuples(st.just("retire"), PEOPLE, VERSIONS),
    st.tuples(st.just("describe"), PEOPLE, POLICIES),
    st.tuples(st.just("crash")),
)


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    made = Inside(tmp_path_factory.mktemp("inside"))
    yield made
    made.close()


class Play:
    """Does steps, and remembers what they must have meant."""

    def __init__(self, inside: Inside) -> None:
        self.court = Court(inside)
        self.reviews: list[str] = []
        self.authors: dict[int, set[str]] = {}
        for who in ("ann", "bea"):
            self.version(who)

    def version(self, who: str) -> None:
        self.authors[self.court.version(who)] = {who}

    def propose(self, who: str, version: int, alias: str, passed: bool) -> None:
        self.reviews.append(self.court.propose(who, version, alias, passed=passed))

    def act(self, who: str, number: int, verb: Verb, passed: bool) -> None:
        if number < len(self.reviews):
            review = self.reviews[number]
            ((alias,),) = self.court.inside.rows("select alias from reviews where review_id = ?", review)
            judgement = self.court.judgement(alias, passed=passed) if verb == "approve" else None
            self.court.act(who, review, verb, judgement=judgement)

    def move(self, who: str, version: int | None, alias: str) -> None:
        self.court.ask(who, MoveAlias(model=self.court.model, alias=alias, version=version))

    def roll_back(self, who: str, alias: str) -> None:
        self.court.ask(who, Rollback(model=self.court.model, alias=alias, why="worse"))

    def freeze(self, who: str, version: int | None, frozen: bool) -> None:
        self.court.ask(who, Freeze(model=self.court.model, version=version, frozen=frozen, why="quarter's end"))

    def retire(self, who: str, version: int) -> None:
        self.court.ask(who, Retire(model=self.court.model, version=version, why="old"))

    def describe(self, who: str, policy: Policy) -> None:
        self.court.ask(who, DescribeModel(model=self.court.model, card=Card(policy=policy)))

    def crash(self) -> None:
        self.court.inside.restart()

    def right(self) -> None:
        """What holds at any moment."""
        court = self.court
        told: dict[str, int | None] = {}
        for event in court.events("alias.moved"):
            moved = msgspec.convert({**event, "verb": "alias.moved"}, AliasMoved)
            assert told.get(moved.alias) == moved.before
            told[moved.alias] = moved.after
        sql = "select alias, version from aliases where model = ?"
        there = dict(court.inside.rows(sql, court.model))
        assert there == {alias: version for alias, version in told.items() if version is not None}
        card = court.inside.rows("select card from model_cards where model = ?", court.model)
        policy = msgspec.json.decode(card[0][0], type=Card).policy if card else Policy()
        sql = "select distinct version from alias_history where model = ? and alias = ? and kind = 'promoted'"
        for alias in policy.protected:
            approved = {row[0] for row in court.inside.rows(sql, court.model, alias)}
            assert {there[alias]} <= approved if alias in there else True
        sql = "select state from model_versions where model = ? and version = ?"
        assert all(court.inside.rows(sql, court.model, version) == [("registered",)] for version in there.values())


@settings(
    deadline=None,
    max_examples=some(25),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=5, max_size=25))
@example(steps=[("move", "ann", 1, "candidate"), ("describe", "ann", Policy(protected=("candidate",)))])
@example(
    steps=[
        *(("propose", "ann", version, "champion", True) for version in (1, 2)),
        *(("act", "bea", number, "approve", True) for number in (0, 1)), ("crash",), ("roll back", "ann", "champion"),
    ]
)  # fmt: skip
def test_aliases_are_what_the_events_say_and_only_the_approved_hold_a_protected_one(
    inside: Inside, steps: list[tuple[object, ...]]
) -> None:
    play = Play(inside)
    for name, *rest in steps:
        with contextlib.suppress(NbopsError):
            getattr(play, str(name).replace(" ", "_"))(*rest)
        play.right()
    sql = "select seq, epoch_us(time), actor, verb, subject, detail, previous_hash, hash from core.events order by seq"
    previous = chain.GENESIS
    for *fields, before, own in inside.rows(sql):
        assert before == previous
        assert own == chain.link(before, *fields)
        previous = own


STRICT = Policy(author_may_approve=False)
ALONE = st.one_of(
    st.tuples(st.just("version"), PEOPLE),
    st.tuples(st.just("propose"), PEOPLE, VERSIONS, st.just("champion"), st.just(True)),
    st.tuples(st.just("act"), PEOPLE, st.integers(0, 3), st.just("approve"), st.just(True)),
    st.tuples(st.just("move"), PEOPLE, VERSIONS, st.just("champion")),
    st.tuples(st.just("describe"), PEOPLE, POLICIES),
)


@settings(
    deadline=None,
    max_examples=some(20),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(ALONE, min_size=8, max_size=25))
@example(
    steps=[("describe", "ann", Policy()), ("propose", "ann", 1, "champion", True), ("act", "ann", 0, "approve", True)]
)
@example(steps=[("describe", "ann", Policy(protected=())), ("move", "ann", 1, "champion")])
def test_where_the_policy_forbids_it_an_author_alone_gets_nothing_approved(
    inside: Inside, steps: list[tuple[object, ...]]
) -> None:
    play = Play(inside)
    play.describe("boss", STRICT)
    for name, *rest in steps:
        # All is done by one person, whatever it is.
        mine = ["ann", *rest[1:]] if rest else []
        with contextlib.suppress(NbopsError):
            getattr(play, str(name).replace(" ", "_"))(*mine)
    own = [version for version, authors in play.authors.items() if "ann" in authors]
    sql = "select version from alias_history where model = ? and alias = 'champion' and kind = 'promoted'"
    assert not {row[0] for row in inside.rows(sql, play.court.model)} & {*own}
    assert play.court.holder() not in own
