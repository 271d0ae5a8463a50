"""Processes that meet a store which does not exist yet, all at the same moment, as a sweep does: how many get their run?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from benchmarks.measure import Figures, Party, Report, Size, Team, milliseconds, typical


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Every repeat has a new folder; the processes stay, so that their imports are done and they really meet."""
    repeats, sizes = size.of(1, 5, 20), (8,) if size.quick else (8, 16)
    report = Report(
        ["processes", "party", "succeeded", "of", "whole in the store", "worst repeat", "slowest ms", "failures"]
    )
    with Team.of(parties[0], max(sizes), folder) as ours, Team.of(parties[1], max(sizes), folder) as theirs:
        for members in sizes:
            found: dict[str, list[Figures]] = {team.party.name: [] for team in (ours, theirs)}
            for repeat in range(repeats):
                for team in (ours, theirs):
                    found[team.party.name].append(
                        _meet(team, members, folder / f"{team.party.name}-{members}-{repeat}")
                    )
            report.raw[str(members)] = found
            report.rows += [_row(members, party, meetings) for party, meetings in found.items()]
    report.notes.append(
        "slowest: of those that succeeded, from the start of all to its run's end, median of the repeats"
    )
    return report


def _meet(team: Team, members: int, folder: Path) -> Figures:
    answers = team.all_do("cold", members=members, folder=str(folder))
    errors = [answer["error"] for answer in answers if "error" in answer]
    # Fails on a store that nobody could make: it holds nothing.
    team[0].send("whole", folder=str(folder), experiment="sweep", params=0, metrics=1)
    whole = team[0].answer().get("whole", 0)
    team[0].do("leave", folder=str(folder))
    slowest = max((answer["wall"] for answer in answers if "error" not in answer), default=float("nan"))
    return {"succeeded": members - len(errors), "whole": whole, "slowest": slowest, "errors": errors}


def _row(members: int, party: str, meetings: list[Figures]) -> list[object]:
    failures = Counter(error.split(":")[0] for meeting in meetings for error in meeting["errors"])
    return [
        members, party, sum(meeting["succeeded"] for meeting in meetings), members * len(meetings),
        sum(meeting["whole"] for meeting in meetings), min(meeting["succeeded"] for meeting in meetings),
        milliseconds(typical(meetings, "slowest")), ", ".join(f"{count} {name}" for name, count in failures.most_common()) or "none",
    ]  # fmt: skip
