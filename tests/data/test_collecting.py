"""Collecting turns whatever a source brings into versions: every row is accounted for, and nothing happens by halves."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nbops
from nbops.data import canonical, collecting, declared, snapshots, watermark
from nbops.data.collection import Collection
from nbops.data.quarantine import Quarantine
from nbops.data.sources import declaration
from nbops.errors import (
    ConfigError,
    ContractViolation,
    NbopsError,
    NotFound,
    SourceError,
    StoreCorrupt,
    StoreReadOnly,
    UsageError,
)
from nbops.store.client import Store
from tests.conftest import Project

CONTRACT = {"columns": {"id": {"type": "integer", "unique": True}, "origin": {"in": ["EWR", "JFK"]}}}
FLIGHTS = pd.DataFrame({"id": [1, 2, 3, 4], "origin": ["EWR", "JFK", "XXX", "EWR"]})


def taken(store: Store, data: object, name: str = "flights", **told: Any) -> Collection:
    return collecting.collect(store, declaration.read({"from": data, **told}, name))


def counts(done: Collection) -> tuple[str, int, int, int, int]:
    return done.status, done.rows, done.good, done.quarantined, done.dropped


def rows(store: Store, name: str = "flights", version: int | None = None) -> list[tuple[Any, ...]]:
    table = snapshots.get(store, name, version).arrow()
    return sorted(map(tuple, (row.values() for row in table.to_pylist())), key=repr)


def is_whole(store: Store, name: str = "flights") -> bool:
    """Whether each version holds the rows that its hash is of."""
    for version in snapshots.every(store, name):
        assert canonical.content_hash_of(version.arrow()) == version.content_hash, version
        assert version.arrow().num_rows == version.rows
    return True


def blobs(project: Project) -> set[Path]:
    return {path for path in project.places.blobs.rglob("*") if path.is_file()}


# What comes of the rows


def test_each_row_is_good_or_quarantined_or_dropped(store: Store) -> None:
    frame = pd.DataFrame({"id": [1, 1, 2, 3], "origin": ["EWR", "JFK", "XXX", "EWR"], "at": [1, 2, 1, 1]})
    done = taken(store, frame, contract=CONTRACT, key="id", order="at", dedup=True)
    assert counts(done) == ("taken", 4, 2, 1, 1)
    assert rows(store) == [(1, "JFK", 2), (3, "EWR", 1)]
    assert store.read("select rows, good, quarantined, dropped, version from collections").rows == [[4, 2, 1, 1, 1]]
    assert is_whole(store)


def test_what_is_collected_again_makes_no_version_and_no_blob(store: Store, project: Project) -> None:
    first = taken(store, FLIGHTS, contract=CONTRACT)
    before = blobs(project)
    again = taken(store, FLIGHTS.sample(frac=1, random_state=0), contract=CONTRACT)
    assert (again.status, again.snapshot and again.snapshot.version) == ("unchanged", 1)
    assert again.quarantined == first.quarantined == 1
    assert blobs(project) == before
    assert len(store.read("select * from quarantine").rows) == 1


def test_a_fault_of_the_store_while_rows_are_read_is_no_fault_of_the_source(store: Store) -> None:
    def refuse(what: str, _: int) -> None:
        if what == "rows":
            raise StoreReadOnly("the folder is read-only", hint="-")

    with pytest.raises(StoreReadOnly, match="the folder is read-only"):
        collecting.collect(store, declaration.read({"from": FLIGHTS}, "flights"), progress=refuse)


def test_a_file_that_did_not_change_is_not_read_again(store: Store, project: Project) -> None:
    path = project.folder / "flights.csv"
    FLIGHTS.to_csv(path, index=False)
    taken(store, str(path), contract=CONTRACT)
    again = taken(store, str(path), contract=CONTRACT)
    assert counts(again) == ("unchanged", 0, 0, 0, 0)
    assert Quarantine(store, "flights").rows == 1


@pytest.mark.parametrize(
    "told",
    [
        {"contract": {"columns": {"id": "integer"}}},
        {"contract": {**CONTRACT, "extra": "stop"}},
        {"key": "origin", "order": "id", "dedup": True},
    ],
)  # fmt: skip
def test_a_file_that_did_not_change_is_judged_again_when_it_is_judged_differently(
    store: Store, project: Project, told: dict[str, Any]
) -> None:
    path = project.folder / "flights.csv"
    FLIGHTS.to_csv(path, index=False)
    taken(store, str(path), contract=CONTRACT)
    assert taken(store, str(path), **{"contract": CONTRACT, **told}).rows == 4


def test_rows_that_an_older_version_has_share_its_files(store: Store) -> None:
    first, _, third = (taken(store, pd.DataFrame({"a": numbers})).snapshot for numbers in ([1, 2], [3], [1.0, 2.0]))
    assert first is not None
    assert third is not None
    assert (third.version, third.parts, third.content_hash) == (3, first.parts, first.content_hash)
    assert third.columns == {"a": "BIGINT"}
    assert is_whole(store)


def test_a_rule_that_stops_keeps_the_last_version_and_tells_what_was_found(store: Store) -> None:
    contract = {**CONTRACT, "rules": [{"row_count": {"min": 3}}]}
    taken(store, FLIGHTS, contract=contract)
    refused = taken(store, FLIGHTS.tail(2), contract=contract)
    assert counts(refused) == ("refused", 2, 1, 1, 0)
    assert "at least 3" in (refused.message or "")
    assert refused.snapshot is not None
    assert refused.snapshot.version == 1
    found = store.read("select outcome from contract_results where rule like 'there are%' order by time").rows
    assert found == [["passed"], ["failed"]]
    assert store.read("select state, last_status from freshness").rows == [["failing", "refused"]]
    assert Quarantine(store, "flights").rows == 1
    assert taken(store, FLIGHTS, contract=contract).status == "unchanged"
    assert store.read("select state from freshness").rows == [["unknown"]]


def test_a_delivery_of_which_no_row_is_left_is_refused_and_the_last_version_stays(store: Store) -> None:
    taken(store, FLIGHTS, contract=CONTRACT)
    bad = FLIGHTS.assign(origin="XXX", id=[1, 2, 3, 3])
    refused = taken(store, bad, contract=CONTRACT)
    assert counts(refused) == ("refused", 4, 0, 4, 0)
    assert refused.snapshot is not None
    assert (refused.snapshot.version, rows(store)) == (1, [(1, "EWR"), (2, "JFK"), (4, "EWR")])
    with pytest.raises(ContractViolation) as caught:
        refused.require()
    assert caught.value.exit.status == 21
    assert "no row is left of 4 that came" in caught.value.message
    assert "4 break “origin is one of EWR, JFK”, 2 break “no two rows have the same id”" in caught.value.message
    assert "version 1 stays" in caught.value.hint
    assert store.read("select state, last_status from freshness").rows == [["failing", "refused"]]
    # What was set aside is kept as that of any delivery that was refused: it can be looked at, and waits for nobody.
    batches = store.read("select rows, open from quarantine order by time").rows
    assert batches == [[1, 1], [4, 0]]
    told = store.read("select reason, rows from quarantine_reasons order by time desc, rows desc limit 2").rows
    assert told == [["origin is one of EWR, JFK", 4], ["no two rows have the same id", 2]]
    # It is judged anew each time that it comes.
    assert counts(taken(store, bad, contract=CONTRACT)) == ("refused", 4, 0, 4, 0)
    assert taken(store, FLIGHTS, contract=CONTRACT).status == "unchanged"


def test_a_file_that_was_refused_is_not_taken_for_seen(store: Store, project: Project) -> None:
    path = project.folder / "flights.csv"
    path.write_text("id,origin\n1,EWR\n")
    assert taken(store, str(path), contract=CONTRACT).status == "taken"
    path.write_text("id,origin\n1,XXX\nno row\n")
    refused = taken(store, str(path), contract=CONTRACT)
    assert counts(refused) == ("refused", 2, 0, 2, 0)
    assert "1 breaks “the line can be read" in (refused.message or "")
    assert taken(store, str(path), contract=CONTRACT).status == "refused"
    assert "there is no version yet" in taken(store, str(path), "others", contract=CONTRACT).remedy


def test_nothing_that_comes_is_a_version_without_rows(store: Store) -> None:
    taken(store, FLIGHTS, contract=CONTRACT)
    assert counts(taken(store, FLIGHTS.head(0), contract=CONTRACT)) == ("taken", 0, 0, 0, 0)
    last = snapshots.get(store, "flights")
    assert (last.rows, list(last.frame().columns)) == (0, ["id", "origin"])
    assert is_whole(store)
    assert counts(taken(store, FLIGHTS)) == ("taken", 4, 4, 0, 0)


@pytest.mark.parametrize(
    ("rule", "status", "why"),
    [
        ({"min": 3}, "taken", ""),
        ({"min": 4}, "refused", "3 of 4 are left"),
        ({"max": 4}, "taken", ""),
        ({"max": 3}, "refused", "there are 4"),
    ],
)
def test_a_count_of_rows_holds_for_those_that_are_left_and_no_more_may_come(
    store: Store, rule: dict[str, int], status: str, why: str
) -> None:
    contract = {**CONTRACT, "rules": [{"row_count": rule}]}
    done = taken(store, FLIGHTS, contract=contract)
    found = nbops.check(FLIGHTS, contract)
    assert (done.status, done.good, found.ok) == (status, 3, status == "taken")
    for outcomes in (done.outcomes, found.judged):
        assert [one.detail for one in outcomes if one.outcome == "failed"] == ([why] if why else [])


def test_an_appended_source_is_not_read_further_by_rows_of_which_none_is_left(store: Store) -> None:
    told: dict[str, Any] = {"append": "at", "contract": {"columns": {"id": {"range": {"min": 0}}}}}

    def night(*ids: int) -> Collection:
        """All that there is, of which the watermark leaves out what is known."""
        return taken(store, pd.DataFrame({"id": ids, "at": range(len(ids))}), **told)

    # What was set aside beyond the watermark comes again, and is no news.
    assert counts(night(1, 2, -3)) == ("taken", 3, 2, 1, 0)
    assert counts(night(1, 2, -3)) == ("unchanged", 1, 0, 1, 0)
    for _ in range(2):
        assert counts(night(1, 2, -3, -4)) == ("refused", 2, 0, 2, 0)
        assert snapshots.get(store, "flights").watermark == "1"
    assert Quarantine(store, "flights").rows == 1
    assert counts(night(1, 2, -3, -4, 5)) == ("taken", 3, 1, 2, 0)
    assert rows(store) == [(1, 0), (2, 1), (5, 4)]
    assert sorted(Quarantine(store, "flights").frame()["id"]) == [-4, -3]
    assert is_whole(store)


def test_a_first_collection_that_is_refused_leaves_no_version(store: Store) -> None:
    done = taken(store, FLIGHTS, contract={"columns": {"more": "integer"}})
    assert (done.status, done.snapshot) == ("refused", None)
    with pytest.raises(NotFound):
        snapshots.get(store, "flights")


def test_a_source_that_fails_is_recorded(store: Store) -> None:
    with pytest.raises(SourceError, match="no file"):
        taken(store, "nowhere.csv")
    assert store.read("select status, version from collections").rows == [["failed", None]]
    ((state, message),) = store.read("select state, last_message from freshness").rows
    assert state == "failing"
    assert "nowhere.csv" in message


def test_a_function_that_fails_is_recorded_and_raises_what_it_raised(store: Store) -> None:
    def broken() -> pd.DataFrame:
        raise ValueError("no sensor")

    with pytest.raises(ValueError, match="no sensor"):
        taken(store, broken)
    assert store.read("select state, last_message from freshness").rows == [["failing", "ValueError: no sensor"]]


def test_a_rule_of_distribution_compares_with_the_last_version(store: Store) -> None:
    contract = {"columns": {"a": {"distribution": {"max": 0.2, "severity": "stop"}}}}
    near = pd.DataFrame({"a": np.random.default_rng(0).normal(size=5_000)})
    assert taken(store, near, contract=contract).status == "taken"
    assert taken(store, near.sample(4_000, random_state=1), contract=contract).status == "taken"
    far = taken(store, near + 3, contract=contract)
    assert far.status == "refused"
    assert "away" in next(one.detail for one in far.outcomes if one.outcome == "failed")


def test_foreign_keys_are_looked_up_in_the_last_version_of_the_other_source(store: Store, project: Project) -> None:
    path = project.folder / "flights.parquet"
    pd.DataFrame({"tailnum": ["N1", "N2", None]}).to_parquet(path)
    contract = {"columns": {"tailnum": {"foreign_key": "planes.tailnum"}}}
    with pytest.raises(NotFound, match="planes"):
        taken(store, str(path), contract=contract)
    taken(store, pd.DataFrame({"tailnum": ["N1"]}), "planes")
    assert counts(taken(store, str(path), contract=contract)) == ("taken", 3, 2, 1, 0)
    assert taken(store, str(path), contract=contract).rows == 0
    taken(store, pd.DataFrame({"tailnum": ["N1", "N2"]}), "planes")
    assert counts(taken(store, str(path), contract=contract)) == ("taken", 3, 3, 0, 0)
    assert Quarantine(store, "flights").rows == 0


def test_columns_that_are_missing_or_too_many_are_refused_where_the_contract_says_so(store: Store) -> None:
    contract = {"columns": {"id": "integer"}, "extra": "stop"}
    assert "no other columns" in (taken(store, FLIGHTS, contract=contract).message or "")
    assert "id is there" in (taken(store, FLIGHTS[["origin"]], contract=contract).message or "")
    done = taken(store, FLIGHTS, contract={**contract, "extra": "warn"})
    assert [one.detail for one in done.outcomes if one.outcome == "warning"] == ["origin"]


def test_a_rule_over_a_column_that_nobody_knows_is_told_as_skipped(store: Store) -> None:
    done = taken(store, FLIGHTS, contract={"rules": [{"unique": ["id", "orgin"]}]})
    assert [(one.outcome, one.detail) for one in done.outcomes] == [("skipped", "a column is missing")]


@pytest.mark.parametrize("seed", range(3))
def test_of_the_same_key_the_newest_is_kept_whatever_the_order_of_rows(store: Store, seed: int) -> None:
    frame = pd.DataFrame({"k": [1, 1, 1, 2, 2, None], "at": [1, 2, 2, None, 5, 1], "v": ["a", "c", "b", "d", "e", "f"]})
    done = taken(store, frame.sample(frac=1, random_state=seed), key="k", order="at", dedup=True)
    assert counts(done) == ("taken", 6, 3, 0, 3)
    assert [row[2] for row in rows(store)] == ["b", "e", "f"]


def test_the_key_has_to_be_there(store: Store) -> None:
    with pytest.raises(ConfigError, match="'nr', which is no column"):
        taken(store, FLIGHTS, key="nr", order="id", dedup=True)


# Rows that are added


def nights(*values: Any, **more: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"id": list(values), "at": list(values), **more})


def test_only_rows_beyond_the_last_ones_are_added(store: Store) -> None:
    taken(store, nights(1, 2), append="at")
    done = taken(store, nights(0, 1, 2, 3), append="at")
    assert counts(done) == ("taken", 1, 1, 0, 0)
    assert [row[0] for row in rows(store)] == [1, 2, 3]
    assert counts(taken(store, nights(3), append="at")) == ("unchanged", 0, 0, 0, 0)
    assert counts(taken(store, nights(4).head(0), append="at")) == ("unchanged", 0, 0, 0, 0)
    assert [version.watermark for version in snapshots.every(store, "flights")] == ["2", "3"]
    assert is_whole(store)


@pytest.mark.parametrize(
    "times",
    [
        [dt.date(2024, 1, 1) + dt.timedelta(n) for n in range(4)],
        [dt.datetime.fromisoformat("2024-01-01T00:00:00.000001") + dt.timedelta(days=n) for n in range(4)],
        [dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=5))) + dt.timedelta(days=n) for n in range(4)],
        pa.array([10**18 + n for n in range(4)], pa.timestamp("ns")).cast(pa.timestamp("ns")),
        [2**62 + n for n in range(4)],
        [decimal.Decimal("0.10") + n for n in range(4)],
        [0.1, 0.2, 0.30000000000000004, 0.4],
        ["a", "b", "c", "d"],
    ],
    ids=["date", "timestamp", "zone", "nanoseconds", "integer", "decimal", "float", "text"],
)  # fmt: skip
def test_what_is_beyond_the_last_row_is_told_for_each_type(store: Store, times: Any) -> None:
    times = times if isinstance(times, pa.Array) else pa.array(times)
    for first, last in ((0, 2), (0, 3), (1, 4)):
        done = taken(store, pa.table({"at": times[first:last]}), append="at")
        assert (done.status, done.rows) == ("taken", 2 if last == 2 else 1)
    assert snapshots.get(store, "flights").rows == 4
    assert is_whole(store)


@pytest.mark.parametrize(
    ("times", "back"),
    [
        ([dt.date(2024, 1, 1) + dt.timedelta(n) for n in range(4)], "1d"),
        # A part of a day is the whole of it, as where the source itself looks back.
        ([dt.date(2024, 1, 1) + dt.timedelta(n) for n in range(4)], "1h"),
        ([f"2024-01-0{n} 06:00:00" for n in range(1, 5)], "1d"),
        ([dt.datetime.fromisoformat("2024-01-01") + dt.timedelta(days=n) for n in range(4)], "1d"),
        ([2**62 + n for n in range(4)], 1),
        ([decimal.Decimal("0.10") + n for n in range(4)], 1),
    ],
)
def test_looking_back_takes_late_rows_and_replaces_those_of_the_same_key(
    store: Store, times: list[Any], back: Any
) -> None:
    told: dict[str, Any] = {"append": {"by": "at", "look_back": back}, "key": "id"}

    def night(ids: list[int], at: list[Any], values: str) -> Collection:
        return taken(store, pa.table({"id": ids, "at": at, "v": list(values)}), **told)

    night([1, 2, 3], times[:3], "abc")
    # 0 is too late, 9 is late, 3 is another one now.
    assert counts(night([0, 9, 3, 4], [times[0], times[1], times[2], times[3]], "xyzw")) == ("taken", 3, 3, 0, 0)
    assert [(row[0], row[2]) for row in rows(store)] == [(1, "a"), (2, "b"), (3, "z"), (4, "w"), (9, "y")]
    assert night([4, 3], [times[3], times[2]], "wz").status == "unchanged"
    assert is_whole(store)


def test_a_key_is_replaced_however_long_ago_it_came(store: Store) -> None:
    contract = {"columns": {"id": {"unique": True}}}
    for at in range(3):
        taken(store, pd.DataFrame({"id": [at, 100 + at], "at": at}), append="at", key="id", contract=contract)
    done = taken(store, pd.DataFrame({"id": [0, 7], "at": [9, 9]}), append="at", key="id", contract=contract)
    assert counts(done) == ("taken", 2, 2, 0, 0)
    assert [row for row in rows(store) if row[0] in {0, 7}] == [(0, 9), (7, 9)]
    assert snapshots.get(store, "flights").rows == 7
    assert is_whole(store)


def test_a_row_that_comes_again_is_no_rival_of_itself(store: Store) -> None:
    told: dict[str, Any] = {
        "append": {"by": "at", "look_back": 5},
        "key": "id",
        "contract": {"columns": {"code": {"unique": True}}},
    }
    taken(store, pd.DataFrame({"id": [1, 2], "at": [1, 2], "code": ["a", "b"]}), **told)
    done = taken(store, pd.DataFrame({"id": [1, 3, 4], "at": [1, 3, 3], "code": ["a", "b", "c"]}), **told)
    assert counts(done) == ("taken", 3, 2, 1, 0)
    assert [row[2] for row in rows(store)] == ["a", "b", "c"]


def test_looking_back_needs_a_key_and_a_span_that_fits(store: Store) -> None:
    with pytest.raises(ConfigError, match="`look_back` but no `key`"):
        taken(store, nights(1), append={"by": "at", "look_back": 5})
    told: dict[str, Any] = {"append": {"by": "at", "look_back": "2d"}, "key": "id"}
    taken(store, nights(1), **told)
    with pytest.raises(ConfigError, match="looks back from 'at'"):
        taken(store, nights(2), **told)


def test_a_row_without_a_watermark_is_set_aside_once(store: Store) -> None:
    frame = pd.DataFrame({"id": [1, 2], "at": [1.0, None]})
    assert counts(taken(store, frame, append="at")) == ("taken", 2, 1, 1, 0)
    done = taken(store, pd.DataFrame({"id": [2, 3, 4], "at": [None, None, 2.0]}), append="at")
    assert counts(done) == ("taken", 3, 1, 2, 0)
    waiting = Quarantine(store, "flights")
    assert (waiting.rows, len(waiting.frame())) == (2, 2)


def test_what_is_unique_is_so_across_versions(store: Store) -> None:
    contract = {"columns": {"id": {"unique": True}}}
    taken(store, pd.DataFrame({"id": [1, 2], "at": [1, 1]}), append="at", contract=contract)
    done = taken(store, pd.DataFrame({"id": [2, 3], "at": [2, 2]}), append="at", contract=contract)
    assert counts(done) == ("taken", 2, 1, 1, 0)


def test_many_small_files_are_put_together(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watermark, "_MOST_SMALL", 8)
    for at in range(11):
        taken(store, nights(at), append="at")
    last = snapshots.get(store, "flights")
    assert (last.rows, len(last.parts)) == (11, 3)
    assert canonical.content_hash_of(last.arrow()) == last.content_hash
    assert last.profile().rows == 11


def test_an_appended_source_may_get_and_lose_columns_but_not_change_their_type(store: Store) -> None:
    taken(store, nights(1), append="at")
    taken(store, nights(2, more=["x"]), append="at")
    taken(store, nights(3), append="at")
    taken(store, nights(4, more=[None]), append="at")
    assert rows(store) == [(1, 1, None), (2, 2, "x"), (3, 3, None), (4, 4, None)]
    assert is_whole(store)
    with pytest.raises(SourceError, match="'more' was VARCHAR until now"):
        taken(store, nights(5, more=[7]), append="at")
    assert snapshots.get(store, "flights").version == 4


# Whatever comes


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.csv", ""), ("a.csv", "a,b\n"), ("a.json", ""), ("a.json", "[]"), ("a.jsonl", "\n")],
)
def test_a_file_without_rows_is_a_version_without_rows_or_a_sentence(
    store: Store, project: Project, name: str, text: str
) -> None:
    path = project.folder / name
    path.write_text(text)
    try:
        done = taken(store, str(path))
    except NbopsError as error:
        assert error.hint  # noqa: PT017 - either of both
        assert store.read("select status from collections").rows == [["failed"]]
        return
    assert counts(done) == ("taken", 0, 0, 0, 0)
    assert len(snapshots.get(store, "flights").frame()) == 0
    assert snapshots.get(store, "flights").profile().rows == 0
    path.write_text("a,b\n1,2\n" if name.endswith("csv") else '{"a": 1, "b": 2}\n')
    assert taken(store, str(path)).good == 1


def test_lines_that_are_no_rows_are_quarantined_with_their_text(store: Store, project: Project) -> None:
    path = project.folder / "flights.csv"
    path.write_text("a,b\n1,2\n3\n4,5,6\n3\n7,8\n")
    assert counts(taken(store, str(path))) == ("taken", 5, 2, 3, 0)
    done = taken(store, str(path), contract={"columns": {"a": "integer", "b": {"unique": True}}})
    assert (done.rows, done.good, done.quarantined) == (5, 2, 3)
    frame = Quarantine(store, "flights").frame()
    assert sorted(frame.nbops_line) == ["3", "3", "4,5,6"]
    assert frame.nbops_hash.nunique() == 2
    assert done.reasons == {
        "the line can be read: missing columns in b": 2,
        "the line can be read: too many columns": 1,
    }
    assert Quarantine(store, "flights").reasons == done.reasons


def test_a_value_that_appears_late_in_csv_is_set_aside_even_without_a_contract(store: Store, project: Project) -> None:
    path = project.folder / "flights.csv"
    path.write_text("a,b\n" + "1,2\n" * 30_000 + "x,3\n")
    assert counts(taken(store, str(path))) == ("taken", 30_001, 30_000, 1, 0)
    assert list(Quarantine(store, "flights").frame().nbops_line) == ["x,3"]


@pytest.mark.parametrize(
    "change",
    [lambda f: f.assign(more=1), lambda f: f[["id"]], lambda f: f.astype({"id": str}), lambda f: f[["origin", "id"]]],
)
def test_columns_may_change_from_version_to_version(
    store: Store, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    taken(store, FLIGHTS)
    taken(store, change(FLIGHTS))
    assert list(snapshots.get(store, "flights").frame().columns) in ([*change(FLIGHTS).columns], [*FLIGHTS.columns])
    assert len(snapshots.get(store, "flights", 1).frame().columns) == 2
    assert is_whole(store)


DAY = dt.datetime.fromisoformat("2024-02-29T12:30:00.123456")
VALUES = {
    "struct": "select {'a': 1, 'b': ['x', null]} as v union all select null",
    "list of structs": "select [{'a': 1.5, 'b': date '2024-02-29'}] as v union all select []",
    "map": "select map {'a': 1, 'b': null} as v union all select map {}",
    "deep": "select [[{'a': [1, null]}], null] as v",
    "zoned": "select timestamptz '2024-02-29 12:30:00.123456+05' as v union all select null",
    "enum": "select 'a'::enum('a', 'b') as v union all select null",
    "decimal": "select 12345678901234567890.123456::decimal(38, 6) as v union all select 0.5",
    "small decimal": "select 0.05::decimal(4, 4) as v union all select -0.05",
    "huge integer": "select 17014118346046923173168730371588410572::hugeint as v union all select -1",
    "bigger integer": "select 34028236692093846346337460743176821145::uhugeint as v union all select 1::uhugeint",
    "unsigned": "select 18446744073709551615::ubigint as v",
    "binary": "select '\\x00\\xFF'::blob as v union all select ''::blob union all select null",
    "interval": "select interval '1 year 2 days 3 seconds' as v union all select null",
    "uuid": "select uuid '00000000-0000-4000-8000-000000000001' as v",
    "list of uuid": "select [uuid '00000000-0000-4000-8000-000000000001'] as v",
    "struct of interval": "select {'a': interval '1 day'} as v union all select null",
    "bit": "select '0101'::bit as v",
    "time": "select time '12:30:00.123456' as v",
    "zoned time": "select timetz '12:30:00+05' as v",
    "seconds": "select '2024-02-29 12:30:00'::timestamp_s as v",
    "nanoseconds": "select '2024-02-29 12:30:00.123456789'::timestamp_ns as v",
    "infinite": "select 'infinity'::timestamp as v union all select '-infinity'",
    "floats": "select unnest(['inf'::double, '-inf', 'nan', -0.0, 1e300]) as v",
    "float": "select 0.1::float as v",
    "nothing": "select null as v",
    "array": "select [1, 2]::int[2] as v",
    "json": """select '{"a": 1}'::json as v""",
    "empty struct list": "select []::struct(a int)[] as v",
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for many tests, each with sources of its own."""
    made = Project(tmp_path_factory.mktemp("shared"))
    yield made.store()
    made.close()


