"""`nbops schedule …` as people and machines type it, with real notebooks and real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import pytest

from nbops.pipelines.schedules import attempts, listing
from nbops.pipelines.schedules.spec import Spec
from nbops.store.client import Store
from tests.conftest import Project, finish, wait_until
from tests.shared import Type


def notebook(path: Path, code: str, parameters: str = "day: str = ''") -> Path:
    """A notebook with a parameters cell."""
    cell = nbformat.v4.new_code_cell(parameters)
    cell.metadata["tags"] = ["parameters"]
    made = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell(code)])
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(made, path)
    return path


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which somebody types, with a notebook in it."""
    monkeypatch.chdir(project.folder)
    (project.folder / "nbops.toml").touch()
    notebook(project.folder / "nightly.ipynb", "assert day != '2026-03-03', 'no data'\nprint(day)")
    return project.folder


@pytest.fixture
def past(here: Path, typed: Type, store: Store) -> Path:
    """The same, with a schedule that has been there for a while, and a time that has just come."""
    now = datetime.now(UTC)
    spec = Spec(target="nightly.ipynb", every="1h", parameters={"day": "{date}"}, grace="2h")
    listing.put(store, "nightly", spec, now=now - timedelta(hours=1))
    return here


def test_a_schedule_is_added_shown_changed_paused_resumed_and_removed(here: Path, typed: Type) -> None:
    words = ("schedule", "add", "nightly.ipynb", "--cron", "0 6 * * *", "--tz", "Europe/Berlin", "-p", "day", "{date}")
    told = typed(*words, "--json").told
    assert (told["name"], told["what"], told["spec"]["parameters"]) == ("nightly", "added", {"day": "{date}"})
    assert typed(*words).out.startswith("nightly was so already: nightly.ipynb, next 20")
    refused = typed(*words[:3], "--cron", "0 7 * * *")
    assert (refused.status, "There is a schedule 'nightly' already" in refused.err) == (64, True)
    assert "is changed" in typed(*words[:3], "--cron", "0 7 * * *", "--jitter", "5m", "--change").out
    assert "0 7 * * * (UTC), daily at 07:00" in typed("schedule", "list").out
    shown = typed("schedule", "show", "nightly").out
    assert "when      0 7 * * * (UTC), daily at 07:00" in shown
    assert "runs      nightly.ipynb as it is then" in shown
    assert "jitter    5m" in shown
    assert typed("schedule", "pause", "--until", "2999-01-01", "--reason", "moving").out.startswith(
        "Everything is paused until 2999-01-0"
    )
    assert "paused" in typed("schedule", "list").out
    assert "Everything is paused besides" in typed("schedule", "resume", "nightly").out
    assert typed("schedule", "resume").out == "Everything goes on.\n"
    assert typed("schedule", "pause", "nightly").out == "nightly is paused until `nbops schedule resume`.\n"
    assert typed("schedule", "list", "--json").told[0]["paused"] is True
    assert typed("schedule", "remove", "nightly").out == "nightly is removed.\n"
    assert typed("schedule", "list").out == "There is no schedule.\n"
    acts = typed("sql", "select act from schedule_acts order by time", "--json").out
    assert [act in acts for act in ("added", "changed", "paused", "resumed", "removed")] == [True] * 5


