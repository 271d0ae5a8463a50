"""Small segments become few, and nobody can tell by the rows."""

from __future__ import annotations

import os
import time

import pandas as pd
import pytest

from nbops.errors import Conflict
from nbops.predictions import joining, labels, merging, segments
from nbops.predictions.requests import MergeSegments, Written
from nbops.predictions.segments import Logged, Meaning
from nbops.records import new_id
from nbops.store import care
from nbops.workspace._workspace import Workspace
from tests.predictions.versions import version
from tests.shared import Type

MEANING = Meaning(ids=("id",), time="time")


def rows(number: int, first: int | None = None) -> pd.DataFrame:
    """Rows of a day, three an hour, of which no other number has an id."""
    ids = range(3 * number if first is None else first, (3 * number if first is None else first) + 3)
    return pd.DataFrame(
        {"id": ids, "time": pd.Timestamp("2013-01-01") + pd.Timedelta(hours=number), "prediction": float(number)}
    )


def test_segments_of_a_day_become_one_and_the_same_is_still_known(here: Workspace) -> None:
    store = here.store
    model = version(store)
    logged = [segments.log(store, model, 1, rows(number), MEANING) for number in range(30)]
    ends = joining.bounds(None, None)
    before, seq = joining.joined(store, model, 1, *ends), joining.changed(store, model, 1).seq
    assert merging.merge(store, model) == (30, 2)
    assert joining.joined(store, model, 1, *ends).equals(before)
    assert joining.changed(store, model, 1, seq).days == ()
    days = here.sql("select day, rows, segments from prediction_days where model = ? order by day", [model])
    assert days[["rows", "segments"]].to_numpy().tolist() == [[72, 1], [18, 1]]
    for number in (3, 29):
        again = segments.log(store, model, 1, rows(number), MEANING)
        assert (again.segment, again.new) == (logged[number].segment, False)
    assert merging.merge(store, model) == (0, 0)
    assert [one for one in care.check(store) if one.problem] == []


def test_rows_that_were_logged_again_keep_their_order(here: Workspace) -> None:
    store = here.store
    model = version(store)
    for number in range(8):
        segments.log(store, model, 1, rows(number, first=0 if number in {3, 6} else None), MEANING)
    before = joining.joined(store, model, 1, *joining.bounds(None, None))
    merging.merge(store, model)
    assert joining.joined(store, model, 1, *joining.bounds(None, None)).equals(before)
    segments.log(store, model, 1, rows(9, first=0), MEANING)
    found = joining.joined(store, model, 1, *joining.bounds(None, None)).to_pydict()
    assert found["_prediction"][-3:] == [9.0] * 3
    assert "0" in found["_id"][-3:]


def test_what_was_merged_is_collected_a_day_later(
    here: Workspace, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here.project)
    store = here.store
    model = version(store)
    for number in range(5):
        segments.log(store, model, 1, rows(number).assign(x=model), MEANING)
    parts = [row[0] for row in store.read("select sha256 from prediction_segments where model = ?", [model]).rows]
    paths = [store.blob_path(sha256) for sha256 in parts]
    for path in paths:
        os.utime(path, (0, 0))
    assert typed("db", "gc").out.startswith("merged 5 segments into 1, removed 0 files")
    assert all(path.exists() for path in paths)
    care.collect(store, now=time.time() + 2 * care.GRACE_SECONDS)
    assert not any(path.exists() for path in paths)
    assert joining.joined(store, model, 1, *joining.bounds(None, None)).num_rows == 15


def test_what_was_written_between_keeps_segments_from_being_merged(here: Workspace) -> None:
    store = here.store
    model = version(store)
    made = [segments.log(store, model, 1, rows(number), MEANING).segment for number in range(3)]
    written = Written("0" * 64, 1, 6, "0", "9")
    for parts in ([made[0], made[2]], [made[0], made[1], new_id()], [made[0]]):
        request = MergeSegments(
            segment_id=new_id(), model=model, version=1, written=written, columns={"_prediction": "DOUBLE"}, first=0, last=1,
            days={}, parts=[str(one) for one in parts],
        )  # fmt: skip
        with pytest.raises(Conflict, match="are others by now"):
            store.write(request)
    assert len(store.read("select 1 from prediction_segments where model = ?", [model]).rows) == 3


def test_the_same_again_is_a_segment_only_where_something_was_said_of_its_rows_since(here: Workspace) -> None:
    store = here.store
    model = version(store)
    first = segments.log(store, model, 1, rows(0, first=9), MEANING)
    between = segments.log(store, model, 1, rows(1, first=90), MEANING)
    for number in range(2, 6):
        segments.log(store, model, 1, rows(number, first=100 * number), MEANING)
    assert segments.log(store, model, 1, rows(0, first=9), MEANING).segment == first.segment
    merging.merge(store, model)
    care.collect(store, now=time.time() + 2 * care.GRACE_SECONDS)
    again = segments.log(store, model, 1, rows(0, first=9), MEANING)
    assert (again.segment, again.new) == (first.segment, False)
    assert segments.log(store, model, 1, rows(6, first=11), MEANING).new
    assert segments.log(store, model, 1, rows(0, first=9), MEANING).new
    assert segments.log(store, model, 1, rows(1, first=90), MEANING).segment == between.segment
    found = joining.joined(store, model, 1, *joining.bounds(None, None), columns=()).to_pydict()
    assert dict(zip(found["_id"], found["_prediction"], strict=True))["11"] == 0.0


def test_the_same_labels_again_are_a_segment_only_where_one_of_their_rows_was_told_since(here: Workspace) -> None:
    store = here.store
    model = version(store)

    def told(*ids: int, label: float) -> Logged:
        frame = pd.DataFrame({"id": ids, "label": label, "seen": pd.Timestamp("2013-02-01")})
        return labels.log(store, model, frame, ids=("id",), label="label", observed="seen")

    first = told(9, 10, 11, label=1)
    told(90, 100, label=1)
    again = told(9, 10, 11, label=1)
    assert (again.segment, again.new) == (first.segment, False)
    told(100, 11, label=2)
    assert told(9, 10, 11, label=1).new
