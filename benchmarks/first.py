"""What one process waits for: its first run in an empty folder, a metric at the caller, many points in batches."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Figures, Party, Report, Size, Team, median, milliseconds, percentile, times

# A training loop does something between two metrics; without a pause nbops' background thread would never run meanwhile.
_PAUSE_SECONDS = 0.001
_BLOCKS = 4


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """The three in turn, each interleaved."""
    report = Report(["", "nbops", "MLflow", "MLflow / nbops", "nbops cpu", "MLflow cpu"])
    _first(parties, size, folder / "first", report)
    with Team.of(parties[0], 1, folder) as ours, Team.of(parties[1], 1, folder) as theirs:
        _log_metric((ours, theirs), size, folder, report)
        _points((ours, theirs), size, folder, report)
        ours[0].do("leave", folder=str(folder / ours.party.name))
    return report


def _first(parties: tuple[Party, Party], size: Size, folder: Path, report: Report) -> None:
    """In a new process each time: once right after the import, once more in another empty folder with everything loaded."""
    found: dict[str, list[list[Figures]]] = {"after the import": [[], []], "everything loaded": [[], []]}
    for repeat in range(size.of(2, 10, 10) + 1):
        for side, party in enumerate(parties):
            with Team.of(party, 1, folder) as team:
                for way, figures in found.items():
                    one = team[0].do("first", folder=str(folder / f"{party.name} {way} {repeat}"))
                    # The first round finds the disk's cache cold.
                    figures[side] += [one] if repeat else []
    for way, (ours, theirs) in found.items():
        wall, cpu = ([median([one[key] for one in side]) for side in (ours, theirs)] for key in ("seconds", "cpu"))
        report.rows.append([
            f"first start_run, {way}, ms", *map(milliseconds, wall), times(wall[1] / wall[0]), *map(milliseconds, cpu),
        ])  # fmt: skip
    report.raw["first"] = found


def _log_metric(teams: tuple[Team, Team], size: Size, folder: Path, report: Report) -> None:
    calls = size.of(200, 2_000, 2_000)
    ways = [("nbops", teams[0], True), ("MLflow", teams[1], False), ("MLflow in the background", teams[1], True)]
    found: dict[str, list[Figures]] = {name: [] for name, *_ in ways}
    for block in range(_BLOCKS + 1):
        for name, team, background in ways:
            one = team[0].do(
                "log_metric", folder=str(folder / team.party.name), calls=calls // _BLOCKS, pause=_PAUSE_SECONDS, background=background
            )
            found[name] += [one] if block else []
    seconds = {name: [value for one in blocks for value in one["seconds"]] for name, blocks in found.items()}
    for share, label in ((0.5, "median"), (0.95, "p95"), (0.99, "p99")):
        ours, theirs, background = (percentile(values, share) for values in seconds.values())
        report.rows.append([f"log_metric at the caller, {label}, µs", *(f"{s * 1e6:,.0f}" for s in (ours, theirs)), times(theirs / ours), "", ""])
        report.rows.append(["  with MLflow's background logging", f"{ours * 1e6:,.0f}", f"{background * 1e6:,.0f}", times(background / ours), "", ""])
    flushes = ", ".join(f"{name} {milliseconds(median([one['flush'] for one in blocks]))} ms" for name, blocks in found.items())
    report.notes.append(f"log_metric: {calls} calls; after the last one everything was durable within (median) {flushes}")
    report.raw["log_metric"] = found


def _points(teams: tuple[Team, Team], size: Size, folder: Path, report: Report) -> None:
    """Rates; MLflow gets fewer points than nbops unless everything is asked for, which is to its advantage."""
    ours, theirs = teams
    ways = [
        (ours, 100_000, size.of(100_000, 1_000_000, 1_000_000)),
        (ours, 1_000, size.of(20_000, 200_000, 1_000_000)),
        (theirs, 1_000, size.of(10_000, 50_000, 1_000_000)),
    ]
    found: list[list[Figures]] = [[] for _ in ways]
    for _ in range(size.of(1, 3, 3)):
        for (team, batch, count), figures in zip(ways, found, strict=True):
            place = str(folder / team.party.name)
            before = team[0].do("owner_cpu", folder=place)["seconds"]
            one = team[0].do("points", folder=place, count=count, batch=batch)
            one["cpu"] += team[0].do("owner_cpu", folder=place)["seconds"] - before
            if one["kept"] != count:
                report.notes.append(f"{team.party.name} kept {one['kept']:,} of {count:,} points")
            figures.append(one | {"count": count, "batch": batch, "rate": count / one["seconds"]})
    rates = [median([one["rate"] for one in figures]) for figures in found]
    used = [median([one["cpu"] / one["count"] * 1e6 for one in figures]) for figures in found]
    for i in (0, 1):
        report.rows.append([
            f"points/s, batches of {ways[i][1]:,} (MLflow: 1,000, its most)", f"{rates[i]:,.0f}", f"{rates[2]:,.0f}", times(rates[i] / rates[2]),
            f"{used[i]:,.1f} s/1M", f"{used[2]:,.1f} s/1M",
        ])  # fmt: skip
    report.notes.append(f"points: {ways[0][2]:,} and {ways[1][2]:,} for nbops, {ways[2][2]:,} for MLflow a round, counted in the store afterwards")
    report.raw["points"] = found


