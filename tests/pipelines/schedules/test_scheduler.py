"""Each nominal time is run once, and what is left out is left out by a policy, kept, and told."""

from __future__ import annotations

import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import msgspec
import pytest

import nbops.pipelines.schedules.commands  # noqa: F401 - teaches the writer its verbs
from nbops.errors import Conflict, NbopsError, NotFound
from nbops.monitoring import incidents
from nbops.pipelines.schedules import attempts, keeper, listing
from nbops.pipelines.schedules.requests import ActOnSchedule, Claim, Due, EndAttempt, Plan, PutSchedule
from nbops.pipelines.schedules.scheduler import backfill
from nbops.pipelines.schedules.spec import Spec
from nbops.records import new_id
from nbops.store import witness
from tests.conftest import wait_until
from tests.monitoring.ward import Ward
from tests.pipelines.schedules.conftest import BAD, GOOD, LONG, NOON, Clockwork
from tests.store.inside import Inside


def test_a_time_that_has_come_is_run_once_with_its_own_parameters(clockwork: Clockwork) -> None:
    clockwork.put(tz="Europe/Berlin", parameters={"day": "{date}", "since": "{start}", "n": 3})
    assert not clockwork.after(minutes=59)
    done = clockwork.settled(minutes=1, seconds=2)
    assert [(one.schedule, one.state) for one in done.ended] == [("nightly", "done")]
    assert clockwork.seen == [{"day": "2026-03-02", "since": "2026-03-02T13:00:00+01:00", "n": "3", "force": "False"}]
    assert not clockwork.settled(minutes=10)
    assert clockwork.fires("state, attempts, outcome, exit_status") == [["done", 1, "finished", 0]]


def test_who_looks_at_the_same_moment_runs_it_once(clockwork: Clockwork) -> None:
    clockwork.put(missed="all", overlap="queue")
    clockwork.now += timedelta(hours=3, seconds=1)
    others = [clockwork.another() for _ in range(4)]
    threads = [threading.Thread(target=one.tick, args=(clockwork.now,)) for one in others]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    clockwork.settled()
    assert clockwork.fires("state, attempts") == [["done", 1]] * 3


@pytest.mark.parametrize(
    ("missed", "states"),
    [
        ("skip", ["missed", "missed", "missed", "done"]),
        ("latest", ["missed", "missed", "missed", "done"]),
        ("all", ["missed", "done", "done", "done"]),
    ],
)
def test_times_that_nothing_looked_at_are_run_as_the_policy_says(
    clockwork: Clockwork, missed: str, states: list[str]
) -> None:
    clockwork.put(missed=missed, limit=3)
    # It is four, and one minute.
    clockwork.settled(hours=4, minutes=1)
    assert [row[0] for row in clockwork.fires("state")] == states


def test_a_machine_that_slept_for_a_week_tells_of_it_once(clockwork: Clockwork) -> None:
    clockwork.put(cron="*/5 * * * *")
    clockwork.settled(days=7, minutes=4)
    states = [row[0] for row in clockwork.fires("state")]
    assert (states.count("done"), states.count("missed"), len(states)) == (1, 500, 501)
    ((cause, status, severity, text),) = clockwork.incidents()
    # The good run that it led to ended it.
    assert (cause, status, severity) == ("run: not on time", "healed", "warn")
    assert text.startswith(
        "2,014 times (2026-03-02 12:05 to 2026-03-09 11:50, UTC) were not run when due; nothing had looked since"
    )
    titles = clockwork.store.read("select title from outbox order by seq").rows
    assert len(titles) == 2
    assert titles[1] == ["Over: nightly: run: not on time"]


def test_failing_fires_are_one_incident_that_the_next_good_one_ends(clockwork: Clockwork) -> None:
    clockwork.put()
    clockwork.stub = BAD
    clockwork.settled(hours=1)
    clockwork.settled(hours=1)
    assert [row[:3] for row in clockwork.incidents()] == [["run: failed", "open", "warn"]]
    assert "due at 2026-03-02 14:00 UTC failed: KeyError: 'x'" in str(clockwork.incidents())
    assert incidents.standings(clockwork.store, "pipeline:nightly")["run: failed"].word == "trouble"
    clockwork.stub = GOOD
    clockwork.settled(hours=1)
    assert [row[1] for row in clockwork.incidents()] == ["healed"]
    assert incidents.standings(clockwork.store, "pipeline:nightly")["run: failed"].word != "trouble"
    assert [row[0] for row in clockwork.fires("state")] == ["failed", "failed", "done"]


