"""What the store's owner lets anybody do about aliases and reviews, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nbops.errors import NbopsError
from nbops.promotion.requests import Act
from nbops.records import Actor
from nbops.registry.card import Card, Policy
from nbops.registry.requests import DescribeModel, Freeze, MoveAlias, Retire, Rollback
from tests.promotion.court import Court
from tests.store.inside import Inside, envelope


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    made = Inside(tmp_path_factory.mktemp("inside"))
    yield made
    made.close()


@pytest.fixture
def court(inside: Inside) -> Court:
    return Court(inside)


def strict(court: Court, who: str = "boss", **policy: object) -> None:
    """Say by which policy the model is promoted."""
    court.ask(who, DescribeModel(model=court.model, card=Card(policy=Policy(**policy))))  # type: ignore[arg-type]  # by name


def champion(court: Court, version: int, who: str = "ann", approver: str = "bea") -> None:
    """Promote a version."""
    assert court.act(approver, court.propose(who, version)).moved


def test_a_review_moves_the_alias_and_says_who_asked_and_who_approved(court: Court) -> None:
    version = court.version("ann")
    review = court.propose("ann", version)
    assert (court.status(review), court.holder()) == ("open", None)
    done = court.act("ann", review, reason="checked with crew planning")
    assert (done.outcome, done.moved) == ("done", True)
    assert done.message == f"{court.model}@champion stands for version 1."
    assert (court.status(review), court.holder()) == ("approved", 1)
    assert [(event["before"], event["after"], event["kind"]) for event in court.events("alias.moved")] == [
        (None, 1, "promoted")
    ]
    assert court.events("review.acted")[0]["reason"] == "checked with crew planning"


def test_a_protected_alias_does_not_move_otherwise(court: Court) -> None:
    version = court.version("ann")
    with pytest.raises(NbopsError, match="is protected"):
        court.ask("ann", MoveAlias(model=court.model, alias="champion", version=version))
    court.ask("ann", MoveAlias(model=court.model, alias="candidate", version=version, expected=0))
    assert court.holder("candidate") == version
    with pytest.raises(NbopsError, match="stands for version 1 now, and not for none"):
        court.ask("ann", MoveAlias(model=court.model, alias="candidate", version=version, expected=0))
    with pytest.raises(NbopsError, match="nobody approved"):
        strict(court, protected=("candidate",))
    court.ask("ann", MoveAlias(model=court.model, alias="candidate", version=None))
    strict(court, protected=("candidate",))
    with pytest.raises(NbopsError, match="is protected"):
        court.ask("ann", MoveAlias(model=court.model, alias="candidate", version=version))


def test_an_author_does_not_approve_their_own_version_by_any_verb_if_the_policy_says_so(court: Court) -> None:
    strict(court, author_may_approve=False)
    version = court.version("ann")
    review = court.propose("bea", version)
    assert court.act("ann", review).outcome == "refused"
    assert court.act("bea", review).outcome == "refused"
    assert court.act("ann", review, attested_by="cleo", evidence="a" * 64).outcome == "refused"
    # Weakening the policy does not help who weakens it, neither before nor after the version is made.
    strict(court, "ann", author_may_approve=True)
    assert court.act("ann", review).outcome == "refused"
    assert court.act("ann", court.propose("ann", court.version("ann"))).outcome == "refused"
    strict(court, "ann", protected=())
    with pytest.raises(NbopsError, match="is protected"):
        court.ask("ann", MoveAlias(model=court.model, alias="champion", version=version))
    assert court.holder() is None
    assert [event["outcome"] for event in court.events("review.acted")] == ["refused"] * 5
    assert court.act("cleo", review).moved


def test_what_an_author_weakened_is_not_in_force_because_somebody_else_describes_the_model(court: Court) -> None:
    strict(court, author_may_approve=False)
    review = court.propose("ann", court.version("ann"))
    weak = Policy(author_may_approve=True)
    court.ask("ann", DescribeModel(model=court.model, card=Card(policy=weak)))
    court.ask("cleo", DescribeModel(model=court.model, card=Card(policy=weak, purpose="block times")))
    assert court.act("ann", review).outcome == "refused"
    # Who means it says so.
    strict(court, "cleo", approvers=2)
    strict(court, "cleo", author_may_approve=True)
    assert court.act("ann", review).moved


def test_as_many_approve_as_the_policy_wants(court: Court) -> None:
    strict(court, approvers=2)
    review = court.propose("ann", court.version("ann"))
    assert court.act("bea", review).message == "1 of 2 approvals."
    assert court.act("bea", review).outcome == "refused"
    assert court.act("bea", review, "send back", reason="why so few rows?").outcome == "done"
    assert court.act("cleo", review).message == "The review is sent back."
    assert court.act("ann", review, "answer", reason="winter only").outcome == "done"
    assert court.act("cleo", review).message == "1 of 2 approvals."
    assert court.act("bea", review).moved


def test_who_has_no_account_approves_with_something_that_shows_it(court: Court) -> None:
    review = court.propose("ann", court.version("ann"))
    assert court.act("ann", review, attested_by="Dr. Roe").message == "What Dr. Roe decided needs a file that shows it."
    assert court.act("ann", review, attested_by="Dr. Roe", evidence="a" * 64).moved
    assert court.events("review.acted")[-1]["attested_by"] == "Dr. Roe"


@pytest.mark.parametrize(
    ("verb", "who", "status"), [("reject", "bea", "rejected"), ("withdraw", "ann", "withdrawn"), ("send back", "bea", "sent back")]
)  # fmt: skip
def test_a_review_ends_otherwise(court: Court, verb: str, who: str, status: str) -> None:
    review = court.propose("ann", court.version("ann"))
    assert court.act(who, review, verb, reason=" ").outcome == "refused"  # type: ignore[arg-type]  # one of them
    assert court.act(who, review, verb).outcome == "done"  # type: ignore[arg-type]  # one of them
    assert court.status(review) == status
    assert court.act("bea", review).outcome == "conflict"
    assert court.holder() is None


def test_only_who_asked_withdraws(court: Court) -> None:
    review = court.propose("ann", court.version("ann"))
    assert court.act("bea", review, "withdraw").outcome == "refused"


def test_a_review_that_nobody_ended_in_time_is_expired(court: Court) -> None:
    strict(court, open_for=1)
    review = court.propose("ann", court.version("ann"))
    court.inside.opened.connection.execute(
        "update core.reviews set expires = expires - interval 2 second where review_id = ?", [review]
    )
    assert court.status(review) == "expired"
    assert court.act("bea", review).message == "The review is expired."


def test_what_the_gate_saw_must_be_what_there_is(court: Court) -> None:
    first, second = court.version("ann"), court.version("ann")
    reviews = [court.propose("ann", first), court.propose("ann", second)]
    stale = court.judgement()
    assert court.act("bea", reviews[0]).moved
    assert (
        court.act("bea", reviews[1], judgement=stale).message
        == f"{court.model}@champion was moved after the gate looked."
    )
    assert court.act("bea", reviews[1], judgement=court.judgement(passed=False)).outcome == "refused"
    assert court.act("bea", reviews[1]).moved
    assert court.holder() == second


def test_of_a_hundred_approvals_at_once_one_moves_the_alias_and_all_are_recorded(court: Court) -> None:
    review = court.propose("ann", court.version("ann"))
    judgement = court.judgement()
    act = Act(review_id=review, act="approve", reason="yes", judgement=judgement)
    replies = court.inside.together(
        *(envelope(act) for _ in range(100)), actor=Actor(name="bea", uid=2, host="", pid=2)
    )
    outcomes = sorted(reply.results[0].outcome for reply in replies)
    assert outcomes == ["conflict"] * 99 + ["done"]
    assert len(court.events("alias.moved")) == 1
    assert len(court.events("review.acted")) == 100
    ((acts,),) = court.inside.rows("select count(*) from review_acts where review_id = ? and act = 'approve'", review)
    assert acts == 100


def test_rollback_goes_to_the_last_holder_that_is_fit(court: Court) -> None:
    first, second, third, fourth = (court.version("ann") for _ in range(4))
    for version in (first, second, third, fourth):
        champion(court, version)
    court.ask("ann", Retire(model=court.model, version=third, why="wrong units"))
    back = Rollback(model=court.model, alias="champion", why="errors grow")
    assert court.ask("ann", back) == second
    # Not to what was just rolled back from.
    court.ask("ann", Freeze(model=court.model, frozen=True, why="quarter's end"))
    assert court.ask("ann", back) == first
    with pytest.raises(NbopsError, match="no version that"):
        court.ask("ann", back)
    with pytest.raises(NbopsError, match="is frozen: quarter's end"):
        court.propose("ann", fourth)
    court.ask("ann", Freeze(model=court.model, frozen=False, why="over"))
    champion(court, fourth)
    court.ask("ann", Freeze(model=court.model, version=first, frozen=True, why="odd"))
    with pytest.raises(NbopsError, match="no version that"):
        court.ask("ann", back)
    with pytest.raises(NbopsError, match="stands for version"):
        court.ask("ann", Retire(model=court.model, version=fourth, why="old"))


def test_there_is_one_review_of_a_version_and_alias_at_a_time(court: Court) -> None:
    version = court.version("ann")
    review = court.propose("ann", version)
    with pytest.raises(NbopsError, match="already"):
        court.propose("bea", version)
    court.act("bea", review, "reject")
    again = court.propose("ann", version)
    assert court.act("bea", again).moved
    with pytest.raises(NbopsError, match="stands for version 1 already"):
        court.propose("ann", version)
