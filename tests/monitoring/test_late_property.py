"""Labels come late, twice, out of order, are corrected and taken back: after each step a window is what it would be from scratch."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nbops.monitoring import running
from nbops.workspace._model import Version
from nbops.workspace._workspace import Workspace
from tests.monitoring.watched import FIRST, Watched, register, week

if TYPE_CHECKING:
    import pandas as pd

DAYS, PER_DAY = 4, 30
POLICY = {
    "window": "day",
    "warmup": {"rows": 0, "windows": 0},
    "performance": {"min_labels": 10},
    "estimate": False,
    "baseline": "previous",
}
WHAT = ["predict", "tell", "tell some", "correct", "take back", "tell what was seen early"]
STEPS = st.lists(st.tuples(st.sampled_from(WHAT), st.integers(0, DAYS - 1)), min_size=2, max_size=4)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def minutes(here: Workspace) -> Version:
    return register(here, "minutes")


def day(number: int) -> pd.DataFrame:
    """Some rows of a day."""
    begin = FIRST + timedelta(days=number)
    rows = week(0)
    found = rows[(rows["time"] >= begin) & (rows["time"] < begin + timedelta(days=1))]
    return found.head(PER_DAY).reset_index(drop=True)


def do(watched: Watched, what: str, number: int) -> None:
    """A step of somebody who logs."""
    rows = day(number)
    if what == "predict":
        watched.predict(rows.assign(a=rows["a"] + 1))
    elif what == "tell":
        watched.tell(rows)
    elif what == "tell some":
        watched.tell(rows.head(12))
    elif what == "correct":
        watched.tell(rows.assign(minutes=rows["minutes"] + 5))
    elif what == "take back":
        watched.tell(rows.assign(minutes=float("nan")))
    else:
        watched.tell(rows.assign(minutes=rows["minutes"] - 9, seen=FIRST + timedelta(days=number)), observed="seen")


def kept(watched: Watched) -> dict[int, bytes]:
    """What is kept of each window, whoever's it is."""
    found = watched.rows("monitor_windows", "epoch_us(start), report_sha256")
    reports = {start: running.report(watched.here.store, sha256) for start, sha256 in found}
    return {start: msgspec.msgpack.encode(msgspec.structs.replace(one, model="")) for start, one in reports.items()}


def incidents(watched: Watched) -> list[tuple[object, ...]]:
    """How its incidents stand."""
    columns = "cause, status, severity, text, since, last_window, windows"
    return watched.rows("incidents", columns)


def held(here: Workspace, version: Version, steps: list[tuple[str, int]]) -> None:
    """Hold each step against everything anew, and the end against a model that is looked at but once."""
    number = next(_numbers)
    slow = Watched(here, version, f"slow {number}", **POLICY)
    for one in range(DAYS):
        slow.predict(day(one))
    slow.look()
    for what, one in steps:
        do(slow, what, one)
        slow.look()
        before = kept(slow)
        again = slow.look(again=True)
        assert kept(slow) == before
        assert again.changes == ()
        assert len(again.reports) == DAYS
    once = Watched(here, version, f"once {number}", **POLICY)
    for one in range(DAYS):
        once.predict(day(one))
    for what, one in steps:
        do(once, what, one)
    once.look()
    assert kept(once) == kept(slow)
    open_now = [row for row in incidents(slow) if row[1] == "open"]
    assert [row[:2] for row in open_now] == [row[:2] for row in incidents(once) if row[1] == "open"]


@settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
@example(steps=[("correct", 1), ("tell", 0), ("tell what was seen early", 1), ("predict", 0)])
def test_each_window_is_what_it_would_be_from_scratch(
    here: Workspace, minutes: Version, steps: list[tuple[str, int]]
) -> None:
    held(here, minutes, steps)


@pytest.mark.long
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_each_window_is_what_it_would_be_from_scratch_in_many_orders(
    here: Workspace, minutes: Version, steps: list[tuple[str, int]]
) -> None:
    held(here, minutes, steps)
