"""What `search_runs` gives people: a frame with a column for each name, of the type that was logged, however little or much there is."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from nbops.errors import FilterError
from nbops.tracking import search, search_sql
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace

FIELDS = [
    "run_id", "experiment", "name", "status", "start_time", "end_time", "duration", "actor", "source", "commit", "parent_run_id",
    "cause", "host",
]  # fmt: skip


@pytest.fixture(scope="module")
def pair(here: Workspace) -> tuple[Run, Run]:
    """Two runs that have little in common, the second one newer."""
    big = 2**60 + 1
    with here.start_run(
        "typed",
        name="first",
        params={"n": 1, "f": 1, "b": True, "mixed": 1, "none": None, "some": 7, "big": big, "all": big, "ü 'q'": "x"},
    ) as one:
        one.log_metrics({"loss": 0.5, "nan": math.nan, "far": math.inf})
        one.set_tag("kind", 1)
    with here.start_run(
        "typed", name="second", params={"n": 2, "f": 0.5, "b": False, "mixed": "a", "none": 3, "all": -big, "list": [1]}
    ) as other:
        other.log_metrics({"loss": 0.25, "only": 1.0})
    return one, other


@pytest.mark.filterwarnings("ignore:Nothing has the:nbops.tracking.search.SearchWarning")
def test_an_empty_store_gives_an_empty_frame_with_the_fields(here: Workspace) -> None:
    for found in (
        here.search_runs(),
        here.search_runs("typed"),
        here.search_runs(filter="metrics.loss < 1", order_by="params.x", limit=0),
    ):
        assert found.columns.tolist() == FIELDS
        assert len(found) == 0
        assert found["start_time"].dtype == "datetime64[us, UTC]"
    assert here.model_versions().columns.tolist()[:2] == ["model", "version"]


def test_a_name_that_nothing_has_is_a_warning_at_the_line_that_asks(here: Workspace, pair: tuple[Run, Run]) -> None:
    with pytest.warns(search.SearchWarning, match="Nothing has the metric 'los'. Did you mean 'loss'?") as told:
        assert len(here.search_runs("typed", filter="metrics.los < 1")) == 0
    assert told[0].filename == __file__


def test_columns_have_the_types_that_all_their_values_were_logged_as(here: Workspace, pair: tuple[Run, Run]) -> None:
    found = here.search_runs("typed", order_by="start_time")
    assert found.columns[: len(FIELDS)].tolist() == FIELDS
    assert found["run_id"].tolist() == [run.run_id for run in pair]
    kinds = {name: str(found[name].dtype) for name in found.columns if "." in name}
    assert kinds["params.n"] == kinds["params.all"] == "int64"
    assert kinds["params.f"] == kinds["metrics.loss"] == kinds["params.some"] == "float64"
    assert kinds["params.b"] == "bool"
    assert found["params.all"].tolist() == [2**60 + 1, -(2**60) - 1]
    assert found["params.mixed"].tolist() == ["1", "a"]
    assert found["params.none"].tolist() == ["None", "3"]
    assert found["params.some"].fillna(-1).tolist() == [7, -1]
    assert found["tags.kind"].isna().tolist() == [False, True]
    assert found["params.ü 'q'"][0] == "x"
    assert found["params.list"][1] == "[1]"
    assert found["metrics.far"][0] == math.inf
    assert (found["start_time"].dt.tz is not None, found["duration"].min() >= 0) == (True, True)


def test_an_integer_that_no_float_holds_stays_exact_where_a_run_lacks_it(
    here: Workspace, pair: tuple[Run, Run]
) -> None:
    assert here.search_runs("typed", order_by="start_time")["params.big"][0] == str(2**60 + 1)


def test_rows_tell_a_missing_value_from_nan(here: Workspace, pair: tuple[Run, Run]) -> None:
    one, other = search.rows(here.store, search_sql.runs_query(experiments=["typed"], order_by="start_time"))
    assert math.isnan(one["metrics.nan"])
    assert other["metrics.nan"] is None
    assert (one["params.some"], type(one["params.some"])) == (7, int)
    assert one["start_time"].tzinfo is not None
    assert other["end_time"] - other["start_time"] < pd.Timedelta(minutes=1)


def test_a_filter_an_order_and_a_limit_work_together(here: Workspace, pair: tuple[Run, Run]) -> None:
    assert here.search_runs("typed", filter="metrics.loss < 1 and params.n >= 1", order_by="metrics.loss", limit=1)[
        "name"
    ].tolist() == ["second"]
    assert here.search_runs("typed", order_by="metrics.loss desc")["name"].tolist() == ["first", "second"]
    assert here.search_runs(["typed", "no such"], filter="params.some is null")["name"].tolist() == ["second"]
    assert here.search_runs("typed", filter="name like 'fir%'")["name"].tolist() == ["first"]


def test_only_the_names_that_the_found_runs_have_become_columns(here: Workspace, pair: tuple[Run, Run]) -> None:
    found = here.search_runs("typed", filter="name = 'second'")
    assert "metrics.only" in found.columns
    assert "metrics.far" not in found.columns


def test_a_typo_is_told_with_its_position_and_the_nearest_name(here: Workspace) -> None:
    with pytest.raises(FilterError, match="no field 'statuss'") as caught:
        here.search_runs(filter="metrics.mae < 9 and statuss = 'failed'")
    assert caught.value.position == len("metrics.mae < 9 and ")
    assert "Did you mean status?" in caught.value.hint


def test_runs_with_hundreds_of_names_are_one_wide_frame(here: Workspace) -> None:
    for number in range(2):
        with here.start_run("wide", params={f"p{i}": i for i in range(100)}) as run:
            run.log_metrics({f"m{i}.{number}": i for i in range(60)})
    found = here.search_runs("wide")
    assert found.shape == (2, len(FIELDS) + 100 + 120)
    assert found["params.p99"].tolist() == [99, 99]
    assert found["metrics.m59.1"].isna().sum() == 1


def test_sql_takes_bound_values_and_gives_a_frame(here: Workspace, pair: tuple[Run, Run]) -> None:
    found = here.sql(
        "select key, value from latest_metrics where run_id = ? and value < ? order by key", [pair[1].run_id, 0.5]
    )
    assert found.to_numpy().tolist() == [["loss", 0.25]]
