"""Reviews as the processes of people see them: asked for with what the gate says, answered by a person, found again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from nbops.errors import Ambiguous, Conflict, NotFound, ReviewRefused, StoreCorrupt, UsageError
from nbops.promotion.evidence import Inquiry, inquire
from nbops.promotion.requests import Act, Acted, Judgement, Propose, Verb
from nbops.records import Record, new_id, short
from nbops.store.client import Store

_CANDIDATES = 5
_SHORTEST = 4
PENDING = ("open", "sent back")
"""The statuses in which a review waits for somebody."""


class Deed(Record):
    """What somebody did about a review, or tried to; `time` in UTC microseconds."""

    act: str
    outcome: str
    message: str | None
    reason: str | None
    actor: str
    attested_by: str | None
    evidence: str | None
    until: int | None
    time: int


class Case(Record):
    """A review as it stands: what is asked, what the gate said last, and all that was done. Times in UTC microseconds."""

    review_id: str
    model: str
    version: int
    alias: str
    reason: str
    requested_by: str
    created: int
    expires: int
    status: str
    inquiry: Inquiry
    deeds: tuple[Deed, ...]


def propose(  # noqa: PLR0913 - what is asked for, and by what it is judged
    store: Store,
    model: str,
    version: int,
    alias: str = "champion",
    *,
    reason: str,
    waiver: str = "",
    evaluation_id: str | None = None,
    trust: Collection[str] | bool = (),
    found: Inquiry | None = None,
) -> str:
    """Ask for an alias to stand for a version, with what the gate says, or has `found` just now; gives the review's id.

    `waiver` says why a version of a failed run may pass nevertheless. Raises UsageError without a reason, Conflict when there is
    nothing to decide, and as `inquire` does.
    """
    if not reason.strip():
        raise UsageError("A reason is needed.", hint='Say what gets better: reason="MAE 8.6 -> 6.6 min".')
    if found is None:
        found = inquire(store, model, version, alias, waiver=waiver, evaluation_id=evaluation_id, trust=trust)
    review_id = new_id()
    store.write(
        Propose(
            review_id=review_id, model=model, version=version, alias=alias, reason=reason.strip(), judgement=_judgement(found)
        )
    )  # fmt: skip
    tell(store)
    return review_id


def tell(store: Store) -> None:
    """Deliver what consumers and reviewers are to be told, as far as that goes within seconds; the rest waits for `nbops notify`."""
    from nbops.execution.secrets import of_setting
    from nbops.notify import delivering

    delivering.deliver_soon(store, of_setting)


def act(
    store: Store,
    review_id: str,
    verb: Verb,
    *,
    reason: str,
    attested_by: str | None = None,
    evidence: Path | None = None,
    until: datetime | None = None,
    trust: Collection[str] | bool = (),
) -> Acted:
    """Approve, reject, send back, answer or withdraw; the attempt is recorded whatever comes of it.

    An approval carries what the gate says, asked anew if the alias moved since or the version's run failed. `evidence` is a file that
    shows what `attested_by`, who has no account, decided; `until` ends an approval. Raises ReviewRefused and Conflict.
    """
    if evidence is not None and not evidence.is_file():
        raise NotFound(f"There is no file {str(evidence)!r}.", hint="Name the letter, mail or minutes that show it.")
    judgement = None
    if verb == "approve":
        found = get(store, review_id)
        inquiry = found.inquiry
        again = inquire_again(store, found, trust=trust)
        judgement = _judgement(again or inquiry)
    done = msgspec.convert(
        store.write(
            Act(
                review_id=review_id,
                act=verb,
                reason=reason,
                judgement=judgement,
                attested_by=attested_by,
                evidence=store.put_blob(evidence).sha256 if evidence is not None else None,
                until=None if until is None else int(until.timestamp() * 1_000_000),
            )
        )[0],
        Acted,
    )
    if done.outcome == "refused":
        raise ReviewRefused(done.message, hint=f"`nbops reviews show {short(review_id)}` tells what is asked for.")
    if done.outcome == "conflict":
        raise Conflict(done.message, hint=f"`nbops reviews show {short(review_id)}` tells how it stands now.")
    if done.moved:
        tell(store)
    return done


def inquire_again(store: Store, case: Case, *, trust: Collection[str] | bool = ()) -> Inquiry | None:
    """What the gate says now, if the alias moved or the run of the version failed since it was asked; else None."""
    now = store.read("select version from aliases where model = ? and alias = ?", [case.model, case.alias]).rows
    failed = store.read(
        "select 1 from model_versions v join runs r on r.run_id = v.run_id"
        " where v.model = ? and v.version = ? and r.status in ('failed', 'stopped', 'lost')",
        [case.model, case.version],
    ).rows
    holder = int(now[0][0]) if now else None
    if holder == case.inquiry.holder and bool(failed) == case.inquiry.evidence.failed_run:
        return None
    return inquire(
        store, case.model, case.version, case.alias, waiver=case.inquiry.evidence.waiver,
        evaluation_id=case.inquiry.evaluation_id, trust=trust,
    )  # fmt: skip


def find(store: Store, text: str) -> str:
    """The id of the review that a person means by a full id or its last digits. Raises NotFound or Ambiguous."""
    wanted = text.strip().lower()
    rows = store.read(
        "select review_id::varchar, model, version, status from reviews where review_id::varchar = ?"
        " or (? >= ? and ends_with(review_id::varchar, ?)) order by created desc limit ?",
        [wanted, len(wanted), _SHORTEST, wanted, _CANDIDATES + 1],
    ).rows
    if not rows:
        raise NotFound(f"There is no review {text!r}.", hint="`nbops reviews list` shows those that there are.")
    if len(rows) > 1:
        told = "; ".join(f"{short(key)} ({model}/{version}, {status})" for key, model, version, status in rows)
        raise Ambiguous(f"{text!r} fits several reviews.", hint=f"Use more of its digits. The newest: {told}")
    return str(rows[0][0])


def get(store: Store, review_id: str) -> Case:
    """A review with everything that belongs to it. Raises NotFound, StoreCorrupt."""
    found = store.read(
        "select review_id::varchar, model, version, alias, reason, requested_by, epoch_us(created), epoch_us(expires), status"
        " from reviews where review_id = ?::uuid",
        [review_id],
    ).rows
    if not found:
        raise NotFound(f"There is no review {review_id}.", hint="`nbops reviews list` shows those that there are.")
    acts = store.read(
        "select act, outcome, message, reason, actor, attested_by, evidence, epoch_us(until), epoch_us(time), verdict"
        " from review_acts where review_id = ?::uuid order by time",
        [review_id],
    ).rows
    told = [row[-1] for row in acts if row[-1] is not None and row[1] == "done"]
    fields = dict(zip(Case.__struct_fields__, found[0], strict=False))
    return Case(**fields, inquiry=_inquiry(review_id, told[-1]), deeds=tuple(Deed(*row[:-1]) for row in acts))


def pending(store: Store, model: str | None = None) -> list[str]:
    """The ids of the reviews that wait for somebody, the oldest first."""
    sql = "select review_id::varchar from reviews where status in ('open', 'sent back') and (? is null or model = ?) order by created"
    return [row[0] for row in store.read(sql, [model, model]).rows]


def _judgement(found: Inquiry) -> Judgement:
    return Judgement(holder=found.holder, passed=found.verdict.passed, verdict=msgspec.json.encode(found).decode())


def _inquiry(review_id: str, told: Any) -> Inquiry:
    try:
        return msgspec.json.decode(told, type=Inquiry)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise StoreCorrupt(
            f"What the gate said about review {short(review_id)} cannot be read: {error}",
            hint="If a newer nbops wrote it, update this one; else see `nbops db check`.",
        ) from error
