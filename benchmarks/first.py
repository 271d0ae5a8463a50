"""What one process waits for: its first run in an empty folder, a metric at the caller, many points in batches."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Figures, Party, Report, Size, Team, milliseconds, percentile, times, typical

# A training loop does something between two metrics; without a pause nbops' background thread would never run meanwhile.
_PAUSE_SECONDS = 0.001
_BLOCKS = 4


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """The three in turn, each interleaved."""
    report = Report(["", "nbops", "MLflow", "MLflow / nbops", "nbops cpu", "MLflow cpu"])
    _first(parties, size, folder / "first", report)
    with Team.of(parties[0], 1, folder) as ours, Team.of(parties[1], 1, folder) as theirs:
        _log_metric(ours, theirs, size, folder, report)
        _points(ours, theirs, size, folder, report)
    return report


def _first(parties: tuple[Party, Party], size: Size, folder: Path, report: Report) -> None:
    """In a new process each time: right after the import, then in another empty folder with everything loaded."""
    found: dict[str, tuple[list[Figures], list[Figures]]] = {
        "after the import": ([], []),
        "all modules loaded": ([], []),
    }
    for repeat in range(size.of(1, 10, 10) + 1):
        for side, party in enumerate(parties):
            with Team.of(party, 1, folder) as team:
                for way, figures in found.items():
                    one = team[0].do("first", folder=str(folder / f"{party.name} {way} {repeat}"))
                    # The first round finds the disk's cache cold.
                    figures[side].extend([one] if repeat else [])
    for way, sides in found.items():
        wall, cpu = ([typical(side, key) for side in sides] for key in ("seconds", "cpu"))
        report.rows.append(
            [f"first start_run, {way}, ms", *map(milliseconds, wall), times(wall[1] / wall[0]), *map(milliseconds, cpu)]
        )
        if any(one["kept"] != 1 for side in sides for one in side):
            report.notes.append(f"first start_run, {way}: it returned before the run was in the store")
    report.raw["first"] = found


def _log_metric(ours: Team, theirs: Team, size: Size, folder: Path, report: Report) -> None:
    """MLflow both as it is and with the background logging that it offers."""
    calls = size.of(200, 2_000, 2_000)
    ways = {"nbops": (ours, True), "MLflow": (theirs, False), "MLflow in the background": (theirs, True)}
    found: dict[str, list[Figures]] = {name: [] for name in ways}
    for block in range(_BLOCKS + 1):
        for name, (team, background) in ways.items():
            place = folder / team.party.name
            one = team.do(
                "log_metric", folder=place, calls=calls // _BLOCKS, pause=_PAUSE_SECONDS, background=background
            )
            found[name] += [one] if block else []
    seconds = {name: [value for one in blocks for value in one["seconds"]] for name, blocks in found.items()}
    cpu = {name: f"{sum(one['cpu'] for one in blocks) / calls * 1e6:,.0f}" for name, blocks in found.items()}
    for peer, manner in (("MLflow", ""), ("MLflow in the background", " in the background")):
        for share, name in ((0.5, "median"), (0.95, "p95"), (0.99, "p99")):
            own, other = percentile(seconds["nbops"], share), percentile(seconds[peer], share)
            report.rows.append([
                f"log_metric at the caller{manner}, {name}, µs",
                f"{own * 1e6:,.0f}", f"{other * 1e6:,.0f}", times(other / own), cpu["nbops"], cpu[peer],
            ])  # fmt: skip
    flushes = ", ".join(f"{name} {milliseconds(typical(blocks, 'flush'))} ms" for name, blocks in found.items())
    report.notes.append(
        f"log_metric: {calls:,} calls, {_PAUSE_SECONDS * 1000:g} ms apart; cpu is of the whole loop; durable after the last call: {flushes}"
    )
    report.raw["log_metric"] = found


def _points(ours: Team, theirs: Team, size: Size, folder: Path, report: Report) -> None:
    """Rates. MLflow's falls as its table grows, so that it gets fewer points is to its advantage."""
    ways = [
        (ours, 100_000, size.of(100_000, 1_000_000, 1_000_000)),
        (ours, 1_000, size.of(20_000, 200_000, 1_000_000)),
        (theirs, 1_000, size.of(10_000, 50_000, 1_000_000)),
    ]
    found: list[list[Figures]] = [[] for _ in ways]
    for _ in range(size.of(1, 3, 3)):
        for (team, batch, count), figures in zip(ways, found, strict=True):
            one = team.do("points", folder=folder / team.party.name, count=count, batch=batch)
            if one["kept"] != count:
                report.notes.append(f"{team.party.name} kept {one['kept']:,} of {count:,} points")
            rate, cpu = count / one["seconds"], one["cpu"] / count
            figures.append({**one, "count": count, "batch": batch, "rate": rate, "cpu of a point": cpu})
    rates = [typical(figures, "rate") for figures in found]
    used = [f"{typical(figures, 'cpu of a point') * 1e6:,.1f}" for figures in found]
    for (_, batch, _), own, cpu in zip(ways[:2], rates, used, strict=False):
        label = f"points/s in batches of {batch:,} (cpu: µs a point)"
        report.rows.append([label, f"{own:,.0f}", f"{rates[-1]:,.0f}", times(own / rates[-1]), cpu, used[-1]])
    counts = [f"{count:,}" for _, _, count in ways]
    report.notes.append(
        f"points: {counts[0]} and {counts[1]} for nbops, {counts[2]} for MLflow in batches of 1,000, its most; counted in the store"
    )
    report.raw["points"] = found
