"""A policy and the evidence about a candidate in, a verdict with a sentence for every check out. Nothing is measured, read or drawn here.

The rule of comparison: a candidate is better than the champion when the paired interval of their difference on the same rows lies above
zero and the difference itself reaches the margin. The first keeps chance out (about 2.5 % of equals pass, up to 4 % of those told from
20 blocks), the second what does not matter in practice. Asking the interval's lower end to reach the margin would take four times the
rows to accept as often what is better by two margins. `benchmarks gate` tells how often either mistake is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from nbops.errors import nearest
from nbops.evaluation.bootstrap import Interval, Paired
from nbops.evaluation.evidence import Check, Evidence, Outcome, Part, Told, Verdict
from nbops.evaluation.policy import Limit, Policy, SlicesPolicy, read
from nbops.evaluation.telling import figures, interval, label, with_unit
from nbops.render.values import counted

__all__ = ["Check", "Evidence", "Part", "Policy", "Told", "Verdict", "gate", "read"]


def gate(policy: Policy, evidence: Evidence) -> Verdict:
    """Whether the evidence is what the policy asks for.

    With too few rows or blocks what is estimated from them counts as `too_few`; what is wrong whatever their number still fails.
    """
    amount = tuple(_amount(policy, evidence))
    few = any(check.outcome == "too_few" for check in amount)
    estimated = (
        _comparison(policy, evidence), *_limits(policy, evidence), *_parts(policy, evidence), *_calibration(policy, evidence),
    )  # fmt: skip
    if few:
        estimated = tuple(
            msgspec.structs.replace(check, outcome="too_few") if check.outcome in {"passed", "failed", "warning"} else check
            for check in estimated
        )  # fmt: skip
    checks = (*amount, *_run(policy, evidence), *estimated, *_others(policy, evidence))
    outcomes = {check.outcome for check in checks}
    return Verdict("failed" if "failed" in outcomes else "too_few" if "too_few" in outcomes else "passed", checks)


def _amount(policy: Policy, evidence: Evidence) -> Iterator[Check]:
    for name, found, least in (
        ("rows", evidence.rows, policy.min_rows), ("blocks", evidence.blocks, policy.min_blocks),
    ):  # fmt: skip
        if found is None:
            continue
        enough = found >= least
        noun = name.removesuffix("s")
        sentence = f"{counted(found, noun)}, at least {least:,} asked" + ("." if enough else ": too few to decide on.")
        yield Check(name, "passed" if enough else "too_few", sentence, found, least)


def _run(policy: Policy, evidence: Evidence) -> Iterator[Check]:
    if evidence.tuned:
        used = " and ".join(evidence.tuned)
        yield Check("tuning", "warning", f"These rows were also used for {used}: the figures flatter it.")
    if not evidence.failed_run:
        return
    if evidence.waiver and policy.waivers:
        yield Check("run", "warning", f"The run that made this version failed; waived: {evidence.waiver}")
    else:
        remedy = "a waiver with a reason lets it pass" if policy.waivers else "the policy allows no waiver"
        yield Check("run", "failed", f"The run that made this version failed; {remedy}.")


def _comparison(policy: Policy, evidence: Evidence) -> Check:
    found, told = evidence.paired, label(policy.metric)
    if not policy.versus_champion:
        return Check("comparison", "skipped", "The policy asks for no comparison with the champion.")
    if evidence.champion is None:
        return Check("comparison", "skipped", "There is no champion yet to compare with.")
    if found is None or found.metric != policy.metric:
        why = f" {evidence.incomparable}" if evidence.incomparable else ""
        sentence = f"{told} was not compared with the champion {evidence.champion} on the same rows.{why}"
        return Check("comparison", "failed", sentence)
    if found.difference is None:
        return Check("comparison", "failed", f"{told} is not defined for both models on these rows.")
    begin = _beside(evidence.metrics.get(policy.metric), found, evidence.units.get(policy.metric, ""))
    return _judged(found, found.difference, policy.margin, begin, evidence.units.get(policy.metric, ""))


def _judged(found: Paired, difference: float, margin: float, begin: str, unit: str) -> Check:
    """Whether the challenger is better, by the rule of comparison."""
    low, high = found.low, found.high
    outcome: Outcome
    if low is None or high is None:
        outcome = "too_few" if difference > 0 else "failed"
        end = "no interval of the difference can be told." if difference > 0 else "no better."
    else:
        outcome = "passed" if low > 0 and difference >= margin else "failed"
        end = _difference(difference, low, high, margin, unit) + _needed(found, low, high, margin, unit)
    return Check("comparison", outcome, begin + end, difference, margin, unit)


def _beside(own: Interval | None, found: Paired, unit: str) -> str:
    """Both models' metrics, with the same decimals."""
    value, champion = (math.nan if one is None else one for one in (found.challenger, found.champion))
    blocks = "" if found.blocks is None else f" in {counted(found.blocks, 'block')}"
    if own is None or own.low is None or own.high is None:
        shown = figures([value, champion], abs(value - champion))
        first = with_unit(shown[0], unit)
    else:
        shown = figures([value, own.low, own.high, champion], (own.high - own.low) / 2)
        first = interval(shown, unit)
    return f"{label(found.metric)} {first}, champion {with_unit(shown[-1], unit)} on the same {counted(found.rows, 'row')}{blocks}: "