def test_what_was_missed_and_how_the_last_one_ended_is_told_in_words(here: Path, typed: Type, store: Store) -> None:
    now = datetime.now(UTC)
    spec = Spec(target="nightly.ipynb", every="1h", parameters={"day": "{date}"}, grace="1m")
    listing.put(store, "nightly", spec, now=now - timedelta(hours=5))
    before = typed("schedule", "show", "nightly").out
    assert ("  last" in before, "  missed    latest\n" in before) == (False, True)
    typed("schedule", "tick")
    shown = typed("schedule", "show", "nightly").out
    (missed,) = (line for line in shown.splitlines() if line.startswith("  missed"))
    # Five, if the hour has just ended.
    assert re.search(r"latest\. [45] times of the last 30 days were missed, the last one 20", missed)
    assert "were not run when due" in missed
    (last,) = (line for line in shown.splitlines() if line.startswith("  last"))
    assert last.endswith(" done, finished")
    assert last.removeprefix("  last").strip() in typed("schedule", "list").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["absent.ipynb", "--cron", "@daily"], "There is no notebook or folder"),
        (["nightly.ipynb"], "neither cron nor every"),
        (["nightly.ipynb", "--cron", "0 6 * *"], "has 4 fields"),
        (["nightly.ipynb", "--cron", "@daily", "-p", "dya", "1"], "Did you mean 'day'?"),
        (["nightly.ipynb", "--cron", "@daily", "-p", "day", "{dy}"], "stands for nothing"),
        (["nightly.ipynb", "--cron", "@daily", "--name", "../x"], "is no name for a schedule"),
    ],
)
def test_what_cannot_be_run_is_refused_when_it_is_added(here: Path, typed: Type, words: list[str], told: str) -> None:
    answer = typed("schedule", "add", *words)
    assert (answer.status, told in answer.err) == (64, True), answer


@pytest.mark.parametrize("target", ["Bericht (neu).ipynb", "Wo\u0308chentlich.ipynb"])
def test_a_target_whose_name_no_schedule_can_have_is_given_another_one(here: Path, typed: Type, target: str) -> None:
    (here / "nightly.ipynb").rename(here / target)
    answer = typed("schedule", "add", target, "--cron", "@daily")
    assert (answer.status, "Give it another one with --name." in answer.err) == (64, True), answer
    assert typed("schedule", "add", target, "--cron", "@daily", "--name", "Täglicher Bericht").status == 0


def test_what_lies_outside_of_the_project_is_not_scheduled(here: Path, typed: Type, tmp_path: Path) -> None:
    notebook(tmp_path / "stray.ipynb", "1")
    answer = typed("-C", here, "schedule", "add", tmp_path / "stray.ipynb", "--cron", "@daily")
    assert (answer.status, "lies outside of the project" in answer.err) == (64, True)


def test_a_folder_is_scheduled_as_its_pipeline_says(here: Path, typed: Type) -> None:
    notebook(here / "pipe" / "one.ipynb", "open(made, 'w').write('1')", "made: 'out' = 'made.txt'")
    (here / "pipe" / "pipeline.yaml").write_text("schedule: {cron: '0 6 * * *', tz: Europe/Berlin, jitter: 5m}\n")
    refused = typed("schedule", "add", "pipe")
    assert (refused.status, "pipe has no release" in refused.err, "--working-tree" in refused.err) == (64, True, True)
    told = typed("schedule", "add", "pipe", "--working-tree", "--json").told
    assert [told["spec"][key] for key in ("target", "cron", "tz", "jitter")] == [
        "pipe",
        "0 6 * * *",
        "Europe/Berlin",
        "5m",
    ]
    told = typed("schedule", "add", "pipe", "--working-tree", "--every", "2h", "--change", "--json").told
    assert [told["spec"][key] for key in ("cron", "every", "jitter")] == ["", "2h", "5m"]
    for wrong, what in (
        ("zone: UTC", "zone"),
        ("tz: Europe/Berlim", "Did you mean 'Europe/Berlin'"),
        ("missed: never", "missed"),
    ):
        (here / "pipe" / "pipeline.yaml").write_text(f"schedule:\n  cron: '0 6 * * *'\n  {wrong}\n")
        refused = typed("schedule", "add", "pipe")
        assert (refused.status, "pipeline.yaml" in refused.err, what in refused.err) == (64, True, True), refused


