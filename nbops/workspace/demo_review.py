"""The demo's person: says what the model is for and what is asked of it, and approves the first version that the gate lets through."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.errors import ExecutionError
from nbops.records import Record
from nbops.workspace._model import CHAMPION
from nbops.workspace._workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

JUDGED = ("2013-02-15", "2013-02-28")
"""Two weeks after those that the notebook learns from; first and last day."""
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


def approve(workspace: Workspace, review_id: str, tell: Callable[[Step], None]) -> Promotion:
    """Approve what the pipeline has proposed where it is the model's first; on each later one the user decides.

    Raises ExecutionError when the gate refuses the first one.
    """
    review = workspace.review(review_id)
    version = f"{review.case.model}/{review.case.version}"
    held = CHAMPION in workspace.model(review.case.model).aliases
    if not held and not review.verdict.passed:
        raise ExecutionError(
            f"The gate refused {version}: {review.verdict.sentence}", hint=f"nbops reviews show {review.id}"
        )
    if not held:
        with step(tell, f"approving review {review.id}") as said:
            review.approve(reason="The demo's first champion: nobody holds its place yet.")
            said(f"approved review {review.id}: {version} is the champion. {review.verdict.sentence}")
    champion = workspace.model(review.case.model).aliases[CHAMPION]
    return Promotion(review=review.id, status=review.status, champion=f"{review.case.model}/{champion}")


def describe(workspace: Workspace, name: str, policy: Mapping[str, Any]) -> None:
    """Say what the model is for, what the gate asks of it, and how it is watched: that is for a person, no notebook can do so."""
    import pandas as pd

    model = workspace.model(name)
    if model.card.purpose:
        return
    cases = pd.DataFrame(_CASES).assign(**dict.fromkeys(_OTHERS))
    model.describe(
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
    model.set_monitor_policy(policy, why="the demo")


def judged(data: Path) -> pd.DataFrame:
    """The flights of the weeks that versions are judged on."""
    import pandas as pd

    first, last = map(pd.Timestamp, JUDGED)
    return pd.read_parquet(data, filters=[("date", ">=", first), ("date", "<=", last)])
