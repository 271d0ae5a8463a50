"""A frame or a file goes in, what a version says comes out and is logged once; what does not fit is refused by its place."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import nbops
from nbops.errors import Conflict, NotFound, SourceError, UsageError
from nbops.evaluation.decision import DecisionRule
from nbops.workspace._model import Version
from nbops.workspace._workspace import Workspace
from tests.shared import Type

RANDOM = np.random.default_rng(7)
ROWS = 400
FRAME = pd.DataFrame(
    {
        "flight": [f"{number:04}" for number in range(ROWS)],
        "time": pd.date_range("2013-01-01", periods=ROWS, freq="h"),
        "distance": RANDOM.normal(size=ROWS).round(3),
        "carrier": RANDOM.choice(["9E", "AA", "UA"], ROWS),
    }
)
FRAME["minutes"] = 2 * FRAME["distance"] + (FRAME["carrier"] == "UA")
FRAME["late"] = FRAME["minutes"] > 0.5
FEATURES = ["distance", "carrier"]
ROW: dict[str, Any] = {"id": "flight", "time": "time"}


def pipeline(last: Any) -> Any:
    return make_pipeline(make_column_transformer((OneHotEncoder(), ["carrier"]), remainder="passthrough"), last)


@pytest.fixture(scope="module")
def minutes(here: Workspace) -> Version:
    """A version that predicts numbers."""
    with here.start_run("minutes") as run:
        fitted = pipeline(LinearRegression()).fit(FRAME[FEATURES], FRAME["minutes"])
        run.log_model(fitted, reference=FRAME[[*FEATURES, "minutes"]], target="minutes")
    return here.register_model(run, "minutes")


@pytest.fixture(scope="module")
def late(here: Workspace) -> Version:
    """A version that decides between two classes, which are truth values, with a band that is left to people."""
    with here.start_run("late") as run:
        fitted = pipeline(LogisticRegression()).fit(FRAME[FEATURES], FRAME["late"])
        rule = DecisionRule(positive=True, threshold=0.5, reject=(0.4, 0.6))
        run.log_model(fitted, reference=FRAME[[*FEATURES, "late"]], target="late", rule=rule)
    return here.register_model(run, "late")


@pytest.fixture
def typed(here: Workspace, typed: Type, monkeypatch: pytest.MonkeyPatch) -> Type:
    """Type a command in the project's folder."""
    monkeypatch.chdir(here.project)
    return typed


def given(*rows: int) -> pd.DataFrame:
    """Some of the rows, without the truth."""
    return FRAME.iloc[list(rows)][["flight", "time", *FEATURES]].reset_index(drop=True)


def segments(here: Workspace, model: str) -> int:
    return int(here.sql("select count(*) as n from prediction_segments where model = ?", [model])["n"][0])


# Frames


def test_a_version_predicts_what_the_frame_does_not_say(here: Workspace, minutes: Version, late: Version) -> None:
    logged = here.log_predictions(minutes, given(0, 1, 2), **ROW)
    assert (logged.rows, logged.new) == (3, True)
    found = minutes.predictions("2012-12-01", "2014-01-01")
    np.testing.assert_array_equal(found["_prediction"], minutes.load().predict(given(0, 1, 2)))
    assert found.columns.tolist() == [
        "_id", "_time", "_prediction", "_label", "_observed", "time", "distance", "carrier"
    ]  # fmt: skip
    assert str(found["_time"].dt.tz) == "UTC"
    here.log_predictions("late", given(0, 1, 2), **ROW)
    rows, model = late.predictions(), late.load()
    shares = model.predict_proba(given(0, 1, 2))
    assert rows["_prediction"].tolist() == [str(one) for one in model.predict(given(0, 1, 2)).tolist()]
    np.testing.assert_array_equal(rows[["_p_False", "_p_True"]], shares)
    decided = ["" if one is None else str(one) for one in model.decide(given(0, 1, 2))]
    assert rows["_decision"].fillna("").tolist() == decided


