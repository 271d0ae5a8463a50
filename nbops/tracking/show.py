"""Runs as people read them: lines for a terminal, HTML for a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from nbops import times
from nbops.data import degraded
from nbops.records import at, short
from nbops.render import html, svg, text, values
from nbops.render.model import Column, Html
from nbops.store.client import Store
from nbops.tracking import courses, runs

_CURVES = 6


def runs_text(found: Sequence[Mapping[str, Any]]) -> str:
    """A list of runs, as `search.rows` gives them, for a terminal, with their first metrics."""
    named = ["name"] if any(row["name"] for row in found) else []
    started = Column("started", "time", unit=times.zone(row["start_time"] for row in found))
    columns: list[Column | str] = ["id", "experiment", *named, Column("status", "status"), started, "took"]
    metrics = [name for name in (found[0] if found else ()) if name.startswith("metrics.")][:6]
    columns += [Column(name.removeprefix("metrics."), "number") for name in metrics]
    rows = [
        [
            short(str(row["run_id"])), row["experiment"], *(row[name] for name in named), row["status"], _local(row["start_time"]),
            values.duration(row["duration"]), *(row[name] for name in metrics),
        ]
        for row in found
    ]  # fmt: skip
    return text.table(columns, rows)


def run_text(store: Store, info: runs.RunInfo) -> str:
    """One run for a terminal."""
    parts = [text.facts(*_facts(store, info))]
    for title, pairs in _sections(store, info):
        if pairs:
            parts.append(text.table(["name", "value"], list(pairs.items()), caption=title))
    return "\n\n".join(part.rstrip() for part in parts)


def run_html(store: Store, info: runs.RunInfo) -> Html:
    """One run for a notebook, with the curves of its metrics."""
    tables = [
        html.table(["name", "value"], list(pairs.items()), caption=title)
        for title, pairs in _sections(store, info)
        if pairs
    ]
    return html.stack(html.facts(*_facts(store, info)), html.beside(*tables), curves(store, info.run_id))


def _facts(store: Store, info: runs.RunInfo) -> tuple[list[Column | str], list[object]]:
    took = (info.end_time - info.start_time) / 1e6 if info.end_time else None
    pairs: list[tuple[Column | str, object]] = [
        ("run", f"{short(info.run_id)} {info.name}".rstrip()),
        ("experiment", info.experiment),
        (Column("status", "status"), info.status),
        ("cause", info.cause),
        ("rests on old data", degraded.of_run(store, info.run_id)),
        (Column("started", "time", unit=times.zone([at(info.start_time)])), _local(at(info.start_time))),
        ("took", values.duration(took) if took is not None else None),
        ("by", f"{info.actor} on {info.host}"),
        ("source", info.source),
        ("commit", f"{info.commit[:12]}{' with changes' if info.dirty else ''}" if info.commit else None),
        ("child of", short(info.parent_run_id) if info.parent_run_id else None),
    ]
    known = [(column, value) for column, value in pairs if value is not None]
    return [column for column, _ in known], [value for _, value in known]


def _sections(store: Store, info: runs.RunInfo) -> list[tuple[str, dict[str, object]]]:
    files = store.read("select path, size from artifacts where run_id = ? order by path", [info.run_id]).rows
    return [
        ("Metrics", dict(runs.metrics(store, info.run_id))),
        ("Parameters", runs.params(store, info.run_id)),
        ("Tags", dict(runs.tags(store, info.run_id))),
        ("Files", {path: values.size(size) for path, size in files}),
    ]


def curves(store: Store, run_id: str) -> Html:
    """The courses of a run's metrics; empty when none has more than one value."""
    drawn = [
        svg.line(courses.lines(store, [run_id], [key], key), x_label="step", title=key, width=360)
        for key in courses.names(store, [run_id])[:_CURVES]
    ]
    return html.beside(*drawn) if drawn else Html("")


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
