"""A review as one page for an approver who is no programmer: what is asked, what speaks for and against it, what each answer leads to.

Everything is read from the store: the gate's sentences as they were kept, nothing is loaded, scored or measured.
"""

from __future__ import annotations

import math
from datetime import datetime

from nbops.evaluation.assessment import Assessment
from nbops.evaluation.bootstrap import Interval, Paired
from nbops.evaluation.evidence import Check
from nbops.evaluation.evidence import Part as EvidencePart
from nbops.evaluation.metrics import METRICS
from nbops.evaluation.policy import Policy
from nbops.evaluation.slices import Slice
from nbops.evaluation.telling import estimate, figures, label, with_unit
from nbops.promotion import reviews
from nbops.promotion.reviews import PENDING, Case, Deed
from nbops.records import Record, at, short
from nbops.registry import evaluations, models
from nbops.registry.card import Card
from nbops.registry.evaluations import Evaluation
from nbops.registry.models import ModelVersion
from nbops.render.model import Column
from nbops.render.spans import Span, intervals
from nbops.render.values import counted, listed
from nbops.reports import findings, sources, wording
from nbops.reports.document import Block, Commands, Document, Facts, Part, Picture, Points, Table, Tone, Words
from nbops.reports.moments import minute, moment
from nbops.reports.standing import counted_approvals, who
from nbops.store.client import Store

_GROUPS = 12
_SIGNS = {"passed": "✓", "failed": "✗", "warning": "!", "skipped": "–", "too_few": "?"}


class Known(Record):
    """Everything that the page tells from; `beside` is the champion's own evaluation on the same rows, if there is one."""

    case: Case
    card: Card
    candidate: ModelVersion
    evaluation: Evaluation | None
    beside: Evaluation | None
    dates: sources.Span | None
    held: int | None
    as_of: datetime

    @property
    def pending(self) -> bool:
        """Whether it waits for an answer."""
        return self.case.status in PENDING

    @property
    def name(self) -> str:
        """The candidate, as in "air-time/3"."""
        return f"{self.case.model}/{self.case.version}"

    @property
    def found(self) -> Assessment | None:
        """How the candidate did."""
        return None if self.evaluation is None else self.evaluation.assessment

    @property
    def unit(self) -> str:
        """The unit of the success measure."""
        return self.case.inquiry.evidence.units.get(self.case.inquiry.policy.metric, "")


def page(store: Store, review_id: str, *, as_of: datetime | None = None) -> Document:
    """The page of a review. Raises NotFound, StoreCorrupt."""
    known = gather(store, review_id, as_of=as_of)
    parts = [
        _asked(known), _gate(known), _beside(known), _worse(known), _changes(known), _data(store, known), _consequences(known),
        *_how(known), _done(known),
    ]  # fmt: skip
    return Document(
        kind=f"Review {short(known.case.review_id)}",
        title=_title(known),
        made=known.as_of,
        status=known.case.status,
        lead=tuple(_lead(known)),
        parts=tuple(parts),
        banner=sources.banner(store, known.candidate),
    )


def gather(store: Store, review_id: str, *, as_of: datetime | None = None) -> Known:
    """What the store knows about a review."""
    case = reviews.get(store, review_id)
    inquiry = case.inquiry
    evaluation = evaluations.get(store, inquiry.evaluation_id)
    champion = inquiry.holder if inquiry.holder != case.version else None
    held = store.read("select version from aliases where model = ? and alias = ?", [case.model, case.alias]).rows
    return Known(
        case=case,
        card=evaluations.card_of(store, case.model),
        candidate=models.version(store, case.model, case.version),
        evaluation=evaluation,
        beside=None
        if champion is None
        else sources.on_same_rows(store, models.version(store, case.model, champion), evaluation),
        dates=sources.span(store, evaluation),
        held=int(held[0][0]) if held else None,
        as_of=as_of or sources.now(),
    )


def default_name(review_id: str) -> str:
    """The file name that a page gets when none is asked for."""
    return f"review-{short(review_id)}.html"


