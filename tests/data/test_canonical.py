# ruff: noqa: S608 - SQL of our own
"""The hash of a table's content knows rows, not files: whoever wrote them, in any order, it is the same; one cell changes it."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nbops import duck
from nbops.data.canonical import Sum, content_hash, content_hash_of, content_sum, families, row_halves
from nbops.data.relation import Relation, opened
from tests.conftest import DUCKDBS

ROWS = 60


def some(value: Callable[[int], Any]) -> list[Any]:
    """A column in which every seventh value is missing."""
    return [None if row % 7 == 3 else value(row) for row in range(ROWS)]


TABLE = pa.table(
    {
        "id": pa.array(range(ROWS), pa.int16()),
        "whole": pa.array(some(lambda row: row * 10**9), pa.int64()),
        "real": pa.array(some(lambda row: row / 7), pa.float64()),
        "single": pa.array(some(lambda row: row / 3), pa.float32()),
        "price": pa.array(some(lambda row: Decimal(row) / 4), pa.decimal128(12, 2)),
        "text": some(lambda row: f"t{row}é" if row % 5 else ""),
        "category": pa.array(some(lambda row: "abc"[row % 3])).dictionary_encode(),
        "flag": some(lambda row: row % 2 == 0),
        "day": some(lambda row: date(2020, 1, 1) + timedelta(row)),
        "clock": pa.array(some(lambda row: time(row % 24, 1, 2, 3)), pa.time64("us")),
        "at": pa.array(some(lambda row: datetime(1960, 1, 1) + timedelta(row, 0, row)), pa.timestamp("us")),  # noqa: DTZ001
        "fine": pa.array(some(lambda row: 10**18 + row), pa.timestamp("ns")),
        "zoned": pa.array(some(lambda row: datetime(2020, 1, 1, row % 24, tzinfo=UTC)), pa.timestamp("us", "Asia/Tokyo")),
        "bytes": pa.array(some(lambda row: bytes([row]) * (row % 3)), pa.binary()),
        "list": pa.array(some(lambda row: list(range(row % 4))), pa.list_(pa.int32())),
        "struct": pa.array(some(lambda row: {"b": row, "a": str(row)}), pa.struct({"b": pa.int64(), "a": pa.string()})),
    }
)  # fmt: skip
SHUFFLED = TABLE.take(random.Random(1).sample(range(ROWS), ROWS)).select(sorted(TABLE.column_names, reverse=True))
HASH = content_hash_of(TABLE)


# The same content


def by_pyarrow(table: pa.Table, path: Path, group: int, compression: str) -> None:
    pq.write_table(table, path, row_group_size=group, compression=compression)


def by_pandas(table: pa.Table, path: Path, group: int, compression: str) -> None:
    table.to_pandas().to_parquet(path, row_group_size=group, compression=compression)


def by_duckdb(table: pa.Table, path: Path, group: int, compression: str) -> None:
    con = duck.scratch()
    con.register("given", table)
    con.execute(
        f"copy given to {duck.literal(str(path))} (format parquet, row_group_size {group}, compression {compression})"
    )
    con.close()


def by_polars(table: pa.Table, path: Path, group: int, compression: str) -> None:
    polars = pytest.importorskip("polars")
    polars.from_arrow(table).write_parquet(path, row_group_size=group, compression=compression)


@pytest.mark.parametrize("writer", [by_pyarrow, by_pandas, by_duckdb, by_polars])
@pytest.mark.parametrize("compression", ["snappy", "zstd", "gzip"])
@pytest.mark.parametrize("group", [7, 1000])
@pytest.mark.parametrize("table", [TABLE, SHUFFLED], ids=["in order", "shuffled"])
def test_who_wrote_a_file_and_how_does_not_matter(
    writer: Callable[[pa.Table, Path, int, str], None], compression: str, group: int, table: pa.Table, tmp_path: Path
) -> None:
    writer(table, tmp_path / "rows.parquet", group, compression)
    assert content_hash_of(tmp_path / "rows.parquet") == HASH


def test_many_files_are_one_table(tmp_path: Path) -> None:
    for number, start in enumerate(range(0, ROWS, 25)):
        pq.write_table(TABLE.slice(start, 25), tmp_path / f"{number}.parquet")
    assert content_hash_of(str(tmp_path / "*.parquet")) == HASH


def polars_frame(table: pa.Table) -> Any:
    return pytest.importorskip("polars").from_arrow(table)


FRAMES: dict[str, Callable[[pa.Table], Any]] = {
    "pandas of numpy": lambda table: table.to_pandas(),
    "pandas nullable": lambda table: table.to_pandas().convert_dtypes(),
    "pandas of Arrow": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": polars_frame,
    "Arrow batches": lambda table: pa.RecordBatchReader.from_batches(table.schema, table.to_batches(11)),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_frames_are_worth_the_same_as_files(frame: Callable[[pa.Table], Any]) -> None:
    assert content_hash_of(frame(SHUFFLED)) == HASH


EQUAL = {
    "5 is 5.0": "5::tinyint | 5::uhugeint | 5::double | 5::float | 5::decimal(9, 2) | 5::decimal(4, 0) | 5::bignum",
    "whole numbers keep all digits": "9007199254740993 | 9007199254740993::hugeint | 9007199254740993::decimal(38, 3)",
    "great whole numbers": "1e20::double | 100000000000000000000::hugeint | 100000000000000000000::decimal(38, 9)",
    "zero has no sign": "0 | 0::double | '-0.0'::double | 0::decimal(2, 2) | '-0.0'::float",
    "fractions": "0.5::double | 0.5::decimal(1, 1) | 0.5::decimal(38, 38) | 0.5::float",
    "negative fractions": "-0.25::double | -0.25::decimal(2, 2) | -0.25::decimal(18, 4)",
    "small fractions": "1.5e-7::double | 0.00000015::decimal(9, 8) | 0.00000015::decimal(38, 30)",
    "a single is its double": "0.1::float | 0.10000000149011612::double",
    "what is not a number is null": "null::double | 'nan'::double | 'nan'::float | null::integer | null",
    "instants": "'1960-01-01 01:02:03'::timestamp | '1960-01-01 01:02:03'::timestamp_s | '1960-01-01 01:02:03'::timestamp_ms | "
    "'1960-01-01 01:02:03'::timestamp_ns",
    "infinite instants": "'-infinity'::timestamp | '-infinity'::timestamp_s | '-infinity'::timestamp_ns",
    "instants with a zone": "'2020-01-01 02:00:00+02'::timestamptz | '2019-12-31 23:00:00-01'::timestamptz",
    "times": "'10:00:00.5'::time | '10:00:00.5'::time_ns",
    "spans": "interval '1 month' | interval '30 days' | interval '720 hours'",
    "texts": "'7' | '7'::enum('b', '7') | '7'::json",
    "lists": "[1, null] | [1, null]::double[] | [1, null]::integer[2]",
    "fields by name": "{'a': 1, 'b': 'x'} | {'b': 'x', 'a': 1::double}",
    "entries in any order": "map {'a': 1, 'b': 2} | map {'b': 2::double, 'a': 1::double}",
}  # fmt: skip


def hash_of(value: str) -> str:
    """The hash of a table of one row and one column."""
    con = duck.scratch()
    sql = f"select {value} as x"
    columns = {str(row[0]): str(row[1]) for row in duck.rows(con, f"describe {sql}")}
    found = content_hash(families(columns), content_sum(Relation(con, f"({sql})", columns)))
    con.close()
    return found


@pytest.mark.parametrize("values", EQUAL.values(), ids=EQUAL)
def test_types_do_not_matter_where_values_are_equal(values: str) -> None:
    assert len({hash_of(value) for value in values.split(" | ")}) == 1


def test_empty_tables_are_equal_when_their_columns_are() -> None:
    empty = TABLE.slice(0, 0)
    assert content_hash_of(empty) == content_hash_of(empty.to_pandas(types_mapper=pd.ArrowDtype))
    assert content_hash_of(empty) != content_hash_of(empty.drop_columns("id"))
    assert content_hash_of(empty) != content_hash_of(empty.set_column(0, "id", pa.array([], pa.string())))


KNOWN = """
from nbops import duck
from nbops.data.canonical import content_hash, content_sum, families
from nbops.data.relation import Relation
con = duck.scratch()
con.execute("set timezone = 'Asia/Kolkata'")
con.execute('''create table t as select range as id, range / 7.0::double as real, (range / 3)::float as single,
    (range - 500) * ('1e' || (range % 600 - 300))::double as far, (range * 1.25)::decimal(9, 3) as price,
    (range * 0.0000001::decimal(20, 10))::decimal(30, 10) as small, 'n' || range as "te""xt", range % 2 = 0 as flag,
    date '1969-12-01' + range::int as day, timestamp '1969-12-31' + to_microseconds(range * 997) as at,
    make_timestamp_ns(range * 999 - 50000) as fine, to_timestamp(range * 3600) as zoned, make_time(range % 24, 0, 1.5) as clock,
    to_microseconds(-range) as span, encode('n' || range) as bytes, range(range % 4) as list,
    {'b': range, 'a': [range::varchar]} as struct, map {'k' || range: range, 'a': null} as map, nullif(range % 3, 1) as part
    from range(1000)''')
