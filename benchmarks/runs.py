"""Eight processes that record whole runs (5 params, 10 metrics each) in one store, durable at the end of each run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from benchmarks.measure import Figures, Party, Report, Size, Team, median, milliseconds, percentile, times, typical

_MEMBERS = 8


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Interleaved rounds in two stores that exist already, with processes that have recorded before; MLflow in both its ways."""
    count, rounds = size.of(10, 40, 500), size.of(1, 5, 5)
    report = Report(
        ["party, way", "runs/s", "p50 ms", "p99 ms", "cpu ms a run", "acknowledged", "errors", "lost", "twice"]
    )
    found: dict[str, list[Figures]] = {}
    with Team.of(parties[0], _MEMBERS, folder) as ours, Team.of(parties[1], _MEMBERS, folder) as theirs:
        ways = [(ours, "start_run"), (theirs, "fluent"), (theirs, "client")]
        for team, way in ways:
            # One alone makes the store: MLflow's would not survive eight (see `cold`).
            team[0].do("runs", folder=str(folder / team.party.name), experiment="warm", count=1, way=way)
            _round(team, way, "warm", 3, folder / team.party.name)
        for turn in range(rounds):
            for team, way in ways:
                one = _round(team, way, f"{way} {turn}", count, folder / team.party.name)
                found.setdefault(f"{team.party.name}, {way}", []).append(one)
        durable = theirs[0].do("durability", folder=str(folder / theirs.party.name))
    report.raw = {"runs of each process": count, **found}
    report.rows += [_row(name, turns) for name, turns in found.items()]
    report.notes.append(_verdict(*found.values()))
    report.notes.append(
        f"both sync before they acknowledge; MLflow's SQLite {durable['sqlite']} has journal_mode {durable['journal_mode']},"
        f" synchronous {durable['synchronous']} (2 is FULL), its defaults"
    )
    return report


def _round(team: Team, way: str, experiment: str, count: int, folder: Path) -> Figures:
    """Everybody records `count` runs at once; then what is in the store is counted."""
    place = str(folder)
    before = team[0].do("owner_cpu", folder=place)["seconds"]
    answers = team.all_do("runs", folder=place, experiment=experiment, count=count, way=way)
    cpu = sum(answer.get("cpu", 0.0) for answer in answers) + team[0].do("owner_cpu", folder=place)["seconds"] - before
    kept = team[0].do("whole", folder=place, experiment=experiment, params=5, metrics=10)
    seconds = [value for answer in answers for value in answer.get("seconds", [])]
    errors = Counter(error for answer in answers for error in answer.get("errors", [answer.get("error")]))
    return {
        "rate": len(seconds) / max(answer.get("wall", 0.0) for answer in answers),
        "p50": median(seconds),
        "p99": percentile(seconds, 0.99),
        "cpu": cpu / max(len(seconds), 1),
        "acknowledged": len(seconds),
        "errors": errors,
        "lost": max(len(seconds) - kept["whole"], 0),
        # What failed may be in the store all the same: it was not acknowledged, that is all.
        "twice": max(kept["all"] - len(seconds) - errors.total(), 0),
        "seconds": seconds,
    }


def _row(name: str, turns: list[Figures]) -> list[object]:
    errors = sum((turn["errors"] for turn in turns), Counter[str]())
    return [
        name, f"{typical(turns, 'rate'):,.0f}", *(milliseconds(typical(turns, key)) for key in ("p50", "p99", "cpu")),
        sum(turn["acknowledged"] for turn in turns), ", ".join(f"{count} {error}" for error, count in errors.items()) or "none",
        sum(turn["lost"] for turn in turns), sum(turn["twice"] for turn in turns),
    ]  # fmt: skip


def _verdict(ours: list[Figures], *theirs: list[Figures]) -> str:
    """Nbops against the better of MLflow's ways, round by round."""
    rounds = list(zip(ours, *theirs, strict=True))
    rate = median([one["rate"] / max(other["rate"] for other in others) for one, *others in rounds])
    tail = median([min(other["p99"] for other in others) / one["p99"] for one, *others in rounds])
    return f"nbops beside the better of MLflow's ways, median of {len(rounds)} rounds: {times(rate)} the runs/s, p99 {times(tail)} lower"