def test_what_a_frame_says_is_taken_from_it(here: Workspace, late: Version) -> None:
    said = given(10, 11).assign(said=[True, False], p=[0.9, 0.2], act=["True", ""])
    columns: dict[str, Any] = {"prediction": "said", "probabilities": {True: "p"}, "decision": "act"}
    here.log_predictions("late/1", said, **ROW, **columns, features=["carrier"])
    rows = late.predictions("2013-01-01 10:00+00:00", "2013-01-01 12:00+00:00", columns=["carrier"])
    assert rows["_prediction"].tolist() == ["True", "False"]
    assert rows["_p_True"].tolist() == [0.9, 0.2]
    assert rows.columns.tolist()[-1] == "carrier"
    with pytest.raises(NotFound, match="no class 'maybe'"):
        here.log_predictions("late", said, **ROW, prediction="said", probabilities={"maybe": "p"})
    with pytest.raises(NotFound, match="no column 'sad'"):
        here.log_predictions("late", said, **ROW, prediction="sad")


def test_an_alias_stands_for_its_version_and_ids_are_made_where_none_are_named(
    here: Workspace, minutes: Version
) -> None:
    here.model("minutes").set_alias("now", 1)
    logged = here.log_predictions("minutes@now", given(20, 21), id=None, time="time")
    rows = minutes.predictions("2013-01-01 20:00+00:00", "2013-01-01 22:00+00:00")
    assert rows["_id"].tolist() == logged.ids
    assert rows["flight"].tolist() == ["0020", "0021"]
    here.log_labels("minutes", pd.DataFrame({"id": logged.ids, "y": [1, 2]}), id="id", label="y")
    assert minutes.predictions("2013-01-01 20:00+00:00", "2013-01-01 22:00+00:00")["_label"].tolist() == [1.0, 2.0]
    with pytest.raises(UsageError, match="brought their own ids"):
        here.log_predictions(minutes, given(22), **ROW).ids  # noqa: B018 - it is asked for


def test_numbers_and_classes_of_one_version_do_not_mix(here: Workspace, minutes: Version) -> None:
    here.log_predictions(minutes, given(30), **ROW)
    with pytest.raises(Conflict, match="has predicted numbers until now"):
        here.log_predictions(minutes, given(31).assign(prediction="long"), **ROW)


def test_a_feature_that_only_other_windows_have_is_null_where_it_was_not_logged(
    here: Workspace, minutes: Version
) -> None:
    days = pd.to_datetime(["2013-02-01", "2013-02-02"])
    here.log_predictions(minutes, given(60, 61).assign(time=days, prediction=1.0).drop(columns="carrier"), **ROW)
    later = given(62, 63).assign(time=days + pd.Timedelta(days=7), prediction=1.0)
    here.log_predictions(minutes, later, **ROW)
    columns = ["carrier", "distance"]
    before = minutes.predictions("2013-02-01", "2013-02-03", columns=columns)
    assert before.columns.tolist()[-2:] == columns
    assert before[columns].isna().all().to_list() == [True, False]
    assert minutes.predictions("2013-01-30", "2013-02-20", columns=columns)["carrier"].isna().tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert len(minutes.predictions("2014-01-01", "2014-01-02", columns=columns)) == 0
    with pytest.raises(NotFound, match="no column 'carier'") as told:
        minutes.predictions("2013-02-01", "2013-02-03", columns=["carier"])
    assert told.value.hint == "Did you mean 'carrier'?"


# Ids and times


@pytest.mark.parametrize(
    ("ids", "truth"),
    [
        ([7, 8], ["7", "8"]),
        ([7.0, 8.0], [7, 8]),
        ([uuid.UUID(int=7), uuid.UUID(int=2**127)], [str(uuid.UUID(int=7)), str(uuid.UUID(int=2**127)).upper()]),
        (["007", "8"], ["007", "8"]),
        (pd.to_datetime(["2013-01-01", "2013-01-02"]), pd.to_datetime(["2013-01-01 02:00", "2013-01-02 02:00"]).tz_localize("Etc/GMT-2")),
    ],
)  # fmt: skip
def test_ids_of_any_type_meet_as_one_text(here: Workspace, minutes: Version, ids: Any, truth: Any) -> None:
    moment = pd.Timestamp("2013-03-01") + pd.Timedelta(minutes=abs(hash(str(ids))) % 40_000)
    frame = pd.DataFrame({"key": ids, "at": moment, "prediction": [1.0, 2.0]})
    here.log_predictions(minutes, frame, id="key", time="at")
    here.log_labels("minutes", pd.DataFrame({"k": truth, "y": [3.0, 4.0]}), id="k", label="y")
    rows = minutes.predictions(moment.tz_localize("UTC"), (moment + pd.Timedelta(seconds=1)).tz_localize("UTC"))
    assert sorted(zip(rows["_prediction"], rows["_label"], strict=True)) == [(1.0, 3.0), (2.0, 4.0)]


