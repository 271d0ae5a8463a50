"""A version of a model as one page for those who rely on it: what it is for, how good, for whom worse, what it needs, who approved it.

Everything is read from the store; nothing is loaded, scored or measured.
"""

from __future__ import annotations

from datetime import datetime

from nbops.evaluation.assessment import Assessment
from nbops.evaluation.telling import amount
from nbops.monitoring.status import Health, health
from nbops.records import Record, at, short
from nbops.registry import models
from nbops.registry.card import Card
from nbops.registry.evaluations import Evaluation, card_of
from nbops.registry.models import ModelVersion
from nbops.render.model import Column
from nbops.render.values import counted, listed
from nbops.reports import findings, sources, wording
from nbops.reports.document import Block, Commands, Document, Facts, Link, Part, Points, Table, Tone, Words
from nbops.reports.moments import day, minute, moment
from nbops.reports.sources import Origin
from nbops.reports.standing import Approval, Standing, standing, who
from nbops.store.client import Store

CHAMPION = "champion"
_MOVES = 20
_COMMENTS = 10
_COLUMNS = 60

Answer = tuple[str, str, Tone]


class Known(Record):
    """Everything that a card tells from; `as_of` is when it is made.

    `health` is what monitoring says, where it looks at this version; `page` is the file of the monitoring page, where there is one.
    """

    record: ModelVersion
    card: Card
    standing: Standing
    evaluation: Evaluation | None
    origin: Origin
    dates: sources.Span | None
    comments: tuple[tuple[int | None, str, str, datetime], ...]
    as_of: datetime
    health: Health | None = None
    page: str | None = None

    @property
    def found(self) -> Assessment | None:
        """How it did."""
        return None if self.evaluation is None else self.evaluation.assessment

    @property
    def name(self) -> str:
        """As in "air-time/3"."""
        return f"{self.record.model}/{self.record.version}"

    @property
    def metric(self) -> str:
        """The success measure, where the policy names one."""
        return str(self.card.gate.get("metric") or "")


def chosen(store: Store, reference: str) -> ModelVersion:
    """The version that "NAME", "NAME/3" or "NAME@ALIAS" means; of a model its champion, else its latest version. Raises NotFound."""
    name, _, alias = reference.removeprefix("models:/").strip().partition("@")
    name, _, number = name.partition("/")
    if not alias and not number.isdigit():
        held = store.read("select version from aliases where model = ? and alias = ?", [name, CHAMPION]).rows
        return models.version(store, name, int(held[0][0]) if held else None)
    return models.version(store, name, models.holder(store, name, alias) if alias else int(number))


def card(store: Store, record: ModelVersion, *, as_of: datetime | None = None, page: str | None = None) -> Document:
    """The card of a version, with a link to its monitoring page where that lies beside it as the file `page`."""
    known = gather(store, record, as_of=as_of, page=page)
    parts = [
        _purpose(known), _approved(known), _quality(store, known), _worse(known), *_answers(known), _needs(known), *_asked(known),
        *_rule(known), sources.part(record, known.origin), _nothing(known),
    ]  # fmt: skip
    return Document(
        kind="Model card",
        title=f"{record.model}, version {record.version}",
        made=known.as_of,
        status=_status(known),
        lead=tuple(_lead(known)),
        parts=tuple(parts),
        banner=sources.banner(store, record),
    )


def gather(store: Store, record: ModelVersion, *, as_of: datetime | None = None, page: str | None = None) -> Known:
    """What the store knows of a version."""
    evaluation, watched = sources.latest(store, record), health(store, record.model)
    said = store.read(
        """
        select version, text, actor, epoch_us(time) from comments
        where model = ? and (version is null or version = ?) order by time desc limit ?
        """,
        [record.model, record.version, _COMMENTS],
    ).rows  # fmt: skip
    return Known(
        record=record,
        card=card_of(store, record.model),
        standing=standing(store, record),
        evaluation=evaluation,
        origin=sources.origin(store, record),
        dates=sources.span(store, evaluation) if evaluation else None,
        comments=tuple((version, text, actor, at(time)) for version, text, actor, time in said),
        as_of=as_of or sources.now(),
        health=watched if watched.version == record.version else None,
        page=page,
    )


def _status(known: Known) -> str:
    return CHAMPION if CHAMPION in known.standing.aliases else known.record.state


