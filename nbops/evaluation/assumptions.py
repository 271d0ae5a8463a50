"""What a model takes for granted about its rows: a sentence and a SQL expression each, and the rows that break it.

An expression is computed by a scratch engine that reaches nothing but the rows: no file, no other table, no setting.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbops import duck
from nbops.errors import QueryTimeout, UsageError
from nbops.evaluation.telling import share
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection as Connection

_EXAMPLES, _SHOWN = 5, 60
_REFUSED = {
    "SUBQUERY": "a query inside it",
    "WINDOW": "a window over other rows",
    "STAR": "a `*` for all columns",
    "PARAMETER": "a parameter",
}


class Assumption(Record):
    """A sentence for people and the SQL expression over the columns of a row that says the same."""

    sentence: str
    expression: str


class Example(Record):
    """A row that breaks an assumption, by its position from 0, with the columns of the expression as text."""

    row: int
    fields: dict[str, str]


class Held(Record):
    """How an assumption fares: `broken` rows, the `share` of all that they are, and `unknown` ones, where a missing value hides it."""

    sentence: str
    expression: str
    holds: bool
    rows: int
    broken: int
    share: float
    unknown: int
    examples: tuple[Example, ...]
    told: str


def hold(frame: pd.DataFrame, assumptions: Sequence[Assumption], *, seconds: float = 60) -> tuple[Held, ...]:
    """Each of the assumptions against the rows (n, any), with the first five that break it; `seconds` are for all of them.

    Rows for which an expression is null neither break nor keep it; where all are such it does not hold. Raises UsageError for what is not
    one expression over the columns of a row and for rows that no engine takes, and QueryTimeout.
    """
    import pandas as pd

    names = [str(name) for name in frame.columns]
    if len({name.lower() for name in names}) < len(names):
        raise UsageError(
            "Two columns have the same name, but for its letters' case.",
            hint="Rename one: SQL does not tell them apart.",
        )
    row = next(
        name
        for name in ("row", *(f"row_{number}" for number in range(len(names) + 1)))
        if name not in {*map(str.lower, names)}
    )
    given = frame.set_axis(names, axis="columns").assign(**{row: pd.RangeIndex(len(frame)).to_numpy()})
    con = duck.scratch()
    try:
        con.execute("set timezone = 'UTC'")
        _register(con, given)
        with _within(con, seconds):
            return tuple(_held(con, one, names, row, len(frame)) for one in assumptions)
    finally:
        con.close()


def _register(con: Connection, given: pd.DataFrame) -> None:
    try:
        con.register("given", given)
        duck.confine(con, (), ())
        con.execute("select * from given limit 0")
    except (TypeError, ValueError, duck.errors()) as error:
        raise UsageError(
            f"The rows cannot be read by SQL: {str(error).strip().splitlines()[0]}",
            hint="Look at the columns of Python objects: text, numbers, booleans and times can be read.",
        ) from error


@contextmanager
def _within(con: Connection, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, con.interrupt)
    timer.start()
    try:
        yield
    except duck.errors() as error:
        if timer.finished.is_set():
            raise QueryTimeout(
                f"The assumptions took longer than {values.duration(seconds)}.", hint="Make the expressions simpler."
            ) from error
        raise
    finally:
        timer.cancel()


def _held(con: Connection, one: Assumption, names: Sequence[str], row: str, rows: int) -> Held:
    used = _used(con, one, names)
    broken_if, shown = f"not ({one.expression}\n)", ", ".join([row, *map(duck.name, used)])
    try:
        kind = duck.rows(con, f"describe select ({one.expression}\n) from given")[0][1]  # noqa: S608 - one expression, proven
        if kind != "BOOLEAN":
            raise _refused(one, f"it gives a {kind}, not true or false")
        # An aggregate is no condition of a row: WHERE, unlike a list of columns, refuses it.
        broken = int(duck.rows(con, f"select count(*) from given where {broken_if}")[0][0])  # noqa: S608 - one expression, proven
        unknown = int(duck.rows(con, f"select count(*) from given where ({broken_if}) is null")[0][0])  # noqa: S608 - the same
        found = duck.rows(con, f"select {shown} from given where {broken_if} order by {row} limit {_EXAMPLES}")  # noqa: S608 - the same
    except duck.errors() as error:
        if str(error).startswith("INTERRUPT"):
            raise
        raise _refused(one, str(error).strip().splitlines()[0]) from error
    examples = tuple(Example(line[0], dict(zip(used, map(_shown, line[1:]), strict=True))) for line in found)
    part = broken / rows if rows else 0.0
    holds = not broken and (not rows or unknown < rows)
    return Held(
        one.sentence,
        one.expression,
        holds,
        rows,
        broken,
        part,
        unknown,
        examples,
        _told(one, rows, broken, unknown, examples),
    )


def _used(con: Connection, one: Assumption, names: Sequence[str]) -> list[str]:
    """The columns that it names, in their order. Raises UsageError for what is not a plain expression."""
    try:
        parts = duck.parts(con, one.expression)
    except duck.errors() as error:
        raise _refused(one, str(error).strip().splitlines()[0]) from error
    found = [told for kind, told in _REFUSED.items() if kind in parts]
    if found:
        raise _refused(one, f"it has {found[0]}")
    return [name for name in names if name.lower() in parts["COLUMN_REF"]] if "COLUMN_REF" in parts else []


def _refused(one: Assumption, why: str) -> UsageError:
    return UsageError(
        f"The assumption {one.sentence!r} cannot be checked: {why}",
        hint="Give one SQL expression over the columns of a row that is true or false, such as `dep_delay < 1440`.",
    )


def _shown(value: object) -> str:
    return values.shorten(values.text(value), _SHOWN)


def _told(one: Assumption, rows: int, broken: int, unknown: int, examples: Sequence[Example]) -> str:
    hidden = f" {values.counted(unknown, 'row')} cannot be told: a value is missing." if unknown else ""
    if rows and unknown == rows:
        return f"{one.sentence}: cannot be told for any of {values.counted(rows, 'row')}, a value is missing."
    if not broken:
        return f"{one.sentence}: holds in all {values.counted(rows - unknown, 'row')}.{hidden}"
    such = "".join(_such(example) for example in examples[:1])
    return (
        f"{one.sentence}: broken by {broken:,} of {values.counted(rows, 'row')} ({share(broken / rows)}){such}.{hidden}"
    )


def _such(example: Example) -> str:
    told = ", ".join(f"{name} = {value}" for name, value in example.fields.items())
    return f", such as row {example.row:,}" + (f" ({told})" if told else "")
