"""What the routes about promotion do: how a version did, what the gate says, and what a person answers.

As in `verbs`, a verb runs on a thread. Proposing and approving let the gate load two models and ask them about stored rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbops.errors import NotFound, UsageError
from nbops.jupyter_ext.verbs import Asked, InProject
from nbops.promotion.requests import Verb

if TYPE_CHECKING:
    from nbops.workspace._review import Review

CHOICES: dict[str, tuple[Verb, ...]] = {
    "open": ("approve", "reject", "send back", "withdraw"),
    "sent back": ("answer", "withdraw"),
}
"""What can be done about a review in each status in which it waits for somebody."""


class Proposal(InProject, kw_only=True):
    """A version that an alias is to stand for; `waiver` says why one of a failed run may."""

    version: int
    alias: str = "champion"
    reason: str
    waiver: str = ""


class Back(InProject, kw_only=True):
    """An alias that is to go back; `version` is the one that it is seen to stand for."""

    alias: str = "champion"
    version: int
    reason: str


class Answer(InProject, kw_only=True):
    """What is done about a review, and why; a question and its answer are reasons, too."""

    act: Verb
    reason: str


def evaluation(asked: Asked, name: str) -> dict[str, object]:
    """How a version did when it was last held against rows with known truth, or how to do that."""
    from nbops.render import html
    from nbops.workspace._model import Model

    version = Model(asked.store, name).version(asked.number("version", 1))
    try:
        return {"html": str(version.evaluation.to_html())}
    except NotFound as error:
        return {"html": str(html.stack(error.message, error.hint))}


def gate(asked: Asked, name: str) -> dict[str, object]:
    """What the gate says of a version before it is proposed; nothing of it is kept."""
    from nbops.promotion import overview

    said = overview.judged(
        asked.store, name, asked.number("version", 1), asked.one("alias", "champion"), asked.one("waiver").strip()
    )  # fmt: skip
    return {"html": str(said)}


def previous(asked: Asked, name: str) -> object:
    """Where a rollback leads."""
    from nbops.promotion import overview

    return overview.previous(asked.store, name, asked.one("alias", "champion"))


def review(asked: Asked, review_id: str) -> dict[str, object]:
    """A review as a person reads it, and what can be done about it."""
    found = _review(asked, review_id)
    case = found.case
    return {
        "id": case.review_id, "short": found.id, "model": case.model, "version": case.version, "alias": case.alias,
        "status": case.status, "requested_by": case.requested_by, "choices": CHOICES.get(case.status, ()),
        "html": str(found.page().to_fragment()),
    }  # fmt: skip


def propose(asked: Asked, name: str) -> dict[str, object]:
    """Ask for an alias to stand for a version."""
    from nbops.promotion import reviews

    told: Proposal = asked.body
    made = reviews.propose(
        asked.store, name, told.version, told.alias, reason=told.reason, waiver=told.waiver.strip()
    )  # fmt: skip
    return {"id": made}


def roll_back(asked: Asked, name: str) -> dict[str, object]:
    """Let an alias stand again for the version before."""
    from nbops.registry.requests import Rollback

    told: Back = asked.body
    if not told.reason.strip():
        raise UsageError("A reason is needed.", hint="Say what went wrong, for those who look at it later.")
    request = Rollback(model=name, alias=told.alias, why=told.reason.strip(), expected=told.version)
    return {"version": asked.store.write(request)[0]}


def act(asked: Asked, review_id: str) -> dict[str, object]:
    """Approve, reject, send back, answer or withdraw."""
    from nbops.promotion import reviews

    told: Answer = asked.body
    if not told.reason.strip():
        raise UsageError("A reason is needed.", hint="Say why, for those who look at it later.")
    done = reviews.act(asked.store, review_id, told.act, reason=told.reason.strip())
    return {"message": done.message, "moved": done.moved}


def _review(asked: Asked, review_id: str) -> Review:
    from nbops.workspace._review import Review

    return Review(asked.store, review_id)
