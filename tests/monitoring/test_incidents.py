"""Incidents in the hands of people: listed, shown, answered, in a terminal and in Python; and two that look at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import nbops
from nbops.errors import ConfigError, Conflict, NotFound, UsageError
from nbops.monitoring import incidents
from nbops.monitoring.policy import MonitorPolicy
from nbops.workspace._workspace import Workspace
from tests.conftest import Project, finish, hang_up
from tests.monitoring.ward import seen, week, weeks
from tests.shared import Type

WARM = {"warmup": {"rows": 0, "windows": 0}}


@pytest.fixture
def watched(here: Workspace, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a model that is judged from its first window on; commands are typed in its project."""
    monkeypatch.chdir(here.project)
    name = request.node.name.replace("_", "-")[:60]
    here.model(name).describe(purpose="to be watched")
    here.model(name).set_monitor_policy(WARM, why="to try it")
    return str(name)


def opened(here: Workspace, name: str) -> str:
    made = incidents.keep(here.store, f"model:{name}", weeks(".oo"))
    return made[0].incident_id


def test_an_incident_is_listed_shown_and_answered_in_a_terminal(here: Workspace, watched: str, typed: Type) -> None:
    key = opened(here, watched)
    (listed,) = typed("incidents", "list", "--model", watched, "--json").told
    assert (listed["incident_id"], listed["severity"], listed["status"], listed["windows"]) == (key, "page", "open", 2)
    assert key[-8:] in typed("incident", "list").out
    shown = typed("incidents", "show", key[-8:]).out
    assert "The error of week 2 is odd." in shown
    assert "performance: mae" in shown
    assert typed("incidents", "ack", key[-8:], "--reason", "on it").out == f"Incident {key[-8:]} is yours.\n"
    typed("incidents", "comment", key[-8:], "the feed of the north")
    ends = (datetime.now(UTC) + timedelta(days=3)).date()
    assert f"before {ends + timedelta(days=1)} 00:00" in typed(
        "incidents", "mute", key[-8:], "--until", ends, "--reason", "known"
    ).out  # fmt: skip
    assert typed("incidents", "unmute", key[-8:], "--json").told["muted_until"] is None
    assert typed("incidents", "close", key[-8:], "--reason", "feed repaired").status == 0
    assert typed("incidents", "list", "--model", watched).out == "No incident is open.\n"
    told = typed("incidents", "show", key, "--json").told
    me = told["acts"][0]["actor"]
    assert (told["status"], told["acknowledged_by"], told["closed_by"]) == ("closed", me, me)
    assert [act["act"] for act in told["acts"]] == [
        "opened", "seen", "acknowledged", "commented", "muted", "unmuted", "closed",
    ]  # fmt: skip
    again = typed("incidents", "close", key[-8:], "--reason", "again")
    assert (again.status, "The incident is closed" in again.err) == (64, True)
    assert [one["incident_id"] for one in typed("incidents", "list", "--all", "--model", watched, "--json").told] == [
        key
    ]


def test_an_incident_shows_itself_in_python(here: Workspace, watched: str) -> None:
    key = opened(here, watched)
    found = nbops.incident(key[-8:])
    assert (found.id, found.status, found.severity) == (key[-8:], "open", "page")
    assert "2 windows" in repr(found)
    page = found._repr_html_()
    assert "The error of week 2 is odd." in page
    assert "<script" not in page
    assert nbops.incidents(watched)["incident_id"].astype(str).tolist() == [key]
    with pytest.raises(UsageError, match="A reason is needed"):
        found.close(reason=" ")
    with pytest.raises(UsageError, match="still to come"):
        found.mute(until=datetime(2020, 1, 1), reason="x")  # noqa: DTZ001 - as people type it
    found.close(reason="known")
    assert (found.status, nbops.incidents(watched).empty) == ("closed", True)
    assert nbops.incidents(watched, everything=True)["status"].tolist() == ["closed"]
    with pytest.raises(Conflict, match="The incident is closed"):
        found.ack()


def test_what_is_not_there_is_told(here: Workspace, watched: str, typed: Type) -> None:
    opened(here, watched)
    with pytest.raises(NotFound, match="There is no incident 'ffff0000'"):
        nbops.incident("ffff0000")
    with pytest.raises(NotFound):
        nbops.incident("")
    with pytest.raises(NotFound, match="There is no model 'nobody'"):
        here.model("nobody").set_monitor_policy({})


