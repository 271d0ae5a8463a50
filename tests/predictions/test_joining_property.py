"""Whatever comes late, twice, corrected or not at all: a window is what plain Python makes of it, and no change of it is missed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from nbops.predictions import joining, labels, merging, segments
from nbops.predictions.segments import Meaning
from nbops.store.client import Store
from tests.conftest import Project
from tests.predictions.versions import version

FIRST = datetime(2013, 1, 1, tzinfo=UTC)
DAYS = 4
IDS = [f"{number}" for number in range(5)]
HOURS = st.integers(0, DAYS * 24 - 1)
ROWS = st.dictionaries(st.sampled_from(IDS), st.tuples(HOURS, st.integers(0, 2)), min_size=1, max_size=4)
VALUES = st.one_of(st.none(), st.integers(0, 2))
TOLD = st.dictionaries(st.sampled_from(IDS), VALUES, min_size=1, max_size=3)
DATED = st.dictionaries(st.tuples(st.sampled_from(IDS), st.sampled_from([0, 1, 9_999])), VALUES, min_size=1, max_size=4)


class Row(NamedTuple):
    """A row as it is joined."""

    id: str
    time: datetime
    prediction: float
    feature: int
    label: float | None
    observed: datetime | None


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    project = Project(tmp_path_factory.mktemp("joining"))
    yield project.store()
    project.close()


class Windows(RuleBasedStateMachine):
    """Segments in any order, beside what they come to."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.model = version(self.store)
        self.predicted: dict[str, tuple[datetime, int]] = {}
        self.told: dict[str, list[tuple[datetime, int, int | None]]] = {}
        self.seen: list[tuple[int, dict[int, list[Row]]]] = []
        self.place = 0

    @rule(rows=ROWS)
    def predict(self, rows: dict[str, tuple[int, int]]) -> None:
        times = [FIRST + timedelta(hours=hour) for hour, _ in rows.values()]
        frame = pd.DataFrame({"id": list(rows), "time": times, "prediction": [value for _, value in rows.values()]})
        frame["x"] = frame["prediction"] * 10
        segments.log(self.store, self.model, 1, frame, Meaning(ids=("id",), time="time"))
        self.predicted |= {key: (time, rows[key][1]) for key, time in zip(rows, times, strict=True)}

    @rule(told=TOLD)
    def tell(self, told: dict[str, int | None]) -> None:
        frame = pd.DataFrame({"id": list(told), "label": pd.array(list(told.values()), dtype="Int64")})
        done = labels.log(self.store, self.model, frame, ids=("id",), label="label")
        ((observed,),) = self.store.read(
            "select epoch_us(observed) from label_segments where segment_id = ?::uuid", [done.segment]
        ).rows
        self._keep({(key, _at(observed)): value for key, value in told.items()})

    @rule(told=DATED)
    def tell_when(self, told: dict[tuple[str, int], int | None]) -> None:
        rows = {(key, FIRST + timedelta(days=day)): value for (key, day), value in told.items()}
        frame = pd.DataFrame(
            {
                "id": [int(key) for key, _ in rows],
                "seen": [time.isoformat() for _, time in rows],
                "label": pd.array(list(rows.values()), dtype="Int64"),
            }
        )
        labels.log(self.store, self.model, frame, ids=("id",), label="label", observed="seen")
        self._keep(rows)

    @rule()
    def merge(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(merging, "FEW", 2)
            before = self.store.read("select count(*) from prediction_segments where model = ?", [self.model]).rows[0][
                0
            ]
            parts, made = merging.merge(self.store, self.model)
        after = self.store.read("select count(*) from prediction_segments where model = ?", [self.model]).rows[0][0]
        assert before - parts + made == after

    @invariant()
    def windows_are_what_python_says(self) -> None:
        if not self.predicted:
            return
        wanted = self._expected()
        for day in range(DAYS):
            assert self._joined(day, day + 1) == wanted[day]
        assert self._joined(0, DAYS) == sorted((row for rows in wanted.values() for row in rows), key=_order)
        for seq, before in self.seen:
            changes = joining.changed(self.store, self.model, 1, seq)
            days = {(one - FIRST.date()).days for one in changes.days}
            assert {day for day in range(DAYS) if before[day] != wanted[day]} <= days
        now = joining.changed(self.store, self.model, 1, 10**9)
        assert now.days == ()
        self.seen = [*self.seen[-2:], (now.seq, wanted)]

    def _keep(self, rows: dict[tuple[str, datetime], int | None]) -> None:
        self.place += 1
        for (key, observed), value in rows.items():
            self.told.setdefault(key, []).append((observed, self.place, value))

    def _expected(self) -> dict[int, list[Row]]:
        found: dict[int, list[Row]] = {day: [] for day in range(DAYS)}
        for key, (time, value) in self.predicted.items():
            label, since = None, None
            for number, (observed, _, said) in enumerate(sorted(self.told.get(key, []), key=lambda one: one[:2])):
                if number == 0 or said != label:
                    label, since = said, observed
            row = Row(key, time, value, value * 10, label, since if label is not None else None)
            found[(time - FIRST).days].append(row)
        return {day: sorted(rows, key=_order) for day, rows in found.items()}

    def _joined(self, first: int, last: int) -> list[Row]:
        start, until = FIRST + timedelta(days=first), FIRST + timedelta(days=last)
        table = joining.aware(joining.joined(self.store, self.model, 1, start, until, columns=["x"]))
        assert table.column_names == ["_id", "_time", "_prediction", "_label", "_observed", "x"]
        return [
            Row(*(one[name] for name in ("_id", "_time", "_prediction", "x", "_label", "_observed")))
            for one in table.to_pylist()
        ]


def _order(row: Row) -> Any:
    return row.time, row.id


def _at(us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


def test_a_window_is_what_plain_python_makes_of_it_and_no_change_is_missed(store: Store) -> None:
    class Here(Windows):
        pass

    Here.store = store
    quick = settings(
        max_examples=10, stateful_step_count=7, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(Here, settings=quick)
