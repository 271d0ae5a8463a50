"""A profile counts exactly, in little room, and says how far two distributions lie apart between bounds that hold."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import ks_2samp

from nbops.data import profiling
from nbops.data.counts import Categories, Ks, Numbers
from nbops.data.profile import Profile, beyond_chance
from nbops.data.profile_views import difference
from nbops.data.profiling import profile, sliced
from nbops.data.relation import opened
from nbops.data.tallies import NumberTally
from nbops.errors import NotFound, SourceError, UsageError

ROWS = 30_000
RNG = np.random.default_rng(11)


def drawn(rows: int) -> dict[str, Any]:
    """Columns of every kind that has gone wrong for somebody."""
    infinite = RNG.normal(size=rows)
    infinite[: rows // 50], infinite[rows // 50 : rows // 30] = np.inf, -np.inf
    seconds = pd.to_timedelta(RNG.exponential(3e6, rows).round(), unit="s")
    return {
        "normal": RNG.normal(size=rows),
        "shifted": RNG.normal(0.1 if rows == ROWS else 0, 1, rows),
        "lognormal": RNG.lognormal(0, 2, rows),
        "t2": RNG.standard_t(2, rows),
        "cauchy": RNG.standard_cauchy(rows),
        "poisson": RNG.poisson(4, rows),
        "large_counts": RNG.poisson(4000, rows),
        "geometric": RNG.geometric(0.01, rows),
        "zero_inflated": np.where(RNG.random(rows) < 0.4, 0, RNG.gamma(2, size=rows)),
        "atom_in_the_middle": np.where(RNG.random(rows) < 0.3, 0.5, RNG.normal(size=rows)),
        "ties": RNG.normal(size=rows).round(1),
        "constant": np.full(rows, 3.0),
        "nulls": np.where(RNG.random(rows) < 0.3, np.nan, RNG.gamma(2, size=rows)),
        "infinities": infinite,
        "times": pd.Timestamp("2024-01-01") + seconds,
        "two_scales": np.where(RNG.random(rows) < 0.5, RNG.normal(0, 1e-3, rows), RNG.normal(0, 1e3, rows)),
    }


REFERENCE, CURRENT = drawn(ROWS), drawn(25_000)


def numbers(found: Profile, column: str) -> Numbers:
    told = found[column].numbers
    assert told is not None
    return told


def categories(found: Profile, column: str) -> Categories:
    told = found[column].categories
    assert told is not None
    return told


def exactly(one: Any, two: Any) -> float:
    arrays = [pd.Series(values).dropna() for values in (one, two)]
    numbers = [array.astype("int64") if array.dtype.kind == "M" else array for array in arrays]
    return float(ks_2samp(*numbers, method="asymp").statistic)


@pytest.mark.parametrize("column", REFERENCE)
def test_the_distance_of_two_samples_is_within_its_bracket_and_nearly_exact(column: str) -> None:
    then = profile(pd.DataFrame({column: REFERENCE[column]}))
    now = profile(pd.DataFrame({column: CURRENT[column]}), like=then)
    found, true = then[column].ks(now[column]), exactly(REFERENCE[column], CURRENT[column])
    assert found is not None
    assert found.low - 1e-12 <= true <= found.high + 1e-12
    assert found.estimate == pytest.approx(true, abs=0.002)


@pytest.mark.parametrize(
    ("one", "two"),
    [([1.0], [1.0]), ([1.0], [2.0]), ([1, 2, 2, 3], [2, 2, 5]), ([0.5] * 9, [0.4, 0.6]), ([1.0, math.inf], [-math.inf, 1.0, 1.0])],
)  # fmt: skip
def test_the_distance_of_few_values_is_exact(one: list[float], two: list[float]) -> None:
    then = profile(pd.DataFrame({"x": one}))
    now = profile(pd.DataFrame({"x": two}), like=then)
    reached = max(float(abs(np.mean(np.array(one) <= x) - np.mean(np.array(two) <= x))) for x in [*one, *two])
    assert then["x"].ks(now["x"]) == pytest.approx(Ks(reached, reached, reached))


def test_counts_and_sums_are_those_of_the_values(tmp_path: Path) -> None:
    values = np.where(RNG.random(200_000) < 0.1, 1.0, RNG.standard_t(2, 200_000))
    pq.write_table(pa.table({"x": values}), tmp_path / "x.parquet", row_group_size=30_000)
    found = numbers(profile(tmp_path / "x.parquet"), "x")
    edges, cells = np.array(found.edges), np.array(found.cells())
    assert len(edges) == len(set(edges)) <= 64
    assert list(cells[1::2]) == [(values == edge).sum() for edge in edges]
    assert list(cells.cumsum()[:-1:2]) == [(values < edge).sum() for edge in edges]
    assert (found.finite, found.min, found.max) == (len(values), values.min(), values.max())
    assert found.sum == pytest.approx(math.fsum(values))
    assert found.squares == pytest.approx(math.fsum(values**2))
    assert found.low == pytest.approx(values[values < edges[0]].sum())
    assert found.high == pytest.approx(values[values > edges[-1]].sum())
    assert found.mean == pytest.approx(values.mean())
    assert found.sd == pytest.approx(values.std())


def test_bins_hold_about_the_same_share_whatever_the_order_of_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.sort(RNG.lognormal(0, 3, 400_000))
    pq.write_table(pa.table({"x": values}), tmp_path / "x.parquet", row_group_size=20_000)
    table = pa.table({"x": values})
    for data, held in (
        (tmp_path / "x.parquet", 10**9),
        (tmp_path / "x.parquet", 200_000),
        (table, 10**9),
        (table, 1_000_000),
    ):
        monkeypatch.setattr(profiling, "_HELD_ROWS", held)
        monkeypatch.setattr(profiling, "_HELD_BYTES", held)
        found = numbers(profile(data), "x")
        assert len(found.edges) == 64
        assert max(found.cells()) < 0.06 * len(values)


def test_a_few_distinct_values_are_counted_each_even_those_that_no_sample_has(tmp_path: Path) -> None:
    values = np.repeat([2.0, 5.0], 300_000)
    values[[7, 150_001]], values[400_000] = -1.0, 99.5
    pq.write_table(pa.table({"x": values}), tmp_path / "x.parquet")
    for data in (tmp_path / "x.parquet", pa.table({"x": values})):
        found = profile(data)
        assert numbers(found, "x").edges == (-1.0, 2.0, 5.0, 99.5)
        assert numbers(found, "x").at == (2, 299_998, 299_999, 1)
        assert numbers(found, "x").atoms
        assert (found["x"].distinct, found["x"].certainty) == (4, "exact")


def test_a_column_that_is_nearly_all_missing_gets_edges_from_what_there_is() -> None:
    values = np.full(500_000, np.nan)
    values[::5000] = RNG.normal(size=100)
    found = profile(pd.DataFrame({"x": values}))
    assert (found["x"].nulls, numbers(found, "x").finite, found["x"].distinct) == (499_900, 100, 100)
    assert max(numbers(found, "x").cells()) <= 3


@pytest.mark.parametrize(
    "values", [np.arange(300_000), RNG.normal(size=300_000), RNG.integers(0, 5000, 300_000) * 3600.0]
)
def test_how_many_values_differ_is_estimated_within_a_tenth(values: Any) -> None:
    column = profile(pd.DataFrame({"x": values, "text": values.astype("str")}))
    assert column["x"].certainty == "estimate"
    assert column["x"].distinct == pytest.approx(len(np.unique(values)), rel=0.1)
    assert column["text"].distinct == pytest.approx(len(np.unique(values)), rel=0.1)


def test_quantiles_and_distribution_function_are_close_and_meet_at_the_ends() -> None:
    values = RNG.gamma(2, size=100_000)
    column = profile(pd.DataFrame({"x": values}))["x"]
    assert (column.quantile(0), column.quantile(1)) == (values.min(), values.max())
    assert (column.cdf(-math.inf), column.cdf(math.inf)) == (0.0, 1.0)
    for q in (0.02, 0.25, 0.5, 0.9, 0.98):
        assert column.cdf(float(np.quantile(values, q))) == pytest.approx(q, abs=0.002)
        assert column.quantile(q) == pytest.approx(np.quantile(values, q), rel=0.02)
    with pytest.raises(UsageError, match="does not exist"):
        column.quantile(1.5)


def test_infinities_are_counted_apart_and_spoil_no_sum() -> None:
    column = profile(pd.DataFrame({"x": [1.0, 3.0, math.inf, math.inf, -math.inf, math.nan]}))["x"]
    assert column.numbers == Numbers(
        (1.0, 3.0), (1, 1), (), 1.0, 3.0, 4.0, 10.0, negative_infinities=1, positive_infinities=2
    )
    assert (column.nulls, column.distinct) == (1, 4)
    assert [column.quantile(q) for q in (0.1, 0.4, 1)] == [-math.inf, 1.0, math.inf]
    assert column.cdf(1.0) == pytest.approx(2 / 5)


def test_texts_truth_values_and_what_has_no_order() -> None:
    frame = pa.table(
        {
            "text": ["b", "a", "b", None, "ünïcode"],
            "truth": [True, None, True, False, True],
            "nested": [[1], None, [2, 3], [], [1]],
        }
    )
    found = profile(frame)
    texts, truths = (categories(found, name) for name in ("text", "truth"))
    assert (texts.levels, texts.counts, found["text"].nulls) == (("b", "a", "ünïcode"), (2, 1, 1), 1)
    assert (texts.shortest, texts.mean_length, texts.longest) == (1, 2.5, 7)
    assert (truths.levels, truths.counts) == (("true", "false"), (3, 1))
    assert (found["nested"].family, found["nested"].nulls, found["nested"].distinct) == ("other", 1, None)
    for ask in (found["text"].quantile, found["nested"].cdf):
        with pytest.raises(UsageError, match="no order"):
            ask(0.5)


def test_enumerations_and_uuids_are_counted_as_texts() -> None:
    found = profile(pd.DataFrame({"kind": pd.Categorical(["x", "y", "x", None]), "id": [UUID(int=1)] * 4}))
    assert (categories(found, "kind").levels, categories(found, "kind").counts) == (("x", "y"), (2, 1))
    assert (found["kind"].type, found["kind"].nulls, found["id"].type) == ("ENUM", 1, "UUID")
    assert categories(found, "id").levels == (str(UUID(int=1)),)


def test_many_texts_leave_the_commonest_counted_exactly_and_the_rest_as_other() -> None:
    texts = ["often", *(f"id {number}" for number in range(50_000))] * 2 + ["often"]
    reference = profile(pd.DataFrame({"id": texts}))
    found = categories(reference, "id")
    assert (found.levels[0], found.counts) == ("often", (3, *[2] * 199))
    assert found.other == 100_003 - sum(found.counts)
    again = categories(profile(pd.DataFrame({"id": ["often", "new", "another"]}), like=reference), "id")
    assert (sum(again.counts), again.other, again.examples) == (1, 2, ("another", "new"))


def test_twenty_columns_take_less_than_32_kilobytes_of_json_whatever_the_texts_are() -> None:
    rows = 20_000
    ordered = {f"n{index}": RNG.lognormal(0, index, rows) * 10.0 ** (index * 3 - 20) for index in range(16)}
    long = {f"t{index}": [f"{n % 1000:04}" + "long " * (index * 40) for n in range(rows)] for index in range(4)}
    found = profile(pd.DataFrame(ordered | long))
    assert len(found.to_json()) < 32_000
    cut = categories(found, "t3")
    assert cut.cut == 200 - len(cut.levels) > 0
    assert cut.count == rows
    assert len(profile(pd.DataFrame({f"t{n}": long[f"t{n % 4}"] for n in range(20)})).to_json()) < 32_000


def test_json_gives_back_an_equal_profile_and_refuses_anything_else() -> None:
    found = profile(pd.DataFrame({"x": RNG.normal(size=1000), "t": ["ä", None] * 500, "d": pd.Timestamp("2024-02-29")}))
    assert Profile.from_json(found.to_json()) == found
    with pytest.raises(UsageError, match="not a profile"):
        Profile.from_json(b'{"rows": "many"}')


def test_dates_and_times_are_counted_as_such_from_every_source(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "day": [date(2024, 2, 29), None, date(1969, 12, 31)],
            "at": pd.to_datetime(["2024-01-01 12:00", "", "1969-12-31 00:00"]),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    for data in (frame, tmp_path / "t.parquet", tmp_path / "t.csv", pa.Table.from_pandas(frame)):
        found = profile(data)
        assert numbers(found, "day").edges == (-1.0, 19782.0)
        assert numbers(found, "at").edges == (-86_400e6, datetime(2024, 1, 1, 12, tzinfo=UTC).timestamp() * 1e6)
        assert [found[name].nulls for name in ("day", "at")] == [1, 1]
        assert "2024-02-29" in repr(found)
        assert "1969-12-31 00:00:00" in repr(found)


def test_every_source_gives_the_same_profile(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "i": RNG.integers(0, 30, 5000),
            "x": RNG.normal(0, 100, 5000).round() / 64,  # so that any order gives the same sums
            "t": RNG.choice(["a", "b"], 5000),
            "b": [True, False] * 2500,
        }
    )
    frame.loc[::9, "x"] = np.nan
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for half, rows in (("1", table[:2000]), ("2", table[2000:])):
        pq.write_table(rows, tmp_path / f"half{half}.parquet", row_group_size=700)
    frame.to_csv(tmp_path / "all.csv", index=False)
    frame.to_json(tmp_path / "all.jsonl", orient="records", lines=True, double_precision=15)
    expected = profile(frame)
    assert profile(table) == expected
    assert profile(table.to_reader(100)) == expected
    assert profile(tmp_path / "half*.parquet", threads=1) == expected
    assert profile(tmp_path / "all.csv") == expected
    with opened(tmp_path / "half*.parquet") as relation:
        assert profile(relation._replace(sql=f"(from {relation.sql})")) == expected
    assert profile(tmp_path / "all.jsonl")["t"] == expected["t"]


def test_parquet_that_only_the_engine_reads_alike_is_left_to_it(tmp_path: Path) -> None:
    amounts = pa.array([Decimal("1.50"), None, Decimal("2.25")])
    pq.write_table(
        pa.table({"amount": amounts, "at": pa.array([1, 2, 3_000_000], pa.timestamp("ns"))}), tmp_path / "a.parquet"
    )
    pq.write_table(pa.table({"amount": [4.0], "more": [1]}), tmp_path / "b.parquet")
    found = profile(tmp_path / "a.parquet")
    assert numbers(found, "amount").edges == (1.5, 2.25)
    both = profile(tmp_path / "*.parquet")
    assert both.rows == 4
    assert both["more"].nulls == 3


def test_a_week_is_the_sum_of_its_days(tmp_path: Path) -> None:
    rows = 20_000
    week = pd.DataFrame(
        {"x": RNG.standard_t(2, rows), "n": RNG.poisson(3, rows), "t": RNG.choice(list("abcdefgh"), rows)}
    )
    week.loc[::11, "x"] = np.nan
    days = [week.iloc[day::7] for day in range(7)]
    like = profile(days[0])
    whole, merged = profile(week, like=like), like
    for day in days[1:]:
        merged = merged.merged(profile(day, like=like))
    assert merged.rows == whole.rows
    assert merged["t"] == whole["t"]
    one, two = numbers(merged, "x"), numbers(whole, "x")
    assert (one.edges, one.cells(), one.min, one.max) == (two.edges, two.cells(), two.min, two.max)
    assert (one.sum, one.squares, one.low, one.high) == pytest.approx((two.sum, two.squares, two.low, two.high))
    assert merged["x"].certainty == "at least"
    assert (merged["x"].distinct or 0) <= (whole["x"].distinct or 0)


def test_profiles_that_do_not_add_up_say_why() -> None:
    one, two = (profile(pd.DataFrame({"x": RNG.normal(size=500), "t": list("ab") * 250})) for _ in range(2))
    with pytest.raises(UsageError, match=r"Column 'x' does not add up: .*other edges(.|\n)*like=reference"):
        one.merged(two)
    with pytest.raises(UsageError, match="'x' cannot be compared"):
        difference(one, two)
    with pytest.raises(UsageError, match="Only one of the profiles has the column t"):
        one.merged(profile(pd.DataFrame({"x": [1.0]}), like=one))
    with pytest.raises(UsageError, match="BIGINT here and DOUBLE there"):
        profile(pd.DataFrame({"x": [1]})).merged(profile(pd.DataFrame({"x": [1.0]})))


def test_one_bad_value_blinds_nothing() -> None:
    then, now = RNG.normal(size=20_000), RNG.normal(1, 1, 20_000)
    then[0] = 1e6
    reference = profile(pd.DataFrame({"x": then}))
    column = difference(reference, profile(pd.DataFrame({"x": now}), like=reference))["x"]
    assert column.ks is not None
    assert column.ks.estimate == pytest.approx(0.38, abs=0.02)
    assert column.psi == pytest.approx(0.92, abs=0.1)


def test_a_difference_says_what_became_of_each_column() -> None:
    then = pd.DataFrame({"gone": [1, 2], "kind": ["a", "b"], "text": [1, 2], "share": [0.5, None]})
    now = pd.DataFrame({"kind": ["a", "c", "d"], "text": ["1", "2", "3"], "share": [0.5, 1.0, 1.5], "new": [1, 2, 3]})
    reference = profile(then)
    found = difference(reference, profile(now, like=reference))
    assert [(one.column, one.change) for one in found.columns] == [
        ("gone", "gone"), ("kind", ""), ("text", "BIGINT, now VARCHAR"), ("share", ""), ("new", "new"),
    ]  # fmt: skip
    assert (found["kind"].unseen, found["kind"].examples) == (2, ("c", "d"))
    assert (found["share"].nulls_then, found["share"].nulls_now) == (0.5, 0.0)
    assert (found["share"].mean_then, found["share"].mean_now) == (0.5, 1.0)
    assert found["share"].ks == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (found["text"].ks, found["text"].psi, found["new"].mean_now) == (None, None, 2.0)
    assert found["kind"].psi == pytest.approx(
        sum(
            (q - p) * math.log(q / p)
            for p, q in zip((1.5 / 3.5, 1.5 / 3.5, 0.5 / 3.5), (1.5 / 4.5, 0.5 / 4.5, 2.5 / 4.5), strict=True)
        )
    )


def test_the_stability_index_uses_about_ten_groups_and_is_small_without_drift() -> None:
    reference = profile(pd.DataFrame({"x": RNG.normal(size=50_000)}))
    for shift, index in ((0.0, 0.0), (0.5, 0.24)):
        now = profile(pd.DataFrame({"x": RNG.normal(shift, 1, 50_000)}), like=reference)
        assert reference["x"].psi(now["x"]) == pytest.approx(index, abs=0.02)


def test_what_chance_explains_is_taken_off_the_index() -> None:
    reference = profile(pd.DataFrame({"x": RNG.normal(size=300), "two": RNG.choice(["a", "b"], 300)}))
    for name, moved in (("x", RNG.normal(1, 1, 300)), ("two", RNG.choice(["a", "b"], 300, p=[0.9, 0.1]))):
        same = [RNG.normal(size=300) if name == "x" else RNG.choice(["a", "b"], 300) for _ in range(20)]
        found = [profile(pd.DataFrame({name: one}), like=reference)[name] for one in (*same, moved)]
        beyond = [beyond_chance(reference[name], one) or 0.0 for one in found]
        assert np.mean(beyond[:-1]) < 0.03
        assert beyond[-1] > 0.3
        assert beyond[-1] < (reference[name].psi(found[-1]) or 0.0)


def test_empty_data_one_row_and_no_values() -> None:
    empty = profile(pd.DataFrame({"x": np.array([], float), "t": np.array([], str)}))
    assert (empty.rows, empty["x"].null_share, empty["x"].quantile(0.5), empty["x"].cdf(1)) == (0, 0.0, None, None)
    one = profile(pd.DataFrame({"x": [7.0], "t": ["only"]}))
    assert (one["x"].quantile(0), one["x"].quantile(1), one["t"].distinct) == (7.0, 7.0, 1)
    missing = profile(pd.DataFrame({"x": [np.nan, np.nan], "t": pd.Series([None, None], dtype="str")}))
    assert (missing["x"].nulls, missing["t"].nulls, missing["x"].distinct) == (2, 2, 0)
    for nothing in (empty, missing):
        assert nothing["x"].ks(nothing["x"]) is None
        assert nothing["x"].psi(nothing["x"]) is None
        assert nothing["t"].psi(nothing["t"]) is None
        assert "x" in repr(nothing)
        assert "<svg" not in nothing._repr_html_()


def test_a_profile_shows_a_line_for_each_column_and_its_histogram() -> None:
    found = profile(pd.DataFrame({"x": [1.0, 2.0, 2.0, None], "t": ["<b>", "a", "a", "a"]}))
    assert repr(found) == (
        "4 rows, 2 columns\n"
        "column  type     missing (%)  distinct    min  median   mean    max  commonest\n"
        "x       DOUBLE            25         2  1.000   2.000  1.667  2.000\n"
        "t       VARCHAR            0         2      -       -      -      -  a 75%, <b> 25%\n"
    )
    shown = found._repr_html_()
    assert shown.count("<svg") == 2
    assert "&lt;b&gt;" in shown


def test_a_difference_is_a_table_without_a_verdict() -> None:
    reference = profile(pd.DataFrame({"x": [1.0, 2.0], "t": ["a", "b"]}))
    found = difference(reference, profile(pd.DataFrame({"x": [2.0, 2.0, None], "t": ["a", "a", "z"]}), like=reference))
    assert found.to_text() == (
        "2 rows then, 3 now\n"
        "column  change  missing then (%)  now (%)  mean then  now   KS  at least  at most     PSI  unseen (rows)  such as\n"
        "x                              0    33.33        1.5  2.0  0.5       0.5      0.5  0.5365              -\n"
        "t                              0     0.00          -    -    -         -        -  0.6229              1  z\n"
    )
    assert "<table" in found.to_html()


def test_what_cannot_be_read_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        profile(tmp_path / "none.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(SourceError, match="cannot be read"):
        profile(tmp_path / "torn.parquet")
    pq.write_table(pa.table({"x": RNG.normal(size=5000)}), tmp_path / "bent.parquet")
    whole = bytearray((tmp_path / "bent.parquet").read_bytes())
    whole[4:60] = b"\xff" * 56
    (tmp_path / "bent.parquet").write_bytes(whole)
    with pytest.raises(SourceError, match="cannot be read"):
        profile(tmp_path / "bent.parquet")
    with pytest.raises(UsageError, match="no column 'y'"):
        profile(pd.DataFrame({"x": [1]}))["y"]


def spread() -> dict[str, Any]:
    """Columns of numbers, spread in every way that a grid of cells may find hard."""
    drawn = np.random.default_rng(5)
    many = 50_000
    normal, some = drawn.normal(5, 1, many), drawn.random(many) < 0.01
    return {
        "normal": drawn.normal(0, 1, many), "below zero": -drawn.lognormal(0, 2, many), "long tails": drawn.standard_t(2, many),
        "missing": np.where(some, np.nan, normal), "infinite": np.where(some, -np.inf, normal), "huge": normal * 1e300,
        "tiny": normal * 1e-300, "cents": np.round(drawn.gamma(2, 10, many), 2), "zeros": np.where(some, -0.0, drawn.normal(0, 1, many)),
        "mostly zero": np.where(some, normal, 0.0), "numbered": np.arange(many) * 1.0, "microseconds": 1.3e15 + normal * 1e10,
    }  # fmt: skip


@pytest.mark.parametrize("given", ["itself", "other"])
@pytest.mark.parametrize("called", [*spread()])
def test_what_is_counted_by_cells_is_what_is_counted_by_sorting(
    called: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, drawn = spread()[called], np.random.default_rng(6).normal(2, 2, 5000)
    counted = []
    by_cells = NumberTally.count_coarsely
    for way in (by_cells, lambda *_: False):
        used: list[bool] = []
        monkeypatch.setattr(
            NumberTally, "count_coarsely", lambda *told, way=way, used=used: used.append(way(*told)) or used[-1]
        )
        tally = NumberTally("DOUBLE", "number", None)
        tally.sample(values if given == "itself" else drawn)
        tally.add(values)
        counted.append((tally.column(), used))
    (one, used), (other, _) = counted
    assert one.numbers is not None
    assert other.numbers is not None
    sums = ("sum", "squares", "low", "high")
    assert [getattr(one.numbers, field) for field in sums] == pytest.approx(
        [getattr(other.numbers, field) for field in sums]
    )
    alike = {field: getattr(other.numbers, field) for field in sums}
    assert msgspec.structs.replace(one, numbers=msgspec.structs.replace(one.numbers, **alike)) == other
    if called in {"normal", "below zero", "missing", "cents"} and given == "itself":
        assert sum(used) > len(used) // 2


def test_slices_are_the_profiles_of_their_rows_in_one_pass(tmp_path: Path) -> None:
    rows = 20_000
    frame = pd.DataFrame(
        {
            "x": RNG.standard_t(2, rows).round(3) / 64,
            "carrier": RNG.choice(["UA", "AA", "DL"], rows, p=[0.6, 0.3, 0.1]),
            "month": RNG.integers(1, 4, rows),
            "late": RNG.random(rows) < 0.2,
            "at": pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 10**6, rows), unit="s"),
        }
    )
    frame.loc[::9, "x"], frame.loc[::11, "carrier"] = np.nan, None
    like = profile(frame)
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=3000)
    for data in (frame, tmp_path / "rows.parquet", pa.Table.from_pandas(frame).to_reader(700)):
        found = sliced(data, ["carrier", "month", "late"], like=like)
        assert [*found] == [
            (), ("carrier", "UA"), ("carrier", "AA"), ("carrier", "DL"),
            *sorted(((part for part in found if part[:1] == ("month",))), key=lambda part: -found[part].rows),
            ("late", "false"), ("late", "true"),
        ]  # fmt: skip
        for part, rows_of in (
            ((), frame), (("carrier", "DL"), frame[frame.carrier == "DL"]), (("month", "2"), frame[frame.month == 2]),
            (("late", "true"), frame[frame.late]),
        ):  # fmt: skip
            alone = profile(rows_of, like=like)
            assert found[part].rows == alone.rows
            for column in like.columns:
                assert found[part][column].nulls == alone[column].nulls
                assert found[part][column].categories == alone[column].categories
            for column in ("x", "month", "at"):
                one, two = numbers(found[part], column), numbers(alone, column)
                assert (one.cells(), one.min, one.max) == (two.cells(), two.min, two.max)
                assert (one.sum, one.low, one.high) == pytest.approx((two.sum, two.low, two.high))
    assert [*sliced(frame, ["carrier"], like=like, most=1)] == [(), ("carrier", "UA")]


def test_slices_of_what_is_not_there_have_no_rows_and_other_columns_their_gaps() -> None:
    like = profile(pd.DataFrame({"carrier": ["UA", "AA"] * 50, "x": np.arange(100), "was": ["a"] * 100}))
    found = sliced(
        pd.DataFrame({"carrier": ["UA", "ZZ"], "x": ["1", None], "new": [None, 2.0]}), ["carrier"], like=like
    )
    assert {part: one.rows for part, one in found.items()} == {(): 2, ("carrier", "UA"): 1, ("carrier", "AA"): 0}
    assert [(found[()][column].family, found[()][column].nulls) for column in ("x", "new")] == [
        ("other", 1),
        ("other", 1),
    ]
    with pytest.raises(UsageError, match="no values to slice by"):
        sliced(pd.DataFrame({"x": [1]}), ["x"], like=profile(pd.DataFrame({"x": RNG.normal(size=500)})))
    with pytest.raises(UsageError, match="no column 'carrier' to slice by"):
        sliced(pd.DataFrame({"x": [1]}), ["carrier"], like=like)