def _lead(known: Known) -> list[Answer]:
    card_, found = known.card, known.found
    purpose = wording.ended(card_.purpose) or "Nobody has said what it is for."
    decision = f" It supports this decision: {wording.ended(card_.decision)}" if card_.decision else ""
    answers: list[Answer] = [("What is it for?", purpose + decision, "plain" if card_.purpose else "attention")]
    told = None if found is None else findings.main_metric(found, known.metric)
    if found is None or told is None:
        never = "Not known: it was never held against rows with known truth."
        answers.append(("How good is it?", " ".join([never, *_in_use(known)]), _alarm(known, "attention")))
        answers.append(("For whom is it worse?", "Not known, for the same reason.", "attention"))
    else:
        when = f" These rows are from {known.dates.told}." if known.dates else ""
        plain = findings.plain_metric(found, told)
        good = f"{wording.how_good(found, plain)} {wording.how_certain(found, plain)}{when}"
        answers.append(("How good is it?", " ".join([good, *_in_use(known)]), _alarm(known)))
        answers.append(("For whom is it worse?", findings.worse_in_short(found), "plain"))
    answers.append(("What does it need?", _needs_in_short(known), "plain"))
    answers.append(("Who approved it, and why?", " ".join(_approved_in_words(known, short=True)), _tone(known)))
    answers.append(("What happens if nothing is done?", " ".join(_if_nothing(known)[:4]), "plain"))
    return answers


def _tone(known: Known) -> Tone:
    standing_ = known.standing
    if standing_.rolled_back(known.record.version) is not None or known.record.state == "retired":
        return "bad"
    approval = standing_.approval
    return "attention" if approval is None or approval.own or _has_ended(known, approval) else "plain"


def _has_ended(known: Known, approval: Approval) -> bool:
    return approval.ends is not None and approval.ends <= known.as_of


def _purpose(known: Known) -> Part:
    card_ = known.card
    unit = f" (in {card_.unit})" if card_.unit else ""
    said = (
        ("Purpose", card_.purpose),
        ("Decision that it supports", card_.decision),
        ("Owner of the process", card_.owner),
        ("Measure of success", f"{card_.measure}{unit}" if card_.measure else ""),
        ("Not to be used for", card_.out_of_scope),
        ("Used by", listed(card_.consumers, most=20)),
    )
    blocks: list[Block] = [Facts(tuple(pair for pair in said if pair[1]))] if any(told for _, told in said) else []
    missing = [f"{name[:1].lower()}{name[1:]}" for name, told in said if not told]
    if missing:
        blocks.append(Words(f"Nobody has said: {listed(missing, most=9)}.", "attention"))
        blocks.append(Commands((f"nbops models describe {_typed(known.record.model)} --purpose …",)))
    if known.comments:
        spoken = tuple(
            f"{actor}, {day(time)}{f' on version {version}' if version is not None else ''}: {text}"
            for version, text, actor, time in known.comments
        )
        blocks += [Words("What people said about it:"), Points(spoken)]
    return Part("What it is for", tuple(blocks))


def _approved(known: Known) -> Part:
    blocks: list[Block] = [Points(tuple(_approved_in_words(known)))]
    approval = known.standing.approval
    if approval is not None:
        verdict = approval.case.inquiry.verdict
        signs = {"passed": "✓", "failed": "✗", "warning": "!", "skipped": "–", "too_few": "?"}
        blocks.append(Words(f"What the gate said when it was approved: {verdict.sentence}"))
        blocks.append(
            Points(tuple(one.sentence for one in verdict.checks), tuple(signs[one.outcome] for one in verdict.checks))
        )
    blocks += [Words(f"{wording.ended(told)}", "attention") for told in known.standing.frozen]
    moves = known.standing.moves
    if moves:
        columns = (
            Column("since", "time"),
            Column("alias", "time"),
            Column("version", "time"),
            Column("moved", "time"),
            Column("by", "time"),
            Column("why", "prose"),
        )
        rows = tuple(
            (
                minute(one.since),
                one.alias,
                f"{_version(one.before)} → {_version(one.version)}",
                one.kind,
                one.actor,
                one.why,
            )
            for one in moves[:_MOVES]
        )
        left = len(moves) - len(rows)
        note = f"{counted(left, 'older move')} not shown." if left else None
        blocks.append(
            Table(columns, rows, caption="Which versions its aliases stood for, the newest move first", note=note)
        )
    return Part("Who approved it, and why", tuple(blocks))


def _version(number: int | None) -> str:
    return "nothing" if number is None else str(number)