@pytest.mark.parametrize("what", VALUES)
def test_values_of_every_type_come_through(shared: Store, what: str) -> None:
    store, called = shared, what.replace(" ", "_")

    def step(contract: dict[str, Any]) -> Collection:
        source = declaration.read({"from": "sources/flights.sql", "contract": contract}, called)
        sql = f"select 1 as n, * from ({VALUES[what]}) union all by name select 2 as n"  # noqa: S608 - ours
        return collecting.collect(store, declared.Step(source, sql, ()))

    done = step({})
    assert (done.status, done.good) == ("taken", done.rows)
    last = snapshots.get(store, called)
    assert len(last.frame()) == done.rows
    assert is_whole(store, called)
    assert last.profile().rows == done.rows
    aside = step({"columns": {"n": {"in": [2]}}})
    assert aside.quarantined == len(Quarantine(store, called).frame()) == done.rows - 1
    again = taken(store, last.arrow(), f"{called}_again")
    assert again.snapshot is not None
    assert again.snapshot.content_hash == last.content_hash


def test_values_are_what_they_were(store: Store) -> None:
    told = {
        "text": ["ä", "", "=1+1"], "at": [DAY, None, DAY], "day": [DAY.date(), None, DAY.date()], "raw": [b"\0\xff", b"", None],
        "price": [decimal.Decimal("1.10"), None, decimal.Decimal("-0.01")], "yes": [True, False, None], "n": [2**62, -1, None],
    }  # fmt: skip
    taken(store, pa.table(told))
    assert snapshots.get(store, "flights").arrow().to_pydict() == told
    zoned = pa.table({"at": pa.array([DAY], pa.timestamp("us", "Asia/Tokyo"))})
    taken(store, zoned, "zoned")
    (found,) = snapshots.get(store, "zoned").arrow().to_pydict()["at"]
    assert found == zoned["at"][0].as_py()
    taken(store, pd.DataFrame({"u": [uuid.UUID(int=1)], "c": pd.Categorical(["a"])}), "texts")
    assert snapshots.get(store, "texts").arrow().to_pylist() == [{"u": str(uuid.UUID(int=1)), "c": "a"}]


