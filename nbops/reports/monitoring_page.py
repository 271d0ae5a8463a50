"""A model in use as one page: how it is, since when, how bad, why, and what was done; below that the figures it rests on.

Everything is read from the store; no row is scored and nothing is measured anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from nbops import times
from nbops.evaluation.telling import amount, share
from nbops.monitoring.incidents import Case
from nbops.records import at
from nbops.render import values
from nbops.render.values import counted
from nbops.reports import monitoring_parts, watched, watched_pictures, wording
from nbops.reports.document import Block, Commands, Document, Facts, Part, Tone, Words
from nbops.reports.moments import day, moment
from nbops.reports.watched import Known
from nbops.reports.watched_deeds import Deed, deeds
from nbops.reports.watched_pictures import during, matters, plain, rounded, shown
from nbops.reports.watched_words import banner, begun, edge, fresh, in_shell, latest, limit, one_sided, trust_in_short
from nbops.store.client import Store

_DEEDS = 6

Answer = tuple[str, str, Tone]


def page(store: Store, model: str, *, until: datetime | None = None, as_of: datetime | None = None) -> Document:
    """The page of a model, with everything or with what was known of windows that had ended `until` a time. Raises NotFound."""
    known = watched.gather(store, model, until=until, as_of=as_of)
    given = f"Monitoring · windows that ended by {moment(until)}" if until is not None else "Monitoring"
    if known.version is None:
        return _nothing(known, given)
    told = deeds(known)
    return Document(
        kind=given,
        title=_title(known),
        made=known.as_of,
        status=known.word,
        lead=tuple(_lead(known)),
        parts=(*monitoring_parts.parts(store, known, told), _commands(known)),
        banner=banner(known),
        glance=tuple(_glance(known, told)),
    )


def default_name(model: str) -> str:
    """The file name that a page gets when none is asked for."""
    return f"monitoring-{model.replace(' ', '-')}.html"


def _title(known: Known) -> str:
    return f"{known.model}: {wording.ended(known.card.purpose)[:-1]}" if known.card.purpose else known.model


def _nothing(known: Known, kind: str) -> Document:
    """The page of a model whose predictions nobody looks at."""
    return Document(
        kind=kind,
        title=_title(known),
        made=known.as_of,
        status=known.word,
        lead=(("What happens if nothing is done?", "If it gets worse, nobody is told.", "attention"),),
        parts=(monitoring_parts.beginning(known), monitoring_parts.rules(known)),
        banner=banner(known),
    )


def _lead(known: Known) -> list[Answer]:
    lead = [("How far off is it?", _how_far(known), "plain" if known.judged is not None else "attention")]
    case = known.trouble
    because = _because(known)
    if case is not None and (case.status == "open" or because):
        lead.append(("Why?" if case.status == "open" else "Why was it worse?", because or _cause(case), "plain"))
    lead.append(
        ("What happens if nothing is done?", " ".join(_if_nothing(known)), "attention" if known.open else "plain")
    )
    lead.append(("How fresh is this?", fresh(known), "plain"))
    return lead  # type: ignore[return-value]  # the tones are literals


def _how_far(known: Known) -> str:
    now = latest(known)
    if now is None:
        estimated = next(reversed(known.of(known.version, "estimated")), None)
        if estimated is None or estimated.value is None:
            return "Not known: no label has come, or too few of them."
        return (
            f"Not known: too few labels have come. Going by its answers its {wording.measured(known.metric)} seems to be "
            f"{shown(known, estimated)}; {trust_in_short(known)}"
        )
    own = next(one for one in known.own if one.start == now.start)
    told = f"{begun(wording.measured(known.metric))} {shown(known, now)} {during(known, now.start, now.until)}"
    told += f", of {share(own.labelled / own.rows)} of its {counted(own.rows, 'row')}." if own.rows else "."
    if now.laboratory is not None:
        ends = known.promised
        whole = (
            wording.with_interval(ends, now.unit)
            if ends is not None and ends.value is not None
            else rounded(known, now.laboratory, now.unit)
        )
        told += f" Promised was {whole}"
        told += f"; allowed is {edge(known)} {limit(known)}." if known.limit is not None else "."
        told += " In brackets: where the true figure lies, 19 times of 20."
    right = known.performance.of("accuracy") if known.performance is not None and known.metric != "accuracy" else None
    if right is not None and right.value is not None:
        told += f" {wording.with_interval(right, '')} of its answers are right."
    return told


def _because(known: Known) -> str:
    """Where to look first, in plain words."""
    report = known.worse
    if report is None or report.causes is None:
        return ""
    # That of a trouble that goes on is told above.
    over = known.trouble is None or known.trouble.status != "open"
    told = [one_sided(report.performance)] if report.performance is not None and over else []
    moved = [one for one in report.causes.columns if one.importance is None or one.importance > 0]
    if moved:
        listed = [f"{plain(one.column)}{f' ({one.how})' if one.how else ''}" for one in moved]
        told.append(f"Of what it goes by, this moved most since it was made: {values.listed(listed)}.")
    else:
        told.append("Nothing that it goes by has moved: the same rows lead to something else now.")
    for one in report.causes.slices[:1]:
        unit = report.performance.unit if report.performance is not None else ""
        told.append(
            f"Worst where {one.column} is {one.group}: off by {amount(float(f'{one.loss:.3g}'), unit)} instead of "
            f"{amount(float(f'{one.laboratory:.3g}'), unit)}."
        )
    return " ".join(filter(None, told))


def _cause(case: Case) -> str:
    if case.kind in {"performance", "estimate"}:
        return "Nothing that was looked at says why."
    return wording.ended(case.text)


def _if_nothing(known: Known) -> list[str]:
    told = []
    for review in known.pending:
        stays = f"version {known.holder} stays in use" if known.holder is not None else "no version is in use"
        ends = day(at(review.expires))
        told.append(
            f"Version {review.version} waits for a person's approval until {ends}; without one {stays}. "
            f"What speaks for it: nbops reviews page {review.review_id[-8:]}."
            if review.expires > times.microseconds(known.as_of)
            else f"Nobody approved version {review.version} by {ends}: {stays}."
        )
    wish = next(
        (
            one.wish
            for one in reversed(known.asked)
            if one.wish.state in {"requested", "blocked", "started", "trained", "waiting"}
        ),
        None,
    )
    if wish is not None:
        told.append("A new version is on its way; it will be used only once somebody has approved it.")
    case = known.trouble
    if case is not None and case.status == "open" and not told:
        again = known.policy.retrain.notebook is not None
        told.append(
            "It stays in use as it is"
            + (": no new version is on its way." if again else ", and nobody said how a new version is trained.")
        )
    if not told:
        told.append("It stays in use, and people are told when something is wrong.")
    value = known.performance.value if known.performance is not None else None
    if value is not None and value.total.value is not None and known.judged is not None:
        cost = amount(float(f"{value.total.value:.3g}"), value.unit)
        told.append(f"Its errors cost {cost} {during(known, known.judged.start, known.judged.until)}.")
    return told


def _glance(known: Known, told: Sequence[Deed]) -> list[Block]:
    """The course in small, and what was done."""
    found: list[Block] = []
    picture = watched_pictures.measure(known, width=660, estimates=not known.of(known.version))
    if picture is not None:
        found.append(picture)
    found.append(Words("What was done", "strong"))
    chosen = [one for one in told if one.weight]
    if len(chosen) > _DEEDS:
        chosen = [one for one in chosen if one.weight > 1]
    if not chosen:
        return [*found, Words("Nothing had to be done.")]
    left = len(chosen) - _DEEDS
    found.append(Facts(tuple((day(at(one.time)), one.words) for one in chosen[-_DEEDS:])))
    return [*found, Words(f"{counted(left, 'earlier step')} below.", "muted")] if left > 0 else found


def _commands(known: Known) -> Part:
    typed = in_shell(known.model)
    lines = [f"nbops monitor run {typed}", f"nbops monitor policy {typed}"]
    lines += [f"nbops incidents ack {case.incident_id[-8:]}" for case in known.open if matters(case.severity)]
    lines += [f"nbops reviews page {case.review_id[-8:]}" for case in known.pending]
    if known.policy.retrain.notebook is not None:
        lines.append(f'nbops monitor retrain {typed} --reason "…"')
    if any(one.alias == watched.CHAMPION and one.before is not None for one in known.moves):
        lines.append(f'nbops models rollback {typed} --reason "…"')
    return Part(
        "What to type", (Words("In a terminal, in the folder of the project:"), Commands(tuple(lines))), brief=False
    )
