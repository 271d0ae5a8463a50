"""Runs as a DataFrame out of many: 10 params, 5 metrics and 4 tags each, the same rows in both stores, MLflow's analyzed."""

from __future__ import annotations

from pathlib import Path

from benchmarks.fill import fill
from benchmarks.measure import Figures, Party, Report, Size, Team, median, milliseconds, times

_FILTER = "metrics.acc > 0.5 and params.model = 'rf'"
_TOP = {
    "top 100 of a filter, sorted": {"filter": _FILTER, "order_by": "metrics.acc desc", "limit": 100},
    "top 100 by a metric": {"filter": None, "order_by": "metrics.acc desc", "limit": 100},
    "newest 100": {"filter": None, "order_by": None, "limit": 100},
}
_ALL = {"filter": None, "order_by": None, "limit": None}


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Both sizes in turn; interleaved, after one round that is not counted."""
    report = Report(["runs, question", "nbops ms", "MLflow ms", "MLflow / nbops", "nbops cpu ms", "MLflow cpu ms", "same runs"])
    for count in (5_000,) if size.quick else (20_000, 100_000):
        place = folder / str(count)
        with Team.of(parties[0], 1, place) as ours, Team.of(parties[1], 1, place) as theirs:
            theirs[0].do("runs", folder=str(place / theirs.party.name), experiment="search", count=0, way="fluent")
            (place / ours.party.name).mkdir()
            fill(place / ours.party.name, place / theirs.party.name, count)
            for question, asked in _TOP.items():
                _ask((ours, theirs), place, f"{count:,}, {question}", asked, size.of(3, 5, 10), report)
            # All of 100,000 takes MLflow a minute.
            _ask((ours, theirs), place, f"{count:,}, all", _ALL, 1 if count > 20_000 and not size.full else 3, report)
            ours[0].do("leave", folder=str(place / ours.party.name))
    report.notes.append(f"the filter is: {_FILTER}")
    return report


def _ask(teams: tuple[Team, Team], place: Path, label: str, asked: dict[str, object], rounds: int, report: Report) -> None:
    found: dict[str, list[Figures]] = {team.party.name: [] for team in teams}
    # All runs are asked for once at the largest size, where a round for nothing would take a minute.
    for turn in range(rounds if rounds == 1 else rounds + 1):
        for team in teams:
            folder = str(place / team.party.name)
            before = team[0].do("owner_cpu", folder=folder)["seconds"]
            one = team[0].do("search", folder=folder, **asked)
            one["cpu"] += team[0].do("owner_cpu", folder=folder)["seconds"] - before
            found[team.party.name] += [one] if turn or rounds == 1 else []
    ours, theirs = found.values()
    wall, cpu = ([median([one[key] for one in side]) for side in (ours, theirs)] for key in ("seconds", "cpu"))
    same = "yes" if ours[0]["runs"] == theirs[0]["runs"] and ours[0]["shape"][0] == theirs[0]["shape"][0] else "no"
    report.rows.append([label, *map(milliseconds, wall), times(wall[1] / wall[0]), *map(milliseconds, cpu), same])
    report.raw[label] = found
