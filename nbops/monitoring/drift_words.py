"""What a comparison found of a column, as a sentence that a person can act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nbops.render import values

if TYPE_CHECKING:
    from nbops.monitoring.drift import ColumnDrift, DriftPolicy, Evidence

_EXAMPLES = 3
_SMALLEST_P = 1e-6


def sentence(one: ColumnDrift, differs: Sequence[str], policy: DriftPolicy) -> str:
    """What became of a column: how it `differs`, or why it does not, or why nobody can tell yet."""
    told = []
    if "missing" in differs and one.missing is not None:
        told.append(
            f"is missing in {_percent(one.nulls_now)} of the rows, {_percent(one.nulls_then)} before{_keys(one.missing)}"
        )
    if "unseen" in differs and one.unseen is not None:
        some = ", ".join(repr(text) for text in one.examples[:_EXAMPLES])
        such = f", such as {some}" if some else ""
        told.append(
            f"has values never seen before in {_percent(one.unseen_share)} of the rows{such}{_keys(one.unseen)}"
        )
    if "moved" in differs and one.moved is not None:
        told.append(
            f"has moved{_middle(one)}: PSI {one.moved.effect:.2f}, chance alone reaches {one.moved.no_drift_99:.2f}{_keys(one.moved)}"
        )
    if told:
        return f"{one.column} {'; it '.join(told)}."
    return f"{one.column} {_unjudged(one, policy) if one.moved is None else _same(one.moved)}."


def shown_p(p: float) -> str:
    """A p value as people read it: beyond a millionth there is nothing to tell apart."""
    return f"{p:.1g}" if p >= _SMALLEST_P else f"< {_SMALLEST_P:.0e}".replace("e-0", "e-")


def _middle(one: ColumnDrift) -> str:
    if one.family != "number" or one.median_then is None or one.median_now is None or one.median_then == one.median_now:
        return ""
    then, now = values.numbers([one.median_then, one.median_now])
    return f", its median from {then} to {now}"


def _unjudged(one: ColumnDrift, policy: DriftPolicy) -> str:
    if one.verdict == "same":
        return "has one value, as before"
    if one.family == "other":
        return "has no values that can be compared"
    there = min(one.values_then, one.values_now)
    if there < policy.min_rows:
        return f"has too few values to judge: {values.counted(there, 'value')} of {policy.min_rows:,}"
    if one.family in {"date", "timestamp"}:
        return f"is a {'date' if one.family == 'date' else 'time'}, which moves on: name the column to have it judged"
    return "has too many different values for so few rows"


def _same(found: Evidence) -> str:
    if found.effect > found.limit:
        return f"may have moved, but chance explains it: PSI {found.effect:.2f}{_keys(found)}"
    if found.beyond_chance:
        natural = found.natural is not None and found.limit == found.natural
        return f"has moved by less than {'is natural for it' if natural else 'matters'}: PSI {found.effect:.2f}, limit {found.limit:.2f}"
    return f"is as it was: PSI {found.effect:.2f}, chance alone reaches {found.no_drift_99:.2f}"


def _keys(found: Evidence) -> str:
    return f" (adjusted p {shown_p(found.adjusted_p)})"


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0.0):.3g} %"
