"""A figure with how certain it is, and how shares are written."""

from __future__ import annotations

from nbops.records import Record
from nbops.render import values


class Estimate(Record):
    """A figure and its interval; None where it is undefined, as the precision of no flagged row."""

    value: float | None
    low: float | None
    high: float | None


def percent(share: float | None) -> str:
    """A share from 0 to 1 as "71.2 %"."""
    return values.MISSING if share is None else f"{values.number(round(100 * share, 1))} %"