def _difference(difference: float, low: float, high: float, margin: float, unit: str) -> str:
    """How much better or worse, and what was asked."""
    sign = 1 if difference >= 0 else -1
    ends = sorted((sign * low, sign * high))
    shown = figures([sign * difference, *ends, *([margin] if margin else [])], (high - low) / 2)
    told = f"{'better' if sign > 0 else 'worse'} by {interval(shown, unit)}"
    asked = f"at least {with_unit(shown[-1], unit)} asked" if margin else "any improvement counts"
    if high < 0:
        return f"{told}."
    if low <= 0:
        return f"{told}, which may be chance; {asked}."
    return f"{told}, {asked}{'' if difference >= margin else ': too little to matter'}."


def _needed(found: Paired, low: float, high: float, margin: float, unit: str) -> str:
    """How many rows like these would show a difference of the margin, when these cannot."""
    half = (high - low) / 2
    if not margin or half <= margin or not low <= 0 <= high:
        return ""
    rows = found.rows * (half / margin) ** 2
    about = round(rows, 1 - math.floor(math.log10(rows)))
    return f" To show {with_unit(figures([margin], margin)[0], unit)} takes about {about:,.0f} rows like these."


def _limits(policy: Policy, evidence: Evidence) -> Iterator[Check]:
    for name, limit in policy.limits.items():
        found, unit = evidence.metrics.get(name), evidence.units.get(name, "")
        place = f"limit of {name}"
        if found is None or found.value is None:
            near = nearest(name, evidence.metrics)
            hint = f"; did you mean {near!r}?" if found is None and near else "."
            what = "was not measured" if found is None else "is not defined on these rows"
            yield Check(place, "failed", f"{label(name)} {what}{hint}")
            continue
        yield _limit(place, limit, found, found.value, unit)


def _limit(place: str, limit: Limit, found: Interval, value: float, unit: str) -> Check:
    asked = [end for end in (limit.min, limit.max) if end is not None]
    low, high = (value if end is None else end for end in (found.low, found.high))
    shown = figures([value, low, high, *asked], (high - low) / 2)
    ends = [f"at {word} {with_unit(text, unit)}" for word, text in zip(_words(limit), shown[3:], strict=True)]
    told = with_unit(shown[0], unit) if found.low is None else interval(shown, unit)
    begin = f"{label(found.metric)} {told}, {' and '.join(ends)} asked"
    nearest_end = min(asked, key=lambda end: abs(end - value))
    if any(_beyond(value, limit)):
        return Check(place, "failed", f"{begin}: beyond it.", value, nearest_end, unit)
    if any((*_beyond(low, limit), *_beyond(high, limit))):
        return Check(place, "warning", f"{begin}: within it, though not for certain.", value, nearest_end, unit)
    return Check(place, "passed", f"{begin}.", value, nearest_end, unit)


def _beyond(value: float, limit: Limit) -> tuple[bool, bool]:
    """Whether a value is below a limit's lower end, and above its upper one."""
    return limit.min is not None and value < limit.min, limit.max is not None and value > limit.max


def _words(limit: Limit) -> list[str]:
    return [word for word, end in (("least", limit.min), ("most", limit.max)) if end is not None]