def gate_points(case: Case) -> list[Block]:
    """What the gate said: what speaks for it, what against it, what nobody looked at."""
    checks = case.inquiry.verdict.checks
    groups: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("Speaks for it", ("passed",)), ("Speaks against it", ("failed",)), ("To bear in mind", ("warning",)),
        ("Too few rows to tell", ("too_few",)),
    )  # fmt: skip
    told: list[Block] = []
    for title, outcomes in groups:
        found = [one for one in checks if one.outcome in outcomes]
        if found:
            told += [Words(f"{title}:", "strong"), _points(found)]
        elif title in {"Speaks for it", "Speaks against it"}:
            told.append(Words(f"{title}: no check that the policy asks for.", "muted"))
    left = [one.sentence for one in checks if one.outcome == "skipped"] + _not_asked(case.inquiry.policy)
    if left:
        told += [Words("Not looked at:", "strong"), Points(tuple(left), ("–",) * len(left))]
    return told


def in_short(case: Case) -> list[Part]:
    """The parts that a notebook shows of a review."""
    verdict = case.inquiry.verdict
    parts = [Part("What the gate says", (Words(verdict.sentence, _verdict_tone(case)), *gate_points(case)))]
    picture = _pictures(case)
    if picture:
        parts.append(Part("Beside the champion", tuple(picture)))
    return [*parts, Part("What was done until now", (_deeds(case),))]


def _points(checks: list[Check]) -> Points:
    return Points(tuple(one.sentence for one in checks), tuple(_SIGNS[one.outcome] for one in checks))


def _not_asked(policy: Policy) -> list[str]:
    """What the policy does not ask for, so that nobody takes silence for a yes."""
    told = []
    if policy.slices is None:
        told.append("How much worse groups of rows may be: the policy sets no limit.")
    if policy.calibration is None:
        told.append("Whether its answers mean what they say: the policy sets no limit.")
    if policy.latency_ms is None:
        told.append("How long an answer takes: the policy sets no limit.")
    if not policy.cases:
        told.append("Acceptance cases: the policy does not ask for them.")
    if not policy.assumptions:
        told.append("What it takes for granted: the policy does not ask for it.")
    if policy.signature is False:
        told.append("Whether callers have to change something: the policy does not ask for it.")
    return told


def _verdict_tone(case: Case) -> Tone:
    outcome = case.inquiry.verdict.outcome
    if outcome != "passed":
        return "bad" if outcome == "failed" else "attention"
    return "attention" if any(one.outcome == "warning" for one in case.inquiry.verdict.checks) else "good"


def _title(known: Known) -> str:
    case = known.case
    if known.pending:
        return f"Shall version {case.version} become {case.alias} of {case.model}?"
    return f"Version {case.version} as {case.alias} of {case.model}: {case.status}"


def _lead(known: Known) -> list[tuple[str, str, Tone]]:
    case, card = known.case, known.card
    instead = (
        f" in place of version {case.inquiry.holder}"
        if case.inquiry.holder
        else f"; {case.model} {'has' if known.pending else 'had'} no {case.alias} yet"
    )
    asks = f"{case.requested_by} {'asks' if known.pending else 'asked'} that version {case.version} becomes {case.alias}{instead}."
    because = f"{asks} The reason given: {wording.quoted(case.reason)}"
    lead: list[tuple[str, str, Tone]] = [("What is asked?", because, "plain")]
    lead.append(
        (
            "What is the model for?",
            wording.ended(card.purpose) or "Nobody has said.",
            "plain" if card.purpose else "attention",
        )
    )
    lead.append(("What does the gate say?", case.inquiry.verdict.sentence, _verdict_tone(case)))
    lead.append((f"Is it better than {_rival(known)}?", _better_in_short(known), "plain"))
    if known.found is not None:
        lead.append(("For whom does it get worse?", _worse_in_short(known), "plain"))
    lead.append(
        ("What happens if nobody answers?" if known.pending else "How was it decided?", _if_nothing(known), "plain")
    )
    return lead


def _rival(known: Known) -> str:
    """What holds the alias, or held it when this was asked."""
    return f"today's {known.case.alias}" if known.pending else f"the {known.case.alias} of that time"


