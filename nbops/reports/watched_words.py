"""What a monitoring page says of a model in use at one glance: how it is in a word and a sentence, and the words for its figures."""

from __future__ import annotations

from nbops.evaluation.telling import amount
from nbops.monitoring import windows
from nbops.monitoring.incidents import Case
from nbops.monitoring.performance import Performance
from nbops.monitoring.status import Word
from nbops.records import at
from nbops.reports import wording
from nbops.reports.document import Banner, Tone
from nbops.reports.moments import day
from nbops.reports.watched import Figure, Known
from nbops.reports.watched_pictures import during, rounded, shown

_TONES: dict[Word, Tone] = {
    "healthy": "good", "learning": "plain", "watched": "attention", "doubtful": "attention", "in trouble": "bad",
    "not monitored": "attention",
}  # fmt: skip


def banner(known: Known) -> Banner:
    """How the model is, in a word and a sentence, as loud as that is."""
    return Banner(known.word.capitalize(), _sentence(known), _tone(known))


def latest(known: Known, version: int | None = None) -> Figure | None:
    """The last figure that is judged of a version, that in focus by default."""
    found = known.of(known.version if version is None else version)
    return next(
        (one for one in reversed(found) if one.value is not None and one.standing not in {None, "unknown"}), None
    )


def one_sided(found: Performance) -> str:
    """Whether its numbers lie too high or too low on average."""
    bias = found.regression.bias if found.regression is not None else None
    if bias is None or bias.value is None or bias.low is None or bias.high is None or bias.low <= 0 <= bias.high:
        return ""
    word = "high" if bias.value < 0 else "low"
    return f"Its predictions are {amount(float(f'{abs(bias.value):.3g}'), found.unit)} too {word} on average."


def fresh(known: Known) -> str:
    """Up to when there is data, when that was looked at, and when the next window is due."""
    last, every = known.own[-1], known.policy.window
    told = [f"data up to {day_of(known, known.data_until)}"] if known.data_until is not None else []
    told.append(f"looked at on {day(at(last.seen))} up to {day_of(known, last.until - 1)}")
    due = windows.containing(last.window.until, every, known.zone)
    after = (
        f"How it did in the {every} after that, which ended on {day_of(known, due.span[1] - 1)}, nobody looked at yet."
        if due.until <= known.as_of
        else f"The next {every} is due on {day_of(known, due.span[1])}."
    )
    return f"{begun('; '.join(told))}. {after}"


def trust_in_short(known: Known) -> str:
    """What estimates without labels are worth now, and since when."""
    found = known.trust_since(known.version)
    if found is None:
        return "nothing was estimated."
    word, since = found
    begins = day_of(known, since)
    if word == "off":
        return f"such estimates are switched off since {begins}: they were too far from what came true."
    if word == "trusted":
        return f"such estimates are trusted since {begins}: they came close to what came true."
    return "such estimates are not relied upon: too little came true yet to know what they are worth, or one was off lately."


def replaced(known: Known) -> bool:
    """Whether another version is in use than the one that was looked at."""
    return known.holder is not None and known.holder != known.version


def limit(known: Known) -> str:
    """How bad the success measure may get, in words."""
    return rounded(known, known.limit, known.of(known.version)[-1].unit)


def edge(known: Known) -> str:
    """On which side of that it has to lie."""
    return "no less than" if known.higher else "up to"


def day_of(known: Known, when: int) -> str:
    """A day of data, in the policy's zone: "29 April 2013"."""
    told = at(when).astimezone(known.zone)
    return f"{told.day} {told:%B %Y}"


def begun(words: str) -> str:
    """Words as a sentence begins."""
    return words[:1].upper() + words[1:]


def in_shell(name: str) -> str:
    """A name as one types it in a terminal."""
    return f"'{name}'" if " " in name else name


def _tone(known: Known) -> Tone:
    tone = _TONES[known.word]
    return "attention" if tone == "good" and (known.judged is None or replaced(known)) else tone


def _sentence(known: Known) -> str:
    """What is wrong, since when and how bad; or how well it does."""
    if known.version is None:
        sentence = "No window of its predictions was looked at, so nobody knows how it does in use."
        until = known.data_until
        return sentence if until is None else f"{sentence} Predictions are logged up to {day_of(known, until)}."
    case, now = known.trouble, latest(known)
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
    if replaced(known):
        told.append(f"No window of version {known.holder}, which is in use now, was looked at yet.")
    return " ".join(told)


def _wrong(known: Known, case: Case) -> str:
    since = f"Since {day_of(known, case.since)}"
    version = f"version {case.version}" if case.version is not None else "it"
    now = latest(known, case.version)
    if case.kind == "performance" and now is not None:
        report = known.worse
        sided = one_sided(report.performance) if report is not None and report.performance is not None else ""
        return f"{since} {version} is worse than allowed: {_measured(known, now)} {sided}".rstrip()
    if case.kind == "estimate":
        return f"{since} {version} seems to be worse than allowed, going by its answers alone: what came true is not known yet."
    return f"{since}: {wording.ended(case.text)}"


def _well(known: Known, now: Figure) -> str:
    where = {"within": "that is within what is allowed", "perhaps": "that is perhaps beyond what is allowed"}
    odd = "that is beyond what is allowed, but not for long enough to be sure"
    return f"{begun(_measured(known, now)[:-1])}; {where.get(now.standing or '', odd)}."


def _was_wrong(known: Known, case: Case) -> str:
    """The trouble that is over."""
    ended = day_of(known, _until(known, case.last_window) - 1)
    worst = _worst(known, case)
    version = f"Version {case.version}" if case.version is not None else "It"
    far = (
        f": its {wording.measured(known.metric)} came to {rounded(known, worst.value, worst.unit)} "
        f"{during(known, worst.start, worst.until)}"
        if worst is not None and worst.value is not None
        else ""
    )
    return f"{version} was worse than allowed from {day_of(known, case.since)} to {ended}{far}."


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


def _worst(known: Known, case: Case) -> Figure | None:
    found = [
        one for one in known.of(case.version) if case.since <= one.start <= case.last_window and one.value is not None
    ]
    sign = -1 if known.higher else 1
    return max(found, key=lambda one: sign * (one.value or 0.0), default=None)


def _until(known: Known, start: int) -> int:
    return next((one.until for one in known.looked if one.start == start), start + 1)