con.execute('''insert into t by name select 'infinity'::double as real, 'infinity'::timestamp as at, 'infinity'::timestamptz as zoned,
    '-infinity'::timestamp_ns as fine, 'infinity'::date as day''')
columns = {name: kind for name, kind, *_ in duck.rows(con, "describe t")}
print(content_hash(families(columns), content_sum(Relation(con, "t", columns))))
"""


@pytest.mark.parametrize("python", DUCKDBS.values(), ids=DUCKDBS)
def test_every_duckdb_gives_the_hash_that_is_written_here(python: str) -> None:
    """What a snapshot was called yesterday it is called tomorrow: this hash must never change."""
    done = subprocess.run([python, "-c", KNOWN], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "fc323d4ae3de70518bd5159eebb01895b816de2d446d76c6d50f003c2c6212e9"


# Other content

DIFFERENT = {
    "null and no text": "null::varchar | '' | 'null' | ' '",
    "null and zero": "null::integer | 0 | 1 | -1",
    "whole numbers beyond doubles": "9007199254740992 | 9007199254740993",
    "neighbouring doubles": "0.1::double | 0.1::float | 0.30000000000000004::double | 0.3::double | 'inf'::double | '-inf'::double",
    "numbers and texts": "5 | '5' | '5.0' | [5] | true | 'true'",
    "decimals beyond doubles": "0.12345678901234567890::decimal(38, 20) | 0.12345678901234567891::decimal(38, 20)",
    "small decimals": "0.00001::decimal(9, 5) | 0.000012345678901234567::decimal(38, 21) | 0.000012345678901234568::decimal(38, 21)",
    "nanoseconds": "'2020-01-01 00:00:00.000000001'::timestamp_ns | '2020-01-01 00:00:00.000000002'::timestamp_ns | "
    "'2020-01-01'::timestamp_ns | '1960-01-01 00:00:00.000000001'::timestamp_ns | '1959-12-31 23:59:59.999999999'::timestamp_ns",
    "dates, instants and zones": "'2020-01-01'::date | '2020-01-01'::timestamp | '2020-01-01 00:00:00+00'::timestamptz | '2020-01-01'",
    "times": "'10:00:00'::time | '10:00:00.000001'::time | '10:00:00.000000001'::time_ns | null::time",
    "spans": "interval '1 day' | interval '1 day 1 us' | interval '-1 day' | null::interval",
    "bytes": "'a'::blob | 'a' | '61' | ''::blob | null::blob | '\\x00'::blob | '00'::blob",
    "lists": "[]::integer[] | [null]::integer[] | null::integer[] | [1] | [1, null] | [null, 1] | [12] | [1, 2] | [2, 1]",
    "lists of texts": "['a', 'b'] | ['ab'] | ['a,b'] | ['a1:b'] | ['', 'ab'] | ['ab', ''] | [null, 'ab'] | ['1:a', '1:b']",
    "lists of lists": "[[1], [2]] | [[1, 2]] | [[1, 2], []] | [[], [1, 2]] | [null, [1, 2]] | [[1], [2], null]",
    "structs": "{'a': 1, 'b': 2} | {'a': 2, 'b': 1} | {'a': null::int, 'b': null::int} | null::struct(a int, b int) | {'a': 1, 'c': 2}",
    "maps": "map {'a': 1} | map {'a': null::int} | map {'b': 1} | map {'a': 1, 'b': 2} | map {'a': 2, 'b': 1} | null::map(varchar, int)",
    "names of fields": """{'a" number, "b': 1} | {'a': 1, 'b': 1} | {'a, b': 1} | {'a b': 1} | {'(a': 1} | {'a''': 1}""",
}  # fmt: skip


@pytest.mark.parametrize("values", DIFFERENT.values(), ids=DIFFERENT)
def test_other_values_give_another_hash(values: str) -> None:
    listed = values.split(" | ")
    assert len({hash_of(value) for value in listed}) == len(listed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param([("x", "")], [("", "x")], id="between columns"),
        pytest.param([("x", None)], [(None, "x")], id="between columns, with null"),
        pytest.param([("a", "1"), ("b", "2")], [("a", "2"), ("b", "1")], id="between rows"),
        pytest.param([("a", "b")], [("a", "b"), ("a", "b")], id="a row twice"),
        pytest.param([("a", "a"), ("b", "b")], [("a", "a"), ("a", "a")], id="one row for the other"),
        pytest.param([("a\x1fb", "c")], [("a", "b\x1fc")], id="separator in the text"),
        pytest.param([("a;", "b")], [("a", ";b")], id="end of a number in the text"),
        pytest.param([("1:a", "")], [("", "1:a")], id="length in the text"),
        pytest.param([("", "0:")], [("0:", "")], id="length of nothing in the text"),
        pytest.param([("a2:bc", "d")], [("a", "bc1:d")], id="length of the next in the text"),
        pytest.param([("1", "1:1")], [("11", ":1")], id="digits and colons"),
        pytest.param([(None, ":")], [(":", None)], id="null and its mark"),
        pytest.param([("-", None)], [(None, "-")], id="a dash for null"),
        pytest.param([("é", "x")], [("e\u0301", "x")], id="letters that look alike"),
    ],
)
def test_texts_cannot_be_mistaken_for_others(one: list[tuple[Any, Any]], other: list[tuple[Any, Any]]) -> None:
    first, second = (content_hash_of(pd.DataFrame(rows, columns=["a", "b"], dtype="string")) for rows in (one, other))
    assert first != second


CELLS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "whole": (pa.int64(), [None, 0, 1, -1, 11, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]),
    "real": (pa.float64(), [None, 0.0, 0.1, 0.1 + 2**-55, 1.0, 1e-5, -1e-5, 5e-324, 1e15 + 0.5, 1e20, 1e300, float("inf")]),
    "price": (pa.decimal128(18, 6), [None, Decimal(0), Decimal(1), Decimal("0.1"), Decimal("0.000001"), Decimal(-100)]),
    "text": (pa.string(), [None, "", " ", "a", "ab", "1:a", ":", ";", "\x1f", "-", "null", "nan", "é", "e\u0301", "'", '"']),
    "other": (pa.string(), [None, "", "0", "0:", "1:0", "a", "A", "a ", "\0", "0;", "\x1f\x1f"]),
    "flag": (pa.bool_(), [None, True, False]),
    "day": (pa.date32(), [None, date(1970, 1, 1), date(1, 1, 1), date(2020, 2, 29)]),
    "at": (pa.timestamp("us"), [None, datetime(1970, 1, 1), datetime(1970, 1, 1, 0, 0, 0, 1), datetime(9999, 1, 1)]),  # noqa: DTZ001
    "list": (pa.list_(pa.string()), [None, [], [None], [""], ["", ""], ["a"], ["a", None], [None, "a"], ["a;"]]),
    "struct": (pa.struct({"a": pa.int8(), "b": pa.string()}), [None, {}, {"a": 1, "b": ""}, {"a": 1}, {"b": "1"}]),
}  # fmt: skip


def test_each_of_a_thousand_changed_cells_changes_the_hash() -> None:
    chance, height = random.Random(7), 50
    rows = [[chance.choice(values) for _, values in CELLS.values()] for _ in range(height)]
    changes = [
        (row, place, value)
        for row in range(height)
        for place, (_, values) in enumerate(CELLS.values())
        for value in values
        if value != rows[row][place]
    ]
    # As many tables in one, told apart by their number; the first one is unchanged.
    many = [(0, *row) for row in rows]
    for number, (changed, place, value) in enumerate(chance.sample(changes, 1000), 1):
        many += [
            (number, *row) if at != changed else (number, *row[:place], value, *row[place + 1 :])
            for at, row in enumerate(rows)
        ]
    arrays = [
        pa.array(cells, kind)
        for cells, (kind, _) in zip(list(zip(*many, strict=True))[1:], CELLS.values(), strict=True)
    ]
    table = pa.table([[row[0] for row in many], *arrays], ["number", *CELLS])
    with opened(table) as relation:
        low, high = row_halves({column: kind for column, kind in relation.columns.items() if column != "number"})
        sums = f"select number, sum(low), sum(high) from (select number, {low} as low, {high} as high from given) group by all"
        found = {(int(low) % 2**64, int(high) % 2**64) for _, low, high in duck.rows(relation.connection, sums)}
    assert len(found) == 1001


# The expressions


def test_halves_of_rows_that_stream_by_add_up_to_the_sum_of_all() -> None:
    with opened(TABLE) as relation:
        low, high = row_halves(relation.columns, "t.")
        sql = f"select {low} as low, {high} as high from given t"
        total = Sum()
        for batch in duck.batches(relation.connection, sql, [], 16):
            for row in batch.to_pylist():
                total += Sum(1, row["low"], row["high"])
        assert total == content_sum(relation)
        assert content_hash(families(relation.columns), total) == HASH


def test_names_of_columns_may_hold_anything() -> None:
    names = ['a"b', "a'b", "a b", "select", "é", "(", "a.b", "low", "high"]
    frame = pd.DataFrame([range(len(names))], columns=names)
    assert content_hash_of(frame) == content_hash_of(frame[names[::-1]])
    assert content_hash_of(frame) != content_hash_of(frame.rename(columns={"low": "high", "high": "low"}))
    assert content_hash_of(frame) != content_hash_of(frame.rename(columns={"(": ")"}))


def test_families_tell_what_the_values_are() -> None:
    kinds = {
        "a": "UTINYINT", "b": "DECIMAL(9,2)[]", "c": "ENUM('x', ',(''')", "d": "TIMESTAMP_NS", "e": "TIMESTAMP WITH TIME ZONE",
        "f": 'STRUCT("b, ""c" MAP(VARCHAR, DATE), a STRUCT(z BLOB)[3])', "g": "UUID",
    }  # fmt: skip
    assert families(kinds) == {
        "a": "number", "b": "list(number)", "c": "text", "d": "timestamp", "e": "timestamp with time zone",
        "f": 'struct("a" list(struct("z" binary)), "b, ""c" map(text, date))', "g": "uuid",
    }  # fmt: skip
