"""What SQL of a user's may not do, whatever it tries: reach a file, the network or a setting, write, run on. Nor may it cost the lock."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from nbops.errors import QueryError, QueryTimeout
from nbops.store.client import Store
from nbops.store.database import migrations
from tests.conftest import DUCKDBS, Project, is_locked
from tests.store.inside import start

pytestmark = pytest.mark.parametrize("held", DUCKDBS.values(), ids=DUCKDBS, indirect=True)


class Held:
    """A store whose owner is served by one DuckDB, with a file in reach of it. `{csv}`, `{db}` and `{folder}` in SQL stand for paths."""

    def __init__(self, project: Project) -> None:
        project.start_owner()
        self.places = project.places
        self.store: Store = project.store()
        self.store.write(start())
        # The one folder that the owner's DuckDB may touch beside its own file.
        self.csv = project.places.backups / "numbers.csv"
        self.csv.write_text("a,b\n1,2\n")
        self.folder = project.folder
        (project.folder / "schema.sql").symlink_to(project.places.database)
        (project.folder / "load.sql").write_text("")

    def fill(self, sql: str) -> str:
        for name, path in (("csv", self.csv), ("db", self.places.database), ("folder", self.folder)):
            sql = sql.replace(f"{{{name}}}", str(path))
        return sql


@pytest.fixture(scope="module")
def held(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    project = Project(tmp_path_factory.mktemp("sql") / "project")
    project.python = request.param
    yield Held(project)
    project.close()


FILES = [
    "select * from '{csv}'",
    'select * from "{csv}"',
    "from '{csv}'",
    "from (from '{csv}')",
    "select * from read_csv('{csv}')",
    "select * from read_blob('{db}')",
    "select * from read_blob('{db}.wal')",
    "select * from '{db}'",
    "select * from read_duckdb('{db}')",
    "select * from glob('{folder}/*')",
    "select * from sniff_csv('{csv}')",
    "describe '{csv}'",
    "summarize '{csv}'",
    "describe select * from read_csv('{csv}')",
    "select * from (describe select * from '{csv}')",
    "explain select * from '{csv}'",
    "explain analyze select * from read_csv('{csv}')",
    "explain (format json) select * from read_blob('{db}')",
    "select (select content from read_text('{csv}'))",
    "values ((select content from read_text('{csv}')))",
    "select 1 union all by name select * from read_text('{csv}')",
    "select * from runs where exists (select 1 from read_csv('{csv}'))",
    "select * from runs order by (select count(*) from read_csv('{csv}'))",
    "select * from runs, lateral (select * from read_csv('{csv}'))",
    "select * from runs positional join '{csv}'",
    "select list_transform([1], x -> (select count(*) from read_csv('{csv}')))",
    "from (pivot '{csv}' on a in (1) using count(*))",
    "unpivot '{csv}' on a into name n value v",
    # A WITH that bears the name of a file must not hide that another scope means the file.
    'with "{csv}" as (select 1) select * from "{csv}"',
    'with x as (with "{csv}" as (select 1) select 1) select * from "{csv}"',
    "import database '{folder}'",
    "export database '{folder}/out'",
    "load '{csv}'",
]
COPIES = [
    "copy (select 1) to '{folder}/out.csv'",
    "copy runs to '{csv}'",
    "copy core.meta from '{csv}'",
    # DuckDB 2 takes COPY in a WITH, and a backup is in the folder that it may write.
    "with gone as (copy (select 1) to '{csv}') select * from gone",
    "with gone as (copy (select 1) to '{db}') select * from gone",
]
OTHERS = [
    "attach '{folder}/other.duckdb'",
    "attach ':memory:' as other",
    "detach nbops",
    "use memory",
    "install httpfs",
    "load httpfs",
    "update extensions",
    "select * from 'https://example.com/x.csv'",
    "select * from read_csv('https://example.com/x.csv')",
    "create secret s (type s3)",
    "set threads = 9",
    "set global lock_configuration = false",
    "pragma threads = 9",
    "reset threads",
    "select set_config('threads', '9')",
    "select * from enable_logging()",
    "select getenv('HOME')",
    "select * from duckdb_secrets()",
    "select * from system.main.duckdb_settings",
]
WRITES = [
    "insert into core.meta values ('a', 'b')",
    "update core.runs set name = 'x'",
    "delete from core.runs",
    "truncate core.runs",
    "merge into core.meta using core.meta m on false when not matched then insert",
    "drop table core.runs",
    "drop view runs",
    "alter table core.runs add column x integer",
    "comment on table core.runs is 'x'",
    "create table t as select 1",
    "create temp table t as select 1",
    "create macro f() as table select * from read_csv('{csv}')",
    "create sequence s",
    "select nextval('s')",
    "explain analyze insert into core.meta values ('a', 'b')",
    "with gone as (delete from core.runs returning *) select * from gone",
    "with more as (insert into core.meta select 'a', content from read_text('{csv}') returning *) select * from more",
    "prepare p as insert into core.meta values ('a', 'b')",
    "execute p",
    "vacuum",
    "checkpoint",
    "call pragma_version()",
    "select * from checkpoint()",
    "select * from query('drop table core.runs')",
    "select * from query_table('{csv}')",
    "pragma json_execute_serialized_sql('{}')",
    "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
]
SEVERAL = [
    "select 1; select 2",
    "select 1; drop table core.runs",
    "begin; drop table core.runs",
    "select 1 /* ; */; -- ;\n commit",
    "select 1\0; drop table core.runs",
    # Without a list of values this creates a type first.
    "pivot runs on status using count(*)",
    "",
    "-- nothing",
]
STRANGERS = ["held", "duckdb", "select_me", "main.x", "memory.main.x", "pg_catalog.pg_class"]


@pytest.mark.parametrize("sql", [*FILES, *COPIES, *OTHERS, *WRITES, *SEVERAL])
def test_what_is_no_harmless_select_is_refused_and_changes_nothing(held: Held, sql: str) -> None:
    before = held.csv.read_bytes()
    for ask in (held.store.read, held.store.arrow):
        with pytest.raises(QueryError):
            ask(held.fill(sql), timeout=5)
        assert is_locked(held.places.database)
    assert held.csv.read_bytes() == before
    assert sorted(path.name for path in held.folder.iterdir()) == [".nbops", "load.sql", "schema.sql"]
    assert held.store.read("select name, deleted from core.runs").rows == [["a run", False]]
    assert len(held.store.read("from core.meta").rows) == 2


@pytest.mark.parametrize("name", STRANGERS)
def test_no_variable_of_the_owner_and_no_other_catalog_is_a_table(held: Held, name: str) -> None:
    with pytest.raises(QueryError):
        held.store.read(f"select * from {name}")  # noqa: S608 - a name of the test's own


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from range(10000000000000)",
        "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t",
        # Its first rows are there at once, the next never.
        "select * from range(200000) union all select * from range(10000000000000) where range < 0",
    ],
)
def test_an_endless_query_is_stopped_at_its_time_limit(held: Held, sql: str) -> None:
    for ask in (held.store.read, held.store.arrow):
        with pytest.raises(QueryTimeout):
            ask(sql, timeout=0.3)
    assert held.store.read("select 1").rows == [[1]]


def test_a_query_that_fails_half_way_says_so_and_does_not_pass_for_whole(held: Held) -> None:
    sql = "select case when range < 500000 then range else error('no more') end as n from range(1000000)"
    with pytest.raises(QueryError, match=r"no more|does not say"):
        held.store.arrow(sql)
    with pytest.raises(QueryError, match=r"no more|does not say"), held.store.batches(sql) as batches:
        assert sum(batch.num_rows for batch in batches) >= 0


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select name from runs", [["a run"]]),
        ("from (select 1 as a) select a", [[1]]),
        ("with t as (select 1 as a), u as (select a + 1 as a from t) select * from u", [[2]]),
        (
            "with recursive t(n) as (select 1 union all select n + 1 from t where n < 3) select * from t",
            [[1], [2], [3]],
        ),
        ("select count(*) from runs group by all having count(*) > 0", [[1]]),
        ("pivot runs on status in ('running') using count(*) group by name", [["a run", 1]]),
        ("select * from range(2) union all select unnest([7])", [[0], [1], [7]]),
        ("values (1), (2)", [[1], [2]]),
        ("select value from core.meta where key = 'schema' -- the schema\n;", [[str(migrations()[-1][0])]]),
    ],
)
def test_honest_questions_are_answered(held: Held, sql: str, rows: list[list[object]]) -> None:
    assert held.store.read(sql).rows == rows
    assert [list(row.values()) for row in held.store.arrow(sql).to_pylist()] == rows


@pytest.mark.parametrize(
    "sql", ["show tables", "describe runs", "summarize runs", "explain select * from runs", "EXPLAIN ANALYZE from runs"]
)
def test_questions_about_the_store_itself_are_answered(held: Held, sql: str) -> None:
    assert held.store.read(sql).rows


def test_values_are_bound_and_never_read_as_sql(held: Held) -> None:
    values = ["'; drop table core.runs; --", None, 2**60, 1.5, True]
    assert held.store.read("select ?, ?, ?, ?, ?", values).rows == [values]


def test_rows_beyond_the_limit_are_cut_and_that_is_told(held: Held) -> None:
    table = held.store.read("select * from range(10)", limit=3)
    assert (table.rows, table.truncated) == ([[0], [1], [2]], True)
    # More often than the owner has readers: none of them may be left in the middle of a result.
    for _ in range(8):
        assert held.store.arrow("select * from range(10)", limit=3).num_rows == 3
        assert held.store.read("select 1").rows == [[1]]


def test_a_typo_names_what_was_meant(held: Held) -> None:
    with pytest.raises(QueryError) as caught:
        held.store.read("select * from latest_metric")
    assert "latest_metrics" in caught.value.hint


@pytest.mark.parametrize("act", ["backup", "checkpoint", "fold"])
def test_the_lock_is_held_after_every_act(held: Held, act: str) -> None:
    held.store.control(act)
    assert is_locked(held.places.database)


def test_the_lock_is_held_after_check_export_copy_and_collection(held: Held, tmp_path: Path) -> None:
    from nbops.store import care

    assert [finding for finding in care.check(held.store) if finding.problem] == []
    assert is_locked(held.places.database)
    assert care.export(held.store, tmp_path)["runs"] == 1
    assert is_locked(held.places.database)
    copy = care.open_copy(held.store)
    assert is_locked(held.places.database)
    assert care.collect(held.store) == (0, 0)
    assert is_locked(held.places.database)
    # The copy is for everybody, and holds what the store holds.
    con = duckdb.connect(str(shutil.copy(copy, tmp_path)), read_only=True)
    assert con.execute("select name from core.runs").fetchall() == [("a run",)]
    con.close()
