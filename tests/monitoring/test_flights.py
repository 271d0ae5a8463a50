"""On real flights: the default bound finds May, and estimates without labels are believed until the wind changes what they rest on."""

from __future__ import annotations

from typing import Any

import pytest

from nbops.evaluation.metrics import measure
from nbops.monitoring import rows
from nbops.monitoring.backtest import Pair, backtest
from nbops.monitoring.estimation import learn
from nbops.monitoring.performance import Standing, covered_by, default_bound, standing
from nbops.monitoring.rows import Question
from tests.monitoring import flights

pytestmark = pytest.mark.long

MINUTES = Question("regression", unit="min", zone=flights.ZONE, draws=500)
LATE = Question("binary", ("on time", "late"), zone=flights.ZONE)


@pytest.fixture(scope="module")
def minutes() -> Any:
    return flights.logged(flights.air_time(last="2013-02-07"), "air_time")


@pytest.fixture(scope="module")
def late() -> Any:
    return flights.logged(flights.late(), "late")


def standings(frame: Any, last: str) -> dict[str, Standing]:
    laboratory = rows.told(flights.between(frame, *flights.REFERENCE), MINUTES).answers
    return {
        end: standing(
            rows.told(week, MINUTES).answers,
            laboratory,
            default_bound("regression"),
            MINUTES,
            covered_by(week, MINUTES),
        )
        for end, week in flights.weeks(frame, "2013-03-04", last)
    }


def test_two_weeks_of_three_are_beyond_the_default_bound_first_on_12_may(minutes: Any) -> None:
    found = standings(minutes, "2013-05-26")
    beyond = [end for end, one in found.items() if one.where == "beyond"]
    assert beyond == ["2013-05-05", "2013-05-12", "2013-05-19", "2013-05-26"]
    assert all(one.where != "unknown" for one in found.values())
    # The bound is no knife's edge: the weeks of May are at least 1.35 times as bad, none before them surely by a tenth.
    lows = {end: one.ratio.low or 0 for end, one in found.items()}
    assert min(lows[end] for end in beyond) > 1.35
    assert max(low for end, low in lows.items() if end not in beyond) < 1.1


def history(frame: Any, question: Question, name: str, last: str) -> dict[str, Pair]:
    reference = flights.between(frame, *flights.REFERENCE)
    laboratory = rows.told(reference, question)
    learnt = learn(laboratory.answers, reference.loc[laboratory.rows, flights.FEATURES].reset_index(drop=True))
    told = {}
    for end, week in flights.weeks(frame, "2013-03-04", last):
        every, known = rows.told(week, question, which="all"), rows.told(week, question)
        features = week.loc[every.rows, flights.FEATURES].reset_index(drop=True)
        found = learnt.estimate(every.answers, features).of(name)
        assert found is not None
        assert found.value is not None
        assert found.band is not None
        told[end] = Pair(found.value, measure(known.answers, [name])[name], found.band)
    return told


def test_the_error_model_holds_until_the_jet_stream_weakens_and_is_switched_off_on_12_may(minutes: Any) -> None:
    told = history(minutes, MINUTES, "mae", "2013-05-26")
    ends = list(told)
    trust = {end: backtest([told[one] for one in ends[: place + 1]]).trust for place, end in enumerate(ends)}
    assert sum(told[end].missed for end in ends if end < "2013-05-01") <= 1
    assert trust["2013-04-28"] == "trusted"
    assert trust["2013-05-12"] == "off"
    assert trust["2013-05-26"] == "off"


def test_late_arrivals_are_estimated_within_their_band_in_most_weeks_but_not_believed_all_along(late: Any) -> None:
    told = history(late, LATE, "brier", "2013-07-28")
    ends = list(told)
    assert sum(pair.missed for pair in told.values()) <= len(told) / 3
    assert any(not backtest([told[one] for one in ends[: place + 1]]).usable for place in range(len(ends)))