def _better_in_short(known: Known) -> str:
    check = next((one for one in known.case.inquiry.verdict.checks if one.name == "comparison"), None)
    if check is None:
        return "That was not looked at."
    found = known.case.inquiry.evidence.paired
    if found is None or found.difference is None:
        return check.sentence
    certain = found.low is not None and found.high is not None and not found.low <= 0 <= found.high
    word = "better" if found.difference > 0 else "worse"
    if check.outcome == "passed":
        begin = "Yes."
    elif certain:
        begin = "No, it is worse." if found.difference < 0 else "Yes, but by less than the policy asks for."
    else:
        begin = f"That is not certain: it did {word}, which may be chance."
    return f"{begin} {check.sentence}"


def _asked(known: Known) -> Part:
    case, card = known.case, known.card
    policy = card.policy
    given = len(counted_approvals(case))
    needed = f"{counted(policy.approvers, 'approval')}, {given} given" + (
        "" if policy.author_may_approve else "; whoever made it or asked for it may not approve"
    )
    pairs = (
        ("Model", f"{case.model}{f': {card.purpose}' if card.purpose else ''}"),
        ("Decision that it supports", card.decision),
        ("Owner of the process", card.owner),
        ("Asked by", f"{case.requested_by}, on {moment(at(case.created))}"),
        ("Because", case.reason),
        ("Said when it was registered", known.candidate.description or ""),
        ("Needs", needed),
        ("Answer by" if known.pending else "It would have expired", moment(at(case.expires))),
        ("It stands", case.status),
    )
    blocks: list[Block] = [Facts(tuple(pair for pair in pairs if pair[1]))]
    evidence = case.inquiry.evidence
    if evidence.failed_run:
        waived = f" {case.requested_by} asks for a waiver: {wording.ended(evidence.waiver)}" if evidence.waiver else ""
        blocks.append(Words(f"The run that made this version failed.{waived}", "bad"))
    if known.pending and known.held != case.inquiry.holder:
        blocks.append(
            Words(
                f"{case.alias.capitalize()} moved after the gate looked: an approval makes the gate look again.",
                "attention",
            )
        )
    return Part("What is asked", tuple(blocks))


def _gate(known: Known) -> Part:
    return Part(
        "What speaks for it, and what against it",
        (
            Words(known.case.inquiry.verdict.sentence, _verdict_tone(known.case)), *gate_points(known.case), *_known_besides(known),
        ),
    )  # fmt: skip


def _known_besides(known: Known) -> list[Block]:
    """What the evaluation found whether or not the policy asks for it, for who has to answer."""
    found = known.found
    if found is None:
        return []
    looked = found.slices or any(one.confirmed for one in found.worst)
    told = [findings.worse_in_short(found)] if looked else []
    for one in (found.calibration, found.regression):
        if one is not None and one.verdict not in {"calibrated", "undecided"}:
            told += one.sentences[:1]
    return [Words("Known besides, whatever the policy asks for:", "strong"), Points(tuple(told))] if told else []


def _beside(known: Known) -> Part:
    title = f"Beside {_rival(known)}"
    picture = _pictures(known.case, _own(known.beside, known.case.inquiry.policy.metric))
    if picture:
        return Part(title, tuple(picture))
    told = _better_in_short(known)
    own = known.case.inquiry.evidence.metrics.get(known.case.inquiry.policy.metric)
    blocks: list[Block] = [Words(told)]
    if own is not None and known.found is not None:
        blocks.append(Words(f"{wording.how_good(known.found, own)} {wording.how_certain(known.found, own)}"))
    return Part(title, tuple(blocks))


def _own(evaluation: Evaluation | None, metric: str) -> Interval | None:
    return None if evaluation is None else evaluation.assessment.of(metric)


