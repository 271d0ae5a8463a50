"""The handle of a review: what is asked for, what the gate says, and what a person answers."""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from nbops.data import degraded
from nbops.errors import UsageError
from nbops.evaluation.evidence import Verdict
from nbops.promotion import reviews
from nbops.records import at, short
from nbops.registry import models
from nbops.render import text
from nbops.render.model import Column, Html
from nbops.render.view import View

if TYPE_CHECKING:
    from nbops.promotion.requests import Acted, Verb
    from nbops.reports.document import Document
    from nbops.store.client import Store

_SIGNS = {"passed": "✓", "failed": "✗", "warning": "!", "skipped": "–", "too_few": "?"}


class Review(View):
    """A request to let an alias stand for a version, and what people did about it. It shows itself."""

    kind = "review"

    def __init__(self, store: Store, review_id: str) -> None:
        self._store, self.review_id = store, review_id

    @property
    def id(self) -> str:
        """The last 8 hex digits, as shown everywhere."""
        return short(self.review_id)

    @property
    def case(self) -> reviews.Case:
        """Everything that is known of it, as it stands now."""
        return reviews.get(self._store, self.review_id)

    @property
    def status(self) -> str:
        """open, approved, rejected, sent back, expired or withdrawn."""
        return self.case.status

    @property
    def verdict(self) -> Verdict:
        """What the gate said last."""
        return self.case.inquiry.verdict

    @property
    def degraded(self) -> str | None:
        """On what old data the version rests that it is about; None when on none."""
        case = self.case
        return degraded.of_run(self._store, models.version(self._store, case.model, case.version).run_id)

    def approve(
        self,
        *,
        reason: str,
        attested_by: str | None = None,
        evidence: str | os.PathLike[str] | None = None,
        until: datetime | None = None,
        trust: Collection[str] | bool = (),
    ) -> str:
        """Approve it; with the last approval that the policy asks for, the alias moves. Gives what became of it in a sentence.

        For an approver without an account `attested_by` names them and `evidence` is a file that shows what they decided. After
        `until` the approval is told to have ended. Raises ReviewRefused when the policy or the gate does not allow it, and Conflict when
        the review or the alias is not any more what was looked at. All attempts are recorded.
        """
        if until is not None and until.timestamp() <= datetime.now().astimezone().timestamp():
            raise UsageError(f"{until:%Y-%m-%d %H:%M} has passed.", hint="Approve until a time that is still to come.")
        proof = None if evidence is None else Path(evidence)
        return self._act("approve", reason, attested_by=attested_by, evidence=proof, until=until, trust=trust).message

    def reject(self, *, reason: str) -> None:
        """Answer that it will not be. Raises ReviewRefused and Conflict."""
        self._act("reject", reason)

    def send_back(self, *, question: str) -> None:
        """Ask something of who proposed it; approvals given before count no longer. Raises ReviewRefused and Conflict."""
        self._act("send back", question)

    def answer(self, text: str) -> None:
        """Answer a question; the review is open again. Raises ReviewRefused and Conflict."""
        self._act("answer", text)

    def withdraw(self, *, reason: str) -> None:
        """Take it back, as the one who proposed it. Raises ReviewRefused and Conflict."""
        self._act("withdraw", reason)

    def _act(
        self,
        verb: Verb,
        reason: str,
        *,
        attested_by: str | None = None,
        evidence: Path | None = None,
        until: datetime | None = None,
        trust: Collection[str] | bool = (),
    ) -> Acted:
        return reviews.act(
            self._store, self.review_id, verb, reason=reason, attested_by=attested_by, evidence=evidence, until=until, trust=trust
        )  # fmt: skip

    def to_text(self) -> str:
        """What is asked, the gate's sentences, and what was done."""
        case = self.case
        checks = text.table(["", "check", "what the gate says"], _checks(case), caption=case.inquiry.verdict.sentence)
        return "\n".join([_title(case), *self._old(), checks, text.table(*_deeds(case))])

    def to_html(self) -> Html:
        """What is asked, what speaks for it and against it, it beside the champion as a picture, and what was done."""
        from nbops.reports import document, review_page

        case = self.case
        return document.fragment(review_page.in_short(case), title=" ".join([_title(case), *self._old()]))

    def _old(self) -> list[str]:
        return [f"{degraded.TITLE} {told}"] if (told := self.degraded) else []

    def page(self) -> Document:
        """The review for an approver who is no programmer, as a page that shows itself; `save(path)` writes it, as HTML or Markdown."""
        from nbops.reports import review_page

        return review_page.page(self._store, self.review_id)


def _title(case: reviews.Case) -> str:
    held = f"instead of version {case.inquiry.holder}" if case.inquiry.holder else "which nothing holds yet"
    return (
        f"Review {short(case.review_id)} ({case.status}): {case.model}/{case.version} for {case.alias}, {held}. "
        f"{case.requested_by}: {case.reason}"
    )


def _checks(case: reviews.Case) -> list[list[object]]:
    return [[_SIGNS[one.outcome], one.name, one.sentence] for one in case.inquiry.verdict.checks]


def _deeds(case: reviews.Case) -> tuple[list[Column | str], list[list[object]]]:
    columns: list[Column | str] = ["time", "who", "did", "outcome", "reason", "told"]
    rows: list[list[object]] = [
        [
            f"{at(deed.time).astimezone():%Y-%m-%d %H:%M}", deed.attested_by or deed.actor, deed.act, deed.outcome, deed.reason,
            deed.message,
        ]
        for deed in case.deeds
    ]  # fmt: skip
    return columns, rows
