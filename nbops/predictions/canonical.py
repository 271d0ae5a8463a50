"""Ids, times and classes as SQL that gives one text, or one time, for whatever type a column has: `7`, not `7.0`, joins with `7`.

A frame's integers, a CSV file's texts and a database's UUIDs meet here; what names no row, or is no time, becomes null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nbops.duck import name
from nbops.errors import NotFound, UsageError

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")  # fmt: skip
_NUMBERS = (*_WHOLE, "FLOAT", "DOUBLE", "DECIMAL")
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")
# A column without any value.
_NOTHING = '"NULL"'
_UUID = "'[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}'"
# Beyond it a double no longer holds every integer.
_LARGEST = "9007199254740992"


def known(columns: Mapping[str, str], *asked: str) -> None:
    """Raise NotFound unless all columns are there."""
    for column in asked:
        if column not in columns:
            raise NotFound.of("column", column, columns, otherwise=f"There are {', '.join(columns)}.")


def row_id(columns: Mapping[str, str], parts: Sequence[str]) -> str:
    """What names a row: one column as text, or several with bars between, which are escaped inside; null where one is missing.

    Raises NotFound, and UsageError for a column of a type that names nothing.
    """
    known(columns, *parts)
    texts = [_named(name(part), columns[part], part) for part in parts]
    if len(texts) == 1:
        return texts[0]
    return " || '|' || ".join(rf"replace(replace({text}, '\', '\\'), '|', '\|')" for text in texts)


def moment(columns: Mapping[str, str], column: str) -> str:
    """A time as TIMESTAMP in UTC; one without a zone is UTC. Raises NotFound, and UsageError for a column that holds no times."""
    known(columns, column)
    value, kind = name(column), _base(columns[column])
    if kind in {"VARCHAR", _NOTHING}:
        value, kind = f"try_cast({value} as timestamptz)", "TIMESTAMP WITH TIME ZONE"
    if kind not in _TIMES:
        raise UsageError(
            f"The column {column!r} holds values of type {columns[column]}, which are no times.",
            hint="Make times of them first, for example with pandas.to_datetime.",
        )
    # Versions of DuckDB differ in whether a cast from nanoseconds rounds.
    us = f"epoch_ns({value}) // 1000" if kind == "TIMESTAMP_NS" else f"epoch_us({value})"
    return f"case when isfinite({value}) then make_timestamp(({us})::bigint) end"


def is_number(kind: str) -> bool:
    """Whether a DuckDB type is of numbers; truth values are none."""
    return _base(kind) in {*_NUMBERS, _NOTHING}


def number(column: str, kind: str) -> str:
    """A number as a double; what is not a number is null."""
    value = f"{name(column)}::double" if is_number(kind) else f"try_cast({name(column)} as double)"
    return f"case when not isnan({value}) then {value} end"


def class_text(value: str, kind: str) -> str:
    """A class as text, from an SQL expression of that type: `1` for 1 and for 1.0, `True` for a truth value."""
    base = _base(kind)
    if base == "BOOLEAN":
        return f"case when {value} then 'True' when not {value} then 'False' end"
    return _plain(value, base, f"case when not isnan({value}) then {value}::varchar end")


def class_name(label: object) -> str:
    """The same of a class as Python has it."""
    whole = isinstance(label, float) and label.is_integer()
    return str(int(label)) if whole else str(label)  # type: ignore[call-overload]  # a float


def _named(value: str, kind: str, column: str) -> str:
    base = _base(kind)
    if base in {"VARCHAR", "ENUM", "UUID", _NOTHING}:
        text = value if base == "VARCHAR" else f"{value}::varchar"
        return f"case when length({text}) = 36 and regexp_full_match({text}, {_UUID}) then lower({text}) else nullif({text}, '') end"
    if base in _TIMES:
        return f"({moment({column: kind}, column)})::varchar"
    if base in {*_NUMBERS, "BOOLEAN"}:
        return _plain(value, base, "null")
    raise UsageError(
        f"The column {column!r} holds values of type {kind}, which name no rows.",
        hint="Name rows by texts or integers.",
    )


def _plain(value: str, base: str, fraction: str) -> str:
    """A value as text; of numbers with decimals, whole ones without them, and `fraction` of the others."""
    if base in {"FLOAT", "DOUBLE", "DECIMAL"}:
        whole = f"{value} = trunc({value}) and abs({value}) <= {_LARGEST}"
        kept = fraction if base != "DECIMAL" else fraction.replace(f"isnan({value})", "false")
        return f"case when {whole} then {value}::bigint::varchar else {kept} end"
    return value if base == "VARCHAR" else f"{value}::varchar"


def _base(kind: str) -> str:
    return kind.partition("(")[0] if not kind.endswith("]") else "LIST"
