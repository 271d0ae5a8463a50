"""What is set aside waits until somebody deals with it, once, and says why."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import nbops
from nbops.data import canonical, collecting, quarantine, snapshots
from nbops.data.collection import Collection
from nbops.data.quarantine import Quarantine
from nbops.data.sheet import sheet
from nbops.data.sources import declaration
from nbops.errors import NbopsError, NotFound, UsageError
from nbops.store.client import Store
from nbops.workspace._workspace import Workspace
from tests.conftest import Project, finish

CONTRACT: dict[str, Any] = {
    "columns": {"id": {"type": "integer"}, "origin": {"in": ["EWR", "JFK"]}, "air": {"range": {"min": 0}}}
}
FLIGHTS = pd.DataFrame(
    {"id": [1, 2, 3, 4], "origin": ["EWR", "XXX", "jfk", "EWR"], "air": [90.0, 80.0, -1.0, -5.0]}
)  # fmt: skip
ORIGIN, AIR = "origin is one of EWR, JFK", "air is at least 0"


def taken(store: Store, data: object = FLIGHTS, **told: Any) -> Collection:
    return collecting.collect(store, declaration.read({"from": data, "contract": CONTRACT, **told}, "flights"))


def counts(done: Collection) -> tuple[str, int, int, int, int]:
    return done.status, done.rows, done.good, done.quarantined, done.dropped


def repaired(store: Store, sql: str = "", **more: Any) -> Collection:
    return quarantine.repair(store, "flights", sql=sql, why="the sensor was off", **more)


def ids(store: Store) -> list[int]:
    return sorted(snapshots.get(store, "flights").frame()["id"])


def is_whole(store: Store) -> bool:
    for version in snapshots.every(store, "flights"):
        assert canonical.content_hash_of(version.arrow()) == version.content_hash
    return True


# Looking


def test_rows_are_there_as_they_came_with_their_reasons(store: Store) -> None:
    taken(store, FLIGHTS.astype({"id": "string"}).replace({"id": {"2": "two"}}))
    waiting = Quarantine(store, "flights")
    assert (waiting.rows, waiting.reasons) == (3, {AIR: 2, ORIGIN: 2, "id is an integer": 1})
    frame = waiting.frame().sort_values("id")
    assert list(frame["id"]) == ["3", "4", "two"]
    assert list(frame.nbops_reasons.map(list)) == [[ORIGIN, AIR], [AIR], ["id is an integer", ORIGIN]]
    assert len(waiting.frame(limit=2)) == 2
    assert "3 rows in quarantine" in waiting.to_text()


def test_rows_are_shown_as_they_came_whatever_their_types(store: Store) -> None:
    table = pa.table(
        {
            "id": [1, 2, 0],
            "far": [1.5, float("nan"), None],
            "day": [dt.date(2024, 1, 1), None, None],
            "at": [dt.datetime(2024, 1, 1, 5, 6, 7, 120_000, tzinfo=dt.UTC).replace(tzinfo=None), None, None],
            "zoned": pa.array([dt.datetime(2024, 1, 1, tzinfo=dt.UTC), None, None], pa.timestamp("us", "UTC")),
            "stops": [["EWR", "JFK"], None, None],
        }
    )
    taken(store, table, contract={"columns": {"id": {"in": [0]}}})
    shown = html.unescape(Quarantine(store, "flights").to_html())
    columns, rows = Quarantine(store, "flights").first(2)
    assert columns[:6] == table.column_names
    cells = [re.findall(r"<td[^>]*>(?:<span[^>]*>)?([^<]*)", row)[:6] for row in re.findall(r"<tr.*?</tr>", shown)[-2:]]
    zoned = str(min(rows)[4])
    assert dt.datetime.fromisoformat(zoned) == dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    assert sorted(cells) == [
        ["1", "1.5", "2024-01-01", "2024-01-01 05:06:07.120000", zoned, "['EWR', 'JFK']"],
        ["2", "–", "–", "–", "–", "–"],
    ]
    assert zoned in sheet(store, "flights", rows=2).to_html()


def test_a_reason_chooses_rows(store: Store) -> None:
    taken(store)
    assert Quarantine(store, "flights", "air").reasons == {AIR: 2, ORIGIN: 1}
    assert sorted(Quarantine(store, "flights", "air").frame()["id"]) == [3, 4]
    assert Quarantine(store, "flights", "it's").frame().empty


def test_nothing_in_quarantine_is_told(store: Store) -> None:
    taken(store, FLIGHTS.head(1))
    waiting = Quarantine(store, "flights")
    assert (waiting.rows, waiting.reasons, waiting.frame().empty) == (0, {}, True)
    assert "nothing is in quarantine" in waiting.to_text()
    assert "nothing is in quarantine" in waiting.to_html()
    with pytest.raises(NotFound, match="Nothing of 'flights'"):
        repaired(store, "air = 0")


# Repairing


@pytest.mark.parametrize(
    "change",
    [
        {"sql": "origin = upper(origin), air = abs(air)"},
        {"sql": "select * replace (upper(origin) as origin, abs(air) as air) from quarantine where id > 2;"},
        {"function": lambda rows: rows.assign(origin=rows.origin.str.upper(), air=rows.air.abs())},
    ],
    ids=["assignments", "SELECT", "function"],
)  # fmt: skip
def test_rows_that_the_contract_takes_after_a_repair_become_a_version(store: Store, change: dict[str, Any]) -> None:
    taken(store)
    done = quarantine.repair(store, "flights", why="the sensor was off", **change)
    assert counts(done) == ("taken", 2, 2, 0, 0)
    assert done.snapshot is not None
    assert (done.snapshot.version, ids(store)) == (2, [1, 3, 4])
    assert list(Quarantine(store, "flights").frame()["id"]) == [2]
    assert Quarantine(store, "flights").rows == 1
    assert is_whole(store)
    assert snapshots.get(store, "flights").profile().rows == 3


def test_the_contract_that_was_given_with_the_data_judges_repairs(workspace: Workspace) -> None:
    flights = workspace.dataset("flights", FLIGHTS, contract=CONTRACT)
    flights.collect()
    for handle in (flights, workspace.dataset("flights")):
        refused = handle.repair("origin = 'ZZZ'", why="a try")
        assert refused.status == "refused"
        assert ORIGIN in (refused.message or "")
    assert flights.repair("origin = 'JFK', air = 0", why="known").good == 3


def test_rows_are_tried_as_they_are_under_the_contract_of_today(store: Store, project: Project) -> None:
    path = project.folder / "contracts" / "flights.yaml"
    path.parent.mkdir()
    (project.folder / "sources").mkdir()
    (project.folder / "sources" / "flights.yaml").write_text("from: flights.csv\n")
    FLIGHTS.to_csv(project.folder / "flights.csv", index=False)
    path.write_text("columns:\n  air: {range: {min: 0}}\n")
    assert collecting.collect(store, "flights").quarantined == 2
    path.write_text("columns:\n  air: {range: {min: -2}}\n")
    assert counts(repaired(store)) == ("taken", 1, 1, 0, 0)
    assert ids(store) == [1, 2, 3]


def test_rows_that_are_still_broken_stay_and_say_why(store: Store) -> None:
    taken(store)
    done = repaired(store, "air = abs(air)")
    assert (done.good, ids(store)) == (1, [1, 4])
    again = repaired(store, "air = 1")
    assert (again.status, Quarantine(store, "flights").rows) == ("refused", 2)
    assert ORIGIN in (again.message or "")
    assert len(snapshots.every(store, "flights")) == 2


def test_a_repair_for_one_reason_leaves_the_others(store: Store) -> None:
    taken(store)
    done = repaired(store, "air = 1, origin = 'EWR'", reason="air")
    assert (done.good, ids(store)) == (2, [1, 3, 4])
    with pytest.raises(NotFound, match="for 'air'"):
        repaired(store, "air = 1", reason="air")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda rows: pd.concat([rows, rows]), "more than there were"),
        (lambda rows: rows.assign(nbops_hash="0" * 32), "none of the quarantine"),
        (lambda rows: rows.drop(columns="nbops_hash"), "no nbops_hash"),
        (lambda rows: rows.drop(columns="id"), "no id"),
        (lambda rows: rows.assign(nbops_hash=None), "none of the quarantine"),
        (lambda rows: None, "no rows that can be read"),
    ],
    ids=["added", "another hash", "no hash", "no column", "null", "nothing"],
)  # fmt: skip
def test_a_repair_that_is_none_is_refused(store: Store, change: Callable[[pd.DataFrame], Any], match: str) -> None:
    taken(store)
    with pytest.raises(UsageError, match=match):
        quarantine.repair(
            store,
            "flights",
            why="x",
            function=lambda rows: change(rows.assign(air=1.0, origin="EWR")),
        )
    assert len(snapshots.every(store, "flights")) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "air = nowhere", "air =", "select id from nowhere", "air = 1; copy (select 1) to 'out.csv'", "select", "drop table quarantine",
        "air = (select count(*) from read_csv('/etc/passwd'))", "select * from '/etc/passwd'",
    ],
)  # fmt: skip
def test_sql_that_fails_is_told(store: Store, project: Project, sql: str) -> None:
    taken(store)
    with pytest.raises(UsageError) as caught:
        repaired(store, sql)
    assert caught.value.hint
    assert Quarantine(store, "flights").rows == 3
    assert not (project.folder / "out.csv").exists()


def test_a_repair_may_change_a_type_back_only_to_what_was(store: Store) -> None:
    taken(store)
    with pytest.raises(UsageError) as caught:
        repaired(store, "select * replace ('EWR' as origin, 'much' as air) from quarantine")
    assert caught.value.hint


def test_a_line_that_was_no_row_is_repaired_into_one(store: Store, project: Project) -> None:
    path = project.folder / "flights.csv"
    path.write_text("id,origin,air\n1,EWR,2\n2\n")
    taken(store, str(path))
    done = repaired(store, "id = nbops_line::bigint, origin = 'EWR', air = 3")
    assert (done.good, ids(store)) == (1, [1, 2])
    path.write_text("id,origin,air\n1,EWR,2\n2\n5,EWR,1\n")
    assert counts(taken(store, str(path))) == ("taken", 3, 3, 0, 0)


def test_a_repaired_row_keeps_what_is_unique(store: Store) -> None:
    contract = {"columns": {"id": {"unique": True}, "air": {"range": {"min": 0}}}}
    taken(store, FLIGHTS, contract=contract)
    done = repaired(store, "air = 1, id = 1")
    assert done.status == "refused"
    assert "no two rows" in (done.message or "")


# Once


def test_a_row_is_readmitted_once(store: Store) -> None:
    taken(store)
    repaired(store, "air = abs(air)", reason="air")
    with pytest.raises(NotFound):
        repaired(store, "air = 7", reason="x")
    repaired(store, "air = 1, origin = 'EWR'")
    with pytest.raises(NotFound):
        repaired(store, "air = 2, origin = 'EWR'")
    assert ids(store) == [1, 2, 3, 4]
    assert is_whole(store)


REPAIRING = """
import sys
import nbops
from nbops.errors import NbopsError
sys.stdin.readline()
try:
    done = nbops.dataset("flights").repair("air = abs(air), origin = upper(origin)", why=sys.argv[1])
    print(done.good)
