"""A sweep in words, tables and JSON."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nbops.data import degraded
from nbops.execution.sweeps import texts
from nbops.execution.sweeps.dealing import Ended, Progress
from nbops.execution.sweeps.results import Child, Sweep
from nbops.records import Better, short
from nbops.render import html, svg, text, values
from nbops.render.model import Column, Html

_BEST = 10
_DRAWN = 300


def outcome(sweep: Sweep, ended: Ended) -> str:
    """How a sweep ended, for a terminal, and how to get at the rest."""
    goal, lines = sweep.specification.goal, []
    if goal.metric and goal.better:
        best = ranked(sweep.children.values(), goal.better)[:_BEST]
        if best or not any(told.status == "finished" for told in ended.points):
            lines.append(text.table(*table(sweep, best)).rstrip())
        else:
            lines.append(
                f"No point has the metric {goal.metric!r}: `nbops runs show {short(ended.points[0].run_id)}` tells what there is."
            )
    failures = [told for told in ended.points if told.status in {"failed", "lost"}]
    lines += [f"failed: {_name(sweep, told.number)}: {told.cause}" for told in failures[:_BEST]]
    if len(failures) > _BEST:
        lines.append(f"… and {len(failures) - _BEST} more")
    if ended.dropped:
        count = "1 point was" if ended.dropped == 1 else f"{ended.dropped} points were"
        lines.append(f"{count} asked for twice and left out.")
    if note := _note(sweep):
        lines.append(note)
    lines.append(summary(ended))
    if ended.status == "finished" and all(told.done for told in ended.points):
        which = "Those of its own" if ended.taken else "All of them"
        lines.append(f"{which}: nbops runs list -f \"parent_run_id = '{ended.run_id}'\"")
    else:
        lines.append(f"Go on with what is missing: nbops sweep --resume {short(ended.run_id)}")
    return "\n".join(lines)


def summary(ended: Ended) -> str:
    """How a sweep ended, on one line."""
    counts = collections.Counter(told.status for told in ended.points)
    parts = [f"{counts['finished']} finished"]
    more = (
        (counts["failed"] + counts["lost"], "failed"),
        (counts["stopped"], "stopped"),
        (ended.unbegun, "never begun"),
        (ended.kept, "done before"),
        (ended.taken, "taken from earlier runs"),
    )
    parts += [f"{number} {what}" for number, what in more if number]
    cause = f": {ended.cause}" if ended.cause and ended.status != "finished" else ""
    return f"{ended.status} sweep {short(ended.run_id)} in {values.duration(ended.seconds)}: {', '.join(parts)}{cause}"


def document(sweep: Sweep, ended: Ended) -> dict[str, Any]:
    """The outcome as JSON has it."""
    goal = sweep.specification.goal
    best = ranked(sweep.children.values(), goal.better)[:1] if goal.better else []
    # What failed before its run began has no run.
    children: dict[int, Child] = {told.number: told for told in ended.points}
    children |= sweep.children
    points = [
        {
            "point": child.number, "run_id": child.run_id, "name": _name(sweep, child.number), "status": child.status,
            "cause": child.cause, "value": child.value,
        }
        for _, child in sorted(children.items())
    ]  # fmt: skip
    return {
        "sweep_id": ended.run_id, "status": ended.status, "cause": ended.cause, "exit": ended.exit, "seconds": round(ended.seconds, 3),
        "points": points, "kept": ended.kept, "taken": ended.taken, "dropped": ended.dropped, "unbegun": ended.unbegun,
        "metric": goal.metric or None, "best": best[0].run_id if best else None,
    }  # fmt: skip


def progress(at: Progress) -> str:
    """Where a sweep is, on one line."""
    failed = f", {at.failed} failed" if at.failed else ""
    left = f", {values.duration(at.left)} left" if at.left is not None else ""
    return f"{at.done}/{at.total} done, {at.running} running{failed}{left}"


def ranked(children: Iterable[Child], better: Better) -> list[Child]:
    """The finished points that have the metric, the best first."""
    found = [(child.value, child) for child in children if child.status == "finished" and child.value is not None]
    # NaN is the best of nothing.
    numbers = [pair for pair in found if not math.isnan(pair[0])]
    return [child for _, child in sorted(numbers, key=lambda pair: pair[0], reverse=better == "higher")]


def table(sweep: Sweep, children: Iterable[Child]) -> tuple[list[Column | str], list[list[object]]]:
    """Points in rows: the run, what was varied, the metric and the status."""
    names, metric = sweep.specification.varied, sweep.specification.goal.metric
    columns: list[Column | str] = [
        "run",
        *names,
        *([Column(metric, "number")] if metric else []),
        Column("status", "status"),
    ]
    rows = []
    for child in children:
        point = sweep.values(child.number)
        told = [point.get(name) for name in names]
        rows.append([short(child.run_id), *told, *([child.value] if metric else []), child.status])
    return columns, rows


def to_text(sweep: Sweep) -> str:
    """A sweep for a terminal: its best points, or the first ones without a metric."""
    return text.table(*_first(sweep), caption=_caption(sweep), note=_note(sweep)).rstrip()


def to_html(sweep: Sweep) -> Html:
    """The same for a notebook; with a metric the finished points are drawn, too."""
    return html.stack(html.table(*_first(sweep), caption=_caption(sweep), note=_note(sweep)), _plot(sweep))


def _plot(sweep: Sweep) -> Html:
    better = sweep.specification.goal.better
    found = ranked(sweep.children.values(), better)[:_DRAWN] if better else []
    if len(found) < 3:
        return Html("")
    columns, rows = table(sweep, found)
    return svg.parallel(columns[1:-1], [row[1:-1] for row in rows], highlight=[0])


def _first(sweep: Sweep) -> tuple[list[Column | str], list[list[object]]]:
    goal, children = sweep.specification.goal, sweep.children.values()
    return table(sweep, (ranked(children, goal.better) if goal.better else list(children))[:_BEST])


def _caption(sweep: Sweep) -> str:
    done = sum(child.done for child in sweep.children.values())
    return f"Sweep {short(sweep.run_id)} of {Path(sweep.specification.notebook).name}: {len(sweep.children)} points, {done} done"


def _note(sweep: Sweep) -> str | None:
    return f"{degraded.TITLE} {' '.join(sweep.old)}" if sweep.old else None


def _name(sweep: Sweep, number: int) -> str:
    return texts.label(sweep.values(number)) or f"point {number}"
