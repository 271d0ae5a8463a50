"""Whatever a file holds: each row is accounted for, or nothing is taken and a sentence says why; what was dealt with stays so."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from nbops.data import canonical, collecting, quarantine, snapshots
from nbops.data.checking import check
from nbops.data.collection import Collection
from nbops.data.quarantine import Quarantine
from nbops.data.sources import declaration
from nbops.errors import NbopsError
from nbops.store.client import Store
from tests.conftest import Project
from tests.examples import some


class Place(NamedTuple):
    store: Store
    folder: Path
    numbers: Iterator[int]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One store; each example has a source of its own."""
    project = Project(tmp_path_factory.mktemp("collect"))
    yield Place(project.store(), project.folder, itertools.count())
    project.close()


COLUMNS = ["a", "b", 'wörd, "quoted"', "d"]  # fmt: skip
KINDS = st.sampled_from(["integer", "number", "string", "boolean", "date", "timestamp"])
TEXTS = st.one_of(
    st.none(), st.integers().map(str), st.floats().map(str), st.text(max_size=5), st.dates().map(str), st.datetimes().map(str),
    st.sampled_from(["", " ", "NULL", "nan", "true", "1e3", "0x1F", "1,5", "-0", "9" * 40, "2013-02-30", "=1+1", '"', "a\nb", "\r"]),
)  # fmt: skip
VALUES = st.one_of(
    TEXTS,
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.lists(st.integers(0, 3), max_size=2),
    st.just({"x": None}),
)
PARQUET = st.sampled_from(
    [pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.binary(), pa.date32(), pa.timestamp("us"),
     pa.timestamp("ns"), pa.timestamp("us", "Asia/Tokyo"), pa.decimal128(30, 4), pa.time64("us"), pa.null(), pa.list_(pa.int64())]
)  # fmt: skip
RULES = st.fixed_dictionaries(
    {}, optional={"type": KINDS, "not_null": st.booleans(), "unique": st.booleans(), "range": st.just({"min": 0})}
)
CONTRACTS = st.fixed_dictionaries(
    {"columns": st.dictionaries(st.sampled_from(COLUMNS), RULES, max_size=3)},
    optional={"extra": st.sampled_from(["keep", "stop"]), "rules": st.just([{"row_count": {"min": 1}}])},
)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes]:
    """The ending and the bytes of a file."""
    columns = draw(st.lists(st.sampled_from(COLUMNS), unique=True, min_size=1))
    kind = draw(st.sampled_from(["csv", "lines", "jsonl", "json", "parquet"]))
    if kind == "lines":
        encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-16", "latin-1"]))
        lines = draw(st.lists(st.text("ab,;\"'\t\\ 1.-ä=\r", max_size=8), max_size=12))
        return "csv", "\n".join(lines).encode(encoding, "replace")
    if kind == "parquet":
        table = pa.table({column: _array(draw, draw(PARQUET)) for column in columns})
        into = io.BytesIO()
        pq.write_table(table, into)
        return "parquet", into.getvalue()
    width = len(columns)
    if kind == "csv":
        rows = draw(st.lists(st.lists(TEXTS, min_size=width, max_size=width), max_size=12))
        made = io.StringIO(newline="")
        csv.writer(made).writerows([columns, *rows])
        return "csv", made.getvalue().encode("utf-8", "replace")
    objects = draw(st.lists(st.dictionaries(st.sampled_from(columns), VALUES), max_size=12))
    if kind == "json":
        return "json", json.dumps(objects).encode()
    return "jsonl", "\n".join(map(json.dumps, objects)).encode()


def _array(draw: st.DrawFn, kind: pa.DataType) -> pa.Array:
    """Five values, of which some are missing and some occur twice."""
    numbers = [draw(st.one_of(st.none(), st.integers(-3, 3))) for _ in range(5)]
    if pa.types.is_list(kind):
        return pa.array([None if n is None else [n, None] for n in numbers], kind)
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return pa.array([None if n is None else f"{n}" for n in numbers], pa.string()).cast(kind)
    if pa.types.is_null(kind):
        return pa.nulls(5)
    if pa.types.is_temporal(kind):
        return (
            pa.array([None if n is None else abs(n) for n in numbers], pa.int32())
            .cast(kind if pa.types.is_date(kind) else pa.int64())
            .cast(kind)
        )
    if pa.types.is_unsigned_integer(kind) or pa.types.is_boolean(kind):
        return pa.array([None if n is None else abs(n) for n in numbers]).cast(kind)
    return pa.array(numbers, pa.int64()).cast(kind)