def _parts(policy: Policy, evidence: Evidence) -> Iterator[Check]:
    asked, unit = policy.slices, evidence.units.get(policy.metric, "")
    if asked is None:
        return
    if evidence.parts is None:
        yield Check("slices", "failed", "The policy limits how much worse slices may be, but none were looked at.")
        return
    small = [part for part in evidence.parts if part.rows < asked.min_rows or part.gap is None]
    if small:
        named = ", ".join(f"{part.name} ({counted(part.rows, 'row')})" for part in small)
        sentence = f"Not judged, for fewer than {counted(asked.min_rows, 'row')} or no value: {named}."
        yield Check("slices", "warning", sentence, len(small), asked.min_rows)
    good = []
    for part in evidence.parts:
        if part.gap is None or part.rows < asked.min_rows:
            continue
        if part.gap > asked.max_gap:
            yield _worse(part, part.gap, asked, unit)
        else:
            good.append(part.gap)
    if good:
        most = with_unit(figures([asked.max_gap], asked.max_gap)[0], unit)
        sentence = f"Of {counted(len(good), 'slice')} none is worse than all rows by more than {most}, as asked."
        yield Check("slices", "passed", sentence, max(good), asked.max_gap, unit)


def _worse(part: Part, gap: float, asked: SlicesPolicy, unit: str) -> Check:
    certain = part.low is None or part.low > 0
    found, most = (with_unit(shown, unit) for shown in figures([gap, asked.max_gap], gap))
    sentence = f"{part.name} ({counted(part.rows, 'row')}): worse than all rows by {found}, at most {most} asked"
    end = "." if certain else ", which may be chance."
    return Check("slices", "failed" if certain else "warning", sentence + end, gap, asked.max_gap, unit)


def _calibration(policy: Policy, evidence: Evidence) -> Iterator[Check]:
    if policy.calibration is None:
        return
    found, most = evidence.calibration_error, policy.calibration.max_error
    if found is None:
        yield Check("calibration", "failed", "The policy limits the calibration error, but it was not measured.")
        return
    shown = figures([found, most], found)
    sentence = f"Calibration error {shown[0]}, at most {shown[1]} asked."
    yield Check("calibration", "passed" if found <= most else "failed", sentence, found, most)


def _others(policy: Policy, evidence: Evidence) -> Iterator[Check]:
    for name, noun, asked, told in (
        ("cases", "acceptance case", policy.cases, evidence.cases),
        ("assumptions", "assumption", policy.assumptions, evidence.assumptions),
    ):
        if asked:
            yield from _all_of(name, noun, told)
    if policy.signature is not False:
        yield _signature(policy, evidence)
    if policy.latency_ms is not None:
        yield _latency(policy.latency_ms, evidence.latency_ms)
    if policy.incidents:
        count = len(evidence.incidents)
        sentence = (
            f"{counted(count, 'open incident')}: {'; '.join(evidence.incidents)}." if count else "No open incident."
        )
        yield Check("incidents", "failed" if count else "passed", sentence, count, 0)


def _all_of(name: str, noun: str, told: tuple[Told, ...]) -> Iterator[Check]:
    if not told:
        yield Check(name, "skipped", f"There are no {noun}s.")
        return
    broken = [one for one in told if not one.passed]
    for one in broken:
        yield Check(name, "failed", one.sentence or f"{noun.capitalize()} {one.name!r} does not hold.")
    held = len(told) - len(broken)
    if held:
        verb = "holds" if held == 1 else "hold"
        yield Check(name, "passed", f"{held:,} of {counted(len(told), noun)} {verb}.", held, len(told))


def _signature(policy: Policy, evidence: Evidence) -> Check:
    if evidence.signature is None:
        return Check("signature", "skipped", "There is no champion's signature to compare with.")
    if not evidence.signature:
        return Check("signature", "passed", "It takes and gives what the champion does.")
    outcome: Outcome = "failed" if policy.signature else "warning"
    sentence = f"Callers of the champion would have to change something: {'; '.join(evidence.signature)}."
    return Check("signature", outcome, sentence)


def _latency(most: float, found: float | None) -> Check:
    if found is None:
        return Check("latency", "failed", "The policy limits the latency, but it was not measured.", None, most, "ms")
    shown = figures([found, most], found)
    sentence = f"One row takes {shown[0]} ms, at most {shown[1]} ms asked."
    return Check("latency", "passed" if found <= most else "failed", sentence, found, most, "ms")
