"""A model in use as one page: how it is, since when, how bad, why, and what was done; below that the figures it rests on.

Everything is read from the store; no row is scored and nothing is measured anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from nbops import times
from nbops.evaluation.telling import amount, share
from nbops.monitoring import windows
from nbops.monitoring.incidents import Case
from nbops.monitoring.performance import Performance
from nbops.monitoring.status import Word
from nbops.records import at
from nbops.render import values
from nbops.render.model import Column
from nbops.render.values import counted
from nbops.reports import watched, watched_pictures, wording
from nbops.reports.document import Banner, Block, Commands, Document, Facts, Part, Points, Table, Tone, Words
from nbops.reports.moments import day, minute, moment
from nbops.reports.watched import Figure, Known
from nbops.reports.watched_deeds import Deed, about, deeds, done
from nbops.reports.watched_pictures import during, matters, plain, rounded, shown
from nbops.store.client import Store

_TONES: dict[Word, Tone] = {
    "healthy": "good", "learning": "plain", "watched": "attention", "doubtful": "attention", "in trouble": "bad", "not monitored": "plain",
}  # fmt: skip
_DEEDS = 6
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

Answer = tuple[str, str, Tone]


def page(store: Store, model: str, *, until: datetime | None = None, as_of: datetime | None = None) -> Document:
    """The page of a model, with everything or with what was known of windows that had ended `until` a time. Raises NotFound."""
    known = watched.gather(store, model, until=until, as_of=as_of)
    given = f"Monitoring · windows that ended by {moment(until)}" if until is not None else "Monitoring"
    if known.version is None:
        return _nothing(known, given)
    told = deeds(known)
    parts = [
        _course(known), *_why(store, known), *_columns(known), *_checks(known), _labels(known), *_calibration(known),
        *_value(store, known), _incidents(known), *_acts(told), _rules(known), _commands(known),
    ]  # fmt: skip
    return Document(
        kind=given,
        title=_title(known),
        made=known.as_of,
        status=known.word,
        lead=tuple(_lead(known)),
        parts=tuple(parts),
        banner=Banner(known.word.capitalize(), _sentence(known), _tone(known)),
        glance=tuple(_glance(known, told)),
    )


def default_name(model: str) -> str:
    """The file name that a page gets when none is asked for."""
    return f"monitoring-{model.replace(' ', '-')}.html"


def _title(known: Known) -> str:
    return f"{known.model}: {wording.ended(known.card.purpose)[:-1]}" if known.card.purpose else known.model


def _nothing(known: Known, kind: str) -> Document:
    """The page of a model whose predictions nobody looks at."""
    sentence = "No window of its predictions was looked at, so nobody knows how it does in use."
    if known.data_until is not None:
        sentence += f" Predictions are logged up to {_day(known, known.data_until)}."
    typed = _typed(known.model)
    lines: tuple[str, ...] = (f"nbops monitor run {typed}",)
    if known.data_until is None:
        lines = (f"nbops score {typed} FILE --out PREDICTIONS", *lines)
    return Document(
        kind=kind,
        title=_title(known),
        made=known.as_of,
        status=known.word,
        lead=(("What happens if nothing is done?", "If it gets worse, nobody is told.", "attention"),),
        parts=(Part("How it comes to be watched", (Commands(lines),)), _rules(known)),
        banner=Banner(known.word.capitalize(), sentence, "attention"),
    )


# At one glance


def _tone(known: Known) -> Tone:
    tone = _TONES[known.word]
    return "attention" if tone == "good" and (known.judged is None or _replaced(known)) else tone


def _sentence(known: Known) -> str:
    """What is wrong, since when and how bad; or how well it does."""
    case, now = known.trouble, _now(known)
    told = []
    if case is not None and case.status == "open":
        told.append(_wrong(known, case))
    elif now is not None:
        told.append(_well(known, now))
        told += [_was_wrong(known, case)] if case is not None else []
    elif known.word == "learning":
        told.append("There is too little to judge it by yet.")
    else:
        told.append(
            "Nothing is wrong that could be looked at, but what came true is not known yet: how far off it is, nobody can tell."
        )
    if _replaced(known):
        told.append(f"No window of version {known.holder}, which is in use now, was looked at yet.")
    return " ".join(told)


def _wrong(known: Known, case: Case) -> str:
    since = f"Since {_day(known, case.since)}"
    version = f"version {case.version}" if case.version is not None else "it"
    now = _now(known, case.version)
    if case.kind == "performance" and now is not None:
        return f"{since} {version} is worse than allowed: {_measured(known, now)}"
    if case.kind == "estimate":
        return f"{since} {version} seems to be worse than allowed, going by its answers alone: what came true is not known yet."
    return f"{since}: {wording.ended(case.text)}"


def _well(known: Known, now: Figure) -> str:
    where = {"within": "that is within what is allowed", "perhaps": "that is perhaps beyond what is allowed"}
    odd = "that is beyond what is allowed, but not for long enough to be sure"
    return f"{_begun(_measured(known, now)[:-1])}; {where.get(now.standing or '', odd)}."


def _was_wrong(known: Known, case: Case) -> str:
    """The trouble that is over."""
    ended = _day(known, _until(known, case.last_window) - 1)
    worst = _worst(known, case)
    version = f"Version {case.version}" if case.version is not None else "It"
    far = (
        f": its {wording.measured(known.metric)} came to {rounded(known, worst.value, worst.unit)} "
        f"{during(known, worst.start, worst.until)}"
        if worst is not None and worst.value is not None
        else ""
    )
    return f"{version} was worse than allowed from {_day(known, case.since)} to {ended}{far}."


def _measured(known: Known, figure: Figure) -> str:
    """Such as "its average error was 17.8 min (16.3 to 19.6) in the week of …, 2.1 times the 8.4 min promised."."""
    told = (
        f"its {wording.measured(known.metric)} was {shown(known, figure)} {during(known, figure.start, figure.until)}"
    )
    promised = figure.laboratory
    if promised is None or figure.value is None:
        return f"{told}."
    lab = rounded(known, promised, figure.unit)
    if promised > 0 and figure.value / promised >= 1.05:
        return f"{told}, {figure.value / promised:.2g} times the {lab} promised."
    return f"{told}; {lab} was promised."


def _lead(known: Known) -> list[Answer]:
    lead = [("How far off is it?", _how_far(known), "plain" if known.judged is not None else "attention")]
    case = known.trouble
    because = _because(known)
    if case is not None and (case.status == "open" or because):
        lead.append(("Why?" if case.status == "open" else "Why was it worse?", because or _cause(case), "plain"))
    lead.append(
        ("What happens if nothing is done?", " ".join(_if_nothing(known)), "attention" if known.open else "plain")
    )
    lead.append(("How fresh is this?", _fresh(known), "plain"))
    return lead  # type: ignore[return-value]  # the tones are literals


def _how_far(known: Known) -> str:
    now = _now(known)
    if now is None:
        estimated = next(reversed(known.of(known.version, "estimated")), None)
        if estimated is None or estimated.value is None:
            return "Not known: no label has come, or too few of them."
        return (
            f"Not known: too few labels have come. Going by its answers its {wording.measured(known.metric)} seems to be "
            f"{shown(known, estimated)}; {_trust_in_short(known)}"
        )
    own = next(one for one in known.own if one.start == now.start)
    told = f"{_begun(wording.measured(known.metric))} {shown(known, now)} {during(known, now.start, now.until)}"
    told += f", of {share(own.labelled / own.rows)} of its {counted(own.rows, 'row')}." if own.rows else "."
    if now.laboratory is not None:
        ends = known.promised
        whole = (
            wording.with_interval(ends, now.unit)
            if ends is not None and ends.value is not None
            else rounded(known, now.laboratory, now.unit)
        )
        told += f" Promised was {whole}"
        told += f"; allowed is {_edge(known)} {_limit(known)}." if known.limit is not None else "."
    right = known.performance.of("accuracy") if known.performance is not None and known.metric != "accuracy" else None
    if right is not None and right.value is not None:
        told += f" {wording.with_interval(right, '')} of its answers are right."
    return told


def _because(known: Known) -> str:
    """Where to look first, in plain words."""
    report = known.worse
    if report is None or report.causes is None:
        return ""
    told = [_one_sided(report.performance)] if report.performance is not None else []
    moved = [one for one in report.causes.columns if one.importance is None or one.importance > 0]
    if moved:
        listed = [f"{plain(one.column)}{f' ({one.how})' if one.how else ''}" for one in moved]
        told.append(f"Of what it goes by, this moved most since it was made: {wording.listed(listed)}.")
    else:
        told.append("Nothing that it goes by has moved: the same rows lead to something else now.")
    for one in report.causes.slices[:1]:
        unit = report.performance.unit if report.performance is not None else ""
        told.append(
            f"Worst where {one.column} is {one.group}: off by {amount(float(f'{one.loss:.3g}'), unit)} instead of "
            f"{amount(float(f'{one.laboratory:.3g}'), unit)}."
        )
    return " ".join(filter(None, told))


def _one_sided(found: Performance) -> str:
    """Whether its numbers lie too high or too low on average."""
    bias = found.regression.bias if found.regression is not None else None
    if bias is None or bias.value is None or bias.low is None or bias.high is None or bias.low <= 0 <= bias.high:
        return ""
    word = "high" if bias.value < 0 else "low"
    return f"Its predictions are {amount(float(f'{abs(bias.value):.3g}'), found.unit)} too {word} on average."


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
            f"Version {review.version} waits for somebody's approval until {ends}; without one {stays}."
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


def _fresh(known: Known) -> str:
    last, every = known.own[-1], known.policy.window
    told = [f"Data up to {_day(known, known.data_until)}"] if known.data_until is not None else []
    told.append(f"looked at on {day(at(last.seen))} up to {_day(known, last.until - 1)}")
    due = windows.containing(last.window.until, every, known.zone)
    ended = due.until <= known.as_of
    told.append(
        f"the {every} after that is complete since {_day(known, due.span[1])} and was not looked at"
        if ended
        else f"the next {every} is due on {_day(known, due.span[1])}"
    )
    return f"{_begun('; '.join(told))}."


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


# Below that


def _course(known: Known) -> Part:
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
            f"The dashed line is what its answers alone let expect, before it is known what came true. {_begun(_trust_in_short(known))} "
            f"{found.sentence}",
            "attention" if found.trust == "off" else "plain",
        )
    ]


def _trust_in_short(known: Known) -> str:
    found = known.trust_since(known.version)
    if found is None:
        return "nothing was estimated."
    word, since = found
    begins = _day(known, since)
    if word == "off":
        return f"such estimates are switched off since {begins}: they were too far from what came true."
    if word == "trusted":
        return f"such estimates are trusted since {begins}: they came close to what came true."
    return "such estimates are not relied upon: too little came true yet to know what they are worth, or one was off lately."


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
    sided = _one_sided(performance) if performance is not None else ""
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
    both = watched.profiles(store, known, report)
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


def _columns(known: Known) -> list[Part]:
    picture = watched_pictures.moves(known)
    if picture is None:
        return []
    blocks: list[Block] = [
        Words(
            "The darker a square, the further the column lies from where it lay when the model was made. A dot: further than chance "
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
            Words(f"{_begun(during(known, known.own[-1].start, known.own[-1].until))}: {found.coverage.sentence}", tone)
        )
    return Part("How much of the truth is known", tuple(blocks))


def _calibration(known: Known) -> list[Part]:
    found = known.performance
    told = (found.calibration or found.regression) if found is not None else None
    if told is None or known.judged is None:
        return []
    when = f"{_begun(during(known, known.judged.start, known.judged.until))}, {counted(told.rows, 'row')}:"
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
        blocks += [Words(f"{_begun(about(case))}: {state}", tone), Words(case.text)]
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
    lasted = f"in {counted(case.windows, 'window')} since {_day(known, case.since)}"
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


def _rules(known: Known) -> Part:
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
    return f"{wording.measured(known.metric)} {_edge(known)} {_limit(known)}{than}"


def _commands(known: Known) -> Part:
    typed = _typed(known.model)
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


# Words


def _now(known: Known, version: int | None = None) -> Figure | None:
    """The last figure that is judged of a version, that in focus by default."""
    found = known.of(known.version if version is None else version)
    return next(
        (one for one in reversed(found) if one.value is not None and one.standing not in {None, "unknown"}), None
    )


def _worst(known: Known, case: Case) -> Figure | None:
    found = [
        one for one in known.of(case.version) if case.since <= one.start <= case.last_window and one.value is not None
    ]
    sign = -1 if known.higher else 1
    return max(found, key=lambda one: sign * (one.value or 0.0), default=None)


def _replaced(known: Known) -> bool:
    """Whether another version is in use than the one that was looked at."""
    return known.holder is not None and known.holder != known.version


def _limit(known: Known) -> str:
    return rounded(known, known.limit, known.of(known.version)[-1].unit)


def _edge(known: Known) -> str:
    return "no less than" if known.higher else "up to"


def _until(known: Known, start: int) -> int:
    return next((one.until for one in known.looked if one.start == start), start + 1)


def _day(known: Known, when: int) -> str:
    """A day of data, in the policy's zone: "29 April 2013"."""
    told = at(when).astimezone(known.zone)
    return f"{told.day} {told:%B %Y}"


def _begun(words: str) -> str:
    return words[:1].upper() + words[1:]


def _typed(name: str) -> str:
    return f"'{name}'" if " " in name else name
