"""What processes ask the owner to record about reviews."""

from __future__ import annotations

from typing import Literal

from nbops.records import Record
from nbops.store.wire import Request

Verb = Literal["approve", "reject", "send back", "answer", "withdraw"]
Outcome = Literal["done", "conflict", "refused"]


class Judgement(Record):
    """What the gate said: the version that it saw under the alias (None: none), whether all held, and the verdict as JSON."""

    holder: int | None
    passed: bool
    verdict: str


class Propose(Request, tag="review.propose"):
    """Ask for an alias to move to a version. Answers with nothing: the review's id is the caller's."""

    review_id: str
    model: str
    version: int
    alias: str
    reason: str
    judgement: Judgement


class Act(Request, tag="review.act"):
    """Do something about a review; answers with `Acted`. An approval carries what the gate says now.

    `attested_by` decided outside of the store, which `evidence`, a blob, shows. `until` (UTC microseconds) ends an approval.
    """

    review_id: str
    act: Verb
    reason: str
    judgement: Judgement | None = None
    attested_by: str | None = None
    evidence: str | None = None
    until: int | None = None


class Acted(Record):
    """What became of it: `moved` when the alias stands for the version now; what was refused is recorded, too."""

    outcome: Outcome
    message: str
    moved: bool = False