def test_what_a_kind_makes_of_any_type_is_set_aside_as_it_came(store: Store) -> None:
    columns = dict.fromkeys("abcd", "integer")
    told = {"from": "sources/flights.sql", "contract": {"columns": {**columns, "n": {"in": [2]}}}}
    sql = """
        select interval '1 day' as a, uuid() as b, [1] as c, {'x': interval '1 day'} as d, 1 as n union all by name select 2 as n
    """
    done = collecting.collect(store, declared.Step(declaration.read(told, "flights"), sql, ()))
    assert counts(done) == ("taken", 2, 1, 1, 0)
    assert Quarantine(store, "flights").frame().d[0] == {"x": "1 day"}


# Steps


@pytest.fixture
def declaring(project: Project) -> Callable[[str, str], None]:
    def write(name: str, text: str) -> None:
        path = project.folder / "sources" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    return write


def test_a_step_runs_when_its_inputs_or_its_sql_changed(store: Store, declaring: Callable[[str, str], None]) -> None:
    declaring("ewr.sql", "-- every: 1d\nselect id from flights where origin = 'EWR'; -- that is Newark;\n")
    with pytest.raises(NotFound, match="reads 'flights'") as caught:
        collecting.collect(store, "ewr")
    assert "nbops data collect flights" in (caught.value.hint or "")
    taken(store, FLIGHTS)
    assert counts(collecting.collect(store, "ewr")) == ("taken", 2, 2, 0, 0)
    assert counts(collecting.collect(store, "ewr")) == ("unchanged", 0, 0, 0, 0)
    taken(store, FLIGHTS.tail(1))
    assert counts(collecting.collect(store, "ewr")) == ("taken", 1, 1, 0, 0)
    declaring("ewr.sql", "select id + 1 as id from flights")
    assert collecting.collect(store, "ewr").status == "taken"
    found = store.read("select version, input, input_version from snapshot_inputs order by version").rows
    assert found == [[1, "flights", 1], [2, "flights", 2], [3, "flights", 2]]