def test_a_scheduled_pipeline_is_a_run_that_says_what_it_was_for(here: Path, typed: Type, store: Store) -> None:
    notebook(here / "pipe" / "one.ipynb", "open(made, 'w').write('1')", "made: 'out' = 'made.txt'")
    now = datetime.now(UTC)
    listing.put(
        store, "pipe", Spec(target="pipe", every="1h", working_tree=True, grace="2h"), now=now - timedelta(hours=1)
    )
    (ended,) = typed("schedule", "tick", "--json").told["fires"]["ended"]
    assert (ended["state"], ended["outcome"]) == ("done", "done")
    assert (here / "pipe" / "made.txt").read_text() == "1"
    rows = store.read("select run_id::varchar, trigger, epoch_us(nominal) from pipeline_runs").rows
    assert rows == [[ended["run_id"], "schedule", ended["nominal"]]]
    assert store.read("select run_id::varchar from tags where key = 'nbops.fire'").rows == [[ended["run_id"]]]


def test_a_schedule_runs_the_release_and_not_what_somebody_edits(here: Path, typed: Type, store: Store) -> None:
    step = here / "pipe" / "one.ipynb"
    notebook(step, "open(made, 'w').write('released')", "made: 'out' = '../made.txt'")
    assert typed("pipeline", "release", "pipe", "--reason", "first").status == 0
    assert typed("schedule", "add", "pipe", "--every", "1h", "--name", "hourly").status == 0
    notebook(step, "open(made, 'w').write('edited')", "made: 'out' = '../made.txt'")
    now = datetime.now(UTC)
    spec = listing.get(store, "hourly").spec
    listing.put(store, "other", spec, now=now - timedelta(hours=1))
    (ended,) = typed("schedule", "tick", "--json").told["fires"]["ended"]
    assert ended["state"] == "done", ended
    assert (here / "made.txt").read_text() == "released"


def test_a_tick_runs_what_is_due_and_says_so(past: Path, typed: Type, store: Store) -> None:
    told = typed("schedule", "tick", "--json").told
    (ended,) = told["fires"]["ended"]
    assert (ended["schedule"], ended["state"], told["monitored"]) == ("nightly", "done", [])
    run_id, status, source = store.read("select run_id::varchar, status, source from runs").rows[0]
    assert (run_id, status, source) == (ended["run_id"], "finished", "nightly.ipynb")
    assert store.read("select count(*) from tags where key = 'nbops.fire'").rows == [[1]]
    assert typed("schedule", "tick", "--quiet").out == ""
    assert "Looked at 0 windows" in typed("schedule", "tick").out
    assert "fires" in typed("schedule", "show", "nightly", "--json").told


def test_what_a_tick_leaves_is_seen_by_the_next_one(past: Path, typed: Type, store: Store) -> None:
    told = typed("schedule", "tick", "--leave", "--json").told
    assert ([one["state"] for one in told["fires"]["begun"]], told["fires"]["ended"]) == (["running"], [])
    (attempt,) = store.read("select attempt_id::varchar from fire_attempts").rows[0]
    wait_until(lambda: not attempts.lives(store.places, attempt), 60)
    assert re.match(r"nightly of .* done [0-9a-f]{8}\n", typed("schedule", "tick", "--quiet").out)


def test_a_target_that_is_gone_fails_and_says_what_to_do(past: Path, typed: Type) -> None:
    (past / "nightly.ipynb").unlink()
    assert "There is no notebook" in typed("schedule", "tick").out
    assert "run: failed" in typed("incidents", "list").out
    told = typed("schedule", "doctor", "--exit-code")
    assert told.status == 26
    assert "It was moved or removed" in told.out


def test_a_backfill_says_how_much_succeeded(past: Path, typed: Type) -> None:
    words = ("schedule", "add", "nightly.ipynb", "--cron", "@daily", "-p", "day", "{date}", "--change")
    assert typed(*words).status == 0
    answer = typed("schedule", "backfill", "nightly", "2026-03-02..2026-03-03", "--parallel", "2")
    assert (answer.status, answer.out.splitlines()[-1]) == (25, "1 of 2 are done.")
    assert "no data" in answer.out
    told = typed("schedule", "backfill", "nightly", "2026-03-02..2026-03-02", "--json").told
    assert (told["times"], told["done"]) == (1, 1)
    for stretch, why in (
        ("yesterday", "is no stretch"),
        ("2026-03-02..x", "is no time"),
        ("2026-03-02..2026-03-01", "ends before"),
    ):
        refused = typed("schedule", "backfill", "nightly", stretch)
        assert (refused.status, why in refused.err) == (64, True)


