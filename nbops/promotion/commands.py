"""What the owner does about reviews: the rules that hold whoever asks, and by whatever way."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from nbops.errors import Conflict, NotFound
from nbops.events import ReviewActed, ReviewProposed
from nbops.notify import outbox
from nbops.promotion.requests import Act, Acted, Judgement, Propose
from nbops.registry import aliases
from nbops.registry.card import DAY, Policy
from nbops.store import witness
from nbops.store.commands import Transaction, command

# What a run may do about a review, it may do for whoever asked for it: explain, and take it back.
_PERSONAL = frozenset({"approve", "reject", "send back"})


class _Review(NamedTuple):
    """A review and how it stands."""

    model: str
    version: int
    alias: str
    requested_by: str
    status: str


@command(Propose)
def propose(tx: Transaction, request: Propose) -> None:
    """Open a review; there is one of a version and alias at a time."""
    model, version, alias = request.model, request.version, aliases.named(request.alias)
    aliases.known_model(tx, model)
    if aliases.known_version(tx, model, version) == "retired":
        raise Conflict(f"{model}/{version} is retired.", hint="Propose another version.")
    if aliases.holder(tx, model, alias) == version:
        raise Conflict(f"{model}@{alias} stands for version {version} already.", hint="There is nothing to decide.")
    if told := aliases.frozen(tx, model, version):
        raise Conflict(told, hint=f"`nbops models thaw {model}` ends it.")
    same = "select review_id from main.reviews where model = ? and version = ? and alias = ? and status in ('open', 'sent back')"
    if found := tx.rows(same, model, version, alias):
        raise Conflict(
            f"There is a review of {model}/{version} for {alias} already: {str(found[0][0])[-8:]}.",
            hint="Answer it, or withdraw it first.",
        )
    aliases.expected(tx, model, alias, request.judgement.holder or 0)
    policy = aliases.policy_for(tx, model, aliases.authors(tx, model, version) | {tx.actor.name})
    tx.run(
        "insert into core.reviews values (?, ?, ?, ?, ?, make_timestamp(?), make_timestamp(?), ?, ?)",
        request.review_id, model, version, alias, request.reason, tx.time + policy.open_for * 1_000_000, tx.time, tx.actor.name,
        tx.next_seq(),
    )  # fmt: skip
    judgement, opened = request.judgement, tx.seq
    put = _record(tx, request.review_id, "propose", request.reason, Acted("done", ""), judgement)
    event = ReviewProposed(
        subject=f"model:{model}", review_id=request.review_id, version=version, alias=alias, holder=judgement.holder,
        passed=judgement.passed, sha256=_digest(judgement.verdict), reason=request.reason,
        rows=witness.rows(tx, reviews=opened, review_acts=put),
    )  # fmt: skip
    tx.event(event)
    outbox.put(
        tx, "proposed", f"model:{model}", [outbox.REVIEWERS], f"{model}/{version} is proposed for {alias}",
        f"By {tx.actor.name}: {request.reason}",
        f"The gate {'lets it pass' if judgement.passed else 'does not let it pass'}.",
        f"Review {request.review_id[-8:]} is open for {policy.open_for / DAY:.3g} days.",
    )  # fmt: skip


@command(Act)
def act(tx: Transaction, request: Act) -> Acted:
    """Do what is asked, if it may be; record it in any case."""
    review = _find(tx, request.review_id)
    policy = aliases.policy_for(
        tx, review.model, aliases.authors(tx, review.model, review.version) | {review.requested_by}
    )
    done = _refused(tx, request, review, policy) or Acted("done", "")
    elsewhere = request.attested_by, request.evidence, request.until
    put = _record(tx, request.review_id, request.act, request.reason, done, request.judgement, *elsewhere)
    if done.outcome == "done" and request.act == "approve":
        there = _approvers(tx, request.review_id)
        if len(there) >= policy.approvers:
            aliases.move(
                tx,
                review.model,
                review.alias,
                review.version,
                "promoted",
                review_id=request.review_id,
                why=request.reason,
            )
            done = Acted("done", f"{review.model}@{review.alias} stands for version {review.version}.", moved=True)
        else:
            done = Acted("done", f"{len(there)} of {policy.approvers} approvals.")
    judgement = request.judgement
    event = ReviewActed(
        subject=f"model:{review.model}", review_id=request.review_id, act=request.act, outcome=done.outcome,
        message=done.message or None, reason=request.reason, holder=judgement.holder if judgement else None,
        passed=judgement.passed if judgement else None, sha256=_digest(judgement.verdict) if judgement else None,
        attested_by=request.attested_by, evidence=request.evidence, rows=witness.rows(tx, review_acts=put),
    )  # fmt: skip
    tx.event(event)
    return done


def _find(tx: Transaction, review_id: str) -> _Review:
    found = tx.rows(
        "select model, version, alias, requested_by, status from main.reviews where review_id = ?", review_id
    )
    if not found:
        raise NotFound(f"There is no review {review_id}.", hint="`nbops reviews list` shows those that there are.")
    return _Review(*found[0])


def _refused(tx: Transaction, request: Act, review: _Review, policy: Policy) -> Acted | None:
    """Why an act is not done."""
    if tx.actor.impersonal and request.act in _PERSONAL:
        return Acted("refused", f"To {request.act} is for a person to do: {tx.actor.impersonal}.")
    if not request.reason.strip():
        return Acted("refused", "A reason is needed.")
    if review.status != "open" and not (review.status == "sent back" and request.act in {"answer", "withdraw"}):
        return Acted("conflict", f"The review is {review.status}.")
    who = request.attested_by or tx.actor.name
    if request.act == "withdraw" and tx.actor.name != review.requested_by:
        return Acted("refused", f"Only {review.requested_by}, who asked for it, may withdraw it.")
    if request.act != "approve":
        return None
    return _not_approvable(tx, request, review, policy, who)


def _not_approvable(tx: Transaction, request: Act, review: _Review, policy: Policy, who: str) -> Acted | None:  # noqa: PLR0911 - a reason each
    model, version, alias = review.model, review.version, review.alias
    involved = aliases.authors(tx, model, version) | {review.requested_by}
    if not policy.author_may_approve and involved & {who, tx.actor.name}:
        return Acted(
            "refused", f"{who} has a part in {model}/{version}, and its policy wants somebody else to approve."
        )
    if request.attested_by and not request.evidence:
        return Acted("refused", f"What {request.attested_by} decided needs a file that shows it.")
    if who in _approvers(tx, request.review_id):
        return Acted("refused", f"{who} has approved it already.")
    if aliases.known_version(tx, model, version) == "retired":
        return Acted("conflict", f"{model}/{version} is retired.")
    if told := aliases.frozen(tx, model, version):
        return Acted("conflict", told)
    judgement = request.judgement
    if judgement is None:
        return Acted("refused", "An approval carries what the gate says now.")
    if judgement.holder != aliases.holder(tx, model, alias):
        return Acted("conflict", f"{model}@{alias} was moved after the gate looked.")
    if policy.must_pass and not judgement.passed:
        return Acted("refused", "The gate does not let it pass, and the policy does not waive that.")
    return None


def _approvers(tx: Transaction, review_id: str) -> set[str]:
    """Who has approved since the review was last sent back."""
    found = tx.rows(
        """
        select coalesce(attested_by, actor) from core.review_acts
        where review_id = ? and act = 'approve' and outcome = 'done' and seq > coalesce(
            (select max(seq) from core.review_acts where review_id = ? and act = 'send back' and outcome = 'done'), 0)
        """,
        review_id, review_id,
    )  # fmt: skip
    return {row[0] for row in found}


def _record(
    tx: Transaction, review_id: str, verb: str, reason: str, done: Acted, judgement: Judgement | None, *more: object
) -> int:
    """Keep an act and give its sequence; `more` is who decided elsewhere, what shows it, and until when."""
    seen: tuple[Any, ...] = (judgement.holder, judgement.passed, judgement.verdict) if judgement else (None, None, None)
    tx.run(
        "insert into core.review_acts values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, make_timestamp(?), make_timestamp(?), ?, ?)",
        review_id, verb, done.outcome, done.message or None, reason, *seen, *(more or (None, None, None)), tx.time, tx.actor.name,
        tx.next_seq(),
    )  # fmt: skip
    return tx.seq


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