def test_a_schedule_that_takes_longer_than_its_period_leaves_out_what_comes_meanwhile(clockwork: Clockwork) -> None:
    clockwork.put()
    clockwork.stub = LONG
    clockwork.after(hours=1)
    done = clockwork.after(hours=1)
    assert [(one.state, one.message) for one in done.left] == [("skipped", "The one before was still running.")]
    clockwork.let_go()
    clockwork.settled(hours=1)
    assert [row[0] for row in clockwork.fires("state")] == ["done", "skipped", "done"]


def test_with_queue_each_waits_for_the_one_before(clockwork: Clockwork) -> None:
    clockwork.put(overlap="queue")
    clockwork.stub = LONG
    clockwork.after(hours=1)
    clockwork.after(hours=1)
    assert [row[0] for row in clockwork.fires("state")] == ["running", "due"]
    clockwork.let_go()
    clockwork.settled(seconds=1)
    assert [row[0] for row in clockwork.fires("state")] == ["done", "done"]


def test_with_kill_the_older_one_is_stopped_and_not_lost(clockwork: Clockwork) -> None:
    clockwork.put(overlap="kill")
    clockwork.stub = LONG
    clockwork.after(hours=1)
    wait_until((clockwork.project.folder / "begun").exists)
    (older,) = clockwork.running()
    clockwork.after(hours=1)
    wait_until(lambda: not attempts.lives(clockwork.store.places, older))
    clockwork.stub = GOOD
    clockwork.settled(seconds=1)
    assert clockwork.fires("state, message") == [
        ["stopped", "The one of 2026-03-02 14:00 UTC took its place."], ["done", None]
    ]  # fmt: skip
    assert clockwork.incidents() == []


def test_what_does_not_end_when_told_to_is_killed(clockwork: Clockwork) -> None:
    clockwork.put()
    clockwork.stub = "import pathlib, signal, time; signal.signal(15, signal.SIG_IGN); pathlib.Path('begun').touch(); time.sleep(600)"
    clockwork.after(hours=1)
    wait_until((clockwork.project.folder / "begun").exists)
    (attempt,) = clockwork.running()
    attempts.stop(clockwork.store.places, attempt, "enough")
    assert attempts.lives(clockwork.store.places, attempt)
    attempts.stop(clockwork.store.places, attempt, "enough", patience=0)
    wait_until(lambda: not attempts.lives(clockwork.store.places, attempt))
    clockwork.after(seconds=1)
    assert clockwork.fires("state, message") == [["stopped", "enough"]]


@pytest.mark.parametrize("who", ["what it runs", "keeper", "both"])
def test_an_attempt_that_died_is_kept_and_tried_again(clockwork: Clockwork, who: str) -> None:
    clockwork.put()
    clockwork.stub = LONG
    clockwork.after(hours=1)
    wait_until((clockwork.project.folder / "begun").exists)
    (attempt,) = clockwork.running()
    leader = int((attempts.folder(clockwork.store.places, attempt) / "lock").read_text())
    (child,) = Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
    for pid in {"what it runs": [int(child)], "keeper": [leader], "both": [leader, int(child)]}[who]:
        os.kill(pid, signal.SIGKILL)
    clockwork.scheduler.wait(20)
    if who == "keeper":
        # What it runs goes on, and nobody takes it for dead.
        assert attempts.lives(clockwork.store.places, attempt)
        assert not clockwork.after(seconds=1)
        os.kill(int(child), signal.SIGKILL)
    wait_until(lambda: not attempts.lives(clockwork.store.places, attempt))
    clockwork.stub = GOOD
    clockwork.settled(seconds=1)
    assert clockwork.fires("state, attempts, interrupted") == [["done", 2, 1]]
    states = clockwork.store.read("select state from fire_attempts order by started").rows
    assert states == [["interrupted"], ["done"]]
    assert clockwork.incidents() == []


def test_what_is_interrupted_again_and_again_has_failed(clockwork: Clockwork) -> None:
    clockwork.put(tries=2)
    clockwork.stub = "import os; os.kill(os.getpid(), 9)"
    clockwork.settled(hours=1)
    assert clockwork.fires("state, attempts, message") == [
        ["failed", 2, "It was interrupted 2 times. Its process was killed by signal 9."]
    ]
    assert [row[:2] for row in clockwork.incidents()] == [["run: failed", "open"]]


