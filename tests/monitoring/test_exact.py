"""Distances in SQL are those of scipy to nine digits, also where memory ends."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import chi2_contingency, contingency, ks_2samp, wasserstein_distance

import nbops
from nbops.data.relation import opened
from nbops.errors import SourceError, UsageError
from nbops.monitoring.exact import Exact, measured
from nbops.monitoring.significance import pooled

RNG = np.random.default_rng(12)


def told(one: Any, two: Any) -> Exact:
    with opened(pa.table({"x": two}), tables={"first": pa.table({"x": one})}) as relation:
        return measured(relation, "first", ["x"])["x"]


def drawn(rows: int) -> dict[str, Any]:
    return {
        "normal": RNG.normal(size=rows), "t2": RNG.standard_t(2, rows), "lognormal": RNG.lognormal(0, 2, rows),
        "poisson": RNG.poisson(4, rows), "ties": RNG.normal(size=rows).round(1), "huge": RNG.normal(size=rows) * 1e12,
    }  # fmt: skip


REFERENCE, CURRENT = drawn(20_000), drawn(17_000)


@pytest.mark.parametrize("column", REFERENCE)
def test_exact_distances_are_those_of_scipy(column: str) -> None:
    one, two = REFERENCE[column], CURRENT[column]
    found = told(one, two)
    assert found.ks == pytest.approx(float(ks_2samp(one, two, method="asymp").statistic), rel=1e-9)
    assert found.wasserstein == pytest.approx(wasserstein_distance(one, two), rel=1e-9)


@pytest.mark.parametrize("levels", [2, 7, 60, 900])
def test_exact_tests_of_texts_are_those_of_scipy(levels: int) -> None:
    shares = 1 / np.arange(1, levels + 1)
    names = np.array([f"level {i}" for i in range(levels + 3)])
    one, two = (names[RNG.choice(levels, rows, p=shares / shares.sum()) + more] for rows, more in ((4000, 0), (900, 3)))
    table = pd.crosstab(np.concatenate([one, two]), np.repeat([0, 1], [len(one), len(two)])).to_numpy()
    groups = np.array(pooled([(int(a), int(b)) for a, b in table])).T
    expected, found = chi2_contingency(groups, correction=False), told(one, two)
    assert found.chi_square == pytest.approx(expected.statistic, rel=1e-9)
    assert found.freedom == expected.dof
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-300)
    assert found.cramers_v == pytest.approx(contingency.association(groups), rel=1e-9)


@pytest.mark.parametrize(
    ("one", "two"),
    [([], [1.0]), ([None, None], [1.0]), ([], []), (["a"], [None]), (["a", "a"], ["b"])],
)  # fmt: skip
def test_what_has_no_distance_has_none(one: list[Any], two: list[Any]) -> None:
    kind = pa.string() if any(isinstance(value, str) for value in one) else pa.float64()
    assert told(pa.array(one, kind), pa.array(two, kind)) == Exact()


def test_nothing_missing_or_infinite_spoils_a_distance() -> None:
    found = told([1.0, 2.0, None, math.nan, math.inf], [2.0, 3.0, -math.inf, -0.0, 0.0])
    # Up to 2 there are 2/3 of the values here; up to 1 there are 3/5 there, and 1/3 here.
    assert found.ks == pytest.approx(3 / 5)
    assert found.wasserstein == pytest.approx(wasserstein_distance([1, 2], [2, 3, 0, 0]))


def test_the_verb_gives_exact_distances_when_asked() -> None:
    then = pd.DataFrame(
        {"x": REFERENCE["lognormal"], "t": RNG.choice(["a", "b"], 20_000), "day": pd.Timestamp("2024-02-29")}
    )
    now = pd.DataFrame(
        {"x": CURRENT["lognormal"] * 1.3, "t": RNG.choice(["a", "b"], 17_000), "day": pd.Timestamp("2024-03-01")}
    )
    found = nbops.drift(then, now, exact=True)
    exact = float(ks_2samp(then.x, now.x, method="asymp").statistic)
    assert found["x"].distances.ks == pytest.approx((exact, exact, exact), rel=1e-9)
    assert found["x"].distances.wasserstein == pytest.approx(wasserstein_distance(then.x, now.x), rel=1e-9)
    assert found["day"].distances.wasserstein == pytest.approx(86_400e6)
    assert found["t"].distances.cramers_v == pytest.approx(nbops.drift(then, now)["t"].distances.cramers_v)
    assert found["x"].verdict == nbops.drift(then, now)["x"].verdict
    with pytest.raises(UsageError, match="A profile has no rows"):
        nbops.drift(found.reference, now, exact=True)


def test_exact_distances_spill_where_memory_ends() -> None:
    then, now = (pa.table({f"x{i}": RNG.normal(size=600_000) for i in range(1)}) for _ in range(2))
    found = nbops.drift(then, now, exact=True, memory_limit="60MB")
    expected = float(ks_2samp(then["x0"].to_numpy(), now["x0"].to_numpy(), method="asymp").statistic)
    assert found["x0"].distances.ks is not None
    assert found["x0"].distances.ks.estimate == pytest.approx(expected, rel=1e-9)


def test_too_little_memory_is_told_with_a_remedy() -> None:
    then, now = (pa.table({"x": RNG.normal(size=400_000)}) for _ in range(2))
    with pytest.raises(SourceError, match=r"cannot be compared(.|\n)*memory_limit"):
        nbops.drift(then, now, exact=True, memory_limit="12MB")
