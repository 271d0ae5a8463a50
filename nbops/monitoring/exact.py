"""Distances of two sets of rows without any profile, by SQL in an engine that spills to disk where memory ends.

They take a sort of each column, and are there to look closely and to check what profiles say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from nbops import duck
from nbops.data.profiling import as_double, family
from nbops.data.relation import Relation
from nbops.duck import name
from nbops.errors import SourceError
from nbops.monitoring.significance import LEAST_EXPECTED, chi_squared_beyond


class Exact(NamedTuple):
    """What two columns are apart: of ordered ones `ks` and `wasserstein` (of the finite values, in their unit), of texts the rest.

    None where it does not exist. Values of which fewer than 5 rows are expected in either are one, as in `significance.pooled`.
    """

    ks: float | None = None
    wasserstein: float | None = None
    chi_square: float | None = None
    freedom: int | None = None
    p: float | None = None
    cramers_v: float | None = None


def measured(relation: Relation, other: str, columns: Sequence[str]) -> dict[str, Exact]:
    """The columns of a relation beside those of the same name and kind in `other`, SQL that may stand behind FROM in its engine.

    `other` is the reference. Columns that are of no kind that has a distance are left out. Raises SourceError.
    """
    found = {}
    for column in columns:
        kind = family(relation.columns[column])
        try:
            if kind == "category":
                found[column] = _categories(relation, other, column)
            elif kind != "other":
                found[column] = _numbers(relation, other, as_double(name(column), kind))
        except duck.errors() as error:
            raise SourceError(
                f"The rows of {column!r} cannot be compared: {str(error).strip().splitlines()[0]}",
                hint="Where memory or disk ended, give a larger memory_limit or leave out `exact`.",
            ) from error
    return found


def _numbers(relation: Relation, other: str, value: str) -> Exact:
    ((ks, finite_n, finite_m, area),) = duck.rows(
        relation.connection,
        f"""
        with together as (
            select {value} + 0.0 as x, 1 as one, 0 as two from {other} union all
            select {value} + 0.0 as x, 0 as one, 1 as two from {relation.sql}
        ), points as (
            select x, sum(one)::bigint as one, sum(two)::bigint as two from together where x is not null and not isnan(x) group by x
        ), sums as (
            select nullif(sum(one), 0) as n, nullif(sum(two), 0) as m, nullif(sum(one) filter (isfinite(x)), 0) as finite_n,
                nullif(sum(two) filter (isfinite(x)), 0) as finite_m
            from points
        ), passed as (
            select x, sum(one) over w / n - sum(two) over w / m as apart,
                sum(if(isfinite(x), one, 0)) over w / finite_n - sum(if(isfinite(x), two, 0)) over w / finite_m as finite_apart,
                lead(x) over (order by x) as next
            from points, sums window w as (order by x rows unbounded preceding)
        )
        select max(abs(apart)), any_value(finite_n), any_value(finite_m),
            sum(abs(finite_apart) * (next - x)) filter (isfinite(x) and isfinite(next))
        from passed, sums
        """,
    )
    return Exact(ks, (area or 0.0) if finite_n and finite_m and ks is not None else None)


def _categories(relation: Relation, other: str, column: str) -> Exact:
    value = f"{name(column)}::varchar"
    found = duck.rows(
        relation.connection,
        f"""
        with together as (
            select {value} as x, 1 as one, 0 as two from {other} union all
            select {value} as x, 0 as one, 1 as two from {relation.sql}
        ), points as (
            select sum(one)::double as one, sum(two)::double as two from together where x is not null group by x
        ), sums as (
            select sum(one) as n, sum(two) as m from points
        ), told as (
            select one, two, n, m, one + two < {LEAST_EXPECTED} * (n + m) / least(n, m) as few from points, sums
        )
        select few, count(*), any_value(n), any_value(m), sum(one), sum(two), sum((one * m - two * n) ** 2 / (one + two)),
            arg_min(one, one + two), arg_min(two, one + two)
        from told group by few order by few
        """,
    )
    if not found or not found[0][2] or not found[0][3]:
        return Exact()
    n, m = found[0][2:4]
    return _tested(found, n, m)


def _tested(found: Sequence[tuple[float, ...]], n: float, m: float) -> Exact:
    """The test of the values that are many, and of all others together."""
    kept = next((row for row in found if not row[0]), None)
    rest = next((row for row in found if row[0]), None)
    groups, total = (int(kept[1]), kept[6]) if kept else (0, 0.0)
    if rest is not None:
        one, two = rest[4:6]
        if kept and one + two < LEAST_EXPECTED * (n + m) / min(n, m):
            total -= _term(kept[7], kept[8], n, m)
            one, two, groups = one + kept[7], two + kept[8], groups - 1
        total, groups = total + _term(one, two, n, m), groups + 1
    if groups < 2:
        return Exact()
    statistic = total / (n * m)
    return Exact(
        None, None, statistic, groups - 1, chi_squared_beyond(statistic, groups - 1), math.sqrt(statistic / (n + m))
    )


def _term(one: float, two: float, n: float, m: float) -> float:
    return (one * m - two * n) ** 2 / (one + two)