def _approved_in_words(known: Known, *, short: bool = False) -> list[str]:
    standing_, record = known.standing, known.record
    told = [_use(known)]
    back = standing_.rolled_back(record.version)
    if back is not None:
        told.append(
            f"It was rolled back from {back.alias} on {moment(back.since)} by {back.actor}: {wording.quoted(back.why)}"
        )
    approval = standing_.approval
    if approval is None:
        told.append("Nobody approved it.")
        return told
    for deed in approval.given:
        own, when = deed in approval.own, moment(at(deed.time))
        if deed.attested_by:
            shown = f"; a file shows it (SHA-256 {deed.evidence[:12]})" if deed.evidence else ""
            told.append(
                f"Approved on {when} by {deed.attested_by}, attested by {deed.actor}{shown}: {wording.quoted(deed.reason)}"
            )
        else:
            told.append(f"Approved on {when} by {deed.actor}: {wording.quoted(deed.reason)}")
        if own:
            told.append(
                f"This is self-approved: {who(deed)} made the version or asked for it, and the policy allows that."
            )
    asked = approval.case
    if not short:
        told.append(f"{asked.requested_by} had asked for it: {wording.quoted(asked.reason)}")
    ends = approval.ends
    if ends is not None:
        told.append(f"The approval {'ended' if _has_ended(known, approval) else 'ends'} on {moment(ends)}.")
    return told


def _use(known: Known) -> str:
    standing_, record = known.standing, known.record
    if record.state == "retired":
        return "It is retired: nobody is to use it any more."
    if standing_.aliases:
        since = standing_.held_since(CHAMPION if CHAMPION in standing_.aliases else standing_.aliases[0])
        by = "" if since is None else f" since {moment(since.since)}"
        back = ", when another version was rolled back" if since is not None and since.kind == "rolled back" else ""
        names = listed(["the champion" if one == CHAMPION else one for one in standing_.aliases])
        return f"It is {names} of {record.model}{by}{back}."
    held = standing_.holders.get(CHAMPION)
    instead = f"The champion is version {held}." if held is not None else f"{record.model} has no champion."
    return f"It is not in use: no alias stands for it. {instead}"


def _quality(store: Store, known: Known) -> Part:
    if known.found is None or known.evaluation is None:
        told = Words(
            "It was never held against rows with known truth, so nothing is known of how good it is.", "attention"
        )
        return Part("How good it is, and how certain that is", (*_watched(known), told))
    made = findings.quality(known.found, known.metric)
    blocks: list[Block] = [*made.blocks[:2], sources.measured_on(store, known.evaluation), *made.blocks[2:]]
    approval = known.standing.approval
    tuned = approval.case.inquiry.evidence.tuned if approval is not None else ()
    if tuned:
        blocks.insert(
            2,
            Words(
                f"The rows of its review were also used for {listed(tuned)}: figures on them flatter it.",
                "attention",
            ),
        )
    if known.standing.run_status in {"failed", "stopped", "lost"}:
        waiver = approval.case.inquiry.evidence.waiver if approval is not None else ""
        why = f" It was waived: {wording.ended(waiver)}" if waiver else ""
        blocks.insert(0, Words(f"The run that made it {known.standing.run_status}.{why}", "bad"))
    return Part(made.title, (*_watched(known), *blocks))


def _watched(known: Known) -> list[Block]:
    """What monitoring says, and where more of it is told."""
    if known.health is None:
        return []
    told: list[Block] = [Words(" ".join(_in_use(known)), _alarm(known))]
    return told if known.page is None else [*told, Link("How it does in use, window by window", known.page)]


def _in_use(known: Known) -> list[str]:
    """How it does in use, in sentences; nothing where nobody looks."""
    found = known.health
    if found is None:
        return []
    told = [f"In use it is {found.word}. {wording.ended(found.sentence)}"]
    if found.value is None or found.value_until is None:
        return [*told, "How good its answers are in use is not known: too few labels have come."]
    when = day(at(found.value_until))
    promised = "" if found.laboratory is None else f"; in the laboratory it was {amount(found.laboratory, found.unit)}"
    told.append(
        f"Its {wording.measured(found.metric)} was {amount(found.value, found.unit)} in the last window of which enough is known, which "
        f"ended on {when}{promised}."
    )
    return told


def _alarm(known: Known, otherwise: Tone = "plain") -> Tone:
    word = known.health.word if known.health is not None else ""
    return "bad" if word == "in trouble" else "attention" if word == "doubtful" else otherwise


def _worse(known: Known) -> Part:
    if known.found is None:
        return Part(
            "For whom it is worse", (Words("Not known: it was never held against rows with known truth.", "attention"),)
        )
    return findings.parts_of_rows(known.found)


def _answers(known: Known) -> list[Part]:
    if known.found is None:
        return []
    return [one for one in (findings.calibration(known.found), findings.importance(known.found)) if one is not None]