def test_of_one_that_was_interrupted_and_a_later_one_the_later_is_run(clockwork: Clockwork) -> None:
    clockwork.put()
    clockwork.stub = LONG
    clockwork.after(hours=1)
    wait_until((clockwork.project.folder / "begun").exists)
    (attempt,) = clockwork.running()
    os.killpg(int((attempts.folder(clockwork.store.places, attempt) / "lock").read_text()), signal.SIGKILL)
    wait_until(lambda: not attempts.lives(clockwork.store.places, attempt))
    clockwork.stub = GOOD
    clockwork.settled(hours=1)
    assert clockwork.fires("state") == [["missed"], ["done"]]


def test_a_machine_that_is_shut_down_runs_it_again(clockwork: Clockwork) -> None:
    clockwork.put()
    clockwork.stub = LONG
    clockwork.after(hours=1)
    wait_until((clockwork.project.folder / "begun").exists)
    (attempt,) = clockwork.running()
    # Everything is told to end, nobody says why.
    os.killpg(int((attempts.folder(clockwork.store.places, attempt) / "lock").read_text()), signal.SIGTERM)
    wait_until(lambda: not attempts.lives(clockwork.store.places, attempt))
    clockwork.stub = GOOD
    clockwork.settled(seconds=1)
    assert clockwork.fires("state, interrupted") == [["done", 1]]


def test_a_clock_that_is_set_back_runs_nothing_twice_and_loses_nothing(clockwork: Clockwork) -> None:
    clockwork.put()
    clockwork.settled(hours=1)
    # Somebody sets the clock to the next year for a moment: one is run for it.
    clockwork.settled(days=300)
    clockwork.settled(days=-300)
    clockwork.settled(minutes=-59)
    clockwork.settled(minutes=59)
    clockwork.settled(hours=1)
    clockwork.settled(hours=1)
    done = [
        row[0]
        for row in clockwork.fires("strftime(nominal, '%m-%d %H:%M')|| ' ' || attempts, state")
        if row[1] == "done"
    ]
    assert done == ["03-02 13:00 1", "03-02 14:00 1", "03-02 15:00 1", "12-27 13:00 1"]


def test_what_comes_in_a_pause_is_not_made_up_for(clockwork: Clockwork) -> None:
    # Acts have the owner's time.
    clockwork.now = datetime.now(UTC)
    clockwork.put(missed="all")
    assert listing.act(clockwork.store, "nightly", "paused")
    assert not listing.act(clockwork.store, "nightly", "paused")
    assert not clockwork.settled(hours=2)
    assert listing.act(clockwork.store, "nightly", "resumed")
    assert not listing.act(clockwork.store, "nightly", "resumed")
    assert listing.act(clockwork.store, None, "paused")
    assert not clockwork.settled(hours=2)
    assert listing.act(clockwork.store, None, "resumed")
    clockwork.settled(hours=1)
    assert clockwork.fires("state") == [["done"]]


def test_a_pause_that_nothing_looked_in_counts_all_the_same(clockwork: Clockwork) -> None:
    clockwork.now = datetime.now(UTC) - timedelta(hours=1)
    clockwork.put(every="1m", missed="all", limit=100)
    listing.act(clockwork.store, None, "paused", until=datetime.now(UTC) + timedelta(minutes=5, seconds=30))
    clockwork.stub = LONG
    clockwork.after(hours=1, minutes=7)
    began = clockwork.store.read("select epoch_us(time) from schedule_acts where act = 'paused'").rows[0][0]
    found = [row[0] for row in clockwork.fires("epoch_us(nominal)")]
    assert len(found) >= 60
    assert not [one for one in found if began <= one < began + 5 * 60_000_000]


def test_a_removed_schedule_leaves_what_runs_alone_and_begins_nothing(clockwork: Clockwork) -> None:
    clockwork.put(overlap="queue")
    clockwork.stub = LONG
    clockwork.after(hours=1)
    clockwork.after(hours=1)
    listing.act(clockwork.store, "nightly", "removed")
    with pytest.raises(NotFound, match="There is no schedule 'nightly'"):
        listing.act(clockwork.store, "nightly", "paused")
    clockwork.let_go()
    clockwork.settled(hours=3)
    assert clockwork.fires("state, message") == [["done", None], ["skipped", "The schedule was removed."]]


def test_a_schedule_that_is_changed_while_it_runs_keeps_its_times_apart(clockwork: Clockwork) -> None:
    clockwork.put()
    clockwork.stub = LONG
    clockwork.after(hours=1)
    clockwork.put(cron="30 * * * *")
    clockwork.let_go()
    clockwork.settled(hours=1)
    assert clockwork.fires() == [["02 13:00", "done"], ["02 13:30", "missed"]] or clockwork.fires("state") == [
        ["done"],
        ["done"],
    ]