def test_a_step_has_a_contract_and_a_quarantine(
    store: Store, project: Project, declaring: Callable[[str, str], None]
) -> None:
    declaring("ids.sql", "-- key: id\nselect id from flights")
    (project.folder / "contracts").mkdir()
    (project.folder / "contracts" / "ids.yaml").write_text("columns:\n  id: {range: {max: 3}}\n")
    taken(store, FLIGHTS)
    assert counts(collecting.collect(store, "ids")) == ("taken", 4, 3, 1, 0)


def test_a_step_that_appends_knows_how_far_it_is(store: Store, declaring: Callable[[str, str], None]) -> None:
    declaring(
        "seen.sql",
        "-- append: at\n"
        "select id, \"at\", getvariable('since')::bigint as before from flights where \"at\" > coalesce(getvariable('since'), -1)",
    )
    taken(store, nights(1, 2))
    collecting.collect(store, "seen")
    taken(store, nights(2, 3))
    assert counts(collecting.collect(store, "seen")) == ("taken", 1, 1, 0, 0)
    assert rows(store, "seen") == [(1, 1, None), (2, 2, None), (3, 3, 2)]


def test_steps_that_wait_for_each_other_are_told(project: Project, declaring: Callable[[str, str], None]) -> None:
    declaring("a.sql", "select * from b")
    declaring("b.sql", "select * from a")
    declaring("own.sql", "select * from own")
    known = declared.everything(project.folder)
    for wanted in (["a", "b"], ["own"]):
        with pytest.raises(ConfigError, match="wait for each other"):
            declared.in_order(known, wanted)


