"""Eight processes that record whole runs (5 params, 10 metrics each) in one store, durable at the end of each run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from benchmarks.measure import Figures, Party, Report, Size, Team, median, milliseconds, percentile, times

_MEMBERS = 8
_ROUNDS = 5


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Interleaved rounds in two stores that exist already, with processes that have recorded before; MLflow in both its ways."""
    count, rounds = size.of(20, 100, 500), 1 if size.quick else _ROUNDS
    report = Report(["party, way", "runs/s", "p50 ms", "p99 ms", "cpu ms a run", "acknowledged", "errors", "lost", "twice"])
    found: dict[str, list[Figures]] = {}
    with Team.of(parties[0], _MEMBERS, folder) as ours, Team.of(parties[1], _MEMBERS, folder) as theirs:
        ways = [(ours, "with start_run"), (theirs, "fluent"), (theirs, "client")]
        for team, way in ways:
            # One alone makes the store: MLflow's would not survive eight (see `cold`).
            team[0].do("runs", folder=_place(team, folder), experiment="warm", count=1, way=way)
            _together(team, way, "warm", 3, folder)
        for turn in range(rounds):
            for team, way in ways:
                one = _together(team, way, f"{way} {turn}", count, folder)
                found.setdefault(f"{team.party.name}, {way}", []).append(one)
        report.notes.append(_durability(theirs, folder))
        ours[0].do("leave", folder=_place(ours, folder))
    report.raw = {"runs of each process": count, **found}
    report.rows = [_row(name, turns) for name, turns in found.items()]
    report.notes.append(_verdict(found))
    return report


def _together(team: Team, way: str, experiment: str, count: int, folder: Path) -> Figures:
    """One round: everybody records `count` runs at once, then what is in the store is counted."""
    place = _place(team, folder)
    before = team[0].do("owner_cpu", folder=place)["seconds"]
    answers = team.all_do("runs", folder=place, experiment=experiment, count=count, way=way)
    used = team[0].do("owner_cpu", folder=place)["seconds"] - before
    seconds = [value for answer in answers for value in answer.get("seconds", [])]
    errors = Counter(error for answer in answers for error in answer.get("errors", [answer.get("error", "")]))
    kept = team[0].do("whole", folder=place, experiment=experiment, params=5, metrics=10)
    wall = max(answer.get("wall", 0.0) for answer in answers)
    return {
        "rate": len(seconds) / wall, "p50": median(seconds), "p99": percentile(seconds, 0.99), "acknowledged": len(seconds),
        "cpu": (sum(answer.get("cpu", 0.0) for answer in answers) + used) / max(len(seconds), 1), "errors": errors,
        "lost": max(len(seconds) - kept["whole"], 0), "twice": max(kept["all"] - len(seconds) - errors.total(), 0), "seconds": seconds,
    }  # fmt: skip


def _place(team: Team, folder: Path) -> str:
    return str(folder / team.party.name)


def _row(name: str, turns: list[Figures]) -> list[object]:
    errors = sum((turn["errors"] for turn in turns), Counter[str]())
    return [
        name, f"{_typical(turns, 'rate'):,.0f}", *(milliseconds(_typical(turns, key)) for key in ("p50", "p99", "cpu")),
        *(sum(turn[key] for turn in turns) for key in ("acknowledged",)),
        ", ".join(f"{count} {error}" for error, count in errors.items()) or 0, *(sum(turn[key] for turn in turns) for key in ("lost", "twice")),
    ]  # fmt: skip


def _typical(turns: list[Figures], key: str) -> float:
    return median([turn[key] for turn in turns])


def _verdict(found: dict[str, list[Figures]]) -> str:
    """nbops against the better of MLflow's ways, figure by figure."""
    (_, ours), *theirs = found.items()
    rate = median([one["rate"] / max(other["rate"] for other in others) for one, *others in zip(ours, *(turns for _, turns in theirs), strict=True)])
    tail = median([min(other["p99"] for other in others) / one["p99"] for one, *others in zip(ours, *(turns for _, turns in theirs), strict=True)])
    return f"nbops beside the better of MLflow's ways, median of the rounds: {times(rate)} the runs/s, p99 {times(tail)} lower"


def _durability(theirs: Team, folder: Path) -> str:
    found = theirs[0].do("durability", folder=_place(theirs, folder))
    return f"durable: nbops syncs before it acknowledges; MLflow's SQLite has journal_mode={found['journal_mode']}, synchronous={found['synchronous']} (2 is FULL)"