def test_a_folder_is_filled_in_by_the_times_of_its_pipeline(here: Path, typed: Type, store: Store) -> None:
    notebook(here / "pipe" / "one.ipynb", "open(made, 'a').write(day)", "day: str = ''\nmade: 'out' = 'made.txt'")
    words = ["pipeline", "backfill", "pipe", "--from", "2026-03-01", "--to", "2026-03-02", "--working-tree"]
    untimed = typed(*words)
    assert (untimed.status, "has no schedule" in untimed.err, "Give --cron or --every" in untimed.err) == (
        64,
        True,
        True,
    )
    (here / "pipe" / "pipeline.yaml").write_text("schedule: {cron: '0 6 * * *', parameters: {day: '{date}'}}\n")
    told = typed(*words, "--json").told
    assert (told["name"], told["times"], told["done"]) == ("pipe", 2, 2)
    runs = store.read("select strftime(nominal, '%d %H'), trigger, outcome from pipeline_runs order by nominal").rows
    assert runs == [["01 06", "backfill", "done"], ["02 06", "backfill", "done"]]
    # It is not on time from now on, and begun again it runs what is not there yet.
    assert typed("schedule", "list", "--json").told[0]["paused"] is True
    longer = [*words[:5], "--to", "2026-03-03"]
    assert typed(*longer[:3], *longer[3:]).out.splitlines()[-1] == "3 of 3 are done."
    assert store.read("select count(*) from pipeline_runs").rows == [[3]]
    other = typed(*words, "--every", "1h")
    assert (other.status, "has the schedule 'pipe', which is another one" in other.err) == (64, True)
    assert typed("schedule", "add", "pipe", "--every", "1h", "--working-tree", "--name", "hourly").status == 0
    several = typed(*longer)
    assert (several.status, "2 schedules: hourly and pipe" in several.err) == (64, True)