def _pictures(case: Case, champion: Interval | None = None) -> list[Block]:
    """Both by the success measure, then by how much the candidate is better and what was asked."""
    inquiry = case.inquiry
    paired, metric = inquiry.evidence.paired, inquiry.policy.metric
    if paired is None or paired.difference is None:
        return []
    unit = inquiry.evidence.units.get(metric, "")
    own, other = inquiry.evidence.metrics.get(metric), champion or inquiry.evidence.beside
    rows = counted(paired.rows, "row")
    name = f"{label(metric)}{f', {unit}' if unit else ''}"
    both = [
        _span(f"version {case.version}, proposed", own, paired.challenger, unit, highlight=True),
        _span(f"version {inquiry.holder}, {case.alias}", other, paired.champion, unit),
    ]
    way = next(
        (one.better for one in (told for task in METRICS.values() for told in task) if one.name == metric), "lower"
    )
    told = tuple(f"{one.label}: {one.told}" for one in both)
    drawn: list[Block] = [
        Words(f"Both answered the same {rows}. {label(metric)}: {'less' if way == 'lower' else 'more'} is better."),
        Picture(intervals(both, unit=name), told),
    ]
    drawn += _difference(paired, inquiry.policy.margin, unit)
    return drawn


def _span(name: str, found: Interval | None, value: float | None, unit: str, *, highlight: bool = False) -> Span:
    if found is None or found.low is None or found.high is None or value is None:
        return Span(
            name,
            value,
            told="–" if value is None else with_unit(figures([value], abs(value) / 100)[0], unit),
            highlight=highlight,
        )
    return Span(name, value, found.low, found.high, wording.with_interval(found, unit), highlight)


def _difference(paired: Paired, margin: float, unit: str) -> list[Block]:
    if paired.difference is None:
        return []
    ends = [paired.difference if end is None else end for end in (paired.difference, paired.low, paired.high)]
    shown = figures([*ends, *([margin] if margin else [])], (ends[2] - ends[1]) / 2)
    told = with_unit(shown[0], unit) + ("" if paired.low is None else f" ({shown[1]} to {shown[2]})")
    limits = {"no difference": 0.0} | ({f"asked: {with_unit(shown[3], unit)}": margin} if margin else {})
    item = Span("better by", paired.difference, paired.low, paired.high, told=told, highlight=True)
    drawn = intervals(
        [item], unit=f"to the right the proposed version is better{f', {unit}' if unit else ''}", limits=limits
    )
    explained = (
        "The line is where the true difference lies, told rightly "
        f"{wording.odds(paired.level).lower()} such samples. It has to lie right of “no difference”"
        + (" and its dot at or right of what was asked." if margin else ".")
    )
    return [Picture(drawn, (f"Better by {told}",)), Words(explained, "muted")]


def _worse(known: Known) -> Part:
    title = "For whom it gets worse"
    found = known.found
    if found is None:
        return Part(title, (Words("That was not looked at.", "attention"),))
    blocks: list[Block] = [Words(_worse_in_short(known), "strong")]
    pairs = _groups(known)
    if pairs:
        unit = wording.unit_of(found, found.metric)
        rows = tuple(
            (
                f"{one.column} = {one.group}", one.rows, estimate(other.metric, other.low, other.high, unit),
                estimate(one.metric, one.low, one.high, unit), _verdict(found, one, other),
            )
            for one, other in pairs[:_GROUPS]
        )  # fmt: skip
        holder = known.case.inquiry.holder
        columns = (
            "group",
            Column("rows", "number"),
            f"version {holder}, {'today' if known.pending else 'before'}",
            f"version {known.case.version}, proposed",
            "it gets",
        )
        blocks.append(
            Table(
                columns,
                rows,
                caption=f"{label(found.metric)} of both versions on the same rows",
                note="In brackets the intervals; where they do not overlap it is hardly chance.",
            )
        )
    parts = known.case.inquiry.evidence.parts
    if parts and not pairs:
        ordered = sorted(parts, key=lambda one: -math.inf if one.gap is None else -one.gap)
        told = tuple(f"{one.name} ({counted(one.rows, 'row')}): {_gap(one, known.unit)}." for one in ordered[:_GROUPS])
        blocks.append(Points(told))
    blocks += [Words("Within the proposed version:"), *findings.parts_of_rows(found).blocks[0 if pairs else 1 :]]
    return Part(title, tuple(blocks))


def _gap(one: EvidencePart, unit: str) -> str:
    if one.gap is None:
        return "cannot be told"
    return f"{'worse' if one.gap > 0 else 'better'} than all rows by {with_unit(figures([abs(one.gap)], abs(one.gap))[0], unit)}"


