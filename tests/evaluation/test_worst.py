"""The worst slices: what is there is found and confirmed, what is not there is not."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from nbops.errors import UsageError
from nbops.evaluation.telling import Scale
from nbops.evaluation.worst import Worst, worst_rows, worst_slices


def rows(count: int, seed: int) -> tuple[pd.DataFrame, np.random.Generator]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "carrier": rng.choice(list("ABCDEFGH"), count), "origin": rng.choice(["EWR", "JFK", "LGA"], count),
        "distance": rng.integers(80, 5000, count), "wind": rng.normal(10, 3, count),
        "time": pd.Timestamp("2013-01-01") + pd.to_timedelta(rng.integers(0, 180 * 24, count), "h"),
    })  # fmt: skip
    return frame, rng


def planted(where: Any, count: int = 6000, seed: int = 0) -> tuple[Worst, ...]:
    frame, rng = rows(count, seed)
    losses = rng.exponential(8, count) + 10 * where(frame).to_numpy()
    return worst_slices(frame, losses, scale=Scale("MAE", "min"))


def test_a_bad_value_is_found_and_confirmed() -> None:
    found = planted(lambda frame: frame["carrier"] == "C")
    assert found[0].conditions == ("carrier = C",)
    assert found[0].confirmed
    assert found[0].low < 10 < found[0].high
    assert not any(one.confirmed for one in found[1:])


def test_a_bad_interval_is_found_and_confirmed() -> None:
    found = planted(lambda frame: frame["wind"] > frame["wind"].quantile(0.9))
    assert found[0].conditions[0].startswith("wind above 13.")
    assert (len(found[0].conditions), found[0].confirmed) == (1, True)
    assert found[0].share == pytest.approx(0.1, abs=0.01)


def test_two_conditions_that_are_bad_only_together_are_found_and_confirmed() -> None:
    found = planted(lambda frame: (frame["carrier"] == "C") & (frame["origin"] == "JFK"))
    assert {*found[0].conditions} == {"carrier = C", "origin = JFK"}
    assert found[0].confirmed
    assert found[0].sentence.startswith("carrier = C and origin = JFK: MAE 1")
    assert found[0].sentence.endswith("; confirmed on held-out rows.")


def test_months_and_hours_are_looked_at() -> None:
    found = planted(lambda frame: (frame["time"].dt.hour >= 20) & (frame["time"].dt.month == 2), count=20_000)
    assert {*found[0].conditions} == {"time (hour) at least 20:00", "time (month) = 2013-02"}
    assert found[0].confirmed


def test_missing_values_can_be_the_trouble() -> None:
    frame, rng = rows(4000, 0)
    frame.loc[::20, "wind"] = np.nan
    losses = rng.exponential(8, 4000) + 10 * frame["wind"].isna().to_numpy()
    assert worst_slices(frame, losses)[0].conditions == ("wind = missing",)


def test_several_troubles_are_told_apart_and_none_twice() -> None:
    found = planted(lambda frame: (frame["carrier"] == "C") * 1.0 + (frame["wind"] < 6) * 1.0, count=20_000)
    confirmed = [one for one in found if one.confirmed]
    assert len(confirmed) == 2
    assert ("carrier = C",) in [one.conditions for one in confirmed]
    assert any(one.conditions[0].startswith("wind at most") for one in confirmed)
    assert any(one.also for one in confirmed)


def test_the_figures_are_those_of_the_held_out_rows_alone() -> None:
    # Nothing is wrong: what the search found is too large, what is told of it is not.
    frame, rng = rows(4000, 5)
    found = worst_slices(frame, rng.exponential(8, 4000))
    assert found
    assert all(one.found > 0 for one in found)
    assert np.mean([one.difference for one in found]) < 0.4 * np.mean([one.found for one in found])


def confirmed_by_chance(repeats: int, count: int, *, days: bool) -> int:
    """In how many repetitions anything is confirmed where nothing is wrong."""
    wrong = 0
    for seed in range(repeats):
        frame, rng = rows(count, seed)
        losses, blocks = rng.exponential(8, count), None
        if days:
            blocks = np.arange(count) // 25
            losses += 20 * rng.exponential(1, count // 25)[blocks]
            frame["wind"] = rng.normal(size=count // 25)[blocks]
        wrong += any(one.confirmed for one in worst_slices(frame, losses, blocks=blocks, seed=seed))
    return wrong


@pytest.mark.parametrize("days", [False, True])
def test_nothing_is_confirmed_where_nothing_is_wrong(*, days: bool) -> None:
    assert confirmed_by_chance(20, 1000, days=days) <= 3


@pytest.mark.long
@pytest.mark.parametrize("days", [False, True])
def test_nothing_is_confirmed_where_nothing_is_wrong_in_95_of_100_repetitions(*, days: bool) -> None:
    assert confirmed_by_chance(200, 2000, days=days) <= 10


def test_days_that_are_bad_as_a_whole_are_not_laid_on_what_they_happen_to_have() -> None:
    wrong = 0
    for seed in range(10):
        frame, rng = rows(1000, seed)
        days = np.arange(1000) // 50
        frame["weather"] = rng.normal(size=20)[days]
        losses = rng.exponential(1, 1000) + 10 * rng.exponential(1, 20)[days]
        wrong += any(one.confirmed for one in worst_slices(frame, losses))
    assert wrong >= 5  # without blocks they are


def test_finds_are_the_same_each_time_and_at_most_as_many_as_asked() -> None:
    frame, rng = rows(3000, 3)
    losses = rng.exponential(8, 3000)
    found = worst_slices(frame, losses, most=3)
    assert found == worst_slices(frame, losses, most=3)
    assert len(found) <= 3
    assert msgspec.json.decode(msgspec.json.encode(found)) is not None


def test_nothing_is_found_where_there_is_nothing_to_look_at() -> None:
    assert worst_slices(pd.DataFrame({"x": [1] * 500}), np.arange(500.0)) == ()
    assert worst_slices(pd.DataFrame({"x": range(20)}), np.arange(20.0)) == ()
    assert worst_slices(pd.DataFrame({"x": []}), np.zeros(0)) == ()
    assert worst_slices(pd.DataFrame({"x": range(500)}), np.ones(500)) == ()


def test_losses_of_other_rows_and_losses_that_are_no_numbers_are_refused() -> None:
    frame = pd.DataFrame({"x": range(100)})
    with pytest.raises(UsageError, match="100 rows and 3 losses"):
        worst_slices(frame, np.arange(3.0))
    with pytest.raises(UsageError, match="100 rows and 4 blocks"):
        worst_slices(frame, np.arange(100.0), blocks=np.arange(4))
    with pytest.raises(UsageError, match="are not finite"):
        worst_slices(frame, np.full(100, np.inf))


def test_the_worst_rows_are_those_with_the_largest_losses() -> None:
    losses = np.random.default_rng(0).integers(0, 50, 1000).astype(float)
    losses[[3, 7]] = np.nan
    known = np.where(np.isnan(losses), -1, losses)
    assert worst_rows(losses).tolist() == np.argsort(-known, kind="stable")[:50].tolist()
    assert worst_rows(np.array([1.0, 3.0, np.nan, 2.0])).tolist() == [1, 3, 0]
    assert worst_rows(np.zeros(0)).tolist() == []
