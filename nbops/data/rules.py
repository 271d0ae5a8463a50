"""The rules of a data contract, as records. What they ask for in words and in SQL is in `meaning`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from nbops.records import Record

Severity = Literal["stop", "quarantine", "warn"]
"""What broken rows lead to: nothing is taken; they are set aside; they are told."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Kind = Literal["integer", "number", "string", "boolean", "date", "timestamp"]
Scalar = Any
"""A truth value, number, text, date or time."""


class Rule(Record, kw_only=True, tag_field="rule"):
    """What every rule has; `why` is the sentence for people where somebody wrote one.

    `share` is the share of rows up to which broken ones are no reason to stop, for `warn` none to warn.
    """

    severity: Severity = "quarantine"
    share: Share | None = None
    why: str = ""

    @property
    def limit(self) -> float:
        """The share, which is 1 for `quarantine` and 0 for the others if nobody gave one."""
        return self.share if self.share is not None else float(self.severity == "quarantine")


class NotNull(Rule, kw_only=True, tag="not_null"):
    """Every row has a value; what is not a number is none."""

    column: str


class Type(Rule, kw_only=True, tag="type"):
    """Every value is of a kind, or is text that reads as such."""

    column: str
    kind: Kind


class In(Rule, kw_only=True, tag="in"):
    """Every value is one of a list."""

    column: str
    values: list[Scalar]


class Range(Rule, kw_only=True, tag="range"):
    """Every value lies between two ends, one of which may be open; ends that are `exclusive` are no values themselves."""

    column: str
    min: Scalar = None
    max: Scalar = None
    exclusive: bool = False


class Regex(Rule, kw_only=True, tag="regex"):
    """The whole text matches a regular expression of RE2, which knows no look-around and no references back."""

    column: str
    pattern: str


class ForeignKey(Rule, kw_only=True, tag="foreign_key"):
    """Every value stands in the column `to` of the table `references`."""

    column: str
    references: str
    to: str


class Expr(Rule, kw_only=True, tag="expr"):
    """A SQL condition over the columns of a row is not false."""

    condition: str


class Unique(Rule, kw_only=True, tag="unique"):
    """No two rows have the same values in these columns."""

    columns: list[str]


class RowCount(Rule, kw_only=True, tag="row_count"):
    """At least `min` rows are left once others were set aside, and at most `max` came."""

    severity: Severity = "stop"
    min: Count = 0
    max: Count | None = None


class NullShare(Rule, kw_only=True, tag="null_share"):
    """At most this share of a column's values is missing."""

    severity: Severity = "stop"
    column: str
    max: Share


class Fresh(Rule, kw_only=True, tag="fresh"):
    """The newest value of a column is not older than `within` seconds; a time without a zone is UTC."""

    severity: Severity = "stop"
    column: str
    within: float


class Distribution(Rule, kw_only=True, tag="distribution"):
    """The values lie as in the last snapshot: the population stability index is at most `max`, beyond what chance explains."""

    severity: Severity = "warn"
    column: str
    max: Annotated[float, msgspec.Meta(gt=0)] = 0.2


RowRule = NotNull | Type | In | Range | Regex | ForeignKey | Expr | Unique
"""A row keeps it or breaks it."""
TableRule = RowCount | NullShare | Fresh | Distribution
"""The table keeps it or breaks it as a whole; no row is set aside for it."""
AnyRule = NotNull | Type | In | Range | Regex | ForeignKey | Expr | Unique | RowCount | NullShare | Fresh | Distribution


def columns(rule: AnyRule) -> list[str]:
    """The columns that a rule names."""
    if isinstance(rule, Unique):
        return rule.columns
    return [] if isinstance(rule, (Expr, RowCount)) else [rule.column]
