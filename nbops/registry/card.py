"""What a model is for, and the part of its policy that the store's owner itself enforces."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from nbops.evaluation.assumptions import Assumption
from nbops.records import Record

DAY = 86_400


class Policy(Record):
    """How an alias may move: who approves, how many, how long a review stays open (seconds)."""

    protected: tuple[str, ...] = ("champion",)
    approvers: int = 1
    author_may_approve: bool = True
    must_pass: bool = True
    open_for: int = 14 * DAY


class Card(Record):
    """What is known of a model beyond its versions; `gate` is the policy of the gate, as `evaluation.policy` reads it.

    `cases` is the process owner's CSV file of acceptance cases, as a blob.
    """

    purpose: str = ""
    decision: str = ""
    owner: str = ""
    measure: str = ""
    unit: str = ""
    out_of_scope: str = ""
    consumers: tuple[str, ...] = ()
    policy: Policy = Policy()
    gate: dict[str, object] = msgspec.field(default_factory=dict)
    assumptions: tuple[Assumption, ...] = ()
    cases: str | None = None


def stricter(one: Policy, other: Policy) -> Policy:
    """What two policies ask for together."""
    return Policy(
        protected=tuple(sorted({*one.protected, *other.protected})),
        approvers=max(one.approvers, other.approvers),
        author_may_approve=one.author_may_approve and other.author_may_approve,
        must_pass=one.must_pass or other.must_pass,
        open_for=min(one.open_for, other.open_for),
    )


def in_force(cards: Iterable[tuple[Policy, str]], authors: set[str]) -> Policy:
    """The policy for what `authors` made, from all that were ever said, oldest first, each with who said it.

    What an author says can make a policy stricter, never weaker: nobody takes away the control of their own work. Who leaves a policy
    as it stands, because they change what else a card says, has said nothing of it.
    """
    found = said = Policy()
    for policy, actor in cards:
        if policy != said:
            found = stricter(found, policy) if actor in authors else policy
        said = policy
    return found
