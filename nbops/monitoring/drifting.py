"""Two frames or files beside each other, without any store: what of the second is not as it was in the first."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from nbops.data.counts import Ks
from nbops.data.profile import Profile
from nbops.data.profiling import profile, sliced
from nbops.data.relation import is_read_once, opened
from nbops.errors import UsageError
from nbops.monitoring.distances import robust_scale
from nbops.monitoring.drift import ColumnDrift, Drift, DriftPolicy, Pair, compare_each
from nbops.monitoring.drift_views import DriftView
from nbops.monitoring.exact import Exact, measured


def drift(
    reference: object,
    current: object,
    *,
    columns: Sequence[str] | None = None,
    slices: Sequence[str] = (),
    exact: bool = False,
    policy: DriftPolicy | None = None,
    memory_limit: str = "50%",
) -> DriftView:
    """Compare rows with those of a reference, column by column; what comes back shows itself, and lists the columns as `drifted`.

    Both are a path or pattern, a DataFrame of pandas or polars, or Arrow; the reference may be a Profile. A column differs where the
    difference matters (`policy`) and chance hardly explains it. `columns` are what is looked at, else all, but dates and times only when
    they are named; `slices` are columns for each of whose 50 commonest values the same is done. With `exact`, KS and Wasserstein
    distance and Cramer's V are computed from the rows, sorting each column on disk beyond `memory_limit`. Raises NotFound, SourceError
    and UsageError.
    """
    if isinstance(reference, Profile) and (slices or exact):
        raise UsageError(
            "A profile has no rows to slice or to sort.", hint="Give the data that it was made of, or leave that out."
        )
    if slices or exact:
        reference, current = (data.read_all() if is_read_once(data) else data for data in (reference, current))
    then = reference if isinstance(reference, Profile) else profile(reference, memory_limit=memory_limit)
    if not slices:
        now = profile(current, like=then, memory_limit=memory_limit)
        found = compare_each([Pair(then, now)], policy=policy, columns=columns or None)
    else:
        before, after = (sliced(data, slices, like=then, memory_limit=memory_limit) for data in (reference, current))
        now = after[()]
        pairs = [Pair(before[part], after[part], part or None) for part in after]
        found = compare_each(pairs, policy=policy, columns=columns or None)
    if exact:
        found[0] = _exactly(found[0], then, reference, current, memory_limit)
    return DriftView(found[0], then, now, found[1:])


def _exactly(drift: Drift, then: Profile, reference: object, current: object, memory_limit: str) -> Drift:
    """The same with distances that were computed from the rows."""
    compared = [one.column for one in drift.columns if one.column in then.columns and one.change in {"", one.family}]
    with opened(current, tables={"the reference": reference}, memory_limit=memory_limit) as relation:
        told = measured(relation, '"the reference"', [one for one in compared if one in relation.columns])
    columns = tuple(_replaced(one, then, told[one.column]) if one.column in told else one for one in drift.columns)
    return msgspec.structs.replace(drift, columns=columns)


def _replaced(one: ColumnDrift, then: Profile, found: Exact) -> ColumnDrift:
    numbers = then[one.column].numbers
    scale = robust_scale(numbers) if numbers is not None else None
    area = found.wasserstein
    distances = msgspec.structs.replace(
        one.distances,
        ks=None if found.ks is None else Ks(found.ks, found.ks, found.ks),
        wasserstein=area,
        wasserstein_scaled=None if area is None or scale is None else area / scale,
        cramers_v=one.distances.cramers_v if found.cramers_v is None else found.cramers_v,
    )
    return msgspec.structs.replace(one, distances=distances)
