"""A schedule as it is written: what is understood, what is refused with the nearest name, and what becomes of its parameters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.errors import ConfigError, UsageError
from nbops.pipelines.schedules import planning
from nbops.pipelines.schedules.requests import Due
from nbops.pipelines.schedules.spec import Spec, name, of_block

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


def test_the_block_of_a_pipeline_is_a_schedule() -> None:
    block = {"cron": "0 6 * * *", "tz": "Europe/Berlin", "missed": "latest", "overlap": "skip", "jitter": "5m"}
    found = of_block(block, "nightly", "nightly/pipeline.yaml")
    assert found == Spec(target="nightly", cron="0 6 * * *", tz="Europe/Berlin", jitter="5m")


@pytest.mark.parametrize(
    ("block", "told", "hint"),
    [
        ("daily", "schedule is not made of keys", "Such as"),
        ({"crom": "0 6 * * *"}, "unknown key 'crom'", "Did you mean 'cron'"),
        ({}, "neither cron nor every", "Such as"),
        ({"cron": "@daily", "every": "1h"}, "either cron or every", "Such as"),
        ({"cron": "@daily", "tz": "Europe/Berlim"}, "There is no time zone 'Europe/Berlim'", "Did you mean 'Europe/Berlin'"),
        ({"cron": "@daily", "missed": "run-latest"}, "does not fit: Invalid enum value 'run-latest'", "docs/schedules.md"),
        ({"cron": "@daily", "limit": 0}, "does not fit", "docs"),
        ({"cron": "@daily", "jitter": "3d"}, "A jitter of 3d is too long", "At most 1 days"),
        ({"cron": "@daily", "grace": "soon"}, "'soon' is no span", "Such as"),
        ({"cron": "@daily", "grace": ""}, "'' is no span", "Such as"),
        ({"cron": "@daily", "grace": "0s"}, "A grace of 0s is too short", "once a minute"),
        ({"cron": "@daily", "parameters": {"day": "{dat}"}}, "'{dat}' in '{dat}' stands for nothing", "Did you mean {date}"),
        ({"cron": "@daily", "parameters": {"day": "{date.year}"}}, "stands for nothing", "{date}"),
        ({"cron": "@daily", "parameters": {"day": "{0}"}}, "stands for nothing", "Known: {date}, {time}, {start}, {end}"),
        ({"cron": "@daily", "parameters": {"day": "{"}}, "stands for nothing", "is a brace"),
    ],
)  # fmt: skip
def test_a_mistake_in_it_is_told_with_its_remedy(block: Any, told: str, hint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        of_block(block, "nightly", "nightly/pipeline.yaml")
    assert refused.value.message.startswith("In nightly/pipeline.yaml: ")
    assert told in refused.value.message
    assert hint in refused.value.hint


def test_parameters_are_told_the_time_that_they_are_for() -> None:
    parameters = {
        "day": "{date}", "file": "raw/{date:%Y/%m}.csv", "at": "{time}", "first": "{start}", "last": "{end:%H:%M}",
        "braces": "{{date}}", "n": 3, "ids": [1, 2], "flag": True, "plain": "100 %",
    }  # fmt: skip
    spec = Spec(target="a", cron="0 * * * *", tz="Europe/Berlin", parameters=parameters)
    # Nine in the evening UTC is not that day any more at the zone's clock in summer.
    assert spec.texts(datetime(2026, 3, 29, 22, tzinfo=UTC)) == {
        "day": "2026-03-30", "file": "raw/2026/03.csv", "at": "2026-03-30T00:00:00+02:00", "first": "2026-03-29T23:00:00+02:00",
        "last": "00:00", "braces": "{date}", "n": "3", "ids": "[1, 2]", "flag": "true", "plain": "100 %",
    }  # fmt: skip


@given(jitter=st.integers(1, 86_400), number=st.integers(0, 10**6), key=st.text(max_size=5))
def test_jitter_is_within_its_bounds_and_says_the_same_again(jitter: int, number: int, key: str) -> None:
    spec = Spec(target="a", cron="@daily", jitter=f"{jitter}s")
    nominal = datetime.fromtimestamp(number * 60, UTC)
    found = spec.due(key, nominal)
    assert 0 <= (found - nominal).total_seconds() < jitter
    assert found == spec.due(key, nominal)


@given(
    count=st.integers(0, 60),
    late=st.integers(0, 60),
    missed=st.sampled_from(["skip", "latest", "all"]),
    limit=st.integers(1, 70),
)
def test_each_time_is_run_or_missed_and_nothing_is_both(count: int, late: int, missed: Any, limit: int) -> None:
    spec = Spec(target="a", every="1m", missed=missed, limit=limit, grace="10m")
    nominal = [datetime.fromtimestamp(60 * (1000 + number), UTC) for number in range(count)]
    now = datetime.fromtimestamp(60 * (1000 + count + late), UTC)
    chosen = planning.choose(spec, "key", nominal, now, nominal[0] if nominal else now)
    run, left = [one.nominal for one in chosen.due], list(chosen.missed)
    assert sorted(run + left) == [int(one.timestamp() * 1e6) for one in nominal]
    assert left + run == sorted(left + run)
    wanted = {"latest": min(1, count), "all": min(limit, count)}
    if missed in wanted:
        assert len(run) == wanted[missed]
    else:
        assert all(now.timestamp() * 1e6 - one <= 600e6 for one in run)
    assert bool(chosen.late) == any((now - one).total_seconds() > 600 for one in nominal)


def test_what_is_caught_up_with_waits_for_its_turn() -> None:
    spec = Spec(target="a", cron="0 * * * *", missed="all")
    chosen = planning.choose(spec, "key", [NOON], NOON, NOON)
    assert chosen.due == (Due(int(NOON.timestamp() * 1e6), int(NOON.timestamp() * 1e6), patient=True),)


@pytest.mark.parametrize("text", ["", "a/b", "-a", "a\nb", "x" * 101])
def test_a_name_that_cannot_be_typed_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no name for a schedule"):
        name(text)
    assert name("nächtlich 2") == "nächtlich 2"