def _groups(known: Known) -> list[tuple[Slice, Slice]]:
    """The groups of the candidate beside the champion's, those that get worse by most first."""
    if known.found is None or known.beside is None or known.found.metric != known.beside.assessment.metric:
        return []
    there = {(one.column, one.group): one for one in known.beside.assessment.slices}
    pairs = [(one, there[one.column, one.group]) for one in known.found.slices if (one.column, one.group) in there]
    return sorted(pairs, key=lambda pair: -_worse_by(known.found, *pair))


def _worse_by(found: Assessment | None, one: Slice, other: Slice) -> float:
    if found is None or math.isnan(one.metric) or math.isnan(other.metric):
        return -math.inf
    change = one.metric - other.metric
    return -change if wording.better(found, found.metric) == "more" else change


def _verdict(found: Assessment, one: Slice, other: Slice) -> str:
    change = _worse_by(found, one, other)
    if not math.isfinite(change):
        return "unknown"
    apart = one.low > other.high or one.high < other.low
    word = "worse" if change > 0 else "better"
    return word if apart else f"{word}, which may be chance"


def _worse_in_short(known: Known) -> str:
    found = known.found
    if found is None:
        return "That was not looked at."
    pairs = _groups(known)
    if not pairs:
        return findings.worse_in_short(found)
    worse = [(one, other) for one, other in pairs if _worse_by(found, one, other) > 0]
    certain = [f"{one.column} = {one.group}" for one, other in worse if _verdict(found, one, other) == "worse"]
    maybe = [f"{one.column} = {one.group}" for one, other in worse if _verdict(found, one, other) != "worse"]
    if certain:
        told = f"It gets worse for {listed(certain)}."
    elif maybe:
        told = f"For none of {counted(len(pairs), 'group')} clearly; a little worse, which may be chance, for {listed(maybe)}."
    else:
        told = f"For none of {counted(len(pairs), 'group')}: each does at least as well as before."
    return told


def _changes(known: Known) -> Part:
    evidence, card = known.case.inquiry.evidence, known.card
    blocks: list[Block] = []
    if evidence.signature is None:
        alias, then = known.case.alias, "is in use as {} today" if known.pending else "was in use as {} then"
        blocks.append(Words(f"Nothing {then.format(alias)}, so nobody has to change anything."))
    elif not evidence.signature:
        blocks.append(Words("Nothing: it takes and gives what today's version does.", "good"))
    else:
        blocks.append(Words("Whoever calls the model has to change something:", "attention"))
        blocks.append(
            Points(tuple(wording.ended(one.capitalize() if one[:1].islower() else one) for one in evidence.signature))
        )
    used = f"It is used by {listed(card.consumers, most=20)}." if card.consumers else "Nobody has said who uses it."
    blocks.append(Words(used))
    if card.out_of_scope:
        blocks.append(Words(f"Not to be used for: {wording.ended(card.out_of_scope)}"))
    return Part("What changes for those who use it", tuple(blocks))


def _data(store: Store, known: Known) -> Part:
    blocks: list[Block] = []
    if known.evaluation is not None:
        blocks.append(sources.measured_on(store, known.evaluation))
    if known.case.inquiry.evidence.tuned:
        blocks.append(
            Words(
                f"These rows were also used for {listed(known.case.inquiry.evidence.tuned)}: the figures flatter it.",
                "attention",
            )
        )
    made = sources.origin(store, known.candidate)
    blocks += list(sources.part(known.candidate, made).blocks)
    return Part("Which data it rests on", tuple(blocks), brief=False)


def _consequences(known: Known) -> Part:
    case = known.case
    if not known.pending:
        return Part("What came of it", (Words(_if_nothing(known)),))
    stays = f"Version {known.held} stays {case.alias}" if known.held is not None else f"There is still no {case.alias}"
    left = max(0, known.card.policy.approvers - len(counted_approvals(case)) - 1)
    approved = (
        f"Version {case.version} becomes {case.alias} at once, and whoever loads {case.model}@{case.alias} gets it."
    )
    if left:
        needed = f"{counted(left, 'more approval')} {'is' if left == 1 else 'are'} needed"
        approved = f"Your approval counts; {needed} before version {case.version} becomes {case.alias}."
    if _is_refused(known):
        approved = "That is refused: the gate does not let it pass, and the policy makes no exception."
    else:
        approved += " It can be taken back by a rollback."
    told = (
        f"If you approve: {approved}",
        f"If you reject: {stays}, and the review is closed; the version can be proposed again.",
        f"If you send it back with a question: {case.requested_by} answers, and approvals that were given before count no longer.",
        f"If nobody answers: {_if_nothing(known)}",
    )
    blocks = (Points(told),)
    return Part("What happens then", blocks)