except NbopsError as error:
    print(type(error).__name__)
"""


def test_of_two_who_repair_at_once_one_does_it(store: Store, project: Project) -> None:
    taken(store)
    both = [project.start(REPAIRING, who) for who in ("one", "other")]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    found = sorted(finish(process).strip() for process in both)
    # The second finds the one row that is still broken.
    assert found in (["0", "2"], ["2", "NotFound"])
    assert ids(store) == [1, 3, 4]
    assert len(store.read("select * from settled_rows").rows) == 2


# Again


def test_a_repaired_row_stays_so_when_its_source_brings_it_again(store: Store) -> None:
    taken(store)
    repaired(store, "air = abs(air)", reason="air")
    before = snapshots.get(store, "flights").content_hash
    again = taken(store)
    assert (again.rows, again.good, again.quarantined, again.dropped) == (4, 2, 2, 0)
    assert (again.status, snapshots.get(store, "flights").content_hash) == ("unchanged", before)
    more = taken(store, pd.concat([FLIGHTS, FLIGHTS.head(1).assign(id=9)]))
    assert counts(more) == ("taken", 5, 3, 2, 0)
    assert ids(store) == [1, 4, 9]
    assert Quarantine(store, "flights").rows == 2
    assert is_whole(store)


def test_rows_that_were_repaired_count_among_those_that_are_left(store: Store) -> None:
    few = {**CONTRACT, "rules": [{"row_count": {"min": 4}}]}
    taken(store)
    repaired(store, "air = abs(air), origin = 'EWR'")
    assert counts(taken(store, contract=few)) == ("unchanged", 4, 4, 0, 0)
    assert counts(taken(store, FLIGHTS.tail(3))) == ("taken", 3, 3, 0, 0)
    assert ids(store) == [2, 3, 4]


def test_of_rows_that_were_all_given_up_none_is_left(store: Store) -> None:
    taken(store)
    quarantine.discard(store, "flights", why="test flights")
    assert counts(taken(store, FLIGHTS.tail(3))) == ("refused", 3, 0, 0, 3)
    assert ids(store) == [1]


def test_rows_that_come_more_or_less_often_are_counted_so(store: Store) -> None:
    broken = FLIGHTS.tail(1)
    taken(store, pd.concat([FLIGHTS.head(1), broken, broken]))
    repaired(store, "air = 5")
    assert ids(store) == [1, 4, 4]
    for times in (1, 3, 2):
        done = taken(store, pd.concat([FLIGHTS.head(1), *[broken] * times]))
        assert (done.rows, done.good, done.quarantined, done.dropped) == (1 + times, 1 + times, 0, 0)
        assert ids(store) == [1, *[4] * times]
    assert is_whole(store)


def test_equal_rows_are_taken_together_or_not_at_all(store: Store) -> None:
    broken = FLIGHTS.tail(1)
    taken(store, pd.concat([FLIGHTS.head(1), broken, broken]))
    done = quarantine.repair(store, "flights", why="x", function=lambda rows: rows.assign(air=[1.0, -1.0]))
    assert (done.status, Quarantine(store, "flights").rows) == ("refused", 2)


def test_discarded_rows_are_dropped_now_and_when_they_come_again(store: Store) -> None:
    taken(store)
    done = quarantine.discard(store, "flights", why="test flights", reason="origin")
    assert counts(done) == ("unchanged", 2, 0, 0, 2)
    assert list(Quarantine(store, "flights").frame()["id"]) == [4]
    again = taken(store, FLIGHTS.assign(more=0).drop(columns="more"))
    assert (again.rows, again.good, again.quarantined, again.dropped) == (4, 1, 1, 2)
    with pytest.raises(NotFound):
        quarantine.discard(store, "flights", why="once more", reason="origin")


def test_what_was_refused_has_no_open_rows(store: Store) -> None:
    taken(store, contract={**CONTRACT, "rules": [{"row_count": {"min": 9}}]})
    assert Quarantine(store, "flights").rows == 0
    with pytest.raises(NotFound):
        repaired(store, "air = 1")


def test_a_batch_takes_the_place_of_the_one_before(store: Store) -> None:
    taken(store)
    taken(store, FLIGHTS.iloc[[0, 3]])
    assert list(Quarantine(store, "flights").frame()["id"]) == [4]
    taken(store, FLIGHTS.head(1))
    assert Quarantine(store, "flights").rows == 0
    taken(store)
    assert Quarantine(store, "flights").rows == 3
    assert [row[0] for row in store.read("select open from quarantine order by time").rows] == [0, 0, 3]


def test_batches_of_an_appended_source_add_up(store: Store) -> None:
    for came in (FLIGHTS.head(2), pd.concat([FLIGHTS.tail(2), FLIGHTS.head(1).assign(id=5)])):
        taken(store, came, append="id")
    assert sorted(Quarantine(store, "flights").frame()["id"]) == [2, 3, 4]
    repaired(store, "air = 7, origin = 'JFK'")
    assert ids(store) == [1, 2, 3, 4, 5]
    assert counts(taken(store, FLIGHTS.assign(id=[6, 7, 8, 9]), append="id")) == ("taken", 4, 1, 3, 0)
    assert Quarantine(store, "flights").rows == 3
    assert is_whole(store)


def test_a_repaired_row_that_comes_again_is_not_added_again(store: Store) -> None:
    told: dict[str, Any] = {"append": {"by": "id", "look_back": 10}, "key": "id"}
    taken(store, **told)
    assert repaired(store, "air = 7, origin = 'JFK'").good == 3
    again = taken(store, **told)
    assert (again.rows, again.good, again.quarantined, again.dropped) == (4, 1, 0, 3)
    assert again.status == "unchanged"
    assert ids(store) == [1, 2, 3, 4]


# Who, why, when


def test_who_dealt_with_a_row_and_why_is_kept(store: Store) -> None:
    taken(store)
    repaired(store, "air = abs(air)", reason="air")
    quarantine.discard(store, "flights", why="test flights")
    found = store.read("select act, why, rows, version, actor <> '' from settled_rows order by act, rows").rows
    assert found == [
        ["discarded", "test flights", 1, None, True], ["discarded", "test flights", 1, None, True],
        ["readmitted", "the sensor was off", 1, 2, True],
    ]  # fmt: skip
    assert store.read("select how, status, why from collections order by seq").rows == [
        ["collected", "taken", None], ["repaired", "taken", "the sensor was off"], ["repaired", "unchanged", "test flights"],
    ]  # fmt: skip
    verbs = [row[0] for row in store.read("select verb from events where subject = 'data:flights' order by seq").rows]
    assert verbs == ["snapshot.taken", "snapshot.taken", "rows.discarded"]
    (row,) = store.read("select rows, readmitted, discarded, open from quarantine").rows
    assert row == [3, 1, 2, 0]


@pytest.mark.parametrize("act", [quarantine.repair, quarantine.discard])
def test_whoever_deals_with_rows_says_why(store: Store, act: Callable[..., Collection]) -> None:
    taken(store)
    with pytest.raises(UsageError, match="why"):
        act(store, "flights", why=" ")


def test_reasons_are_kept_over_time(store: Store) -> None:
    taken(store)
    taken(store, FLIGHTS.tail(1))
    found = store.read("select reason, rows from quarantine_reasons order by time, reason").rows
    assert found == [[AIR, 2], [ORIGIN, 2], [AIR, 1]]


def test_names_that_are_no_names_reach_no_folder(store: Store, project: Project) -> None:
    taken(store)
    outside = project.folder / "work"
    outside.mkdir()
    for name in ("../..", "../../project", "", "a/b", "'; drop table x; --"):
        for act in (quarantine.repair, quarantine.discard):
            with pytest.raises(NbopsError):
                act(store, name, why="x")
    assert outside.exists()
    assert nbops.__version__