def test_a_policy_is_printed_changed_and_given_back(here: Workspace, watched: str, typed: Type, tmp_path: Path) -> None:
    printed = typed("monitor", "policy", watched)
    assert printed.out.startswith(f"# How {watched} is monitored: version 1, by ")
    path = tmp_path / "policy.yaml"
    path.write_text(printed.out.replace("close_after: 3", "close_after: 5"), encoding="utf-8")
    changed = typed("monitor", "policy", watched, "--file", path, "--why", "it flaps")
    assert changed.out == "close_after: 3 -> 5\n"
    assert typed("monitor", "policy", watched, "--file", path).out == "Nothing has changed.\n"
    assert here.model(watched).monitor_policy.close_after == 5
    told = typed("monitor", "policy", watched, "--history").out
    assert "close_after: 3 -> 5" in told
    assert "it flaps" in told
    assert [one["why"] for one in typed("monitor", "policy", watched, "--history", "--json").told] == [
        "it flaps",
        "to try it",
    ]
    path.write_text("close_aftr: 5", encoding="utf-8")
    refused = typed("monitor", "policy", watched, "--file", path)
    assert refused.status == 64
    assert "In policy.yaml, line 1: close_aftr is not known" in refused.err
    assert "Did you mean 'close_after'?" in refused.err
    assert typed("monitor", "policy", watched, "--why", "x").status == 64
    with pytest.raises(ConfigError, match="There is no policy"):
        here.model(watched).set_monitor_policy("nowhere.yaml")
    here.model("unwatched").describe(purpose="nothing")
    assert here.model("unwatched").monitor_policy == MonitorPolicy()
    assert typed("monitor", "policy", "unwatched").out.startswith("# How unwatched is monitored: the defaults.\n")
    assert "what holds when nothing is said" in typed("monitor", "policy", "unwatched", "--history").out


def test_history_tells_of_policies_and_incidents(here: Workspace, watched: str) -> None:
    key = opened(here, watched)
    nbops.incident(key).close(reason="feed repaired")
    told = [one.told for one in here.model(watched).history().happenings]
    assert "how it is monitored was said: to try it" in told
    assert f"incident {key[-8:]} (performance: mae) closed: feed repaired" in told


def test_how_everything_stands_is_found_again(here: Workspace, watched: str) -> None:
    opened(here, watched)
    incidents.keep(here.store, f"model:{watched}", [seen(5, "learning", cause="drift", kind="drift")])
    found = incidents.standings(here.store, f"model:{watched}")
    assert {cause: one.word for cause, one in found.items()} == {"drift": "learning", "performance: mae": "trouble"}
    nbops.incident(nbops.incidents(watched)["incident_id"].astype(str).item()).close(reason="known")
    assert incidents.standings(here.store, f"model:{watched}")["performance: mae"].open is None


LOOK = """
import sys
import nbops
from nbops.monitoring import incidents
from tests.monitoring.ward import weeks
store = nbops.open().store
store.hello()
print("ready", flush=True)
sys.stdin.read()
signals = weeks(".oob.oo")
for one in signals:
    incidents.keep(store, "model:late", [one])
"""


def test_two_that_look_at_once_make_one_incident(project: Project, workspace: Workspace) -> None:
    workspace.model("late").describe(purpose="to be watched")
    workspace.model("late").set_monitor_policy(WARM)
    project.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    both = [project.start(LOOK) for _ in range(2)]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", finish(process)
    for process in both:
        hang_up(process)
    for process in both:
        finish(process)
    found = workspace.incidents("late", everything=True)
    assert found["status"].tolist() == ["open"]
    assert found["windows"].tolist() == [5]
    acts = workspace.sql("select act, count(*) as n from incident_acts group by all order by act")
    assert dict(zip(acts["act"], acts["n"], strict=True)) == {"opened": 1, "seen": 4}
    assert workspace.sql("select count(*) as n from outbox where kind = 'incident opened'")["n"].tolist() == [1]
    assert workspace.sql("select count(*) as n from signals")["n"].tolist() == [7]


def test_who_is_killed_while_looking_leaves_whole_windows_and_the_next_one_goes_on(
    project: Project, workspace: Workspace
) -> None:
    workspace.model("late").describe(purpose="to be watched")
    workspace.model("late").set_monitor_policy(WARM)
    incidents.keep(workspace.store, "model:late", weeks(".o"))
    project.kill_owner()
    incidents.keep(workspace.store, "model:late", [seen(2)])
    project.kill_owner()
    assert [one.act for one in incidents.keep(workspace.store, "model:late", weeks(".oob"))] == ["seen"]
    (since,) = workspace.incidents("late")["since"]
    assert since.timestamp() * 1_000_000 == week(1)[0]
    assert workspace.sql("select kind from outbox")["kind"].tolist() == ["incident opened"]