def test_a_scheduler_in_the_foreground_ends_by_sigterm_and_what_it_began_goes_on(
    past: Path, project: Project, store: Store
) -> None:
    notebook(past / "nightly.ipynb", "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)")
    scheduler = subprocess.Popen(
        [sys.executable, "-P", "-m", "nbops", "schedule", "run", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    try:
        assert scheduler.stdout is not None
        assert json.loads(scheduler.stdout.readline())["state"] == "running"
        wait_until(lambda: store.read("select count(*) from runs where status = 'running'").rows == [[1]])
        scheduler.send_signal(signal.SIGTERM)
        assert finish(scheduler) == ""
    finally:
        scheduler.kill()
        (past / "go").touch()
    wait_until(lambda: store.read("select status from runs").rows == [["finished"]], 60)
    # Another one takes notice of the end.
    project.run("from nbops import cli; import sys; sys.argv = ['nbops', 'schedule', 'tick']; cli.main()")
    assert store.read("select state, attempts from fires").rows == [["done", 1]]


def test_a_scheduler_in_the_foreground_waits_for_a_store_that_is_away(
    past: Path, project: Project, store: Store
) -> None:
    scheduler = project.start("from nbops import cli; import sys; sys.argv = ['nbops', 'schedule', 'run']; cli.main()")
    wait_until(lambda: store.read("select state from fires").rows == [["done"]], 60)
    before = store.read("select time from scheduler").rows
    project.kill_owner()
    scheduler.send_signal(signal.SIGTERM)
    finish(scheduler)
    assert store.read("select time from scheduler").rows == before


def test_the_doctor_says_what_is_missing(here: Path, typed: Type, store: Store) -> None:
    assert typed("schedule", "add", "nightly.ipynb", "--cron", "@daily").status == 0
    told = typed("schedule", "doctor", "--exit-code")
    assert (told.status, "Nothing has ever looked at what is due" in told.out) == (26, True)
    typed("schedule", "tick")
    checks = typed("schedule", "doctor", "--exit-code", "--json").told
    assert {one["state"] for one in checks} == {"well"}
    assert {"interpreter", "permissions", "heartbeat", "schedule nightly"} == {one["what"] for one in checks}


def test_secrets_that_would_not_be_there_refuse_a_timer(
    here: Path, typed: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "password: 'secret' = 'secret://crew-db'"  # noqa: S105 - a reference
    notebook(here / "nightly.ipynb", "1", secret)
    (here / "nbops.toml").write_text('[secrets.allow]\n"nightly.ipynb" = ["crew-db"]\n')
    # Here it is, but cron does not have it.
    monkeypatch.setenv("NBOPS_SECRET_CREW_DB", "a long enough value")
    assert typed("schedule", "add", "nightly.ipynb", "--cron", "@daily").status == 0
    for kind in ("cron", "timer"):
        refused = typed("schedule", kind)
        assert (refused.status, "There is no secret 'crew-db' in the environment" in refused.err) == (64, True)
    variables = tmp_path / "variables"
    variables.write_text("# for the nightly run\nNBOPS_SECRET_CREW_DB='a long enough value'\n")
    variables.chmod(0o644)
    assert "can be read by others" in typed("schedule", "timer", "--environment", variables).err
    variables.chmod(0o600)
    made = typed("schedule", "timer", "--environment", variables)
    assert f"EnvironmentFile={variables}" in made.out
    assert "long enough" not in made.out + made.err


def test_a_file_of_secrets_has_to_belong_to_whoever_runs(here: Path, typed: Type, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("another user's file takes root")
    notebook(here / "nightly.ipynb", "1", "password: 'secret' = 'secret://crew-db'")
    file = tmp_path / "secrets.toml"
    file.write_text('crew-db = "a long enough value"\n')
    file.chmod(0o600)
    (here / "nbops.toml").write_text(
        f'[secrets]\nsource = "file"\nfile = "{file}"\n[secrets.allow]\n"*" = ["crew-db"]\n'
    )
    assert typed("schedule", "add", "nightly.ipynb", "--cron", "@daily").status == 0
    assert typed("schedule", "cron").status == 0
    refused = typed("schedule", "cron", "--user", "nobody")
    assert "belongs to another user than nobody" in refused.err
    assert "There is no user 'nobdy'" in typed("schedule", "cron", "--user", "nobdy").err
    os.chown(file, 65534, -1)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert typed("schedule", "cron", "--user", "nobody").status == 0


def test_the_line_of_a_crontab_does_what_it_says(past: Path, typed: Type, store: Store) -> None:
    line = typed("schedule", "cron").out.strip()
    minute, command = line[:10], line[10:]
    assert minute == "* * * * * "
    # As cron does: from the home folder, with hardly any variable.
    spare = {"HOME": os.environ["HOME"], "PATH": "/usr/bin:/bin", "XDG_STATE_HOME": os.environ["XDG_STATE_HOME"]}
    for _ in range(2):
        subprocess.run(["/bin/sh", "-c", command], cwd="/", env=spare, check=True)
    wait_until(lambda: store.read("select status from runs").rows == [["finished"]], 60)


def test_files_for_systemd_name_everything_by_absolute_paths(here: Path, typed: Type, tmp_path: Path) -> None:
    answer = typed("schedule", "timer", "--user", "root", "--to", tmp_path / "units")
    assert sorted(path.name for path in (tmp_path / "units").iterdir()) == [
        "nbops-project.service",
        "nbops-project.timer",
    ]
    text = (tmp_path / "units" / "nbops-project.service").read_text()
    assert f"ExecStart={sys.executable} -P -m nbops -C {here.resolve()} schedule tick --leave --quiet\n" in text
    assert "User=root\n" in text
    assert "systemctl enable --now nbops-project.timer" in answer.err.replace(" && systemctl", "\nsystemctl")
    assert "Restart=always" in typed("schedule", "timer", "--service").out
