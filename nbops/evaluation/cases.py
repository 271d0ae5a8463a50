"""Acceptance cases: rows for which the process owner says what a model has to answer, and how it answers.

They come from a CSV that people keep in a spreadsheet, so whatever may be meant in two ways is refused with its line.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nbops.errors import UsageError, nearest
from nbops.evaluation.tables import Faults, Table, of_frame, of_text
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_NUMBERS = ("expected", "within", "at_least", "at_most")
_OWN = (*_NUMBERS, "expected_class", "case", "why")
_TOLD = 5


class Case(Record):
    """What is expected for one row: a number between `low` and `high`, where they are known, or a class as text."""

    number: int
    name: str
    why: str
    low: float | None
    high: float | None
    expected: float | None
    expected_class: str | None


class Cases(NamedTuple):
    """The cases, and their rows as a model takes them (n, columns of its signature)."""

    cases: tuple[Case, ...]
    frame: pd.DataFrame


class CaseResult(Record):
    """How a case went; `predicted` is a number, or the text of a class."""

    number: int
    name: str
    passed: bool
    predicted: float | str
    sentence: str


def read(
    given: str | PathLike[str] | pd.DataFrame,
    columns: Mapping[str, str],
    *,
    others: Collection[str] = (),
    source: str | None = None,
) -> Cases:
    """Cases from a CSV file or a frame: `columns` of a model with their kinds, and what is expected.

    The kinds are those of a signature: int, float, bool, datetime (ISO 8601); all others are text. Each row has `expected`, a number, with
    `within` beside it or else met to the last digit written; or `at_least`, `at_most` or both; or `expected_class`. `case` names it and
    `why` says why it matters. Text may have commas, semicolons or tabs between its fields and is UTF-8; numbers may have a decimal comma
    where commas do not part the fields. Empty features are missing values. Columns named in
    `others` may be there, and are not read; messages call a file `source`, or by its name. Raises UsageError that names the lines.
    """
    if isinstance(given, (str, PathLike)):
        numeric = {*_NUMBERS, *(name for name, kind in columns.items() if kind in {"int", "float"})}
        table = of_text(Path(given), {*columns, *others, *_OWN}, numeric, source)
    else:
        table = of_frame(given)
    own = [name for name in _OWN if name not in columns and name in table.names]
    _check_columns(table, columns, own, others)
    faults: Faults = []
    features = table.features(columns, faults)
    expectations = {name: table.numbers(name, faults) for name in own if name in _NUMBERS}
    texts = {name: table.texts(name) for name in own if name not in _NUMBERS}
    unread = {row for row, _ in faults}
    found: list[Case] = []
    for row in (row for row in range(len(table.lines)) if row not in unread):
        numbers = {name: known for name, column in expectations.items() if (known := column[row]) is not None}
        words = {name: column[row] for name, column in texts.items() if column[row]}
        fault = _fault(numbers, words)
        if fault:
            faults.append((row, fault))
        else:
            written = table.decimals("expected", row) if "expected" in numbers else 0
            found.append(_case(row + 1, numbers, words, written))
    if faults:
        raise _refused(table, faults)
    return Cases(tuple(found), features)


def judge(
    predictions: np.ndarray[Any, Any] | Sequence[Any], cases: Sequence[Case], *, unit: str = ""
) -> tuple[CaseResult, ...]:
    """Each case against its prediction, a number in `unit` or a class; the order is that of the cases. Raises UsageError."""
    if len(predictions) != len(cases):
        raise UsageError(
            f"There are {values.counted(len(cases), 'case')} and {values.counted(len(predictions), 'prediction')}.",
            hint="Give one prediction for each case, in their order.",
        )
    return tuple(_judged(case, _plain(one), unit) for case, one in zip(cases, predictions, strict=True))


def _check_columns(table: Table, columns: Mapping[str, str], own: Sequence[str], others: Collection[str]) -> None:
    known = [*columns, *others, *_OWN]
    unknown = [name for name in table.names if name not in known]
    missing = [name for name in columns if name not in table.names]
    twice = [name for name in dict.fromkeys(table.names) if table.names.count(name) > 1]
    if twice:
        raise UsageError(
            f"{table.source}: columns that are there twice: {', '.join(twice)}.", hint="Delete or rename one."
        )
    if unknown:
        free = [name for name in known if name not in table.names]
        near = [f"{close!r} for {name!r}" for name in unknown if (close := nearest(name, free))]
        raise UsageError(
            f"{table.source}: unknown columns: {', '.join(map(repr, unknown))}.",
            hint=f"Is it {', '.join(near)}?" if near else f"Known: {', '.join(known)}.",
        )
    if missing:
        raise UsageError(
            f"{table.source}: columns of the model that are missing: {', '.join(missing)}.",
            hint="Add them; a field may be empty where the model takes missing values.",
        )
    if not {*own} & {"expected", "at_least", "at_most", "expected_class"}:
        raise UsageError(
            f"{table.source}: no column says what is expected.",
            hint="Add `expected`, `at_least`, `at_most` or `expected_class`.",
        )
    if not table.lines:
        raise UsageError(
            f"{table.source}: there are no cases.", hint="Write one row for each case below the names of the columns."
        )


def _fault(numbers: Mapping[str, float], words: Mapping[str, str]) -> str:
    """What is wrong with what a row expects; empty when nothing is."""
    ways = [
        "expected" in numbers,
        bool({"at_least", "at_most"} & {*numbers}),
        "expected_class" in words,
    ]
    if sum(ways) == 0:
        return "neither an expected value nor a range"
    if sum(ways) > 1:
        return "more than one of `expected`, a range and `expected_class`"
    if "within" in numbers and ("expected" not in numbers or numbers["within"] < 0):
        return "`within` is a distance from `expected`, 0 or more"
    if numbers.get("at_least", -math.inf) > numbers.get("at_most", math.inf):
        return f"at least {values.number(numbers['at_least'])} and at most {values.number(numbers['at_most'])}"
    return ""


def _refused(table: Table, faults: Faults) -> UsageError:
    told = [f"{table.place(row)}: {fault}" for row, fault in sorted(faults, key=lambda one: one[0])[:_TOLD]]
    more = f"; and {len(faults) - _TOLD:,} more" if len(faults) > _TOLD else ""
    return UsageError(
        f"{table.source}: {'; '.join(told)}{more}.",
        hint="Write numbers such as 1234.5, without thousands separators or units, times such as 2013-01-31 17:30, and true or false.",
    )


def _case(number: int, numbers: Mapping[str, float], words: Mapping[str, str], decimals: int) -> Case:
    expected = numbers.get("expected")
    low, high = numbers.get("at_least"), numbers.get("at_most")
    if expected is not None:
        within = numbers.get("within", 0.5 * 10.0**-decimals)
        low, high = expected - within, expected + within
    return Case(number, words.get("case", ""), words.get("why", ""), low, high, expected, words.get("expected_class"))


def _plain(prediction: Any) -> float | str:
    """A number as such, and a class as its text: 1.0 and 1 are the same class."""
    item = getattr(prediction, "item", None)
    value = item() if callable(item) else prediction
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return float(value)


def _judged(case: Case, predicted: float | str, unit: str) -> CaseResult:
    title = f"case {case.number}, {case.name}" if case.name else f"case {case.number}"
    if case.expected_class is not None:
        said = (
            predicted
            if isinstance(predicted, str)
            else repr(int(predicted))
            if predicted.is_integer()
            else repr(predicted)
        )
        passed = said == case.expected_class or _number(said) == _number(case.expected_class) is not None
        wanted = "as" if passed else case.expected_class
    elif isinstance(predicted, str):
        raise UsageError(
            f"{title} expects a number, and {predicted!r} is predicted.",
            hint="Use `expected_class` for models that tell classes.",
        )
    else:
        ends = [end for end in (case.low, case.high) if end is not None]
        passed = (case.low is None or predicted >= case.low) and (case.high is None or predicted <= case.high)
        said, *told = values.numbers([predicted, *ends])
        said = f"{said} {unit}".rstrip()
        wanted = (
            f"between {' and '.join(told)}"
            if len(told) == 2
            else f"{'at most' if case.low is None else 'at least'} {told[0]}"
        )
    why = f" ({case.why})" if case.why and not passed else ""
    return CaseResult(
        case.number,
        case.name,
        passed,
        predicted,
        f"{title}: predicted {said}, {'' if passed else 'but '}{wanted} expected{why}.",
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
