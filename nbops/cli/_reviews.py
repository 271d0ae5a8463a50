"""`nbops reviews …`: what waits for a decision, what the gate says of it, and what people answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, records, show, table
from nbops.errors import UsageError
from nbops.records import at, short

if TYPE_CHECKING:
    from nbops.workspace._review import Review

REFUSED, WAITING = 30, 11
"""Exit statuses: the gate or the policy says no; somebody has to approve, where that is asked for."""

trust_option = click.option(
    "--trust",
    multiple=True,
    metavar="TYPE",
    help="A type that the model brings and you vouch for, `all` for everything.",
)
detailed_option = click.option(
    "--detailed-exit-code", "detailed", is_flag=True, help="Exit status 11 when it waits for approval."
)


def reason_option(help_: str) -> Callable[[Any], Any]:
    """The reason that an act needs."""
    return click.option("--reason", required=True, metavar="TEXT", help=help_)


def trusted(names: tuple[str, ...]) -> tuple[str, ...] | bool:
    """What `--trust` says, as the verbs take it."""
    return True if "all" in names else names


@cli.group("reviews")
def reviews_group() -> None:
    """Decide which versions aliases stand for."""


@reviews_group.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too; the newest first.")
@click.option("--model", metavar="NAME", help="Only those of a model.")
@json_option
@here
def list_reviews(obj: Here, everything: bool, model: str | None, as_json: bool) -> None:
    """List the reviews that wait for somebody, the oldest first."""
    found = records(obj.workspace().reviews(model, everything=everything))
    rows = [
        [short(row["review_id"]), f"{row['model']}/{row['version']}", row["alias"], row["status"], row["requested_by"],
         str(row["created"])[:16], str(row["expires"])[:16], row["reason"]]
        for row in found
    ]  # fmt: skip
    columns = ["id", "version", "alias", "status", "asked by", "created", "expires", "reason"]
    nothing = "No review is kept yet." if everything else "No review waits."
    show(found, as_json=as_json, text=lambda: table(columns, rows) if rows else nothing)


@reviews_group.command("show")
@click.argument("review", metavar="ID")
@json_option
@here
def show_review(obj: Here, review: str, as_json: bool) -> None:
    """Show what is asked, what the gate says, and what was done about it."""
    found = obj.workspace().review(review)
    show(document(found) if as_json else None, as_json=as_json, text=found.to_text)


@reviews_group.command("approve")
@click.argument("review", metavar="ID")
@reason_option("What makes you sure.")
@click.option("--attested-by", metavar="NAME", help="Who decided, if they have no account here.")
@click.option(
    "--evidence", type=click.Path(), metavar="FILE", help="What shows their decision: a letter, a mail, minutes."
)
@click.option("--until", metavar="DATE", help="The approval ends with this day, or at this time.")
@trust_option
@detailed_option
@json_option
@here
def approve(
    obj: Here,
    review: str,
    reason: str,
    attested_by: str | None,
    evidence: str | None,
    until: str | None,
    trust: tuple[str, ...],
    detailed: bool,
    as_json: bool,
) -> int:
    """Approve it; with the last approval that the policy asks for, the alias moves. Exit status 30 when gate or policy refuse."""
    found = obj.workspace().review(review)
    told = found.approve(
        reason=reason, attested_by=attested_by, evidence=evidence, until=None if until is None else end_of(until), trust=trusted(trust)
    )  # fmt: skip
    _show(found, told, as_json=as_json)
    return WAITING if detailed and found.status == "open" else 0


@reviews_group.command("reject")
@click.argument("review", metavar="ID")
@reason_option("Why not.")
@json_option
@here
def reject(obj: Here, review: str, reason: str, as_json: bool) -> None:
    """Answer that it will not be."""
    found = obj.workspace().review(review)
    found.reject(reason=reason)
    _show(found, f"Review {found.id} is rejected.", as_json=as_json)


@reviews_group.command("send-back")
@click.argument("review", metavar="ID")
@click.option("--question", required=True, metavar="TEXT", help="What is to be answered first.")
@json_option
@here
def send_back(obj: Here, review: str, question: str, as_json: bool) -> None:
    """Ask something of who proposed it; approvals given before count no longer."""
    found = obj.workspace().review(review)
    found.send_back(question=question)
    _show(found, f"Review {found.id} waits for an answer: nbops reviews answer {found.id} …", as_json=as_json)


@reviews_group.command("answer")
@click.argument("review", metavar="ID")
@click.argument("text")
@json_option
@here
def answer(obj: Here, review: str, text: str, as_json: bool) -> None:
    """Answer the question of a review that was sent back; it is open again."""
    found = obj.workspace().review(review)
    found.answer(text)
    _show(found, f"Review {found.id} is open again.", as_json=as_json)


@reviews_group.command("withdraw")
@click.argument("review", metavar="ID")
@reason_option("Why it is taken back.")
@json_option
@here
def withdraw(obj: Here, review: str, reason: str, as_json: bool) -> None:
    """Take it back, as the one who proposed it."""
    found = obj.workspace().review(review)
    found.withdraw(reason=reason)
    _show(found, f"Review {found.id} is withdrawn.", as_json=as_json)


def document(review: Review) -> dict[str, Any]:
    """A review for JSON: what is asked, what the gate said last, and what was done."""
    case = review.case
    inquiry = case.inquiry
    deeds = [
        {**msgspec.to_builtins(deed), "time": at(deed.time), "until": None if deed.until is None else at(deed.until)}
        for deed in case.deeds
    ]
    return {
        "review_id": case.review_id, "model": case.model, "version": case.version, "alias": case.alias, "status": case.status,
        "reason": case.reason, "requested_by": case.requested_by, "created": at(case.created), "expires": at(case.expires),
        "holder": inquiry.holder, "evaluation_id": inquiry.evaluation_id, "passed": inquiry.verdict.passed,
        "sentence": inquiry.verdict.sentence, **msgspec.to_builtins(inquiry.verdict), "acts": deeds,
    }  # fmt: skip


def _show(review: Review, outcome: str, *, as_json: bool) -> None:
    show(document(review) if as_json else None, as_json=as_json, text=lambda: outcome)


def end_of(text: str) -> datetime:
    """When a day, or a time of this place where it names none, is over. Raises UsageError."""
    try:
        if len(text) == len("2026-12-31"):
            return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time.min).astimezone(UTC)
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is no date.", hint="Such as 2026-12-31 or 2026-12-31T18:00+01:00.") from error
