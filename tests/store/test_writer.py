"""What the writer promises for every envelope: whole or not at all, once, whatever its neighbours do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from nbops.records import Param, RunStatus, new_id, now_us
from nbops.store.chain import GENESIS, link
from nbops.store.wire import Envelope
from nbops.tracking.requests import AdoptRun, ChangeRun, DefineMetric, EndRun, LogRun
from tests.store.inside import Inside, envelope, start


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    made = Inside(tmp_path)
    yield made
    made.close()


def no_such_run() -> Envelope:
    return envelope(LogRun(run_id=new_id(), time=now_us()))


def test_all_of_a_group_are_acknowledged_with_growing_sequences(inside: Inside) -> None:
    replies = inside.together(*(envelope(start()) for _ in range(200)))
    assert [reply.problem for reply in replies] == [None] * 200
    assert [reply.seq for reply in replies] == sorted({reply.seq for reply in replies})
    assert inside.count("runs") == inside.count("ledger") == 200


def test_what_is_acknowledged_is_promised_beside_the_store(inside: Inside) -> None:
    (reply,) = inside.together(envelope(start()))
    promise = inside.sidecar.read()
    assert promise is not None
    assert promise.seq >= reply.seq


def test_an_envelope_that_its_command_refuses_leaves_63_others_untouched(inside: Inside) -> None:
    good = [envelope(start()) for _ in range(63)]
    replies = inside.together(*good[:31], no_such_run(), *good[31:])
    assert [reply.problem.code for reply in replies if reply.problem] == ["not-found"]
    assert inside.count("runs") == inside.count("ledger") == 63


def test_an_envelope_that_fails_in_sql_leaves_63_others_untouched(inside: Inside) -> None:
    taken = start()
    inside.together(envelope(taken))
    good = [envelope(start()) for _ in range(63)]
    replies = inside.together(*good[:31], envelope(start(taken.run_id)), *good[31:])
    assert [reply.problem.code for reply in replies if reply.problem] == ["conflict"]
    assert inside.count("runs") == inside.count("ledger") == 64


def test_of_two_runs_with_one_id_in_one_group_the_first_is_kept(inside: Inside) -> None:
    taken = start()
    replies = inside.together(envelope(taken), envelope(start()), envelope(start(taken.run_id, "another")))
    assert [reply.problem is None for reply in replies] == [True, True, False]
    assert inside.rows("select name from core.experiments") == [("flights",)]


def test_a_value_that_no_column_takes_is_the_senders_fault(inside: Inside) -> None:
    (reply,) = inside.together(envelope(start("not a uuid")))
    assert reply.problem
    assert reply.problem.code == "usage"


def test_an_envelope_is_whole_or_not_at_all(inside: Inside) -> None:
    run = start()
    params = [Param(key="alpha", value="1", kind="int")]
    (reply,) = inside.together(
        envelope(run, LogRun(run_id=run.run_id, time=now_us(), params=params), ChangeRun(run_id=new_id(), name="x"))
    )
    assert reply.problem
    assert [inside.count(table) for table in ("experiments", "runs", "params", "ledger")] == [0, 0, 0, 0]


def test_a_refused_envelope_takes_nothing_from_those_before_it_in_its_group(inside: Inside) -> None:
    # Renaming reads and writes at once, so that only a rollback of the whole group undoes it.
    run = start()
    inside.together(envelope(run))
    rename, again = ChangeRun(run_id=run.run_id, name="one"), ChangeRun(run_id=run.run_id, name="two")
    replies = inside.together(envelope(rename), envelope(start(run.run_id)), envelope(again), no_such_run())
    assert [reply.problem is None for reply in replies] == [True, False, True, False]
    assert inside.rows("select name from core.runs") == [("two",)]
    assert [verb for (verb,) in inside.rows("select verb from core.events order by seq")] == [
        "store.created",
        "run.renamed",
        "run.renamed",
    ]


def test_a_resent_envelope_counts_once_and_gets_the_same_answer(inside: Inside) -> None:
    run = start()
    inside.together(
        envelope(run, LogRun(run_id=run.run_id, time=now_us(), params=[Param(key="alpha", value="1", kind="int")]))
    )
    tx = new_id()
    requests = AdoptRun(run_id=run.run_id, time=now_us(), name="mine"), LogRun(run_id=run.run_id, time=now_us())
    first, again = (inside.together(envelope(*requests, tx=tx, resend=resend))[0] for resend in (False, True))
    assert (again.seq, [list(map(list, answer or [])) for answer in again.results]) == (
        first.seq,
        [[["alpha", "1", "int"]], []],
    )
    assert inside.count("ledger") == 2


def test_a_resend_of_what_answers_nothing_has_one_answer_per_request(inside: Inside) -> None:
    run, tx = start(), new_id()
    requests = run, EndRun(run_id=run.run_id, status="finished", ended=now_us())
    first, again = (inside.together(envelope(*requests, tx=tx, resend=resend))[0] for resend in (False, True))
    assert first.results == again.results == [None, None]


def test_a_resend_counts_once_while_the_first_is_still_in_line(inside: Inside) -> None:
    run, tx = start(), new_id()
    first, again = inside.together(envelope(run, tx=tx), envelope(run, tx=tx, resend=True))
    assert first == again
    assert inside.count("runs") == 1


def test_an_envelope_counts_once_when_its_resend_comes_first(inside: Inside) -> None:
    # The first lies unread in the buffer of a connection that its sender gave up, and is read late.
    definition, tx = DefineMetric(key="mae", better="lower"), new_id()
    for resend in (True, False):
        inside.together(envelope(definition, tx=tx, resend=resend))
    assert inside.count("metric_definitions") == 1


def test_a_resend_counts_once_after_a_restart(inside: Inside) -> None:
    run, tx = start(), new_id()
    (first,) = inside.together(envelope(run, tx=tx))
    inside.restart()
    (again,) = inside.together(envelope(run, tx=tx, resend=True))
    assert (again.seq, again.problem) == (first.seq, None)
    assert inside.count("runs") == 1


def test_a_resend_of_what_was_refused_is_tried_anew(inside: Inside) -> None:
    run, tx = start(), new_id()
    late = LogRun(run_id=run.run_id, time=now_us())
    refused, _, taken = inside.together(envelope(late, tx=tx), envelope(run), envelope(late, tx=tx, resend=True))
    assert refused.problem
    assert taken.problem is None


def test_unknown_and_unfit_commands_are_refused_by_name(inside: Inside) -> None:
    odd = Envelope(tx=new_id(), commands=[msgspec.Raw(b"\x81\xa7command\xa4fly!")])
    unfit = Envelope(tx=new_id(), commands=[msgspec.Raw(b"\x81\xa7command\xa7run.end")])
    replies = inside.together(odd, envelope(start()), unfit)
    assert [reply.problem.code if reply.problem else "" for reply in replies] == ["usage", "", "usage"]
    assert replies[0].problem
    assert "fly!" in replies[0].problem.message


def test_events_form_a_chain_over_restarts(inside: Inside) -> None:
    run = start()
    inside.together(envelope(run), envelope(ChangeRun(run_id=run.run_id, deleted=True)))
    inside.restart()
    inside.together(envelope(ChangeRun(run_id=run.run_id, deleted=False)), no_such_run())
    sql = "select seq, epoch_us(time), actor, verb, subject, detail, previous_hash, hash from core.events order by seq"
    head = GENESIS
    for seq, time, actor, verb, subject, detail, previous, own in inside.rows(sql):
        assert previous == head
        head = link(previous, seq, time, actor, verb, subject, detail)
        assert own == head
    assert inside.writer.head == head
    assert inside.count("events") == 3


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("ends", "status"), [(("failed", "finished"), "failed"), (("lost", "finished"), "finished")])
def test_the_first_end_of_a_run_counts_unless_it_was_taken_for_lost(
    inside: Inside, ends: tuple[RunStatus, RunStatus], status: RunStatus, *, together: bool
) -> None:
    run = start()
    line = [envelope(run), *(envelope(EndRun(run_id=run.run_id, status=end, ended=now_us())) for end in ends)]
    if together:
        inside.together(*line)
    else:
        for one in line:
            inside.together(one)
    assert inside.rows("select status from core.runs") == [(status,)]
