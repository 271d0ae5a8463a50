"""The parts of a monitoring page below what is seen at one glance: each is a title with what stands below it.

What flows in is what the store knows of a model, as `watched.gather` gives it; nothing is scored or measured anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from nbops.evaluation.telling import amount, share
from nbops.monitoring import windows
from nbops.monitoring.incidents import Case
from nbops.records import at
from nbops.render import values
from nbops.render.model import Column
from nbops.render.values import counted
from nbops.reports import watched, watched_pictures, wording
from nbops.reports.document import Block, Commands, Facts, Part, Points, Table, Tone, Words
from nbops.reports.moments import day, minute, moment
from nbops.reports.watched import Known
from nbops.reports.watched_deeds import Deed, about, done
from nbops.reports.watched_pictures import during, matters, plain, shown
from nbops.reports.watched_words import begun, day_of, edge, in_shell, limit, one_sided, trust_in_short
from nbops.store.client import Store

_WINDOWS, _COLUMNS, _INCIDENTS, _VALUED = 12, 40, 8, 40
_SIGNS = {"passed": "✓", "broken": "✗", "failed": "✗", "warning": "!", "quarantined": "!", "skipped": "–"}
_STANDS = {
    "within": "as allowed", "perhaps": "perhaps worse", "beyond": "worse than allowed",
    "unknown": "not judged",
}  # fmt: skip
_PROMISED = (
    "What was promised is what it reached before it went into use, on rows with known truth that it had not seen. In brackets and shaded: "
    "between what the true figure lies, in 19 of 20 such windows."
)
_PSI = (
    "PSI, the population stability index, is 0 where values lie as they did, and grows with the shares that changed places. The limit is "
    "the largest of what the policy lets pass, what chance reaches with so many rows, and what is natural for the column."
)


def parts(store: Store, known: Known, told: Sequence[Deed]) -> list[Part]:
    """All of them, for a model that is looked at; `told` is what was done, the oldest first."""
    return [
        course(known), *_why(store, known), *columns(known), *_checks(known), _labels(known), *_calibration(known),
        *_value(store, known), _incidents(known), *_acts(told), rules(known),
    ]  # fmt: skip


def beginning(known: Known) -> Part:
    """How a model comes to be watched whose predictions nobody looks at."""
    typed = in_shell(known.model)
    lines: tuple[str, ...] = (f"nbops monitor run {typed}",)
    if known.data_until is None:
        lines = (f"nbops score {typed} FILE --out PREDICTIONS", *lines)
    return Part("How it comes to be watched", (Commands(lines),))


def course(known: Known) -> Part:
    """The success measure by window, what was promised and what is allowed."""
    blocks: list[Block] = []
    if not known.of(known.version):
        blocks.append(Words("No label has come yet, so nothing was measured.", "attention"))
    picture = watched_pictures.measure(known, width=960, estimates=True)
    if picture is not None:
        shades = (
            " The red shade is when something was wrong that somebody had to look at."
            if known.trouble is not None
            else ""
        )
        blocks += [picture, Words(f"{_PROMISED}{shades}", "muted")]
    blocks += _estimates(known)
    blocks.append(_table(known))
    return Part("How good it was, window by window", tuple(blocks))


def _estimates(known: Known) -> list[Block]:
    """What is said without labels, and what that was worth."""
    if not known.of(known.version, "estimated"):
        return [] if known.policy.estimate else [Words("Nothing is estimated: the policy does without.", "muted")]
    found = known.trusts(known.version)[-1][1]
    return [
        Words(
            f"The dashed line is what its answers alone let expect, before it is known what came true. {begun(trust_in_short(known))} "
            f"{found.sentence}",
            "attention" if found.trust == "off" else "plain",
        )
    ]


def _table(known: Known) -> Table:
    realised = {one.start: one for one in known.of(known.version)}
    estimated = {one.start: one for one in known.of(known.version, "estimated")}
    rows = []
    for one in reversed(known.own[-_WINDOWS:]):
        found, guess = realised.get(one.start), estimated.get(one.start)
        ratio = (
            found.value / found.laboratory
            if found is not None and found.value is not None and found.laboratory
            else None
        )
        rows.append(
            (
                windows.named(one.window, known.zone), one.rows, share(one.labelled / one.rows) if one.rows else None,
                shown(known, found) if found is not None and found.value is not None else None,
                None if ratio is None else round(ratio, 2), _STANDS.get(found.standing or "") if found is not None else None,
                shown(known, guess) if guess is not None and guess.value is not None else None,
            )
        )  # fmt: skip
    columns = (
        Column(known.policy.window, "time"), Column("rows", "number"), Column("with truth", "time"),
        Column(wording.measured(known.metric) if known.metric else "measure", "time"), Column("times promised", "number"),
        Column("that is", "time"), Column("estimated", "time"),
    )  # fmt: skip
    left = len(known.own) - len(rows)
    return Table(
        columns,
        tuple(rows),
        caption=f"The last windows of version {known.version}, the newest first",
        note=f"{counted(left, 'earlier window')} not listed." if left else None,
    )


def _why(store: Store, known: Known) -> list[Part]:
    report = known.worse
    if report is None or report.causes is None:
        return []
    found, performance = report.causes, report.performance
    blocks: list[Block] = [
        Words(
            f"Of version {report.version} {during(known, report.start, report.until)}. What moved beside an error need not be why it grew: "
            "this is where to look first.",
            "muted",
        )
    ]
    sided = one_sided(performance) if performance is not None else ""
    blocks += [Words(sided)] if sided else []
    blocks.append(Words(found.sentence))
    unit = performance.unit if performance is not None else ""
    if found.slices:
        rows = tuple(
            (one.column, one.group, one.rows, round(one.loss, 2), round(one.laboratory, 2), share(one.share))
            for one in found.slices
        )
        columns = (
            "column", "group", Column("rows", "number"), Column("off by", "number", unit or None),
            Column("when it was made", "number", unit or None), Column("of all that was added", "time"),
        )  # fmt: skip
        blocks.append(Table(columns, rows, caption="Who loses most"))
    both = watched.profiles(store, report)
    if both is not None:
        pictures = watched_pictures.overlays(
            *both, [(one.column, _importance(one.column, one.importance, unit)) for one in found.columns]
        )
        if pictures:
            blocks += [Words(f"How their values lie {during(known, report.start, report.until)}:", "strong"), *pictures]
    return [Part("Why it was worse", tuple(blocks))]


def _importance(column: str, drop: float | None, unit: str) -> str:
    if drop is None:
        return column
    if drop <= 0:
        return f"{column}: it hardly goes by it"
    return f"{column}: without it, it is worse by {amount(float(f'{drop:.2g}'), unit)}"


def columns(known: Known) -> list[Part]:
    """How far each column moved, window by window, and the last of them in figures."""
    picture = watched_pictures.moves(known)
    if picture is None:
        return []
    blocks: list[Block] = [
        Words(
            "The stronger a square, the further the column lies from where it lay when the model was made. A dot: further than chance "
            "and its own nature explain. What moves need not do harm."
        ),
        picture,
    ]
    if known.last is not None and known.last.drift:
        found = known.last.drift[0].worst_first[:_COLUMNS]
        rows = tuple(
            (
                plain(one.column), _VERDICTS[one.verdict], None if one.moved is None else round(one.moved.effect, 3),
                None if one.moved is None else round(one.moved.limit, 3), None if one.nulls_now is None else share(one.nulls_now),
                one.sentence,
            )
            for one in found
        )  # fmt: skip
        columns = (
            "column", Column("it", "time"), Column("PSI", "number"), Column("limit", "number"), Column("missing now", "time"),
            Column("in words", "prose"),
        )  # fmt: skip
        blocks.append(
            Table(
                columns,
                rows,
                caption=f"The columns {during(known, known.last.start, known.last.until)}, held against {_against(known.last.baseline)}",
                note=_PSI,
            )
        )
    return [Part("How its data moved", tuple(blocks))]


_VERDICTS = {"differs": "moved", "same": "is as it was", "learning": "is not judged"}


def _against(told: str) -> str:
    return "what it was made from" if told == "reference" else f"the window {told!r}"


def _checks(known: Known) -> list[Part]:
    blocks: list[Block] = []
    groups = (("contract", "Rules for its data"), ("assumption", "What it takes for granted"))
    for kind, title in groups:
        found = [one for one in known.checks if one.kind == kind]
        if found:
            signs = tuple(_SIGNS.get(one.outcome, "–") for one in found)
            told = tuple(
                one.sentence
                if not one.author or one.author in one.sentence
                else f"{one.sentence} Said by {one.author}."
                for one in found
            )
            blocks += [
                Words(f"{title}, {during(known, known.own[-1].start, known.own[-1].until)}:", "strong"),
                Points(told, signs),
            ]
    if not blocks:
        none = "Nobody said what holds for its data: the policy names no contract, and its card no assumptions."
        blocks.append(Words(none, "muted"))
    if known.last is not None and known.last.notes:
        blocks += [Words("What could not be looked at:", "strong"), Points(known.last.notes)]
    return [Part("Checks of its data", tuple(blocks))]


def _labels(known: Known) -> Part:
    rows, there = sum(one.rows for one in known.own), sum(one.labelled for one in known.own)
    part = share(there / rows) if rows else "0 %"
    told = f"Of {counted(rows, 'row')} of version {known.version} it is known of {there:,} ({part}) what came true."
    blocks: list[Block] = [Words(told)]
    found = known.last.performance if known.last is not None else None
    if found is not None:
        tone: Tone = "plain" if found.coverage.trust == "whole" else "attention"
        blocks.append(
            Words(f"{begun(during(known, known.own[-1].start, known.own[-1].until))}: {found.coverage.sentence}", tone)
        )
    return Part("How much of the truth is known", tuple(blocks))


def _calibration(known: Known) -> list[Part]:
    found = known.performance
    told = (found.calibration or found.regression) if found is not None else None
    if told is None or known.judged is None:
        return []
    when = f"{begun(during(known, known.judged.start, known.judged.until))}, {counted(told.rows, 'row')}:"
    return [Part("Whether its answers mean what they say", (Words(when), Points(tuple(told.sentences))))]


def _value(store: Store, known: Known) -> list[Part]:
    reports = watched.valued(store, known, _VALUED)
    picture = watched_pictures.costs(known, reports)
    if picture is None:
        return []
    found = reports[-1].performance
    said = found.value.sentence if found is not None and found.value is not None else ""
    explained = "Dashed is what the best decision would have cost that looks at nothing, found with hindsight."
    return [Part("What its errors cost", (picture, Words(explained, "muted"), Words(said)))]


def _incidents(known: Known) -> Part:
    if not known.cases:
        return Part("Incidents", (Words("There was none."),))
    blocks: list[Block] = []
    for case in known.cases[:_INCIDENTS]:
        state = _standing(known, case)
        tone: Tone = (
            "plain"
            if case.status != "open" or not matters(case.severity)
            else "bad"
            if case.severity == "page"
            else "attention"
        )
        blocks += [Words(f"{begun(about(case))}: {state}", tone), Words(case.text)]
        rows = tuple((minute(at(one.time)), one.actor, *done(known, one)) for one in case.acts if one.act != "seen")
        blocks.append(Table((Column("when", "time"), "who", "did", Column("words", "prose")), rows))
    left = len(known.cases) - _INCIDENTS
    blocks += [Words(f"{counted(left, 'more incident')}: nbops incidents list --all", "muted")] if left > 0 else []
    blocks.append(
        Words(
            "A cause has one incident, however many columns it concerns. Its severity: info is only told, watch is to be watched, warn "
            "is to be looked at soon, page now.",
            "muted",
        )
    )
    return Part("Incidents", tuple(blocks))


def _standing(known: Known, case: Case) -> str:
    lasted = f"in {counted(case.windows, 'window')} since {day_of(known, case.since)}"
    if case.status == "open":
        by = f", acknowledged by {case.acknowledged_by}" if case.acknowledged_by else ", acknowledged by nobody"
        muted = (
            f", muted until {moment(at(case.muted_until))}"
            if case.muted_until is not None and at(case.muted_until) > known.as_of
            else ""
        )
        return f"open ({case.severity}), bad {lasted}{by}{muted}."
    by = f" by {case.closed_by}" if case.status == "closed" and case.closed_by else ""
    when = f" on {day(at(case.closed))}" if case.closed is not None else ""
    return f"{case.status}{by}{when} ({case.severity}), was bad {lasted}."


def _acts(told: Sequence[Deed]) -> list[Part]:
    if not told:
        return []
    rows = tuple((minute(at(one.time)), one.words) for one in reversed(told))
    return [
        Part("What was done, all of it", (Table((Column("when", "time"), Column("what", "prose")), rows),), brief=False)
    ]


def rules(known: Known) -> Part:
    """How it is watched: its policy in words."""
    policy = known.policy
    again = policy.retrain
    opens = f"after {policy.open_after.odd} of {counted(policy.open_after.of, 'window')} that are odd"
    trained = (
        f"with {again.notebook} on {counted(again.months, 'full month')}, at most {counted(again.budget, 'time')} a year"
        if again.notebook
        else "never by itself: the policy names no notebook"
    )
    pairs = [
        ("Windows", f"each {policy.window}, in the time of {policy.timezone}"),
        ("Held against", _against(policy.baseline)),
        ("Allowed", _allowed(known)),
        ("An incident opens", f"{opens}, and at once where data or assumptions are broken"),
        ("It heals", f"after {counted(policy.close_after, 'good window')} in a row"),
        ("Expected to be odd", "; ".join(f"{one.start} to {one.until}: {one.reason}" for one in policy.seasons)),
        ("A new version is trained", trained),
    ]
    return Part("How it is watched", (Facts(tuple(pair for pair in pairs if pair[1])),), brief=False)


def _allowed(known: Known) -> str:
    if known.limit is None:
        return ""
    stands = known.stands
    than = ""
    if stands is not None and stands.bound.worse_than is not None:
        than = f", {values.number(stands.bound.worse_than)} times as bad as what was promised"
    return f"{wording.measured(known.metric)} {edge(known)} {limit(known)}{than}"