def test_jitter_is_later_and_the_same_for_everybody(clockwork: Clockwork) -> None:
    spec = clockwork.put(jitter="30m")
    schedule_id = listing.get(clockwork.store, "nightly").schedule_id
    due = spec.due(schedule_id, NOON + timedelta(hours=1))
    assert due == spec.due(schedule_id, NOON + timedelta(hours=1)) != spec.due(schedule_id, NOON + timedelta(hours=2))
    assert timedelta(0) < due - NOON - timedelta(hours=1) < timedelta(minutes=30)
    assert not clockwork.after(hours=1).begun
    assert not clockwork.after(seconds=(due - clockwork.now).total_seconds() - 1).begun
    assert clockwork.settled(seconds=1).ended[0].state == "done"


def test_no_more_than_that_many_run_at_once(clockwork: Clockwork) -> None:
    clockwork.scheduler = clockwork.another(parallel=2)
    for name in "abcde":
        clockwork.put(name)
    clockwork.stub = LONG
    assert len(clockwork.after(hours=1).begun) == 2
    clockwork.let_go()
    clockwork.settled(seconds=1)
    assert [clockwork.fires("state", name) for name in "abcde"] == [[["done"]]] * 5


def test_another_host_is_refused_until_it_takes_over(clockwork: Clockwork) -> None:
    clockwork.put()
    clockwork.stub = LONG
    clockwork.scheduler.beat("tick")
    clockwork.after(hours=1)
    clockwork.store.host = "elsewhere"
    with pytest.raises(Conflict, match=r"are run on the host .* this one is 'elsewhere'"):
        clockwork.scheduler.beat("tick")
    claim = Claim(schedule_id=new_id(), nominal=0, attempt_id=new_id(), host="elsewhere", parallel=1)
    assert clockwork.store.write(claim) == [{"granted": False, "why": "host"}]
    clockwork.scheduler.beat("tick", take_over=True)
    assert clockwork.fires("state, message") == [["interrupted", "elsewhere took over."]]


def test_a_backfill_runs_what_has_not_succeeded(clockwork: Clockwork) -> None:
    spec = clockwork.put()
    clockwork.settled(hours=1)
    clockwork.stub = BAD
    clockwork.settled(hours=1)
    clockwork.stub = GOOD
    times = listing.stretch(spec, "2026-03-02 10:00..2026-03-02 14:00", clockwork.now)
    found = backfill(clockwork.another(parallel=2), "nightly", times)
    assert [one.state for one in found] == ["done"] * 5
    assert clockwork.fires("state, attempts, cause") == [
        ["done", 1, "backfill"], ["done", 1, "backfill"], ["done", 1, "backfill"], ["done", 1, "schedule"], ["done", 2, "schedule"],
    ]  # fmt: skip
    backfill(clockwork.another(), "nightly", times)
    assert sum(row[0] for row in clockwork.fires("attempts")) == 6
    backfill(clockwork.another(), "nightly", times, force=True)
    assert clockwork.seen[-1]["force"] == "True"
    assert sum(row[0] for row in clockwork.fires("attempts")) == 11


def test_a_backfill_beside_a_tick_is_in_nobodys_way(clockwork: Clockwork) -> None:
    spec = clockwork.put(missed="all")
    clockwork.now += timedelta(hours=4)
    times = listing.stretch(spec, "2026-03-02 13:00..2026-03-02 16:00", clockwork.now)
    beside = threading.Thread(target=backfill, args=(clockwork.another(), "nightly", times))
    beside.start()
    clockwork.settled(seconds=1)
    beside.join()
    clockwork.settled(seconds=1)
    assert clockwork.fires("state, attempts") == [["done", 1]] * 4


def test_what_a_process_prints_is_kept_within_bounds(clockwork: Clockwork) -> None:
    clockwork.put()
    clockwork.stub = f"""
import os, sys
for _ in range(200):
    os.write(2, b"x" * 65536)
os.write(2, b"the end")
{GOOD}
"""
    clockwork.settled(hours=1)
    assert clockwork.fires("state") == [["done"]]
    (log,) = clockwork.store.places.run.glob("fires/*/log")
    assert log.stat().st_size < keeper.HEAD + 3 * keeper.TAIL
    assert log.read_bytes().endswith(b"the end")
    assert b"bytes are left out here" in log.read_bytes()


