"""What the rules of a contract ask for: as a sentence, as a SQL condition of the rows that break it, as a SQL aggregate to judge."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import Any

from nbops import duck
from nbops.data.rules import (
    AnyRule,
    Distribution,
    Expr,
    ForeignKey,
    Fresh,
    In,
    Kind,
    NotNull,
    NullShare,
    Range,
    Regex,
    RowCount,
    Scalar,
    Type,
    Unique,
)
from nbops.records import now_us

SQL_TYPES: dict[Kind, str] = {
    "integer": "BIGINT", "number": "DOUBLE", "string": "VARCHAR", "boolean": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMP",
}  # fmt: skip
"""What a column of a kind is read as, as DuckDB names it."""
_TYPES: dict[Kind, tuple[str, ...]] = {
    "integer": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
    "number": ("FLOAT", "DOUBLE", "DECIMAL"), "string": ("VARCHAR", "ENUM"), "boolean": ("BOOLEAN",), "timestamp": ("TIMESTAMP",),
    "date": ("DATE",),
}  # fmt: skip
_MOST_SHOWN = 8


def kind_of(told: str) -> Kind | None:
    """The kind of a DuckDB type; None for lists and what else no kind fits."""
    return (
        None if told.endswith("]") else next((kind for kind, types in _TYPES.items() if told.startswith(types)), None)
    )


def is_of(told: str, kind: Kind) -> bool:
    """Whether values of a DuckDB type are of a kind: a whole number is a number, too."""
    found = kind_of(told)
    return found == kind or (kind == "number" and found == "integer")


def sentence(rule: AnyRule) -> str:  # noqa: C901, PLR0911, PLR0912 - one for each rule
    """What a rule asks for, in its author's words or ours."""
    if rule.why:
        return rule.why
    match rule:
        case NotNull():
            return f"{rule.column} has a value"
        case Type():
            return f"{rule.column} is {'an' if rule.kind == 'integer' else 'a'} {rule.kind}"
        case In():
            more = " …" if len(rule.values) > _MOST_SHOWN else ""
            return f"{rule.column} is one of {', '.join(map(str, rule.values[:_MOST_SHOWN]))}{more}"
        case Range():
            low, high = ("above", "below") if rule.exclusive else ("at least", "at most")
            ends = [f"{word} {end}" for word, end in ((low, rule.min), (high, rule.max)) if end is not None]
            return f"{rule.column} is {' and '.join(ends)}"
        case Regex():
            return f"{rule.column} looks like {rule.pattern}"
        case ForeignKey():
            return f"{rule.column} is a {rule.to} of {rule.references}"
        case Expr():
            return rule.condition
        case Unique():
            return f"no two rows have the same {', '.join(rule.columns)}"
        case RowCount():
            most = "" if rule.max is None else f" and at most {rule.max:,}"
            return f"there are at least {rule.min:,}{most} rows"
        case NullShare():
            return f"at most {rule.max:.3%} of {rule.column} is missing"
        case Fresh():
            return f"the newest {rule.column} is at most {timedelta(seconds=rule.within)} old"
        case Distribution():
            return f"{rule.column} lies as in the last snapshot, within {rule.max:g}"


def broken(rule: NotNull | In | Range | Regex | ForeignKey | Expr) -> str:
    """The SQL condition of the rows that break a rule; rows for which it is null keep it."""
    value = "" if isinstance(rule, Expr) else duck.name(rule.column)
    match rule:
        case NotNull():
            return f"{value} is null"
        case In():
            return f"{value} not in ({', '.join(map(literal, rule.values))})" if rule.values else f"{value} is not null"
        case Range():
            equal = "=" if rule.exclusive else ""
            ends = (("<", rule.min), (">", rule.max))
            return (
                " or ".join(f"{value} {sign}{equal} {literal(end)}" for sign, end in ends if end is not None) or "false"
            )
        case Regex():
            return f"not regexp_full_match({value}::varchar, {duck.literal(rule.pattern)})"
        case ForeignKey():
            known = (
                f"select {duck.name(rule.to)} from {duck.name(rule.references)} where {duck.name(rule.to)} is not null"
            )
            return f"{value} not in ({known})"
        case Expr():
            return f"not ({rule.condition})"


def wrong(rule: RowCount | NullShare | Fresh, found: Any, rows: int, left: int) -> str:
    """What is wrong with what was found in `rows` rows, of which so many are `left`; empty when nothing is.

    Enough rows have to be left, and what comes has to be no more than there can be: what is far too large is no better for its dirt.
    """
    match rule:
        case RowCount():
            if rows > (math.inf if rule.max is None else rule.max):
                return f"there are {rows:,}"
            short = f"{left:,} of {rows:,} are left" if left < rows else f"there are {rows:,}"
            return short if left < rule.min else ""
        case NullShare():
            share = found / rows if rows else 0.0
            return "" if share <= rule.max else f"{share:.3%} is missing"
        case Fresh():
            if found is None:
                return "there is none"
            age = timedelta(seconds=round(now_us() / 1e6 - found / 1e6))
            return "" if age.total_seconds() <= rule.within else f"it is {age} old"


def literal(value: Scalar) -> str:
    """A SQL literal."""
    if isinstance(value, bool):
        return str(value).lower()
    if getattr(value, "nanosecond", 0):
        # A literal of a timestamp has microseconds.
        return duck.literal(str(value))
    if isinstance(value, datetime):
        return f"{'timestamptz' if value.tzinfo else 'timestamp'} {duck.literal(value.isoformat(sep=' '))}"
    if isinstance(value, date):
        return f"date {duck.literal(value.isoformat())}"
    if isinstance(value, (int, float)):
        return repr(value) if math.isfinite(value) else f"{duck.literal(str(value))}::double"
    return duck.literal(str(value))