def _if_nothing(known: Known) -> str:
    case = known.case
    if known.pending:
        stays = (
            f"version {known.held} stays {case.alias}" if known.held is not None else f"there is still no {case.alias}"
        )
        waits = (
            f" It was sent back: {case.requested_by} has to answer a question first."
            if case.status == "sent back"
            else ""
        )
        return f"It expires on {moment(at(case.expires))}; then {stays}.{waits}"
    last = next((deed for deed in reversed(case.deeds) if deed.outcome == "done"), None)
    if case.status == "expired":
        stays = f"version {known.held} is {case.alias}" if known.held is not None else f"there is no {case.alias}"
        return f"Nobody answered until {moment(at(case.expires))}: it expired, and {stays}."
    if last is None:
        return f"It is {case.status}."
    now = f" {case.alias.capitalize()} is version {known.held} now." if known.held is not None else ""
    own = ""
    if case.status == "approved" and who(last) in {case.requested_by, known.candidate.actor}:
        own = f" This is self-approved: {who(last)} made the version or asked for it."
    return f"It was {case.status} on {moment(at(last.time))} by {who(last)}: {wording.quoted(last.reason)}{own}{now}"


def _is_refused(known: Known) -> bool:
    """Whether an approval would be refused for what the gate says."""
    return not known.case.inquiry.verdict.passed and known.card.policy.must_pass


def _how(known: Known) -> list[Part]:
    if not known.pending:
        return []
    key = short(known.case.review_id)
    answers: tuple[str, ...] = (
        f'approve {key} --reason "…"',
        f'reject {key} --reason "…"',
        f'send-back {key} --question "…?"',
    )
    if _is_refused(known):
        answers = answers[1:]
    if known.case.status == "sent back":
        answers = (f'answer {key} "…"', f'withdraw {key} --reason "…"')
    typed = tuple(f"nbops reviews {words}" for words in answers)
    blocks: list[Block] = [
        Words(
            "In JupyterLab: open nbops in the sidebar on the left; under “Needs you” this review has its line. Answer there, with a reason."
        ),
        Words("In a terminal, in the folder of the project:"),
        Commands(typed),
        Words("A reason is needed each time, and is kept."),
    ]
    if known.case.status == "open" and not _is_refused(known):
        blocks += [
            Words(
                "Without an account: tell somebody who has one, who records your decision with a file that shows it:"
            ),
            Commands((f'nbops reviews approve {key} --reason "…" --attested-by "YOUR NAME" --evidence FILE',)),
        ]
    return [Part("How to answer", tuple(blocks), brief=False)]


def _done(known: Known) -> Part:
    return Part("What was done until now", (_deeds(known.case),))


_DID = {
    "propose": "asked for it", "approve": "approved", "reject": "rejected", "send back": "sent it back", "answer": "answered",
    "withdraw": "withdrew it",
}  # fmt: skip


def _deeds(case: Case) -> Table:
    columns = (Column("when", "time"), "who", "did", Column("reason", "prose"), Column("what came of it", "prose"))
    return Table(columns, tuple(_deed(deed) for deed in case.deeds))


def _deed(deed: Deed) -> tuple[object, ...]:
    did = _DID.get(deed.act, deed.act) if deed.outcome == "done" else f"tried to {deed.act}"
    name = f"{deed.attested_by} (recorded by {deed.actor})" if deed.attested_by else deed.actor
    came = deed.message or ("" if deed.outcome == "done" else deed.outcome)
    until = f"until {moment(at(deed.until))}" if deed.until is not None else ""
    return minute(at(deed.time)), name, did, deed.reason, " · ".join(filter(None, (came, until))) or None