def _needs(known: Known) -> Part:
    signature = known.record.manifest.signature
    blocks: list[Block] = []
    if signature is None:
        blocks.append(
            Words("Which columns it takes is not known: it takes no table, or was logged without rows.", "attention")
        )
    else:
        rows = tuple(wording.needed(one) for one in signature.columns[:_COLUMNS])
        left = len(signature.columns) - len(rows)
        note = "Beyond what was seen nothing vouches for its answers." + (
            f" {counted(left, 'more column')}." if left else ""
        )
        named = "" if signature.named else ", in this order"
        blocks.append(
            Table(
                ("column", "holds", Column("seen", "prose"), "missing values"),
                rows,
                caption=f"It takes {counted(len(signature.columns), 'column')}{named}",
                note=note,
            )
        )
    blocks += [Words(f"It answers with {known.record.manifest.output.name or 'one value'} for each row.")]
    if known.found is not None:
        blocks += [*findings.assumptions(known.found), *findings.sizing(known.found)]
    return Part("What it needs", tuple(blocks), brief=False)


def _needs_in_short(known: Known) -> str:
    signature = known.record.manifest.signature
    if signature is None:
        return "Which columns it takes is not known."
    names = [one.name for one in signature.columns]
    told = f"{counted(len(names), 'column')} for each row: {listed(names)}."
    always = [one.name for one in signature.columns if not one.nullable]
    if always and len(always) < len(names):
        told += f" Never missing when it was made: {listed(always)}."
    elif always:
        told += " None of them was missing when it was made."
    found = known.found
    broken = [] if found is None else [one.sentence for one in found.assumptions if not one.holds]
    held = 0 if found is None else len(found.assumptions) - len(broken)
    if held or broken:
        told += f" Of what it takes for granted, {held} of {held + len(broken)} held" + (
            f"; not: {listed(broken)}." if broken else "."
        )
    return told


def _asked(known: Known) -> list[Part]:
    made = None if known.found is None else findings.cases(known.found)
    return [] if made is None else [made]


def _rule(known: Known) -> list[Part]:
    rule = known.record.manifest.rule or (known.found.rule if known.found is not None else None)
    if rule is None:
        return []
    target = known.record.manifest.output.name or "the positive class"
    return [
        Part(
            "How an answer becomes a decision",
            (Points(tuple(wording.rule_in_words(rule, known.found, target))),),
            brief=False,
        )
    ]


def _nothing(known: Known) -> Part:
    told: list[Block] = [Points(tuple(_if_nothing(known)))]
    if CHAMPION in known.standing.aliases:
        told.append(Words("Whoever wants to end that:", "muted"))
        told.append(Commands((f'nbops models rollback {_typed(known.record.model)} --reason "…"',)))
    return Part("What happens if nothing is done", tuple(told))


def _if_nothing(known: Known) -> list[str]:
    standing_, record = known.standing, known.record
    told: list[str] = []
    if standing_.aliases:
        told.append("It stays in use until somebody replaces it or rolls back: nothing ends by itself.")
        approval = standing_.approval
        if approval is not None and approval.ends is not None:
            ends = moment(approval.ends)
            told.append(
                f"Its approval ended on {ends}, and it is in use nevertheless: somebody has to approve it anew or replace it."
                if _has_ended(known, approval)
                else f"Its approval ends on {ends}; it stays in use then, too, but without an approval."
            )
    else:
        told.append("Nothing: it is not in use." if record.state != "retired" else "Nothing: it is retired.")
    for case in standing_.pending:
        if record.version not in {case.version, standing_.holders.get(case.alias)}:
            continue
        until = moment(at(case.expires))
        stays = (
            f"version {standing_.holders[case.alias]} stays {case.alias}"
            if case.alias in standing_.holders
            else f"there is no {case.alias}"
        )
        mine = "this version" if case.version == record.version else f"version {case.version}"
        told.append(
            f"Review {short(case.review_id)} asks for {mine} to become {case.alias} and waits for an answer; without one it expires on "
            f"{until} and {stays}."
        )
    told += _age(known)
    return told


def _age(known: Known) -> list[str]:
    told = []
    watched = known.health is not None and known.health.value is not None
    if known.dates is not None:
        still = "" if watched else " That it still does as well is not known: the world may have changed since."
        told.append(f"It was measured on data up to {moment(known.dates.last.date())}.{still}")
    elif known.evaluation is not None:
        still = "" if watched else "; whether it still does as well, neither"
        told.append(f"How old the data are that it was measured on is not known{still}.")
    for one in known.origin.sources:
        until = f"with data up to {one.until}" if one.until else f"which was taken on {moment(one.taken)}"
        due = f"; the next version of it is due on {moment(one.due)}" if one.due else ""
        told.append(f"It was made from the data {one.source}, version {one.version}, {until}{due}.")
    return told


def default_name(record: ModelVersion) -> str:
    """The file name that a card gets when none is asked for."""
    return f"card-{record.model.replace(' ', '-')}-{record.version}.html"


def _typed(name: str) -> str:
    """A name as it is typed in a shell."""
    return f"'{name}'" if " " in name else name
