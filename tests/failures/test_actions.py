"""What was done about failures is kept, with who and when; what keeps being healed is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import nbops.failures.commands  # noqa: F401 - teaches the writer its verb, as the owner's main does
from nbops import duck
from nbops.failures import CorrectiveAction, record_action
from nbops.failures.requests import RecordAction
from nbops.records import new_id, now_us
from nbops.store import database
from nbops.store.client import Store
from nbops.store.places import Places
from nbops.store.wire import Reply
from nbops.tracking.requests import EndRun
from tests.store.inside import ACTOR, Inside, envelope, start

HEALED = CorrectiveAction(
    failure_class="transient", rule="http.busy", signal="HTTP Error 503", action="tried again after 2 s", outcome="healed"
)  # fmt: skip


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    """A store that the test owns."""
    made = Inside(tmp_path)
    yield made
    made.close()


def act(inside: Inside, action: CorrectiveAction, **changes: object) -> Reply:
    (reply,) = inside.together(envelope(RecordAction(action=msgspec.structs.replace(action, **changes))))
    return reply


def test_an_action_is_kept_with_its_reporter_and_time(inside: Inside) -> None:
    run = start()
    inside.together(envelope(run))
    before = now_us()
    assert act(inside, HEALED, run_id=run.run_id, step="collect", attempt=2, cost_seconds=2.5).problem is None
    sql = """
        select step, attempt, failure_class, rule, signal, action, outcome, cost_seconds, actor, epoch_us(time)
        from corrective_actions where run_id = ?
    """
    ((*told, time),) = inside.rows(sql, run.run_id)
    assert told == [
        "collect", 2, "transient", "http.busy", "HTTP Error 503", "tried again after 2 s", "healed", 2.5, ACTOR.name,
    ]  # fmt: skip
    assert before <= time <= now_us()


def test_a_pending_action_gets_its_outcome(inside: Inside) -> None:
    act(inside, HEALED, outcome="pending")
    act(inside, HEALED, outcome="failed", cost_seconds=3.0)
    assert inside.rows("select outcome, cost_seconds, run_id from corrective_actions") == [("failed", 3.0, None)]
    assert inside.rows("select count(distinct seq) from core.corrective_actions") == [(2,)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"run_id": new_id()}, "not-found"),
        ({"attempt": 0}, "usage"),
        ({"outcome": "done"}, "usage"),
        ({"failure_class": "bad luck"}, "usage"),
    ],
)
def test_what_does_not_fit_is_refused(inside: Inside, changes: dict[str, object], code: str) -> None:
    problem = act(inside, HEALED, **changes).problem
    assert problem is not None
    assert problem.code == code
    assert inside.rows("select count(*) from corrective_actions") == [(0,)]


def patterns(inside: Inside) -> list[tuple[object, ...]]:
    return inside.rows("select step, failure_class, runs, healed, actions, chronic from healing_patterns order by all")


def test_three_healed_of_the_last_seven_runs_are_chronic(inside: Inside) -> None:
    runs = [start() for _ in range(9)]
    inside.together(*map(envelope, runs))
    for run in (runs[0], runs[1], runs[2], runs[5]):
        act(inside, HEALED, run_id=run.run_id, step="collect", action_id=new_id())
    # The first two runs are too long ago, and twice in one run is once.
    act(inside, HEALED, run_id=runs[5].run_id, step="collect", action_id=new_id())
    assert patterns(inside) == [("collect", "transient", 7, 2, 3, False)]
    act(inside, HEALED, run_id=runs[8].run_id, step="collect", action_id=new_id(), outcome="pending")
    assert patterns(inside) == [("collect", "transient", 7, 2, 4, False)]
    act(inside, HEALED, run_id=runs[8].run_id, step="collect", action_id=new_id())
    assert patterns(inside) == [("collect", "transient", 7, 3, 5, True)]


def test_other_steps_classes_and_experiments_are_patterns_of_their_own(inside: Inside) -> None:
    runs = [start(experiment=name) for name in ("flights", "flights", "weather")]
    inside.together(*map(envelope, runs))
    for run, step, failure_class in zip(runs, ("a", "b", "a"), ("transient", "resource", "transient"), strict=True):
        act(inside, HEALED, run_id=run.run_id, step=step, failure_class=failure_class, action_id=new_id())
    assert patterns(inside) == [
        ("a", "transient", 1, 1, 1, False),
        ("a", "transient", 2, 1, 1, False),
        ("b", "resource", 2, 1, 1, False),
    ]


def test_runs_that_a_run_opens_and_hidden_ones_do_not_count(inside: Inside) -> None:
    run, hidden = start(), start()
    children = [msgspec.structs.replace(start(), parent_id=run.run_id) for _ in range(8)]
    inside.together(*map(envelope, (hidden, run, *children)))
    inside.opened.connection.execute("update core.runs set deleted = true where run_id = ?", [hidden.run_id])
    act(inside, HEALED, run_id=run.run_id)
    assert patterns(inside) == [(None, "transient", 1, 1, 1, False)]


# Runs


def test_a_run_ends_with_its_failure_class_exit_status_and_usage(inside: Inside) -> None:
    run = start()
    end = EndRun(
        run_id=run.run_id, status="failed", ended=now_us(), cause="no memory", failure_class="resource", exit_status=22,
        peak_memory=5 * 2**30, cpu_seconds=1.5,
    )  # fmt: skip
    assert [reply.problem for reply in inside.together(envelope(run), envelope(end))] == [None, None]
    assert inside.rows("select status, cause, failure_class, exit_status, peak_memory, cpu_seconds from runs") == [
        ("failed", "no memory", "resource", 22, 5 * 2**30, 1.5)
    ]


def test_a_client_that_knows_nothing_of_them_ends_its_run_as_before(inside: Inside) -> None:
    run = start()
    end = {"command": "run.end", "run_id": run.run_id, "status": "finished", "ended": now_us()}
    old = msgspec.structs.replace(envelope(run), tx=new_id(), commands=[msgspec.Raw(msgspec.msgpack.encode(end))])
    assert [reply.problem for reply in inside.together(envelope(run), old)] == [None, None]
    assert inside.rows("select status, failure_class, exit_status, peak_memory, cpu_seconds from runs") == [
        ("finished", None, None, None, None)
    ]


def test_runs_of_a_store_from_before_keep_what_they_had(tmp_path: Path) -> None:
    places = Places(tmp_path / ".nbops")
    places.create()
    con = duck.scratch()
    con.execute(f"attach {duck.literal(str(places.database))} as old (storage_version {duck.literal(duck.STORAGE)})")
    con.execute("use old")
    con.execute(database.migrations()[0][1])
    con.execute("insert into core.meta values ('store_id', 'old'), ('schema', '1')")
    con.execute("insert into core.experiments values (uuid(), 'flights', now()::timestamp, 1)")
    con.execute("""
        insert into core.runs
        select uuid(), experiment_id, null, 'a run', 'failed', 'KeyError', created, created, 'ann', 'here', 1, null, null, null, null,
            null, false, 2
        from core.experiments
    """)
    con.close()
    inside = Inside(tmp_path)
    assert inside.rows("select experiment, name, cause, failure_class, exit_status from runs") == [
        ("flights", "a run", "KeyError", None, None)
    ]
    inside.close()


# The owner


def test_actions_reach_the_store_through_its_owner(store: Store) -> None:
    record_action(store, HEALED)
    assert store.read("select rule, outcome from corrective_actions").rows == [["http.busy", "healed"]]