def collected(place: Place, data: object, called: str, **told: Any) -> Collection:
    return collecting.collect(place.store, declaration.read({"from": data, **told}, called))


@settings(
    deadline=None, max_examples=some(30), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(files(), CONTRACTS)
@example(("csv", b"'1\""), {"columns": {}})
def test_each_row_is_accounted_for_or_nothing_is_taken(
    place: Place, made: tuple[str, bytes], contract: dict[str, Any]
) -> None:
    called = f"s{next(place.numbers)}"
    path = place.folder / f"{called}.{made[0]}"
    path.write_bytes(made[1])
    try:
        done = collected(place, str(path), called, contract=contract)
    except NbopsError as error:
        assert error.hint  # noqa: PT017 - either of both
        assert place.store.read("select status, version from collections where source = ?", [called]).rows == [
            ["failed", None]
        ]
        return
    assert done.rows == done.good + done.quarantined + done.dropped
    assert done.dropped == 0
    assert (
        done.quarantined == 0
        or done.status == "refused"
        or len(Quarantine(place.store, called).frame()) == done.quarantined
    )
    # What leaves no row takes no other version's place.
    assert done.status == "refused" or done.good or not done.rows
    found = check(str(path), contract)
    assert (found.rows, found.good, found.quarantined, found.ok) == (
        done.rows,
        done.good,
        done.quarantined,
        done.status == "taken",
    )
    if done.snapshot is not None:
        is_taken_again(place, done, contract)


def is_taken_again(place: Place, done: Collection, contract: dict[str, Any]) -> None:
    """The rows of a version are what its hash says, and the same contract takes all of them."""
    assert done.snapshot is not None
    rows = done.snapshot.arrow()
    assert rows.num_rows == done.good
    assert canonical.content_hash_of(rows) == done.snapshot.content_hash
    again = collected(place, rows, f"{done.source}.again", contract={**contract, "rules": []})
    assert (again.status, again.good, again.quarantined) == ("taken", done.good, 0)
    assert again.snapshot is not None
    assert again.snapshot.content_hash == done.snapshot.content_hash


def mended(number: int, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a number, which the contract takes then."""
    return rows[rows.n == number].assign(n=number + 100)


ACTS = st.one_of(
    st.tuples(st.just("collect"), st.lists(st.integers(0, 4), max_size=6)),
    st.tuples(st.sampled_from(["repair", "discard"]), st.integers(0, 4)),
)


@settings(deadline=None, max_examples=some(10), suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTS, min_size=2, max_size=7))
def test_what_was_dealt_with_stays_so_and_happens_once(place: Place, acts: list[tuple[str, Any]]) -> None:
    """The rows 0 to 2 are broken; a repaired row n becomes n + 100. What leaves no row changes nothing."""
    assume(acts[0][0] == "collect" and (not acts[0][1] or max(acts[0][1]) > 2))
    called = f"s{next(place.numbers)}"
    contract = {"columns": {"n": {"range": {"min": 3}}}}
    settled: dict[int, str] = {}
    came: Counter[int] = Counter()
    for act, value in acts:
        waiting = {n for n in came if n < 3 and n not in settled}
        if act == "collect":
            done = collected(place, pd.DataFrame({"n": value}, dtype="int64"), called, contract=contract)
            assert done.rows == len(value) == done.good + done.quarantined + done.dropped
            left = not value or any(n > 2 or settled.get(n) == "repair" for n in value)
            assert done.ok == left
            came = Counter(value) if left else came
        elif value in waiting:
            if act == "repair":
                done = quarantine.repair(
                    place.store, called, why="because", function=partial(mended, value)
                )  # fmt: skip
                assert done.good == came[value]
                settled[value] = act
            else:
                assert quarantine.discard(place.store, called, why="because").rows == sum(came[n] for n in waiting)
                settled |= dict.fromkeys(waiting, act)
        else:
            with pytest.raises(NbopsError):
                quarantine.repair(
                    place.store, called, why="again", function=lambda rows: rows.assign(nbops_hash="0", n=50)
                )  # fmt: skip
        good = Counter(
            {n if n > 2 else n + 100: times for n, times in came.items() if n > 2 or settled.get(n) == "repair"}
        )
        assert Counter(snapshots.get(place.store, called).frame()["n"].tolist()) == good
        still = {n: times for n, times in came.items() if n < 3 and n not in settled}
        frame = Quarantine(place.store, called).frame()
        assert Counter(frame["n"].tolist() if len(frame) else []) == still
