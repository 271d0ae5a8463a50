"""Whatever the values are: each row has one group, and what is told of the groups adds up to what is told of all rows."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbops.evaluation.cases import read
from nbops.evaluation.fairness import fairness, protected
from nbops.evaluation.grouping import groupings
from nbops.evaluation.means import means
from nbops.evaluation.worst import worst_rows, worst_slices
from tests.examples import some

NUMBERS = st.lists(st.one_of(st.none(), st.floats(), st.integers(-3, 3).map(float)), max_size=60)
TEXTS = st.lists(
    st.one_of(st.none(), st.sampled_from(["missing", "other", "a", "1"]), st.text(max_size=50)), max_size=60
)
TIMES = st.lists(st.one_of(st.none(), st.datetimes()), max_size=30).map(
    lambda each: pd.Series(each, dtype="datetime64[us]")
)
OBJECTS = st.lists(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.lists(st.integers(), max_size=2)
    ),
    max_size=30,
)
COLUMNS = st.one_of(NUMBERS, TEXTS, TIMES, OBJECTS.map(lambda each: pd.Series(each, dtype=object)))


@settings(max_examples=some(60), deadline=None)
@given(COLUMNS)
def test_every_row_has_one_group_and_every_group_a_row_and_a_name_of_its_own(values: Any) -> None:
    frame = pd.DataFrame({"x": values})
    for found in groupings(frame, "x"):
        assert len(found.codes) == len(frame)
        assert {*found.codes.tolist()} == {*range(len(found.names))}
        assert len({*found.names}) == len(found.names)
        told = frame["x"].isna().to_numpy(dtype=bool)
        assert [found.names[code] == "missing" for code in found.codes] == told.tolist()


@settings(max_examples=some(50), deadline=None)
@given(st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=80))
def test_groups_of_numbers_lie_in_order(numbers: list[float]) -> None:
    (found,) = groupings(pd.DataFrame({"x": numbers}), "x")
    ends = [([n for n, c in zip(numbers, found.codes, strict=True) if c == code]) for code in range(len(found.names))]
    assert all(max(low) < min(high) for low, high in itertools.pairwise(ends))


LOSSES = st.lists(st.tuples(st.integers(0, 3), st.floats(-1e6, 1e6), st.integers(0, 5)), min_size=1, max_size=80)


@settings(max_examples=some(50), deadline=None)
@given(LOSSES, st.booleans())
def test_means_of_groups_add_up_to_the_mean_of_all(rows: list[tuple[int, float, int]], blocked: Any) -> None:
    codes, losses, blocks = (np.array(each) for each in zip(*rows, strict=True))
    found = means(losses.astype(float), codes, 4, blocks if blocked else None)
    assert found.rows.sum() == len(rows)
    assert np.nansum(found.mean.value * found.rows) == pytest.approx(losses.sum(), abs=1e-6)
    for code in {*codes.tolist()}:
        assert found.mean.value[code] == pytest.approx(losses[codes == code].mean(), abs=1e-6)
        if (codes != code).any():
            assert found.rest[code] == pytest.approx(losses[codes != code].mean(), abs=1e-6)


@settings(max_examples=some(50), deadline=None)
@given(LOSSES)
def test_counts_of_rates_add_up(rows: list[tuple[int, float, int]]) -> None:
    codes, losses, blocks = (np.array(each) for each in zip(*rows, strict=True))
    truth, predicted = (losses > 0).astype(int), (blocks > 2).astype(int)
    (found,) = fairness(protected(pd.DataFrame({"g": codes}), ["g"]), truth, predicted, task="binary", min_rows=1)
    assert sum(group.rows for group in found.groups) == len(rows)
    for place, total in enumerate((len(rows), truth.sum(), (1 - truth).sum(), predicted.sum(), len(rows))):
        assert sum(group.rates[place].of for group in found.groups) == total
        rates = [group.rates[place] for group in found.groups if group.rates[place].of]
        assert all(0 <= rate.low <= rate.value + 1e-12 and rate.value - 1e-12 <= rate.high <= 1 for rate in rates)
    assert all(0 <= gap.difference <= 1 and (math.isnan(gap.ratio) or 0 <= gap.ratio <= 1) for gap in found.gaps)


@settings(max_examples=some(25), deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 400), COLUMNS)
def test_finds_have_the_rows_that_they_say(seed: int, count: int, values: Any) -> None:
    rng = np.random.default_rng(seed)
    column = (
        pd.Series(values, dtype=None if len(values) else object)
        .reindex(rng.integers(0, max(len(values), 1), count))
        .reset_index(drop=True)
    )
    frame = pd.DataFrame({"x": column, "y": rng.normal(size=count), "z": rng.integers(0, 5, count)})
    losses = rng.exponential(1, count) + 3 * (frame["z"] == 3).to_numpy()
    for found in worst_slices(frame, losses, min_rows=5):
        assert 0 < found.rows < count
        assert 0 <= found.p <= 1
        assert found.confirmed == (found.p < 0.05)
        if found.conditions == ("z = 3",):
            assert found.rows == (frame["z"] == 3).sum()
    assert losses[worst_rows(losses, 5)].tolist() == sorted(losses.tolist(), reverse=True)[:5]


TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"), min_size=1, max_size=8
)
CASES = st.lists(
    st.tuples(TEXT.filter(str.strip), st.integers(-999, 999), st.floats(-1e6, 1e6).map(lambda x: round(x, 2))),
    min_size=1,
    max_size=8,
)


@settings(max_examples=some(60), deadline=None)
@given(CASES, st.sampled_from(",;\t"), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.booleans())
def test_cases_come_back_as_they_were_written(
    cases: list[tuple[str, int, float]], sign: str, encoding: str, comma: Any
) -> None:
    given = pd.DataFrame(cases, columns=["origin", "month", "distance"]).assign(at_least=[low for *_, low in cases])
    decimal = "," if comma and sign != "," else "."
    with TemporaryDirectory() as folder:
        path = Path(folder, "cases.csv")
        given.to_csv(path, sep=sign, index=False, encoding=encoding, decimal=decimal)
        found = read(path, {"origin": "str", "month": "int", "distance": "float"})
    assert found.frame.to_numpy().tolist() == [list(case) for case in cases]
    assert [case.low for case in found.cases] == [low for *_, low in cases]
