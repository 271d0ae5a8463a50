# ruff: noqa: S608 - the names of our own columns
"""The search language: what each spelling finds in a store of a few runs, in which order, and what is said when it cannot be read."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from importlib.resources import files
from typing import Any

import pytest

from nbops import duck
from nbops.errors import FilterError
from nbops.records import at
from nbops.tracking.search_sql import keys_query, runs_query, these_query, wide_query

INF, NAN = math.inf, math.nan
HOUR = 3_600_000_000
RUNS: dict[str, dict[str, Any]] = {
    # In the order they started, an hour apart from 2026-11-01 00:00 on; `a` and `e` belong to experiment 'other'.
    "a": {
        "experiment": "other",
        "metrics": {"mae": 9.5},
        "params": {"model": "rf", "depth": "9"},
        "tags": {"team": "crew"},
    },
    "b": {
        "metrics": {"mae": 8.0, "f1 score": 0.5},
        "params": {"model": "rf", "depth": "10"},
        "status": "failed",
        "cause": "KernelDied",
    },
    "c": {"metrics": {"mae": NAN}, "params": {"model": "it's", "depth": "deep", "scaled": "True"}},
    "d": {
        "metrics": {"val/loss": -INF},
        "params": {"model.kind": "lgb", "scaled": "False"},
        "tags": {"team": "ops", "fold": "3"},
    },
    "e": {"experiment": "other", "metrics": {"mae": INF}, "status": "running"},
    "gone": {"deleted": True, "metrics": {"mae": 1.0}},
}
IDS = {name: f"018f0000-0000-7000-8000-00000000000{i:x}" for i, name in enumerate(RUNS)}


@pytest.fixture(scope="module")
def con() -> Any:
    con = duck.scratch(memory_limit="1GB", threads=1)
    for migration in sorted(files("nbops.store.migrations").iterdir(), key=lambda file: file.name):
        if migration.name.endswith(".sql"):
            con.execute(migration.read_text())
    for i, name in enumerate(("exp", "other")):
        con.execute(
            "insert into core.experiments values (?, ?, ?, ?)",
            [f"018f0000-0000-7000-9000-00000000000{i}", name, at(0), i],
        )
    for i, (name, run) in enumerate(RUNS.items()):
        experiment = f"018f0000-0000-7000-9000-00000000000{int(run.get('experiment') == 'other')}"
        started, status = at(1_793_491_200_000_000 + i * HOUR).replace(tzinfo=None), run.get("status", "finished")
        ended = None if status == "running" else started + timedelta(seconds=1.5 * (i + 1))
        row = {
            "run_id": IDS[name], "experiment_id": experiment, "name": name, "status": status, "cause": run.get("cause"),
            "started": started, "ended": ended, "actor": "ann", "host": "h1", "pid": 1, "commit_hash": "abc",
            "deleted": run.get("deleted", False), "seq": i * 100,
        }  # fmt: skip
        con.execute(
            f"insert into core.runs ({', '.join(row)}) values ({', '.join('?' * len(row))})", list(row.values())
        )
        # Every key was logged before, with another value: only the latest counts.
        for seq, old in ((i * 100 + 1, True), (i * 100 + 2, False)):
            for key, value in run.get("metrics", {}).items():
                con.execute(
                    "insert into core.metrics values (?, ?, ?, null, ?, ?)",
                    [IDS[name], key, 5.0 if old else value, started, seq],
                )
            for key, value in run.get("params", {}).items():
                text, kind = ("old", "str") if old else (value, "int" if value.isdecimal() else "str")
                con.execute(
                    "insert into core.params values (?, ?, ?, ?, ?, ?)", [IDS[name], key, text, kind, started, seq]
                )
            for key, value in run.get("tags", {}).items():
                con.execute(
                    "insert into core.tags values (?, ?, ?, ?, ?)",
                    [IDS[name], key, "old" if old else value, started, seq],
                )
    return con


def found(con: Any, *args: Any, **options: Any) -> str:
    query = runs_query(*args, **options)
    return "".join(row[2] for row in duck.rows(con, query.sql, query.values))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (None, "edcba"),
        ("  ", "edcba"),
        ("metrics.mae < 9", "b"),
        ("metrics.mae <= 9.5", "ba"),
        ("metrics.mae = 9.5", "a"),
        ("metrics.mae == 95e-1", "a"),
        ("metrics.mae != 9.5", "ecb"),
        ("not metrics.mae = 9.5", "ecb"),
        ("metrics.mae in (8, 9.5, nan)", "cba"),
        ("metrics.mae not in (8, inf)", "ca"),
        ("metrics.mae is null", "d"),
        ("metrics.mae is not null", "ecba"),
        ("metrics.absent = 1 or not metrics.absent = 1", ""),
        ("metrics.`f1 score` > .4", "b"),
        ('metrics."f1 score" > 0.4', "b"),
        ("metrics.val/loss < -1e300", "d"),
        ("metrics.val/loss=-Infinity", "d"),
        ("params.model = 'rf'", "ba"),
        ("params.model != 'rf'", "c"),
        ("params.model = 'it''s'", "c"),
        ('params.model = "it\'s"', "c"),
        ("params.model like '%''_'", "c"),
        ("params.model not like 'r%'", "c"),
        ("params.model.kind in ('lgb')", "d"),
        ("params.depth >= 10", "b"),
        ("params.depth = 10.0", "b"),
        ("params.depth != 10", "ca"),
        ("params.depth > '9'", "c"),
        ("params.depth in (9, 'deep')", "ca"),
        ("params.scaled = true", "c"),
        ("params.scaled != TRUE", "d"),
        ("tags.fold = 3", "d"),
        ("tags.team in ('crew', 'ops') AND NOT tags.team = 'ops'", "a"),
        ("name = 'c'", "c"),
        ("run_name = 'c'", "c"),
        (f"run_id = '{IDS['c']}'", "c"),
        ("run_id like '%3'", "d"),
        ("parent_run_id is null and experiment != 'exp'", "ea"),
        ("status = 'FINISHED'", "dca"),
        ("attributes.status in ('failed', 'running')", "eb"),
        ("cause is not null", "b"),
        ("duration > 2.9 and duration < 4.6", "cb"),
        ("end_time is null", "e"),
        ("start_time >= '2026-11-01 02:00'", "edc"),
        ("start_time > '2026-11-01T03:00:00+02:00'", "edc"),
        ("start_time = '2026-11-01'", "a"),
        ("commit = 'abc' and host = 'h1' and actor = 'ann' and source is null", "edcba"),
        ("name = 'a' or name = 'b' and name = 'c'", "a"),
        ("(name = 'a' or name = 'b') and name != 'a'", "b"),
        ("not name = 'a' and name < 'c'", "b"),
        ("not (name = 'a' or metrics.mae = 8)", "ec"),
        ("metric.mae < 9 or param.depth = 9 or tag.team = 'ops'", "dba"),
        ("metrics.mae > 8 and (metrics.mae < 10 or metrics.mae is null)", "a"),
        ("metrics.mae is null or metrics.mae < 9", "db"),
        (" or ".join(["(not name != 'a')"] * 60), "a"),
    ],
)
def test_a_filter_finds_the_runs_it_describes(con: Any, text: str | None, names: str) -> None:
    assert found(con, text) == names


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("bound", ["-inf", "0", "inf", "nan"])
def test_nan_passes_no_ordering_comparison(con: Any, sign: str, bound: str) -> None:
    assert "c" not in found(con, f"metrics.mae {sign} {bound}")
    assert found(con, f"metrics.mae {sign} nan") == ""
    assert found(con, f"not metrics.mae {sign} nan") == "ecba"


@pytest.mark.parametrize(
    ("order_by", "names"),
    [
        ("metrics.mae", "baecd"),
        ("metrics.mae desc", "eabcd"),
        ("order by metrics.mae ASC, name", "baecd"),
        ("params.depth", "abced"),
        ("params.depth desc", "baced"),
        ("tags.team, start_time", "adbce"),
        ("status desc, start_time", "eacdb"),
        ("experiment, name desc", "dcbea"),
        ("end_time desc", "dcbae"),
        ("duration desc", "dcbae"),
    ],
)
def test_runs_come_in_the_order_asked_for_those_without_the_key_last(con: Any, order_by: str, names: str) -> None:
    assert found(con, order_by=order_by) == names
    assert found(con, order_by=order_by, limit=3) == names[:3]
    assert found(con, f"order by {order_by.removeprefix('order by ')} limit 2") == names[:2]


def test_order_and_limit_may_stand_in_the_filter_or_beside_it_but_not_differ(con: Any) -> None:
    text = "metrics.mae > 0 order by metrics.mae limit 2"
    assert found(con, text) == found(con, text, order_by="metrics.mae", limit=2) == "ba"
    assert found(con, "limit 1") == "e"
    assert found(con, limit=0) == ""
    for options in ({"order_by": "metrics.mae desc"}, {"limit": 3}):
        with pytest.raises(FilterError, match="different"):
            runs_query(text, **options)
    with pytest.raises(FilterError, match="-1"):
        runs_query(limit=-1)


@pytest.mark.parametrize("limit", [200_000, pytest.param(None, marks=pytest.mark.long)])
def test_many_runs_keep_their_order_in_the_wide_table(con: Any, limit: int | None) -> None:
    con.execute("set threads = 4")
    con.execute("begin")
    con.execute(
        "insert into core.runs by name select uuid() as run_id, (select any_value(experiment_id) from core.experiments)"
        " as experiment_id, (hash(i) % 1000000)::varchar as name, 'finished' as status, timestamp '2020-01-01' as started,"
        " 'ann' as actor, 'h1' as host, 1 as pid, false as deleted, 10000 + i as seq from range(300_000) t(i)"
    )
    query = runs_query(order_by="name desc", limit=limit)
    wide = wide_query(query, params=["model"], metrics=["mae"], tags=[])
    names = [row[2] for row in duck.rows(con, wide.sql, wide.values)]
    assert len(names) == (limit or 300_005)
    assert names == sorted(names, reverse=True)
    assert names == [row[2] for row in duck.rows(con, query.sql, query.values)]
    con.execute("rollback")


def test_experiments_narrow_and_deleted_runs_are_apart(con: Any) -> None:
    assert found(con, "metrics.mae is not null", experiments=["other"]) == "ea"
    assert found(con, "metrics.mae < 9 or metrics.mae > 9", experiments=["other", "exp", "none"]) == "eba"
    assert found(con, experiments=["none"]) == ""
    assert found(con, deleted=True) == "gone"


def test_the_wide_table_has_the_latest_value_of_each_key_in_a_column(con: Any) -> None:
    query = runs_query("metrics.mae < 9.6", order_by="name")
    wide = wide_query(query, params=["depth", "absent"], metrics=["f1 score", "mae"], tags=["team"])
    table = con.sql(wide.sql, params=list(wide.values))
    assert table.columns[-5:] == ["p0", "p1", "m0", "m1", "t0"]
    assert [row[2:3] + row[-5:] for row in table.fetchall()] == [
        ("a", "9", None, None, 9.5, "crew"),
        ("b", "10", None, 0.5, 8.0, None),
    ]
    assert (
        len(con.sql(wide_query(query, params=[], metrics=[], tags=[]).sql, params=list(query.values)).fetchall()) == 2
    )


def test_the_keys_of_the_runs_found_are_listed_with_the_kinds_of_params(con: Any) -> None:
    keys = keys_query(runs_query("name = 'b'"))
    assert duck.rows(con, keys.sql, keys.values) == [
        ("metrics", "f1 score", None),
        ("metrics", "mae", None),
        ("params", "depth", ["int", "str"]),
        ("params", "model", ["str"]),
    ]


def test_runs_named_by_id_come_in_the_order_named(con: Any) -> None:
    query = these_query([IDS["c"], "018f0000-0000-7000-8000-0000000000ff", IDS["a"], IDS["gone"]])
    assert [row[2] for row in duck.rows(con, query.sql, query.values)] == ["c", "a", "gone"]
    wide = wide_query(query, params=["model"], metrics=[], tags=[])
    assert [row[-1] for row in duck.rows(con, wide.sql, wide.values)] == ["it's", "rf", None]


def test_the_sql_is_such_as_the_guard_can_read(con: Any) -> None:
    query = runs_query(
        "metrics.a > 1 and (params.b in (1, 'x', true) or not tags.c like '%')", order_by="params.d", experiments=["e"]
    )
    for one in (
        query,
        keys_query(query),
        wide_query(query, params=["p"], metrics=["m"], tags=["t"]),
        these_query([IDS["a"]]),
    ):
        tree = json.loads(duck.rows(con, "select json_serialize_sql(?::varchar)", [one.sql])[0][0])
        assert not tree["error"]
        assert len(tree["statements"]) == 1


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("metrcs.mae < 9", 0, "Did you mean metrics.mae?"),
        ("statsu = 'failed'", 0, "Did you mean status?"),
        ("run.statsu = 'failed'", 0, "Did you mean status?"),
        ("xyz < 9", 0, "Write metrics.xyz or params.xyz"),
        ("foo.bar < 9", 0, "Names begin with params., metrics. or tags."),
        ("metrics. < 9", 0, "metrics.`f1 score`"),
        ("metrics. `mae` < 9", 0, "metrics.`f1 score`"),
        ("'mae' < 9", 0, "metrics.`mae`"),
        ("9 < metrics.mae", 0, "A name is expected"),
        ("params.model = rf", 15, "Text takes single quotes: 'rf'"),
        ("params.model = `rf`", 15, "Write a number, 'text', true or false"),
        ("params.model = null", 15, "is null"),
        ("metrics.mae => 9", 13, "A value is expected after `=`"),
        ("metrics.mae 9", 12, "Use one of ="),
        ("metrics.mae", 11, "not the end"),
        ("metrics.mae = '9'", 14, "without quotes"),
        ("metrics.mae = true", 14, "1 or 0"),
        ("metrics.mae like '9%'", 17, "compares text"),
        ("params.a like 9", 14, "compares text"),
        ("name = 5", 7, "single quotes: '5'"),
        ("params.a > true", 11, "no order"),
        ("status = 'finnished'", 9, "Did you mean 'finished'?"),
        ("status = 'x'", 9, "running, finished"),
        ("start_time > 'yesterday'", 13, "2026-11-01"),
        ("start_time > 5", 13, "compared with text"),
        ("start_time > '0001-01-01T00:00+02:00'", 13, "no date"),
        ("metrics.mae is 5", 15, "is not null"),
        ("metrics.mae not 5", 16, "not in"),
        ("metrics.mae in 5", 15, "in ('a', 'b')"),
        ("metrics.mae in ()", 16, "A value is expected"),
        ("metrics.mae in (1 2)", 15, "commas"),
        ("params.model = 'rf", 15, "never closed"),
        ("metrics.`mae < 9", 8, "never closed"),
        ("(metrics.mae < 9", 0, "never closed"),
        ("metrics.mae < 9)", 15, "closes nothing"),
        ("(metrics.mae < 9 metrics.mae > 8)", 17, "Join conditions"),
        ("metrics.mae < 9 && name = 'a'", 16, "and, or, not"),
        ("metrics.mae < 9 and", 19, "A name is expected"),
        ("name = 'a' order name", 17, "`by` is expected"),
        ("name = 'a' limit 1.5", 17, "limit 20"),
        ("name = 'a' limit 99999999999999999999", 17, "limit 20"),
        ("name = 'a' limit 5 order by name", 19, "in this order"),
        ("name = '\ud800'", 8, "half a character"),
        ("(" * 10_000, 50, "inside each other"),
        ("not " * 4_000 + "name = 'a'", 200, "inside each other"),
        ("x" * 1_000_000, 20_000, "1,000,000 characters"),
        (" or ".join(["name = 'a'"] * 500), 2800, "More than 200 comparisons"),
        (" or ".join(f"tags.k{i} = 'a'" for i in range(100)), 566, "More than 32 different keys"),
    ],
)
def test_what_cannot_be_read_is_pointed_at_with_a_remedy(text: str, position: int, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        runs_query(text)
    error = caught.value
    assert error.position == position
    assert said in str(error)
    _, shown, caret = error.message.splitlines()
    assert (
        shown[caret.index("^") :][:5].strip()
        == "".join(c if c.isprintable() else " " for c in text[position:])[:5].strip()
    )
    assert len(str(error)) < 500


def test_an_error_reads_like_a_signpost() -> None:
    with pytest.raises(FilterError) as caught:
        runs_query("metrics.mae < 9 and params.model = rf")
    assert str(caught.value) == (
        "A value is expected, not the name 'rf'.\n"
        "  metrics.mae < 9 and params.model = rf\n"
        "                                     ^\n"
        "Hint: Text takes single quotes: 'rf'"
    )


def test_an_error_in_order_by_points_into_order_by() -> None:
    with pytest.raises(FilterError, match=r"  metrics\.mae down\n") as caught:
        runs_query("name = 'a'", order_by="metrics.mae down")
    assert caught.value.position == 12
