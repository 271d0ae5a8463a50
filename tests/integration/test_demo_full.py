"""The whole year of the demo, as `nbops demo --full` goes through it, held against the flights themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

import nbops
from nbops.promotion import retrain
from nbops.promotion.retrain import Wish
from nbops.records import at

pytestmark = pytest.mark.long
MODEL, MARGIN = "air-time", 0.1


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the demo says that it made."""
    folder = tmp_path_factory.mktemp("year") / "demo"
    words = [sys.executable, "-m", "nbops", "demo", str(folder), "--full", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    yield json.loads(done.stdout)
    nbops.open(folder).store.stop_owner()


@pytest.fixture(scope="module")
def workspace(made: dict[str, Any]) -> nbops.Workspace:
    return nbops.open(made["folder"])


@pytest.fixture(scope="module")
def flights(made: dict[str, Any]) -> pd.DataFrame:
    """Those that flew."""
    return pd.read_parquet(made["data"]).dropna(subset="air_time")


@pytest.fixture(scope="module")
def wishes(workspace: nbops.Workspace) -> list[Wish]:
    return retrain.wishes(workspace.store, MODEL, everything=True)


def off(workspace: nbops.Workspace, version: int, rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    """By how many minutes a version is off in each row."""
    found = workspace.model(MODEL).version(version).load().predict(rows) - rows["air_time"]
    return np.asarray(found.abs(), dtype=np.float64)


def test_the_first_page_is_of_a_week_that_ends_in_may(made: dict[str, Any], workspace: nbops.Workspace) -> None:
    """Bar 7: a window that ends between 5 and 26 May, and none before."""
    assert made["months"]["weeks"] == 43
    assert "2013-05-05" <= made["months"]["opened"] <= "2013-05-26"
    pages = workspace.sql(
        "select a.window_start from incident_acts a join incidents i using (incident_id)"
        " where i.model = 'air-time' and i.severity = 'page' and a.act = 'opened' order by 1 limit 1"
    )
    assert pages["window_start"].iloc[0] + pd.Timedelta(weeks=1) == pd.Timestamp(made["months"]["opened"])
    assert workspace.incident(made["months"]["incident"]).case.status == "healed"


def test_it_is_trained_on_the_two_full_months_before(made: dict[str, Any], wishes: list[Wish]) -> None:
    assert wishes[0].cause == "incident"
    last = pd.Timestamp(made["months"]["opened"]).replace(day=1)
    ends = [pd.Timestamp(at(end)).tz_localize(None) for end in (wishes[0].data_from, wishes[0].data_until)]
    assert ends == [last - pd.DateOffset(months=2), last]


@pytest.mark.parametrize("month", [6, 7, 8, 9])
def test_what_was_trained_anew_is_off_by_at_most_0_65_of_the_first(
    workspace: nbops.Workspace, flights: pd.DataFrame, wishes: list[Wish], month: int
) -> None:
    rows = flights[flights["date"].dt.month == month]
    first, anew = (
        off(workspace, int(version or 0), rows).mean() for version in (wishes[0].version, wishes[0].challenger)
    )
    assert anew <= 0.65 * first


def paired(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], days: pd.Series[Any]
) -> tuple[float, float, float]:
    """How much less `other` loses than `one`, and where 95 of 100 draws of whole days lie, written anew."""
    gain = (
        pd.DataFrame({"gain": one - other, "day": days.to_numpy()})
        .groupby("day")["gain"]
        .agg(["sum", "size"])
        .to_numpy()
    )
    random = np.random.default_rng(7)
    drawn = gain[random.integers(0, len(gain), (20_000, len(gain)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return float(np.mean(one - other)), float(low), float(high)


def test_each_verdict_is_that_of_a_paired_test_beside_the_champion_and_the_first_version(
    workspace: nbops.Workspace, flights: pd.DataFrame, wishes: list[Wish]
) -> None:
    """Bar 7: those of November and December, and the one of May."""
    assert [one.state for one in wishes].count("refused") >= 1
    assert [at(one.data_until).month for one in wishes] == [5, 11, 12]
    time = flights["time_hour"].dt.tz_localize("UTC")
    for wish in wishes:
        (told,) = workspace.store.read(
            "select verdict from retrain_acts where request_id = ?::uuid and verdict is not null", [wish.request_id]
        ).rows[0]
        verdicts = json.loads(told)
        held = verdicts["champion"]["evidence"]
        # Whole weeks were known when it was judged: so many that there are as many rows.
        after = flights[time >= pd.Timestamp(at(wish.data_until))]
        sundays = time[after.index].dt.tz_localize(None).dt.to_period("W").dt.end_time
        known = next(sundays <= end for end in sorted(sundays.unique()) if (sundays <= end).sum() >= held["rows"])
        rows = after[known].loc[time[after.index][known].sort_values(kind="stable").index]
        assert len(rows) == held["rows"]
        days = time[rows.index].dt.floor("D")
        assert days.nunique() == held["blocks"] >= 10
        new = off(workspace, int(wish.challenger or 0), rows)
        beside = [verdicts["champion"], *([verdicts["predecessor"]] if verdicts.get("predecessor") else [])]
        if wish.cause == "schedule":
            assert [one["holder"] for one in beside] == [3, wishes[0].version]
        for verdict in beside:
            gain, low, high = paired(off(workspace, verdict["holder"], rows), new, days)
            kept = verdict["evidence"]["paired"]
            assert kept["difference"] == pytest.approx(gain, abs=1e-9)
            # What is kept is corrected for bias and for few days, these are plain percentiles.
            assert [kept["low"], kept["high"]] == pytest.approx([low, high], abs=0.25 * (high - low))
            (comparison,) = [one for one in verdict["verdict"]["checks"] if one["name"] == "comparison"]
            assert (comparison["outcome"] == "passed") == (low > 0 and gain >= MARGIN), (gain, low, high)


def test_nobody_is_promoted_without_a_person_who_said_so(workspace: nbops.Workspace) -> None:
    moves = workspace.sql(
        "select model, version, review_id::varchar as review, actor from alias_history where alias = 'champion'"
    )
    assert {*moves["model"]} == {MODEL, "late-arrival"}
    for move in moves.itertuples():
        deeds = {deed.act: deed for deed in workspace.review(str(move.review)).case.deeds}
        assert deeds["approve"].actor == move.actor != ""
        assert deeds["approve"].reason
