"""Schedules by the routes that JupyterLab asks: what would be due, saving, changing and running one; and forms of pipelines."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from nbops.pipelines import releases
from nbops.pipelines.schedules import listing, telling
from nbops.pipelines.schedules.spec import Spec
from nbops.store import marks
from nbops.workspace._workspace import Workspace
from tests.conftest import Project, wait_until
from tests.jupyter_ext.conftest import TOKEN, Server
from tests.jupyter_ext.test_piping import COLLECT, TRAIN, begin, ended, fill

SETS = [
    "flights: 'in' = 'flights.txt'\nmodel: 'out' = 'model.txt'\ndepth: int = 4  # 1..12 how deep\nday: str = 'never'",
    "open(model, 'w').write(f'{depth} {day}')",
]


@pytest.fixture(scope="module")
def here(project: Project) -> Workspace:
    return Workspace(project.settings())


@pytest.fixture(scope="module")
def steps(server: Server, project: Project) -> str:
    """A pipeline whose steps have parameters, and that has run."""
    fill(project, "steps", collect=COLLECT, train=SETS)
    ended(server, "steps", begin(server, "steps"))
    return "steps"


def wish(target: str = "steps", **told: Any) -> dict[str, object]:
    usual = {"often": "daily", "at": "06:00", "tz": "Europe/Berlin", "working_tree": True}
    return {"folder": target, "target": target, **usual, **told}


@pytest.mark.parametrize(
    ("told", "expression", "words"),
    [
        ({}, "0 6 * * *", "daily at 06:00"),
        ({"often": "weekdays", "at": "17:30"}, "30 17 * * 1-5", "on weekdays at 17:30"),
        ({"often": "weekly", "day": "Sunday"}, "0 6 * * 7", "every Sunday at 06:00"),
        ({"often": "hourly", "at": "00:15"}, "15 * * * *", "every hour at :15"),
        ({"often": "cron", "cron": " 0 6 1 * * "}, "0 6 1 * *", "on day 1 of each month at 06:00"),
    ],
)
def test_simple_words_become_a_schedule_and_its_next_times(
    server: Server, steps: str, told: dict[str, Any], expression: str, words: str
) -> None:
    found = server.post("schedules/check", wish(**told))
    assert (found["problems"], found["timing"]) == ([], [])
    assert f"'{expression}' --tz Europe/Berlin --working-tree" in found["command"]
    assert found["words"] == words
    spec = Spec(target=steps, cron=expression, tz="Europe/Berlin")
    assert found["next"] == [telling.local(spec, one) for one in listing.coming(spec, datetime.now(UTC), 3)]


@pytest.mark.parametrize(
    ("told", "field", "words"),
    [
        ({"at": "25:00"}, "at", "'25:00' is no time of day."),
        ({"at": ""}, "at", "'' is no time of day."),
        ({"often": "weekly", "day": "Sonday"}, "at", "Did you mean 'Sunday'?"),
        ({"often": "hourly", "at": "00:99"}, "at", "is no minute of an hour."),
        ({"often": "cron", "cron": "0 6 * *"}, "cron", "has 4 fields, not five."),
        ({"often": "cron", "cron": "0 0 31 2 *"}, "cron", "Bad day-of-month"),
        ({"tz": "Europe/Berlim"}, "tz", "Did you mean 'Europe/Berlin'?"),
        ({"name": "../x"}, "name", "is no name for a schedule"),
    ],
)
def test_a_mistake_is_told_at_its_field(
    server: Server, steps: str, told: dict[str, Any], field: str, words: str
) -> None:
    (found,) = server.post("schedules/check", wish(**told))["timing"]
    assert found["name"] == field
    assert words in f"{found['message']} {found['hint']}"
    # What is not even looked at before is refused all the same when it is saved.
    assert server.ask("POST", "schedules", wish(**told)).status == 400


def test_values_are_checked_for_the_time_that_they_would_be_used_for(server: Server, steps: str) -> None:
    refused = {"depth": "13", "dya": "x", "day": "{dy}"}
    told = {
        name: server.post("schedules/check", wish(values={name: text}))["problems"] for name, text in refused.items()
    }
    assert [one["name"] for one in told["depth"]] == ["depth"]
    assert "No step has a parameter 'dya'" in told["dya"][0]["message"]
    assert "stands for nothing" in told["day"][0]["message"]
    assert server.post("schedules/check", wish(values={"day": "{date}", "depth": "3"}))["problems"] == []


def test_a_schedule_is_saved_shown_in_words_paused_resumed_run_and_removed(
    server: Server, steps: str, here: Workspace, project: Project
) -> None:
    told = server.post("schedules", wish(name="mornings", values={"day": "{date}"}))["message"]
    assert told.startswith("mornings is scheduled: steps, next 20")
    taken = server.post("schedules/check", wish(name="mornings"))["timing"]
    assert [(one["name"], one["message"]) for one in taken] == [
        ("name", "There is a schedule 'mornings' already, for steps.")
    ]
    assert server.ask("POST", "schedules", wish(name="mornings", at="07:00")).status == 409
    assert listing.get(here.store, "mornings").spec.parameters == {"day": "{date}"}

    page = server.get("pipeline", folder="steps")
    (row,) = page["schedules"]
    assert (row["name"], row["words"], row["paused"], row["run"]) == ("mornings", "daily at 06:00", False, None)
    assert "0 6 * * * (Europe/Berlin), daily at 06:00" in row["html"]
    assert "the working tree of steps, as it is then" in row["html"]
    assert [one["what"] for one in page["unseen"]] == ["Nothing has ever looked at what is due."]

    until = datetime.now(UTC) + timedelta(days=2)
    acts = "schedules/mornings/acts"
    assert (
        "is paused until 20"
        in server.post(acts, {"act": "pause", "until": until.isoformat(), "reason": "moving"})["message"]
    )
    (row,) = server.get("pipeline", folder="steps")["schedules"]
    assert row["paused"]
    assert f"until {telling.local(listing.get(here.store, 'mornings').spec, until)}" in row["html"]
    past = {"act": "pause", "until": (until - timedelta(days=9)).isoformat()}
    assert "still to come" in server.ask("POST", acts, past).body["message"]
    assert server.post(acts, {"act": "resume"})["message"] == "mornings goes on."

    run = ended(server, "steps", server.post("schedules/mornings/runs", {})["id"])
    assert (run["outcome"], run["trigger"]) == ("done", "person")
    wrote = (project.folder / "steps" / "model.txt").read_text()
    assert wrote == f"4 {datetime.now(UTC).astimezone(ZoneInfo('Europe/Berlin')):%Y-%m-%d}"
    assert here.sql("select count(*) as n from fires")["n"][0] == 0

    assert server.post(acts, {"act": "remove", "reason": "no more"})["message"] == "mornings is removed."
    assert server.get("pipeline", folder="steps")["schedules"] == []
    assert server.ask("POST", acts, {"act": "resume"}).status == 404


def test_a_notebook_is_scheduled_with_a_form_of_its_own(server: Server, steps: str) -> None:
    told = wish("steps/train.ipynb", folder="steps", working_tree=False, values={"depth": "99"})
    assert [one["name"] for one in server.post("schedules/check", told)["problems"]] == ["depth"]
    assert server.post("schedules", {**told, "values": {}})["message"].startswith(
        "train is scheduled: steps/train.ipynb"
    )
    assert [one["name"] for one in server.get("pipeline", folder="steps")["schedules"]] == ["train"]
    server.post("schedules/train/acts", {"act": "remove"})


def test_a_schedule_of_a_release_needs_one_and_runs_it(server: Server, project: Project, here: Workspace) -> None:
    folder = fill(project, "kept", collect=COLLECT, train=SETS)
    asked = wish("kept", working_tree=False)
    assert "kept has no release" in server.post("schedules/check", asked)["problems"][0]["message"]
    form = server.post("pipeline/form", {"folder": "kept"})
    assert form["release"] is None
    releases.freeze(here.store, folder, "the first one")
    fill(
        project, "kept", train=[SETS[0].replace("depth: int = 4", "width: int = 9"), SETS[1].replace("depth", "width")]
    )
    names = {
        release: [
            one["name"] for one in server.post("pipeline/form", {"folder": "kept", "release": release})["parameters"]
        ]
        for release in (False, True)
    }
    assert names == {False: ["rows", "width", "day"], True: ["rows", "depth", "day"]}
    form = server.post("pipeline/form", {"folder": "kept"})
    assert (form["release"], form["differs"]) == (1, "kept is not as it was released: kept/train.ipynb (changed)")

    assert server.post("schedules", asked)["message"].startswith("kept is scheduled: kept")
    (row,) = server.get("pipeline", folder="kept")["schedules"]
    assert "the current release of kept, now 1" in row["html"]
    run = ended(server, "kept", server.post("schedules/kept/runs", {})["id"])
    assert run["outcome"] == "done"
    assert dict(here.sql("select run_id::varchar, release from pipeline_runs").to_numpy().tolist())[run["id"]] == 1
    begun = server.post("pipeline/runs", {"folder": "kept", "release": True, "values": {"depth": "5"}})["id"]
    assert ended(server, "kept", begun)["outcome"] == "done"
    assert (folder / "model.txt").read_text() == "5 never"
    server.post("schedules/kept/acts", {"act": "remove"})


def test_the_form_of_a_pipeline_has_each_parameter_once_by_its_steps(server: Server, project: Project) -> None:
    shared = "day: str = 'today'\nrows: int = 3\nout: 'out' = '{}.txt'"
    fill(
        project, "forms", "parameters: {rows: 7}\nsteps: {b: {sweep: {speed: [1, 2]}}}\nschedule: {cron: '30 7 * * 1-5', tz: Asia/Tokyo}\n",
        a=[shared.format("a") + "\nalpha: float = 0.5  # 0..1", "open(out, 'w').write(day)"],
        b=[shared.format("b").replace("today", "tomorrow") + "\nspeed: int = 1", "open(out, 'w').write(day)"],
    )  # fmt: skip
    form = server.post("pipeline/form", {"folder": "forms"})
    found = {one["name"]: (one["group"], one["default"], one["widget"]) for one in form["parameters"]}
    assert found == {
        "day": ("a, b", "", "text"), "rows": ("a, b", "7", "number"), "alpha": ("a", "0.5", "number"),
    }  # fmt: skip
    assert "a today, b tomorrow" in next(one["help"] for one in form["parameters"] if one["name"] == "day")
    timing = {
        "often": "weekdays",
        "at": "07:30",
        "day": "",
        "cron": "30 7 * * 1-5",
        "tz": "Asia/Tokyo",
        "missed": "latest",
    }
    assert form["timing"] == timing
    order = {"folder": "forms", "values": {"alpha": "2", "rows": "many"}, "force": True, "release": False}
    found = server.post("pipeline/check", order)
    assert {one["name"] for one in found["problems"]} == {"alpha", "rows"}
    assert found["command"] == "nbops run forms -p alpha 2 -p rows many --force"


def test_nothing_is_begun_by_looking_at_a_folder_that_never_ran(server: Server, project: Project) -> None:
    (project.folder / "untouched").mkdir()
    folder = fill(project, "untouched/steps", collect=COLLECT, train=TRAIN)
    (folder.parent / "nbops.toml").touch()
    found = server.get("pipeline", folder="untouched/steps")
    assert (found["schedules"], found["unseen"], found["health"]) == ([], [], "")
    assert server.post("pipeline/form", {"folder": "untouched/steps"})["release"] is None
    assert server.post("schedules/check", wish("untouched/steps"))["problems"] == []
    assert not (folder.parent / ".nbops").exists()


def test_what_was_healed_is_told_as_by_the_command(server: Server, project: Project) -> None:
    flaky = "import os\nif not os.path.exists('tried'):\n    open('tried', 'w').close()\n    raise ConnectionResetError(104, 'reset')\n"
    fill(project, "flaky", "defaults: {heal: {transient: {wait: 0.01 s}}}\n", collect=[COLLECT[0], flaky + COLLECT[1]])
    assert ended(server, "flaky", begin(server, "flaky"))["outcome"] == "healed"
    told = server.get("pipeline", folder="flaky")["health"]
    assert "1 of the last 1 run ended well, 100% of these only by healing." in told
    assert "transient" in told


@pytest.mark.skipif(not marks.SUPPORTED, reason="the system marks no processes")
def test_nothing_that_an_executed_notebook_starts_changes_a_schedule(server: Server) -> None:
    def answer(path: str) -> str:
        program = f"""
