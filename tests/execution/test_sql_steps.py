"""A SQL file is a step: its comments are typed parameters, its statements reach what they declare, and errors tell its lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops import duck
from nbops.errors import UsageError
from nbops.execution import parameters, reading
from nbops.execution.steps import running, statements
from tests.conftest import DUCKDBS, Project

DAILY = """\
-- Flights of each day.
-- flights: in = ../data/flights.parquet
-- daily: out = ../data/daily.parquet      -- one row per day
-- start: date = 2013-01-01                -- 2013-01-01..2013-12-31
-- who: text = O'Brien -- whose
select origin, count(*) as flights, $who as who from flights where day >= $start group by all
"""


def read(folder: Path, text: str | bytes, name: str = "daily.sql") -> Any:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    node = reading.read(path)
    nbformat.validate(node)
    return node


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(UsageError) as caught:
        read(folder, text)
    assert caught.value.hint
    return str(caught.value)


def taken(node: Any) -> dict[str, tuple[str | None, str, Any, str, str]]:
    interface = parameters.read(node, reading.language_of(node), "daily.sql")
    assert not interface.problem
    return {
        one.name: (one.direction, str(one.type), "required" if one.required else one.default, one.range, one.help)
        for one in interface.parameters
    }


# What the comments say


def test_comments_are_typed_parameters(tmp_path: Path) -> None:
    assert taken(read(tmp_path, DAILY)) == {
        "flights": ("in", "str", "../data/flights.parquet", "", ""),
        "daily": ("out", "str", "../data/daily.parquet", "", "one row per day"),
        "start": (None, "date", date(2013, 1, 1), "2013-01-01..2013-12-31", ""),
        "who": (None, "str", "O'Brien", "", "whose"),
    }


@pytest.mark.parametrize(
    ("comment", "name", "wanted"),
    [
        ("-- n: int = 3 -- 1..10", "n", (None, "int", 3, "1..10", "")),
        ("--n:integer=3", "n", (None, "int", 3, "", "")),
        ("\t--  n :  double  =  1e-3  ", "n", (None, "float", 0.001, "", "")),
        ("-- x: decimal = 0.10", "x", (None, "Decimal", Decimal("0.10"), "", "")),
        ("-- on: boolean = true", "on", (None, "bool", True, "", "")),
        ("-- s: str = 'a -- b' -- words", "s", (None, "str", "a -- b", "", "words")),
        ("-- s: str = 'it''s'", "s", (None, "str", "it's", "", "")),
        ("-- s: str = ", "s", (None, "str", "", "", "")),
        ('-- s: str = "" -- nothing', "s", (None, "str", "", "", "nothing")),
        ("-- s: str = a--b", "s", (None, "str", "a--b", "", "")),
        ("-- s: str = x = y", "s", (None, "str", "x = y", "", "")),
        ("-- größe: int = 1", "größe", (None, "int", 1, "", "")),
        ("-- n: int = 3 --", "n", (None, "int", 3, "", "")),
        ("-- n: int | None = null", "n", (None, "int | None", None, "", "")),
        ('-- m: Literal["jan", "feb"] = feb', "m", (None, "Literal['jan', 'feb']", "feb", "", "")),
        ("-- l: list[str] = ['a', 'b']", "l", (None, "list[str]", ["a", "b"], "", "")),
        ("-- region: str", "region", (None, "str", "required", "", "")),
        ("-- region: str -- where x = 1", "region", (None, "str", "required", "", "where x = 1")),
        ("-- key: secret = secret://crew-db", "key", ("secret", "str", "secret://crew-db", "", "")),
        ("-- f: in = a b/c'd.csv", "f", ("in", "str", "a b/c'd.csv", "", "")),
        ("-- fs: in = [a.csv, b.csv]", "fs", ("in", "list", ["a.csv", "b.csv"], "", "")),
    ],
)
def test_a_comment_says_name_type_default_and_help(
    tmp_path: Path, comment: str, name: str, wanted: tuple[object, ...]
) -> None:
    assert taken(read(tmp_path, f"{comment}\nselect 1"))[name] == wanted


@pytest.mark.parametrize(
    "comment",
    ["-- Note: the rest", "-- todo: later", "-- a = b", "-- x", "/* n: int = 1 */", "-- see https://a.b/c?d=1"],
)
def test_words_are_no_parameter(tmp_path: Path, comment: str) -> None:
    node = read(tmp_path, f"{comment}\nselect 1")
    assert taken(node) == {}
    assert node.cells[0].cell_type == "markdown"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no statement"),
        ("-- only words\n;;\n", "has no statement"),
        (b"\0\1select", "cannot be read as text"),
        (b"select '\xff'", "line 1 is not utf-8"),
        ("-- n: int = x\nselect 1", "line 1: the default of 'n' is 'x', which is no int"),
        ("-- n: itn = 1\nselect 1", "line 1: 'itn' is no type"),
        ("-- from: int = 1\nselect 1", "line 1: 'from' is a word of Python's"),
        ("-- n: int = 1\n\n-- N: int = 2\nselect 1", "line 3: 'N' is declared in line 1 already"),
        ("select 1;\n\nselect from where", "line 3: DuckDB does not understand"),
        ("select 1; /* never closed", "line 1: DuckDB does not understand"),
        ("select 'never closed", "line 1: DuckDB does not understand"),
        (
            "-- start: int = 1\nselect\n $strat",
            "line 3: 'strat' is no parameter. There are: start.\nHint: Did you mean 'start'?",
        ),
        ("-- f: in = a.csv\nselect $f", "line 2: 'f' is a file"),
        ("select ?", "a parameter without a name"),
        ("-- o: out = o.csv\ncreate table t(a int)", "no SELECT gives rows to o"),
        ("-- o: out = o.csv\n-- p: out = p.csv\nselect 1", "no SELECT gives rows to o, p"),
        ("-- o: out = o.csv\n-- out p\nselect 1", "line 2: 'p' is no output. There are: o"),
        ("-- o: out = o.csv\n-- out o\nselect 1;\n-- out o\nselect 2", "line 5: 'o' gets rows a second time"),
        ("-- metrics\ncreate table t(a int)", "stands above what is no SELECT"),
    ],
)
def test_what_cannot_run_is_refused_with_its_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in refusal(tmp_path, text)


def test_the_one_output_gets_the_last_rows_and_others_say_which(tmp_path: Path) -> None:
    text = "-- a: out = a.csv\n-- b: out = b.csv\n-- out b\nselect 1;\nselect 2;\nselect 3;\n-- metrics\nselect 4;\nsummarize b"
    cells = [cell.source for cell in read(tmp_path, text).cells if cell.source.startswith("%%sql")]
    assert cells == [
        "%%sql --out b\nselect 1", "%%sql\nselect 2", "%%sql --out a\nselect 3", "%%sql --metrics\nselect 4", "%%sql\nsummarize b",
    ]  # fmt: skip


def test_comments_above_a_statement_are_no_code_and_those_within_are(tmp_path: Path) -> None:
    first = read(tmp_path, "-- words\n\nselect 1;\n-- more\nselect 2 -- two\n")
    second = read(tmp_path, "-- other words\n-- and more of them\nselect 1;\nselect 2 -- two\n")
    third = read(tmp_path, "-- words\nselect 1;\nselect 2 -- three\n")
    codes = [[cell.source for cell in node.cells if cell.cell_type == "code"] for node in (first, second, third)]
    assert codes[0] == codes[1]
    assert codes[0] != codes[2]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_marks_and_line_ends_of_other_systems_change_nothing(tmp_path: Path, ends: str, mark: str) -> None:
    assert read(tmp_path, mark + DAILY.replace("\n", ends)).cells == read(tmp_path, DAILY).cells


pieces = st.sampled_from(
    [
        "select 1",
        ";",
        "'a;''b'",
        '"x;"',
        "$$;$$",
        "$t$ ; $t$",
        "-- c;\n",
        "/* ; /* ; */ */",
        "e'\\';'",
        "a$b",
        " ",
        "\n",
        ", 2",
        "é",
    ]
)


@given(st.lists(pieces).map("".join))
def test_statements_end_where_duckdb_ends_them(text: str) -> None:
    try:
        wanted = len(duck.statements(text))
    except duck.errors():
        return
    found = [one.text for one in statements.split(text)]
    assert sum(len(duck.statements(one)) for one in found) == wanted
    assert len(found) == wanted


@given(st.lists(pieces).map("".join))
def test_a_statement_is_found_at_its_line(text: str) -> None:
    for one in statements.split(text):
        assert "\n".join(text.split("\n")[one.line - 1 :]).find(one.text.split("\n")[0]) >= 0


# What the kernel does with it

Begin = Callable[..., Any]


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Open a step in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def begin_(
        text: str = "select 1", inputs: tuple[str, ...] = (), outputs: tuple[str, ...] = (), **names: object
    ) -> Any:
        (tmp_path / "step.sql").write_text(text)
        values = [one for one in names if one not in (*inputs, *outputs)]
        made = running.Step(names, "step.sql", inputs, outputs, values)
        made.open()
        return made

    return begin_


def table(path: Path | str, query: str = "select range as n, 'x' as x from range(3)", how: str = "") -> str:
    with duckdb.connect() as con:
        con.execute(f"copy ({query}) to {duck.literal(str(path))} {how}")
    return str(path)


def rows(path: Path | str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        return con.execute(f"from {duck.literal(str(path))}").fetchall()


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".tsv", ".json", ".jsonl", ".csv.gz"])
def test_each_format_is_read_and_written(begin: Begin, tmp_path: Path, suffix: str) -> None:
    there = begin(outputs=("o",), o=f"a b'c{suffix}")
    there.cell("--out o", "select range as n, 'x''y' as x from range(3)")
    again = begin(inputs=("o",), outputs=("p",), o=f"a b'c{suffix}", p="p.parquet")
    shown = again.cell("--out p", "select * from o order by n")
    assert rows("p.parquet") == [(0, "x'y"), (1, "x'y"), (2, "x'y")]
    assert "3 rows in p.parquet" in repr(shown)
    assert not list(tmp_path.glob(".*.new"))


HOSTILE = ["'; drop table t; --", "$who", "?", "\\", "a'b\"c", "/* ", "é\u2028", "$$", "1); select 2; --"]


@pytest.mark.parametrize(
    "value", [*HOSTILE, 3, -0.5, None, True, date(2013, 1, 1), Decimal("0.10"), [1, 2], Path("/x")]
)
def test_a_value_is_bound_and_never_read_as_sql(begin: Begin, value: object) -> None:
    step = begin(outputs=("o",), o="o.parquet", who=value)
    step.cell("", "create table t as select 1 as n")
    shown = step.cell("--out o", "select $who as who, n from t -- a comment")
    expected = str(value) if isinstance(value, Path) else value
    assert shown.rows == [(expected, 1)]
    assert step.cell("", "from t").rows == [(1,)]


def test_a_name_is_taken_as_it_is_whatever_sql_makes_of_it(begin: Begin, tmp_path: Path) -> None:
    (tmp_path / "a'b [1]").mkdir()
    table(tmp_path / "a'b [1]" / "x[1]*.parquet")
    table(tmp_path / "x1.parquet", "select 9 as n")
    step = begin(inputs=("order", "größe"), order="a'b [1]/x[1]*.parquet", größe="x1.parquet")
    assert step.cell("", 'select count(*) from "order"').rows == [(3,)]
    assert step.cell("", "select * from größe").rows == [(9,)]


def test_an_input_may_be_a_pattern_or_a_list(begin: Begin, tmp_path: Path) -> None:
    for name in ("a", "b"):
        table(tmp_path / f"{name}.parquet")
    step = begin(inputs=("all", "two"), all="*.parquet", two=["a.parquet", "b.parquet"])
    assert step.cell("", 'select (select count(*) from "all"), (select count(*) from two)').rows == [(6, 6)]


@pytest.mark.parametrize(
    "statement",
    [
        "select * from 'other.parquet'", "select * from read_csv('/etc/passwd')", "copy (select 1) to 'new.csv'", "attach 'x.db'",
        "install httpfs", "select * from read_text($who)", "set enable_external_access = true", "set allowed_directories = ['/']",
    ],
)  # fmt: skip
def test_what_is_not_declared_is_not_reached(begin: Begin, tmp_path: Path, statement: str) -> None:
    table(tmp_path / "other.parquet")
    step = begin(statement, who="/etc/passwd")
    with pytest.raises(duck.errors(), match=r"step\.sql, line 1"):
        step.cell("", statement)
    assert {path.name for path in tmp_path.iterdir()} == {"other.parquet", "step.sql"}


def test_settings_of_duckdb_are_the_authors_and_days_are_utc(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    step = begin()
    assert step.cell("", "select timestamptz '2013-01-01 00:00:00+00'::date").rows == [(date(2013, 1, 1),)]
    step.cell("", "set memory_limit = '100MB'")
    assert "95" in step.cell("", "select current_setting('memory_limit')").rows[0][0]


def test_a_lane_takes_its_share_of_the_machine(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert begin().cell("", "select current_setting('threads')").rows == [(1,)]


def test_what_does_not_fit_into_memory_is_spilled_and_not_beside_the_step(begin: Begin, tmp_path: Path) -> None:
    step = begin(outputs=("o",), o="o.parquet")
    step.cell("", "set memory_limit = '60MB'")
    step.cell("", "set threads = 1")
    step.cell("--out o", "select range as n, md5(range::text) as m from range(2000000) order by m")
    assert {path.name for path in tmp_path.iterdir()} == {"o.parquet", "step.sql"}


def test_a_statement_that_fails_leaves_the_output_as_it_was(begin: Begin, tmp_path: Path) -> None:
    table(tmp_path / "o.parquet", "select 1 as n")
    step = begin(outputs=("o",), o="o.parquet")
    with pytest.raises(duck.errors()):
        step.cell("--out o", "select (case when range > 99999 then 'x' else '1' end)::int from range(200000)")
    assert rows(tmp_path / "o.parquet") == [(1,)]
    assert {path.name for path in tmp_path.iterdir()} == {"o.parquet", "step.sql"}


def test_the_first_rows_and_their_number_are_shown(begin: Begin) -> None:
    step = begin(outputs=("o",), o="o.csv")
    shown = step.cell("--out o", "select range as n from range(12345)")
    assert len(shown.rows) == running.SHOWN
    assert "12,345 rows in o.csv, the first 10 are shown" in repr(shown)
    assert "<td" in shown._repr_html_()
    assert "the first 10 rows" in repr(step.cell("", "from o"))


def test_what_would_fill_pages_is_cut(begin: Begin) -> None:
    shown = begin().cell("", f"select '{'x' * 100_000}', repeat('y', 100_000) as y")
    assert len(repr(shown)) < 1_000
    assert len(shown._repr_html_()) < 5_000
    assert len(shown.rows[0][1]) == 100_000


def test_names_are_those_of_the_comments_and_not_of_the_kernel(begin: Begin) -> None:
    step = begin(_x=4, size=1)
    assert step.cell("", "select $_X, $Size").rows == [(4, 1)]
    with pytest.raises(KeyError):
        step.cell("", "select $other")


def test_metrics_are_the_numbers_of_one_row(begin: Begin) -> None:
    step = begin()
    step.cell(
        "--metrics",
        "select 1 as a, 2.5 as b, 0.1::decimal(4,2) as c, 'x' as d, null as e, true as f, 'nan'::double as g",
    )
    assert {name: str(value) for name, value in step.metrics.items()} == {
        "a": "1.0",
        "b": "2.5",
        "c": "0.1",
        "g": "nan",
    }
    for statement in ("select 1 where false", "select range from range(99)"):
        with pytest.raises(ValueError, match="metrics are the numbers of one row, and the statement gave"):
            step.cell("--metrics", statement)


@pytest.mark.parametrize(
    ("inputs", "names", "kind", "said"),
    [
        (("f",), {"f": "no.csv"}, FileNotFoundError, r"no file for the input f: no\.csv \(step\.sql, line 2\)"),
        (("f",), {"f": "*.csv"}, FileNotFoundError, "no file for the input f"),
        (("f",), {"f": "step.sql"}, ValueError, r"'.*step\.sql' of f ends with \.sql; known are"),
        (("f",), {"f": []}, ValueError, "is an empty list"),
        (("f",), {"f": ["bad.parquet", "deep/other.csv"]}, ValueError, "the files of f are of several formats"),
        (("f",), {"f": "bad.parquet"}, duckdb.Error, r"line 2"),
    ],
)
def test_an_input_that_is_not_there_is_told_with_its_line(
    begin: Begin, tmp_path: Path, inputs: tuple[str, ...], names: dict[str, object], kind: type[Exception], said: str
) -> None:
    (tmp_path / "bad.parquet").write_text("no such thing")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "other.csv").touch()
    with pytest.raises(kind, match=said):
        begin("-- words\n-- f: in = x\nselect 1", inputs=inputs, **names)


def test_an_error_shows_the_lines_of_the_file_and_none_of_pythons(begin: Begin) -> None:
    statement = "select 1 as a,\n  2 as b\nfrom nowhere"
    step = begin(f"-- words\nselect 0;\n{statement}")
    with pytest.raises(duckdb.CatalogException) as caught:
        step.cell("", statement)
    shown = caught.value._render_traceback_()  # type: ignore[attr-defined]  # what IPython asks an error for
    assert shown[0] == "step.sql, line 5"
    assert "----> 5 from nowhere" in shown
    assert not any("running.py" in line for line in shown)


def test_rows_of_a_list_are_json(begin: Begin, tmp_path: Path) -> None:
    step = begin(outputs=("o",), o="o.json")
    step.cell("--out o", "select 1 as a union all select 2 order by a")
    assert json.loads((tmp_path / "o.json").read_text()) == [{"a": 1}, {"a": 2}]


EVERYTHING = """
import duckdb
from nbops.execution.steps import running
open("step.sql", "w").write("-- f: in = a b[1].csv\\nselect 1;\\nselect nothing from f")
open("a b[1].csv", "w").write("n\\n1\\n2\\n")
names = {"f": "a b[1].csv", "o": "o'o.parquet", "least": 2}
step = running.Step(names, "step.sql", ["f"], ["o"], ["least"])
step.open()
step.cell("--out o", "select n, 'x' as x from f where n >= $Least")
step.cell("--metrics", "select count(*) as rows from o")
print(step.metrics)
for statement in ("select nothing from f", "from read_text('/etc/passwd')"):
    try:
        step.cell("", statement)
    except duckdb.Error as error:
        print(type(error).__name__, str(error).partition(chr(10))[0].rpartition(' (')[2])
"""


@pytest.mark.parametrize("python", DUCKDBS.values(), ids=DUCKDBS)
def test_a_step_is_the_same_with_every_duckdb(project: Project, python: str) -> None:
    project.python = python
    assert project.run(EVERYTHING).splitlines() == [
        "{'rows': 1.0}", "BinderException step.sql, line 3)", "PermissionException step.sql, line 1)",
    ]  # fmt: skip
