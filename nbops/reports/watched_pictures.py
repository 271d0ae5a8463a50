"""The pictures of a monitoring page: the success measure by window, columns before and now, columns by windows, what decisions cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from nbops import times
from nbops.data.counts import Categories
from nbops.data.profile import ColumnProfile, Profile
from nbops.evaluation.bootstrap import Interval
from nbops.evaluation.telling import amount, share
from nbops.monitoring import windows
from nbops.monitoring.policy import SEVERITIES
from nbops.monitoring.results import WindowReport
from nbops.monitoring.windows import Window
from nbops.records import at
from nbops.registry.baselines import is_answer
from nbops.render import change, values
from nbops.reports import wording
from nbops.reports.document import Picture
from nbops.reports.watched import CHAMPION, RECENT, Figure, Known, Square

_MOST_WINDOWS = 60
_MOST_VERSIONS = 4
_MOST_COLUMNS = 14
_BINS = 14
_LEVELS = 10


def called(known: Known, version: int) -> str:
    """A version with what it is: "version 1, former champion"."""
    role = known.names.get(version)
    return f"version {version}, {role}" if role else f"version {version}"


def shown(known: Known, figure: Figure) -> str:
    """The success measure with its interval: "17.8 min (16.3 to 19.6)"."""
    return wording.with_interval(
        Interval(known.metric, figure.value, figure.low, figure.high, 0.95, 0, None), figure.unit
    )


def rounded(known: Known, value: float | None, unit: str) -> str:
    """A figure of the success measure without its interval: "8.37 min"."""
    short = None if value is None else float(f"{value:.3g}")
    return wording.with_interval(Interval(known.metric, short, None, None, 0.95, 0, None), unit)


def measure(known: Known, *, width: int = 720, estimates: bool = False, title: str = "") -> Picture | None:
    """The success measure by window for each version in use, with what was promised, what is allowed, and when something was wrong."""
    starts = sorted({one.start for one in known.looked})[-_MOST_WINDOWS:]
    versions = _versions(known)
    courses = [_course(known, version, "realised", starts, several=len(versions) > 1) for version in versions]
    if estimates and known.version is not None and known.of(known.version, "estimated"):
        courses.append(_course(known, known.version, "estimated", starts, several=len(versions) > 1))
    if not starts or not any(value is not None for one in courses for value in one.values):
        return None
    promised, limit = known.promised, known.limit
    band = None
    if promised is not None and promised.value is not None:
        low, high = (promised.value if end is None else end for end in (promised.low, promised.high))
        band = change.Band(low, high, "promised")
    unit = next((one.unit for version in versions for one in known.of(version)), "")
    drawn = change.course(
        labelled(known, starts), courses, y_label=f"{wording.measured(known.metric)}{f', {unit}' if unit else ''}", title=title,
        band=band, limit=None if limit is None else ("allowed", limit), marks=_marks(known, starts), times=_times(known, starts),
        width=width,
    )  # fmt: skip
    return Picture(drawn, tuple(_course_in_words(known, versions)))


def overlays(then: Profile, now: Profile, names: Sequence[tuple[str, str]]) -> list[Picture]:
    """Columns with what is to be said of them: how their values lie in the reference and in a window."""
    found = []
    for name, said in names:
        bins = _bins(then.columns.get(name), now.columns.get(name))
        if not bins:
            continue
        labels, before, after = (list(some) for some in zip(*bins, strict=True))
        drawn = change.overlay(labels, before, after, labels=("when it was made", "in that window"), title=said)
        moved = sorted(bins, key=lambda one: -abs(one[2] - one[1]))[:3]
        found.append(
            Picture(drawn, (f"{said}: {'; '.join(f'{one[0]} {share(one[1])}, now {share(one[2])}' for one in moved)}",))
        )
    return found


def moves(known: Known) -> Picture | None:
    """Columns by windows: the darker, the further from what was usual; a dot where that is more than chance and nature explain."""
    starts = sorted({one.start for one in known.squares})[-RECENT:]
    names = _columns(known.squares)[:_MOST_COLUMNS]
    if not starts or not names:
        return None
    there = {(one.column, one.start): one for one in known.squares}
    days = dict(zip(starts, labelled(known, starts), strict=True))
    cells = [[_cell(there.get((name, start)), days[start]) for start in starts] for name in names]
    marked = [(name, sum(cell.marked for cell in row)) for name, row in zip(names, cells, strict=True)]
    says = tuple(
        f"{plain(name)}: moved in {count} of {values.counted(len(starts), 'window')}" for name, count in marked if count
    )
    drawn = change.heat([plain(name) for name in names], [*days.values()], cells, width=960)
    return Picture(drawn, says or ("No column moved.",))


def costs(known: Known, reports: Sequence[WindowReport]) -> Picture | None:
    """What a decision cost by window, beside the best that looks at nothing."""
    told = [(one, one.performance.value) for one in reports if one.performance is not None]
    found = [(one, value) for one, value in told if value is not None]
    if not found:
        return None
    own = change.Course(
        "with the model",
        [value.per_row.value for _, value in found],
        [value.per_row.low for _, value in found],
        [value.per_row.high for _, value in found],
    )
    without = change.Course("without it", [value.constant_per_row for _, value in found], estimated=True)
    unit = found[-1][1].unit
    drawn = change.course(
        labelled(known, [one.start for one, _ in found]), [own, without], y_label=f"per row{f', {unit}' if unit else ''}", width=960
    )  # fmt: skip
    says = tuple(
        f"{one.label}: {amount(float(one.values[0]), unit)} to {amount(float(one.values[-1]), unit)}"  # type: ignore[arg-type]  # of every report the value is known
        for one in (own, without)
    )
    return Picture(drawn, says)


def labelled(known: Known, starts: Sequence[int]) -> list[str]:
    """Windows by the day on which they begin, with the year where there are several."""
    days = [at(start).astimezone(known.zone).date() for start in starts]
    if len({day.year for day in days}) > 1:
        return [f"{day.day} {day:%b %y}" for day in days]
    return [f"{day:%B}" if known.policy.window == "month" else f"{day.day} {day:%b}" for day in days]


def during(known: Known, start: int, until: int) -> str:
    """A window in a sentence: "in the week of 6 to 12 May 2013"."""
    named = windows.named(Window.between(start, until), known.zone)
    return {"week": f"in the week of {named}", "day": f"on {named}"}.get(known.policy.window, f"in {named}")


def plain(column: str) -> str:
    """What a column is, for somebody who has never seen its name."""
    if column == "_prediction":
        return "its answers"
    if column == "_label":
        return "what came true"
    return f"probability of {column.removeprefix('_p_')}" if column.startswith("_p_") else column


def _versions(known: Known) -> list[int]:
    """The versions to draw, the champion first, then the newest; only those with figures."""
    there = {version for version, kind in known.figures if kind == "realised"}
    order = sorted(there, key=lambda version: (version != known.version, version != known.holder, -version))
    return order[:_MOST_VERSIONS]


def _course(known: Known, version: int, kind: str, starts: Sequence[int], *, several: bool) -> change.Course:
    found = known.figures.get((version, kind), {})
    there = [found.get(start) for start in starts]
    name = f"version {version}" if several else "measured"
    if kind == "estimated":
        name = f"{name}, estimated" if several else "estimated"
    told = [None if one is None else one.value for one in there]
    if kind == "estimated":
        # Its interval would hide what was measured; what it is worth is told in words.
        return change.Course(name, told, estimated=True)
    lows, highs = (
        [None if one is None else one.low for one in there],
        [None if one is None else one.high for one in there],
    )
    return change.Course(name, told, lows, highs)


def _times(known: Known, starts: Sequence[int]) -> list[change.Time]:
    """When something was wrong that matters."""
    found = []
    for case in known.cases:
        bad = [place for place, start in enumerate(starts) if case.since <= start <= case.last_window]
        if matters(case.severity) and bad:
            found.append(change.Time(bad[0], bad[-1], case.text))
    return found


def matters(severity: str) -> bool:
    """Whether somebody has to do something."""
    return SEVERITIES.index(severity) >= SEVERITIES.index("warn")


def _marks(known: Known, starts: Sequence[int]) -> list[change.Mark]:
    found = []
    for case in known.cases:
        if matters(case.severity) and starts[0] <= case.since <= starts[-1]:
            first = next(place for place, start in enumerate(starts) if start >= case.since)
            day = at(case.since).astimezone(known.zone)
            found.append(change.Mark(max(first - 0.5, 0), f"incident since {day.day} {day:%b}"))
    for move in known.moves:
        if move.alias == CHAMPION and move.before is not None and move.version is not None:
            place = _taken_over(known, starts, times.microseconds(move.since), move.version)
            if place is not None:
                found.append(change.Mark(place, f"version {move.version} takes over"))
    return sorted(found, key=lambda mark: -mark.at)[:5]


def _taken_over(known: Known, starts: Sequence[int], when: int, version: int) -> float | None:
    """Where a version took over: at that time, or where windows are caught up with that are long past, with its first one."""
    ends = {one.start: one.until for one in known.looked}
    for place, start in enumerate(starts):
        if start <= when < ends[start]:
            return place
    first = min((one.start for one in known.looked if one.version == version), default=None)
    return max(starts.index(first) - 0.5, 0) if when >= ends[starts[-1]] and first in starts else None


def _course_in_words(known: Known, versions: Sequence[int]) -> list[str]:
    told = []
    for version in versions:
        found = [one for one in known.of(version) if one.value is not None]
        if found:
            first, last = (
                f"{shown(known, one)} {during(known, one.start, one.until)}" for one in (found[0], found[-1])
            )
            told.append(f"{called(known, version)}: {first}, {last}")
    return told


def _columns(squares: Sequence[Square]) -> list[str]:
    """The columns by how far they moved on the whole, what the model says and what came true last."""
    far: dict[str, float] = {}
    for one in squares:
        far[one.column] = far.get(one.column, 0.0) + (_strength(one) or 0.0)
    return sorted(far, key=lambda name: (is_answer(name) or name == "_label", -far[name], name))


def _strength(one: Square) -> float | None:
    """From 0 to 1: half at its limit, and full at eight times that."""
    if one.effect is None or not one.threshold:
        return 1.0 if one.verdict == "differs" else None
    times_limit = max(one.effect / one.threshold, 0.0)
    return times_limit / 2 if times_limit <= 1 else min(1.0, 0.5 + math.log2(times_limit) / 6)


def _cell(one: Square | None, day: str) -> change.Cell:
    if one is None:
        return change.Cell(None)
    marked = one.verdict == "differs"
    beyond = (
        f", {values.number(round(one.effect / one.threshold, 1))} times its limit"
        if one.effect and one.threshold
        else ""
    )
    strength = _strength(one)
    rounded = None if strength is None else round(strength, 2)
    return change.Cell(rounded, marked, f"{plain(one.column)}, {day}: moved{beyond}" if marked else "")


def _bins(then: ColumnProfile | None, now: ColumnProfile | None) -> list[tuple[str, float, float]]:
    """Groups of a column's values with their shares before and now; empty where there is nothing to compare."""
    if then is None or now is None or then.family != now.family:
        return []
    if then.categories is not None and now.categories is not None:
        return _levels(then.categories, now.categories)
    ends = [one.quantile(q) for one in (then, now) for q in (0.01, 0.99)] if then.numbers and now.numbers else []
    known = [end for end in ends if end is not None]
    if then.family != "number" or len(known) < 4 or max(known) <= min(known):
        return []
    step = (max(known) - min(known)) / _BINS
    edges = [min(known) + step * place for place in range(1, _BINS)]
    before, after = ([0.0, *(one.cdf(edge) or 0.0 for edge in edges), 1.0] for one in (then, now))
    shown = values.numbers([float(f"{edge:.3g}") for edge in edges])
    names = [f"up to {shown[0]}", *(f"{low} to {high}" for low, high in pairwise(shown)), f"above {shown[-1]}"]
    return [
        (name, high - low, end - begin)
        for name, (low, high), (begin, end) in zip(names, pairwise(before), pairwise(after), strict=True)
    ]


def _levels(then: Categories, now: Categories) -> list[tuple[str, float, float]]:
    """The levels that are commonest in either, and the others together."""
    n, m = then.count, now.count
    if not n or not m or then.levels != now.levels:
        return []
    told = [(name, one / n, two / m) for name, one, two in zip(then.levels, then.counts, now.counts, strict=True)]
    kept = sorted(told, key=lambda one: -max(one[1:]))[:_LEVELS]
    rest = 1 - sum(one[1] for one in kept), 1 - sum(one[2] for one in kept)
    return [*kept, ("others", max(rest[0], 0.0), max(rest[1], 0.0))] if max(rest) > 1e-9 else kept