import http.client, os
from nbops.store import marks
marks.put(os.getpid())
connection = http.client.HTTPConnection("127.0.0.1", {server.port})
connection.request("POST", "/nbops/api/{path}", "{{}}", {{"Authorization": "token {TOKEN}"}})
reply = connection.getresponse()
print(reply.status, reply.read().decode())
"""
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    for path in ("schedules", "schedules/mornings/acts"):
        assert answer(path).startswith(
            '403 {"message":"This is for a person to do: it comes from inside an executed notebook'
        )


def test_a_file_that_is_no_step_has_no_form(server: Server, project: Project) -> None:
    (project.folder / "tools.py").write_text("def add(a, b):\n    return a + b\n")
    (project.folder / "clean.py").write_text('# %% tags=["parameters"]\nlimit: int = 3  # 1..9\n# %%\nprint(limit)\n')
    (project.folder / "daily.sql").write_text("-- limit: int = 3\nselect 1\n")
    answer = server.ask("POST", "form", {"notebook": "tools.py"})
    assert (answer.status, answer.body["message"]) == (400, "tools.py is no step.")
    for name in ("clean.py", "daily.sql"):
        form: Any = server.post("form", {"notebook": name})
        assert [one["name"] for one in form["parameters"]] == ["limit"]
    begun = server.post("runs", {"notebook": "clean.py", "values": {"limit": "5"}})["id"]
    wait_until(lambda: server.get(f"runs/{begun}/live")["status"] != "running", seconds=60)
    assert server.get(f"runs/{begun}")["status"] == "finished"
