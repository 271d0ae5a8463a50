"""The demo's promotion: its model is described, held against weeks that it has not seen, proposed, and approved where it is the first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nbops.records import Record
from nbops.workspace._model import Version
from nbops.workspace._workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

JUDGED = ("2013-02-15", "2013-02-28")
"""Two weeks after those that the notebook learns from; first and last day."""
_ALIAS = "champion"
_CASES = {
    "case": ["Boston within the hour", "Los Angeles in five to seven hours"],
    "why": ["The shuttle's crews fly four legs a day.", "Crews rest after seven hours in the air."],
    "carrier": ["B6", "AA"],
    "origin": ["JFK", "JFK"],
    "dest": ["BOS", "LAX"],
    "distance": [187, 2475],
    "hour": [9, 9],
    "weekday": [2, 2],
    "temp": [36, 36],
    "wind_dir": [290, 290],
    "wind_speed": [12, 12],
    "pressure": [1018, 1018],
    "at_least": [25, 300],
    "at_most": [60, 420],
}
_OTHERS = ("engine", "seats", "age")


class Step(Record):
    """One thing that the demo does, in words; `seconds` is how long it took, None while it goes on."""

    text: str
    seconds: float | None = None


class Promotion(Record):
    """What became of the better version: the review's id and status, and the version that is champion now."""

    review: str
    status: str
    champion: str


@contextmanager
def step(tell: Callable[[Step], None], text: str) -> Iterator[Callable[[str], None]]:
    """Tell that a step begins and, at the end of the block, how long it took; what is yielded takes the words for that."""
    said = [text]
    tell(Step(text=text))
    started = time.monotonic()
    yield said.append
    tell(Step(text=said[-1], seconds=time.monotonic() - started))


def promote(workspace: Workspace, version: Version, data: Path, tell: Callable[[Step], None]) -> Promotion:
    """Propose a version; the first champion is approved by who runs the demo, who has to decide on each later one."""
    model = workspace.model(version.model)
    if not model.card.purpose:
        _describe(workspace, version.model)
    with step(tell, f"holding {version.reference} against weeks that it has not seen") as said:
        found = version.evaluate(judged(data), slices=["origin", "carrier"], time="date", sizing=True).result
        error = found.of("mae")
        if error is not None and error.low is not None and error.high is not None:
            said(
                f"held {version.reference} against {found.rows:,} unseen flights of {found.blocks} days:"
                f" off by {error.value:.2f} min ({error.low:.2f} to {error.high:.2f})"
            )
    with step(tell, f"asking the gate about {version.reference}") as said:
        review = version.propose(
            _ALIAS, reason=f"MAE {error.value:.2f} min on unseen weeks" if error else "trained anew"
        )
        said(f"asked the gate about {version.reference}. {review.verdict.sentence}")
    if _ALIAS not in model.aliases and review.verdict.passed:
        with step(tell, f"approving review {review.id}") as said:
            review.approve(reason="The demo's first champion: nobody holds its place yet.")
            said(f"approved review {review.id}: {version.reference} is the champion")
    return Promotion(review=review.id, status=review.status, champion=_champion(workspace, version.model))


def _describe(workspace: Workspace, name: str) -> None:
    import pandas as pd

    cases = pd.DataFrame(_CASES).assign(**dict.fromkeys(_OTHERS))
    workspace.model(name).describe(
        purpose="Says how many minutes a flight out of New York will be in the air, with nothing but what is known before it leaves.",
        decision="How long a crew is planned for, and which connection a passenger can catch.",
        owner="crew planning",
        measure="mean absolute error of the minutes in the air",
        unit="min",
        out_of_scope="Flights from elsewhere than New York, and how much fuel to load: it may be off by more than an hour.",
        consumers=("crew planning", "connections desk"),
        policy={
            "metric": "mae", "margin": 0.1, "limits": {"p90_ae": {"max": 30}}, "slices": {"max_gap": 8, "min_rows": 200},
            "latency_ms": 500, "min_blocks": 10,
        },
        assumptions={"No flight goes further than Honolulu": "distance < 5000", "No aircraft is older than 60": "age < 60"},
        cases=cases,
        why="the demo",
    )  # fmt: skip


def judged(data: Path) -> pd.DataFrame:
    """The flights of the weeks that versions are judged on."""
    import pandas as pd

    first, last = map(pd.Timestamp, JUDGED)
    return pd.read_parquet(data, filters=[("date", ">=", first), ("date", "<=", last)])


def _champion(workspace: Workspace, name: str) -> str:
    held = workspace.model(name).aliases.get(_ALIAS)
    return f"{name}/{held}" if held else ""
