"""Sizing tells what a model takes, admits what it did not see and what disturbed it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from nbops.errors import ModelError, UsageError
from nbops.evaluation import footprint as module
from nbops.evaluation.footprint import Footprint, footprint
from nbops.evaluation.sizing import Machine, Measured, Sizing, machine, size

ROWS = np.random.default_rng(0).normal(size=(500, 4))


def spin(seconds: float) -> None:
    """Use a core, and nothing else."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


class Model:
    """Takes a fixed time for a call and one for each row, and remembers the sizes of its batches."""

    def __init__(self, fixed: float, per_row: float) -> None:
        self.fixed, self.per_row = fixed, per_row
        self.asked: list[int] = []

    def predict(self, rows: Any) -> Any:
        self.asked.append(len(rows))
        spin(self.fixed + self.per_row * len(rows))
        return rows


def test_a_straight_line_is_found_and_holds_for_a_batch_that_it_has_not_seen() -> None:
    model = Model(0.002, 2e-5)
    found = size(model.predict, ROWS, seconds=1)
    assert found.fixed == pytest.approx(0.002, rel=0.15)
    assert found.per_row == pytest.approx(2e-5, rel=0.15)
    assert abs(found.error) < 0.15
    assert found.unseen.rows not in {point.rows for point in found.points}
    assert found.beyond is not None
    assert found.error_beyond is not None
    assert (found.unseen.rows, found.beyond.rows) == (found.points[-1].rows / 2, found.points[-1].rows * 2)
    assert abs(found.error_beyond) < 0.15
    assert found.error_beyond == found.cpu(found.beyond.rows) / found.beyond.cpu - 1
    assert found.cpu(500) == pytest.approx(0.012, rel=0.15)
    assert found.distinct_rows == 500
    # Each size is measured in turn, not one after the other.
    largest = found.points[-1].rows
    last_turns = model.asked[len(model.asked) // 2 :]
    assert last_turns.count(largest) >= 2
    assert last_turns.count(1) >= 2


def test_a_slow_model_is_measured_with_small_batches_within_the_time_given() -> None:
    model = Model(0.001, 1e-4)
    began = time.process_time()
    found = size(model.predict, ROWS, seconds=0.5)
    assert time.process_time() - began < 2
    assert [point.rows for point in found.points] == [1, 16, 256]
    assert found.unseen.rows == 128


def test_frames_keep_their_columns_and_types() -> None:
    frame = pd.DataFrame({"x": ROWS[:, 0], "c": pd.Categorical(["a", "b"] * 250)})
    seen: set[Any] = set()

    def predict(rows: pd.DataFrame) -> None:
        seen.add((*rows.columns, *map(str, rows.dtypes)))

    size(predict, frame, seconds=0.1)
    assert seen == {("x", "c", "float64", "category")}


def made(*points: tuple[int, float], straight: bool = False, **given: Any) -> Sizing:
    fields: dict[str, Any] = {
        "points": tuple(Measured(*one) for one in points),
        "fixed": 0.01,
        "per_row": 1e-5,
        "straight": straight,
        "unseen": Measured(2048, 0.025),
        "error": 0.02,
        "distinct_rows": 500,
        "busy": False,
        "share_of_core": 0.98,
        "wall_of_one": 0.0104,
        "footprint": Footprint(0.05, 0.06, 180_000_000, 9_000_000, 4096, 7_000_000),
        "machine": Machine("a processor", 2, 8_000_000_000, 0.3, "3.11.7"),
    }
    return Sizing(**(fields | given))


def test_a_bent_course_is_followed_from_point_to_point() -> None:
    bent = made((1, 0.01), (101, 0.02), (1101, 0.05))
    assert bent.cpu(1) == 0.01
    assert bent.cpu(51) == pytest.approx(0.015)
    assert bent.cpu(601) == pytest.approx(0.035)
    assert bent.cpu(2101) == pytest.approx(0.08)
    assert made((1, 0.01), (101, 0.02), straight=True).cpu(2101) == pytest.approx(0.03101)


def test_cores_and_rows_an_hour_follow_from_it() -> None:
    found = made((1, 0.01), (101, 0.02), straight=True)
    # 60 calls a second of 10.01 ms are 0.6 of a core.
    assert found.cores(60) == pytest.approx(1.001)
    assert found.cores(6000, batch=100, use=0.5) == pytest.approx(60 * 0.011 / 0.5)
    assert found.rows_per_hour(batch=1000) == pytest.approx(3600 * 1000 / 0.02)
    assert found.footprint is not None
    assert found.footprint.total == 196_000_000


def test_the_figures_are_told_in_words() -> None:
    assert made((1, 0.01), (101, 0.02), straight=True).sentences == (
        "A call with one row takes 10 ms of cpu, and a row of many 12.4 µs: one core does 289 million rows an hour in batches of 4,096.",
        "For 2,048 rows at once, which were not used for these figures, they predict 30.5 ms and 25 ms were measured (2 % off).",
        (
            "In memory the model takes 9.0 MB beside 180.0 MB of Python and its libraries and at most 7.0 MB more for 4,096 rows; "
            "loading takes 50 ms of cpu."
        ),
        "The answer for one row comes after 10.4 ms, in half of all calls.",
    )


def test_what_lies_beyond_the_largest_batch_is_told_apart() -> None:
    found = made((1, 0.01), (101, 0.02), beyond=Measured(202, 0.03), error_beyond=0.0033)
    assert found.sentences[2] == (
        "For 202, beyond the largest batch used (101 rows), they predict 30.1 ms and 30 ms were measured (0.3 % off)."
    )
    far = made((1, 0.01), (101, 0.02), beyond=Measured(202, 0.12), error_beyond=-0.749)
    assert far.sentences[2].endswith("120 ms were measured (74.9 % off): reckon with batches of at most 101 rows.")


def test_a_row_that_costs_more_in_large_batches_is_told_by_the_error_beyond_them() -> None:
    def predict(rows: Any) -> None:
        spin(2e-5 * len(rows) * (3 if len(rows) > 256 else 1))

    # So little time is enough for the three smallest sizes alone, however busy the machine is.
    found = size(predict, ROWS, seconds=0.01)
    assert found.points[-1].rows == 256
    assert abs(found.error) < 0.15
    assert found.error_beyond == pytest.approx(-2 / 3, abs=0.05)


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system does not say which core a process runs on"
)
def test_a_core_that_others_use_too_gives_no_wall_times() -> None:
    allowed = os.sched_getaffinity(0)
    others: list[subprocess.Popen[bytes]] = []
    try:
        os.sched_setaffinity(0, {min(allowed)})
        others += [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
        found = size(Model(0.002, 2e-5).predict, ROWS, seconds=1)
    finally:
        os.sched_setaffinity(0, allowed)
        for other in others:
            other.kill()
            other.wait()
    assert found.busy
    assert found.wall_of_one is None
    assert found.share_of_core < 0.6


def test_what_sleeps_has_as_little_of_a_core_as_what_waits_for_one() -> None:
    found = size(lambda _: time.sleep(0.002), ROWS, seconds=0.1)
    assert found.busy
    assert found.wall_of_one is None
    assert found.share_of_core < 0.8
    assert found.sentences[-1].startswith("The machine was busy")
    assert msgspec.json.decode(msgspec.json.encode(found), type=Sizing) == found


def test_no_rows_are_refused_and_what_the_model_raises_is_not_hidden() -> None:
    with pytest.raises(UsageError, match="no rows"):
        size(len, ROWS[:0])
    with pytest.raises(ZeroDivisionError):
        size(lambda _: 1 / 0, ROWS)


def test_the_machine_is_known() -> None:
    here = machine()
    assert here.processor
    assert here.cores >= 1
    assert here.memory > 10**8


def test_memory_is_counted_where_it_is_used() -> None:
    # What is loaded holds 80 MB and makes as much again for an answer.
    found = footprint(partial(partial, np.add, np.ones(10_000_000)), 1.0, 2.0, 1)
    assert found.model == pytest.approx(80e6, rel=0.2)
    assert found.batch == pytest.approx(80e6, rel=0.2)
    assert 50e6 < found.base < 500e6
    assert found.total == found.base + found.model + (found.batch or 0)
    assert 0 <= found.load_cpu < 30


def test_what_cannot_be_loaded_elsewhere_is_told() -> None:
    with pytest.raises(ModelError, match="cannot be sent to another process"):
        footprint(lambda: len, ROWS[:1], ROWS, 500)
    with pytest.raises(ModelError, match=r"fresh process: .*invalid load key"):
        footprint(partial(pickle.loads, b"no pickle"), ROWS[:1], ROWS, 500)


def test_a_process_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.01)
    with pytest.raises(ModelError, match="no answer after 0 s"):
        footprint(partial(partial, time.sleep, 60), ROWS[:1], ROWS, 500)