# Reading


def test_versions_are_read_by_number_by_time_and_by_name(store: Store) -> None:
    taken(store, FLIGHTS)
    between = dt.datetime.now(dt.UTC)
    taken(store, FLIGHTS.head(1))
    assert [snapshots.get(store, "flights", version).rows for version in (1, 2, None)] == [4, 1, 1]
    assert snapshots.as_of(store, "flights", between).version == 1
    assert snapshots.resolve(store, f"flights@{between.isoformat()}").version == 1
    assert snapshots.resolve(store, "flights/2").version == 2
    with pytest.raises(NotFound, match="no snapshot of"):
        snapshots.as_of(store, "flights", "2001-01-01")
    with pytest.raises(NotFound, match="no version 3"):
        snapshots.get(store, "flights", 3)
    pd.testing.assert_frame_equal(snapshots.get(store, "flights", 1).frame(), FLIGHTS, check_dtype=False)
    assert snapshots.get(store, "flights", 1).arrow(["origin"]).column_names == ["origin"]
    assert sum(pq.read_metadata(path).num_rows for path in snapshots.get(store, "flights", 1).paths) == 4
    with pytest.raises(NotFound, match="orign"):
        snapshots.get(store, "flights").frame(["orign"])
    with pytest.raises(UsageError):
        snapshots.resolve(store, "flights/x")


def test_a_file_that_changed_is_never_taken_for_the_version_it_was(store: Store) -> None:
    taken(store, FLIGHTS)
    (path,) = snapshots.get(store, "flights").paths
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(bytes(content))
    for read in (lambda: snapshots.get(store, "flights").frame(), lambda: taken(store, nights(1, 9), append="at")):
        with pytest.raises(StoreCorrupt, match="changed since it was kept"):
            read()