def test_ids_of_several_columns_cannot_be_taken_for_others(here: Workspace, minutes: Version) -> None:
    pairs = [("a|b", "c"), ("a", "b|c"), ("a\\", "|b"), ("a\\|", "b")]
    frame = pd.DataFrame(pairs, columns=["one", "two"]).assign(at=pd.Timestamp("2013-05-01"), prediction=1.0)
    here.log_predictions(minutes, frame, id=["one", "two"], time="at")
    assert minutes.predictions("2013-04-30", "2013-05-03")["_id"].nunique() == 4


def test_times_are_utc_unless_they_name_a_zone(here: Workspace, minutes: Version) -> None:
    at = ["2013-06-01 05:00", "2013-06-01T05:00:00+02:00", "2013-06-01T05:00:00Z", "2013-06-01"]
    frame = pd.DataFrame({"key": list("abcd"), "at": at, "prediction": 1.0})
    here.log_predictions(minutes, frame, id="key", time="at")
    rows = minutes.predictions("2013-05-31", "2013-06-03").set_index("_id")["_time"]
    assert [rows[key].hour for key in "abcd"] == [5, 3, 5, 0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"flight": ["a", None, "c"]}, SourceError, "row 2 has no id"),
        ({"flight": [None, "", "c"], "time": [None] * 3}, SourceError, r"2 rows \(1, 2\) have no id and 3 rows \(1, 2, 3\) have no time"),
        ({"flight": [1.0, 1.5, 2.0]}, SourceError, "row 2 has no id"),
        ({"time": ["2013-01-01", "soon", "2013-01-02"]}, SourceError, "row 2 has no time"),
        ({"flight": ["a", "a", "b"]}, SourceError, "1 id names more than one row: 'a'"),
        ({"time": [1, 2, 3]}, UsageError, "which are no times"),
        ({"_x": 1}, UsageError, "begin with _"),
        ({"flight": [["a"], ["b"], ["c"]]}, UsageError, "which name no rows"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_found_again_are_refused_by_their_place(
    here: Workspace, minutes: Version, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    before = segments(here, "minutes")
    with pytest.raises(error, match=message):
        here.log_predictions(minutes, given(40, 41, 42).assign(prediction=1.0, **change), **ROW)
    assert segments(here, "minutes") == before


# Labels


def test_labels_are_numbers_or_classes_as_the_model_says(here: Workspace, minutes: Version, late: Version) -> None:
    here.log_predictions(late, given(50, 51, 52), **ROW)
    truth = pd.DataFrame({"flight": ["0050", "0051", "0052"], "late": pd.array([True, False, None], dtype="boolean")})
    assert here.log_labels("late", truth, id="flight", label="late").rows == 3
    rows = late.predictions("2013-01-03 02:00+00:00", "2013-01-03 05:00+00:00")
    assert [None if pd.isna(one) else one for one in rows["_label"]] == ["True", "False", None]
    with pytest.raises(SourceError, match="row 2 of 'y' is no number"):
        here.log_labels("minutes", pd.DataFrame({"id": ["a", "b"], "y": ["1", "long"]}), id="id", label="y")
    with pytest.raises(SourceError, match="1 id has two labels of one time: 'a'"):
        here.log_labels("minutes", pd.DataFrame({"id": ["a", "a"], "y": [1, 2]}), id="id", label="y")
    with pytest.raises(NotFound, match="Did you mean 'minutes'"):
        here.log_labels("minuets", truth, id="flight", label="late")


def test_the_same_labels_in_another_order_are_no_second_segment(here: Workspace, minutes: Version) -> None:
    truth = pd.DataFrame({"id": ["p", "q"], "y": [1, 2]})
    first = here.log_labels("minutes", truth, id="id", label="y")
    again = here.log_labels("minutes", truth[::-1].astype({"y": float}), id="id", label="y")
    assert (again.segment, again.new) == (first.segment, False)


# Files


def test_a_file_scored_twice_is_logged_once_and_written_anew(here: Workspace, typed: Type, minutes: Version) -> None:
    given(*range(100, 110)).to_parquet("in.parquet")
    before = segments(here, "minutes")
    words = ("score", "minutes", "in.parquet", "--out", "made/out.parquet", "--id", "flight", "--time", "time")
    told = typed(*words, "--json").told
    assert (told["version"], told["rows"], told["new"]) == ("minutes/1", 10, True)
    written = Path("made/out.parquet").read_bytes()
    again = typed(*words)
    assert (again.status, Path("made/out.parquet").read_bytes()) == (0, written)
    assert "minutes/1 scored 10 rows, wrote made/out.parquet, logged before as segment" in again.out
    assert segments(here, "minutes") == before + 1
    out = pd.read_parquet("made/out.parquet")
    pd.testing.assert_frame_equal(out[given(0).columns], given(*range(100, 110)), check_dtype=False)
    np.testing.assert_array_equal(out["prediction"], minutes.load().predict(given(*range(100, 110))))
    assert [path.name for path in Path("made").iterdir()] == ["out.parquet"]


def test_a_file_of_csv_becomes_a_file_of_csv_with_texts_as_they_stand(
    here: Workspace, typed: Type, late: Version
) -> None:
    given(200, 201, 202).to_csv("in.csv", index=False)
    told = typed("score", "late", "in.csv", "--out", "out.csv", "--id", "flight", "--time", "time", "--json").told
    assert told["new"]
    out = pd.read_csv("out.csv", dtype={"flight": str})
    assert out["flight"].tolist() == ["0200", "0201", "0202"]
    np.testing.assert_allclose(out[["p_False", "p_True"]], late.load().predict_proba(given(200, 201, 202)))
    assert {"prediction", "decision"} <= {*out.columns}
    Path("truth.csv").write_text("flight,late,seen\n0200,True,2013-02-01\n0201,False,2013-02-01\n")
    words = ("labels", "import", "late", "truth.csv", "--id", "flight", "--label", "late", "--observed", "seen")
    assert typed(*words, "--json").told["new"]
    assert "2 labels of late: logged before as segment" in typed(*words).out
    rows = late.predictions("2013-01-09 08:00+00:00", "2013-01-09 11:00+00:00")
    assert [None if pd.isna(one) else one for one in rows["_label"]] == ["True", "False", None]


def test_texts_that_look_like_numbers_stay_texts_for_a_model_that_takes_texts(here: Workspace, typed: Type) -> None:
    with here.start_run("codes") as run:
        codes = pd.DataFrame({"code": ["01", "2", "01", "2"], "y": [1.0, 2.0, 1.0, 2.0]})
        fitted = make_pipeline(OneHotEncoder(), LinearRegression()).fit(codes[["code"]], codes["y"])
        run.log_model(fitted, reference=codes, target="y")
    here.register_model(run, "codes")
    Path("codes.csv").write_text("id,at,code\n1,2013-01-01,01\n2,2013-01-01,2\n")
    assert typed("score", "codes", "codes.csv", "--out", "scored.csv", "--no-log").status == 0
    np.testing.assert_allclose(pd.read_csv("scored.csv")["prediction"], [1.0, 2.0])


def test_classes_and_ids_that_look_like_numbers_stay_as_they_stand_in_a_file(here: Workspace, typed: Type) -> None:
    with here.start_run("tariffs") as run:
        rows = pd.DataFrame({"x": [0.0, 1.0, 0.1, 0.9] * 5, "tariff": ["1.10", "1.2", "1.10", "1.2"] * 5})
        fitted = LogisticRegression().fit(rows[["x"]], rows["tariff"])
        run.log_model(fitted, reference=rows, target="tariff")
    tariffs = here.register_model(run, "tariffs")
    Path("rows.csv").write_text("key,at,x\n01,2013-01-01,0\n1,2013-01-01,1\n")
    Path("truth.csv").write_text("key,tariff\n1,1.2\n01,1.10\n")
    Path("said.csv").write_text("key,at,prediction\n001,2013-01-01,1.10\n")
    told = typed("score", "tariffs", "rows.csv", "--out", "out.csv", "--id", "key", "--time", "at", "--json").told
    assert told["new"]
    assert typed("labels", "import", "tariffs", "truth.csv", "--id", "key", "--label", "tariff", "--json").told["new"]
    here.log_predictions(tariffs, "said.csv", id="key", time="at")
    found = tariffs.predictions().set_index("_id")[["_prediction", "_label"]]
    assert found.loc[["01", "1"]].to_numpy().tolist() == [["1.10", "1.10"], ["1.2", "1.2"]]
    assert found.loc["001", "_prediction"] == "1.10"
    # Beyond the rows by which DuckDB tells the type of a column.
    Path("many.csv").write_text("key,x\n" + "".join(f"{number},0\n" for number in range(30_000)) + "01,0\n")
    assert typed("score", "tariffs", "many.csv", "--out", "out.csv", "--id", "key", "--no-log").status == 0
    assert Path("out.csv").read_text().splitlines()[-1].startswith("01,")


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("flight,time,distance,carrier\n1,2013-01-01,1,AA\n2,2013-01-01,far,AA\n", 20, "numbers in 'distance', and row 2 holds text"),
        ("flight,time,distanz,carrier\n1,2013-01-01,1.5,AA\n", 20, "wanted and not in the data: distance"),
        ("flight,time,distance,carrier\n1,2013-01-01,,AA\n", 20, "does not take these rows"),
        ("flight,time,distance,carrier\n1,2013-01-01,1,ZZ\n", 20, "does not take these rows"),
        ("flight,time,distance,carrier\n1,,1,AA\n", 20, "row 1 has no time"),
        ("flight,time,distance,carrier,prediction\n1,2013-01-01,1,AA,1\n", 64, "called like what the model says: prediction"),
        ("flight,when,distance,carrier\n1,2013-01-01,1,AA\n", 64, "no column 'time'"),
    ],
)  # fmt: skip
def test_rows_that_the_model_does_not_take_are_refused_and_nothing_is_left(
    here: Workspace, typed: Type, minutes: Version, text: str, status: int, message: str
) -> None:
    Path("bad.csv").write_text(text)
    before = segments(here, "minutes")
    answer = typed("score", "minutes", "bad.csv", "--out", "bad.out.csv", "--id", "flight", "--time", "time")
    assert (answer.status, segments(here, "minutes")) == (status, before)
    assert message in answer.err
    assert "Hint: " in answer.err
    assert not list(here.store.places.blobs.glob(".new-*"))


