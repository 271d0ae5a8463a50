"""Models with a past, small enough for tests: approved, attested, rolled back, challenged, and one that nobody has described."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression, LogisticRegression

from nbops.evaluation.decision import Costs, DecisionRule
from nbops.workspace._model import Version
from nbops.workspace._review import Review
from nbops.workspace._workspace import Workspace

ROWS = 900
RANDOM = np.random.default_rng(11)
FRAME = pd.DataFrame(
    {
        "distance": RANDOM.uniform(100, 2500, ROWS).round(),
        "wind": RANDOM.normal(size=ROWS).round(2),
        "site": RANDOM.choice(["north", "south", "harbour"], ROWS, p=[0.45, 0.45, 0.1]),
        "day": pd.date_range("2026-01-01", periods=ROWS, freq="2h"),
    }
)
NOISE = RANDOM.normal(size=ROWS) * np.where(FRAME["site"] == "harbour", 14, 5)
FRAME["minutes"] = (FRAME["distance"] / 8 + 12 * FRAME["wind"] + 20 + NOISE).round(1)
FRAME["late"] = np.where(FRAME["minutes"] + RANDOM.normal(scale=40, size=ROWS) > 190, "yes", "no")
FRAME.loc[::40, "wind"] = 0.0
TRAIN, TEST = FRAME[:300], FRAME[300:].reset_index(drop=True)
POLICY: dict[str, Any] = {
    "metric": "mae",
    "margin": 0.5,
    "slices": {"max_gap": 8.0, "min_rows": 30},
    "min_rows": 200,
    "assumptions": False,
}
CASES = pd.DataFrame(
    {"case": ["a short flight", "a long one"], "distance": [200, 2000], "wind": [0.0, 0.0], "at_least": [20, 200]}
)


class Made(NamedTuple):
    """The past of a model, as it was made."""

    versions: list[Version]
    reviews: list[Review]


def times(here: Workspace, folder: Path) -> Made:
    """The model air-time.

    Version 1 was self-approved for a while, 2 is the champion, attested by the board, 3 took its place and was rolled back from, and 4
    waits for an answer that the gate does not allow.
    """
    here.model("air-time").describe(
        purpose="How many minutes a flight is in the air",
        decision="Which gate and crew the afternoon plan gives to a flight",
        owner="Flight planning, Carla Weiss",
        measure="mean error of the predicted minutes",
        unit="min",
        out_of_scope="Flights over 3,000 miles, and what pilots are paid",
        consumers=["ops@example.org", "the planning board"],
        policy=POLICY,
        assumptions={"No flight is longer than a day": "minutes < 1440", "The wind is known": "wind <> 0"},
    )
    one = _regression(here, ["distance"])
    first = one.propose(reason="the first one that plans can be made with")
    first.approve(reason="better than the rule of thumb", until=datetime.now(UTC) + timedelta(days=200))
    two = _regression(here, ["distance", "wind"])
    second = two.propose(reason="MAE 9 → 5 min, since the wind is known")
    minutes = folder / "minutes.txt"
    minutes.write_text("The board approved version 2 on Monday.")
    second.approve(reason="the planning board agreed", attested_by="Dr. Ruth Adler", evidence=minutes)
    here.model("air-time").describe(policy=POLICY | {"margin": 0.0, "versus_champion": False})
    three = _regression(here, ["wind", "distance"])
    third = three.propose(reason="columns in the order of the new feed")
    third.approve(reason="the feed needs it")
    here.rollback("air-time", reason="it predicted half an hour too little on Monday")
    here.model("air-time").describe(policy=POLICY, cases=CASES)
    two.evaluate(TEST, slices=["site"], time="day", unit="min", sizing=True)
    four = _regression(here, ["wind", "distance"], bias=9.0)
    fourth = four.propose(reason="a longer history, which the <b>crew</b> asked for")
    return Made([one, two, three, four], [first, second, third, fourth])


def late(here: Workspace) -> Version:
    """A classifier with a decision rule and costs, which nobody described or approved."""
    fitted = LogisticRegression(max_iter=500).fit(TRAIN[["distance", "wind"]], TRAIN["late"])
    costs = Costs(false_positive=20, false_negative=90, unit="EUR")
    rule = DecisionRule(positive="yes", threshold=0.2, costs=costs, why="a crew that waits is cheap")
    with here.start_run("late") as run:
        run.log_model(fitted, reference=TRAIN[["distance", "wind", "late"]], target="late", rule=rule)
        run.evaluate(TEST, protected=["site"], slices=["site"])
    return here.register_model(run, "late flights")


def _regression(here: Workspace, columns: list[str], *, bias: float = 0.0) -> Version:
    fitted = LinearRegression().fit(TRAIN[columns], TRAIN["minutes"] + bias)
    with here.start_run("air-time") as run:
        run.log_input(TRAIN, "train")
        run.log_model(fitted, reference=TRAIN[[*columns, "minutes"]], target="minutes")
        run.evaluate(TEST, slices=["site"], time="day", unit="min")
    return here.register_model(run, "air-time", description=f"from {' and '.join(columns)}")
