"""Runs as a DataFrame out of many: 10 params, 5 metrics and 4 tags each, the same rows in both stores, MLflow's analyzed."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fill import fill
from benchmarks.measure import Figures, Party, Report, Size, Team, milliseconds, times, typical

_FILTER = "metrics.acc > 0.5 and params.model = 'rf'"
_TOP: dict[str, Figures] = {
    "top 100 of a filter, sorted": {"filter": _FILTER, "order_by": "metrics.acc desc", "limit": 100},
    "top 100 by a metric": {"filter": None, "order_by": "metrics.acc desc", "limit": 100},
    "newest 100": {"filter": None, "order_by": None, "limit": 100},
}
_ALL: Figures = {"filter": None, "order_by": None, "limit": None}


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Two sizes of store, every question interleaved."""
    report = Report(
        ["runs, question", "nbops ms", "MLflow ms", "MLflow / nbops", "nbops cpu ms", "MLflow cpu ms", "same runs"]
    )
    for count in (2_000,) if size.quick else (20_000, 100_000):
        place = folder / str(count)
        with Team.of(parties[0], 1, place) as ours, Team.of(parties[1], 1, place) as theirs:
            # MLflow makes its own store and its experiment.
            theirs[0].do("runs", folder=str(place / theirs.party.name), experiment="search", count=0, way="fluent")
            (place / ours.party.name).mkdir()
            fill(place / ours.party.name, place / theirs.party.name, count)
            for team in (ours, theirs):
                team.do("search", folder=place / team.party.name, **_ALL | {"limit": 100})
            for question, asked in _TOP.items():
                _ask(ours, theirs, place, f"{count:,}, {question}", asked, size.of(3, 7, 15), report)
            # All of 100,000 takes MLflow minutes.
            _ask(ours, theirs, place, f"{count:,}, all", _ALL, 1 if count == 100_000 else 3, report)
    report.notes.append(f"the filter: {_FILTER}")
    return report


def _ask(ours: Team, theirs: Team, place: Path, label: str, asked: Figures, rounds: int, report: Report) -> None:
    found: tuple[list[Figures], list[Figures]] = ([], [])
    for _ in range(rounds):
        for team, answers in zip((ours, theirs), found, strict=True):
            answers.append(team.do("search", folder=place / team.party.name, **asked))
    wall, cpu = ([typical(side, key) for side in found] for key in ("seconds", "cpu"))
    same = all(found[0][0][key] == found[1][0][key] for key in ("rows", "first"))
    report.rows.append(
        [label, *map(milliseconds, wall), times(wall[1] / wall[0]), *map(milliseconds, cpu), "yes" if same else "NO"]
    )
    report.raw[label] = found