@pytest.mark.parametrize(
    "words",
    [
        ("in.csv", "--no-log"),
        ("in.csv", "--out", "out.xlsx", "--no-log"),
        ("in.csv", "--out", "in.csv", "--no-log"),
        ("gone.csv", "--out", "out.csv", "--no-log"),
        ("in.csv", "--out", "out.csv"),
        ("in.csv", "--out", "out.csv", "--id", "flight"),
    ],
)
def test_what_cannot_be_meant_is_told(here: Workspace, typed: Type, minutes: Version, words: tuple[str, ...]) -> None:
    given(1).to_csv("in.csv", index=False)
    answer = typed("score", "minutes", *words)
    assert answer.status == 64
    assert "Hint: " in answer.err


def test_a_file_without_rows_is_scored_and_nothing_is_logged(here: Workspace, typed: Type, late: Version) -> None:
    given().to_parquet("none.parquet")
    told = typed(
        "score", "late", "none.parquet", "--out", "none.out.parquet", "--id", "flight", "--time", "time", "--json"
    ).told
    assert (told["rows"], told["segment"]) == (0, None)
    assert {"prediction", "decision", "p_True"} <= {*pq.read_schema("none.out.parquet").names}


def test_files_and_frames_say_the_same_over_several_batches(
    here: Workspace, late: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbops.predictions.writing.BATCH", 7)
    monkeypatch.setattr("nbops.workspace.scoring.BATCH", 7)
    given(*range(300, 330)).to_parquet(tmp_path / "in.parquet")
    first = here.log_predictions(late, tmp_path / "in.parquet", **ROW)
    assert first.rows == 30
    rows = late.predictions("2013-01-13 12:00+00:00", "2013-01-14 18:00+00:00")
    np.testing.assert_array_equal(rows["_p_True"], late.load().predict_proba(given(*range(300, 330)))[:, 1])
    assert here.log_predictions(late, given(*range(300, 330)), **ROW).new is False


def test_the_facade_logs_into_the_project_of_the_current_folder(
    here: Workspace, minutes: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here.project)
    assert nbops.log_predictions(minutes, given(350), id="flight", time="time").new
    assert nbops.log_labels("minutes", FRAME.iloc[350:351], id="flight", label="minutes").new
    rows = minutes.predictions("2013-01-15 14:00+00:00", "2013-01-15 15:00+00:00")
    assert rows["_label"].tolist() == FRAME["minutes"].iloc[350:351].tolist()