def test_old_logs_are_taken_away(clockwork: Clockwork) -> None:
    clockwork.put()
    clockwork.settled(hours=1)
    (folder,) = clockwork.store.places.run.glob("fires/*")
    os.utime(folder, (0, 0))
    clockwork.settled(hours=1)
    assert not folder.exists()


def test_a_thousand_schedules_of_which_none_is_due_are_not_looked_at_one_by_one(clockwork: Clockwork) -> None:
    for number in range(30):
        clockwork.put(f"one {number}")
    asked: list[str] = []
    read = clockwork.store.read

    def counted(sql: str, *more: object, **ways: object) -> object:
        asked.append(sql)
        return read(sql, *more, **ways)  # type: ignore[arg-type]  # as it was called

    clockwork.store.read = counted  # type: ignore[method-assign,assignment]  # to count what is asked
    clockwork.after(minutes=1)
    assert len(asked) < 6


def test_a_schedule_that_cannot_be_understood_keeps_no_other_from_being_run(clockwork: Clockwork) -> None:
    clockwork.put()
    broken = clockwork.put("broken")
    edited = msgspec.json.encode(msgspec.structs.replace(broken, tz="Mars/Olympus")).decode()
    # As on a machine that does not know the zone.
    clockwork.store.control("drain")
    wait_until(lambda: not clockwork.project.owners())
    with duckdb.connect(str(clockwork.store.places.database)) as con:
        con.execute(
            "update core.schedule_acts set spec = ? where seq = (select max(seq) from core.schedule_acts)", [edited]
        )
    done = clockwork.settled(hours=1)
    assert [(one.schedule, one.state) for one in done.ended] == [("nightly", "done")]


def test_nothing_that_an_executed_notebook_starts_can_schedule_anything(inside: Inside) -> None:
    ward = Ward(inside)
    spec = Spec(target="a.ipynb", cron="@daily", may=("ann",))
    request = PutSchedule(name="nightly", spec=spec, looked=0, next=0)
    with pytest.raises(NbopsError, match=r"To schedule a.ipynb is for a person to do: a notebook"):
        ward.ask("ann", request, "a notebook")
    assert ward.ask("ann", request) == "added"
    for deed in ("paused", "resumed", "removed"):
        with pytest.raises(NbopsError, match="is for a person to do"):
            ward.ask("ann", ActOnSchedule(name="nightly", deed=deed), "a notebook")
        with pytest.raises(NbopsError, match=r"Only ann may .* the schedule 'nightly'; this is bob"):
            ward.ask("bob", ActOnSchedule(name="nightly", deed=deed))
    with pytest.raises(NbopsError, match="Only ann may change"):
        ward.ask(
            "bob", msgspec.structs.replace(request, change=True, spec=msgspec.structs.replace(spec, cron="@hourly"))
        )
    assert ward.ask("ann", ActOnSchedule(name="nightly", deed="paused")) is True
    assert ward.ask("ann", ActOnSchedule(name=None, deed="paused", why="moving")) is True
    near = inside.near()
    assert witness.problems(near)[1] == []
    inside.edit("update core.schedule_acts set spec = replace(spec, '@daily', '@hourly') where act = 'added'")
    assert witness.problems(near)[1][0].startswith("an act on the schedule nightly was changed")


def test_the_end_of_an_attempt_counts_once(inside: Inside) -> None:
    ward = Ward(inside)
    ward.subject = "pipeline:once"
    ward.ask("ann", PutSchedule(name="once", spec=Spec(target="a.ipynb", cron="@daily"), looked=0, next=1))
    schedule_id, mark = inside.rows("select schedule_id::varchar, seq from core.schedule_marks")[0]
    plan = Plan(schedule_id=schedule_id, mark=mark, looked=2, next=3, due=[Due(1, 1)])
    assert [ward.ask("cron", plan), ward.ask("cron", plan)] == [True, False]
    claims = [Claim(schedule_id=schedule_id, nominal=1, attempt_id=new_id(), host="here", parallel=9) for _ in range(2)]
    assert [ward.ask("cron", one).why for one in claims] == ["", "running"]
    end = EndAttempt(attempt_id=claims[0].attempt_id, end="failed", message="KeyError")
    assert [ward.ask("cron", end), ward.ask("cron", end)] == ["failed", None]
    assert [row[0] for row in ward.incidents("status")] == ["open"]
    assert ward.ask("cron", claims[1]).why == "over"
    assert ward.ask("cron", msgspec.structs.replace(claims[1], again=True)).granted
