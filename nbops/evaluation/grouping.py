"""Columns as groups of rows that a person can name: values, quantile intervals of numbers, months and hours of times.

Missing values are a group of their own, and so are the rare values of a column that has many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any, NamedTuple

from nbops.errors import NotFound, UsageError
from nbops.render import values

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nbops.evaluation.arrays import Codes, Mask

MISSING = "missing"
_LONGEST = 40
_MONTHS = 24
_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal"}
_TIMES = {"datetime64", "datetime", "date"}


class Grouping(NamedTuple):
    """Rows by one property: the group of row i is `names[codes[i]]`.

    The first `ordered` groups are intervals or values in their order; `edges` are the texts of the borders between such intervals, each
    of which belongs to the one below it, and empty where the groups are single values.
    """

    label: str
    names: tuple[str, ...]
    codes: Codes
    ordered: int = 0
    edges: tuple[str, ...] = ()

    def told(self, first: int, last: int | None = None) -> str:
        """A condition that rows of a group, or of ordered groups next to each other, fulfil: "distance above 214 to 510"."""
        last = first if last is None else last
        if first == last and (first >= self.ordered or not self.edges):
            return f"{self.label} = {self.names[first]}"
        return f"{self.label} {self._span(first, last)}"

    def _span(self, first: int, last: int) -> str:
        if self.edges:
            return _interval(self.edges, first, last)
        if first == 0:
            return f"at most {self.names[last]}"
        if last == self.ordered - 1:
            return f"at least {self.names[first]}"
        return f"{self.names[first]} to {self.names[last]}"


def groupings(frame: pd.DataFrame, column: str, *, bins: int = 4, most: int = 20) -> tuple[Grouping, ...]:
    """The groups of a column's rows; two for times that have months and hours.

    Numbers of at most twice `bins` different values are taken as they are, others fall into `bins` intervals of about equally many rows;
    of other values the `most` frequent are told apart. Raises NotFound, and UsageError for a name that stands for two columns.
    """
    given = column_of(frame, column)
    if given.dtype.kind == "m":
        given, column = given.dt.total_seconds(), f"{column} (s)"
    kind = _kind(given)
    known = given.notna().to_numpy(dtype=bool)
    if kind == "number":
        found = [_numbers(column, given[known], bins)]
    elif kind == "time":
        found = _times(column, given[known], 2 * bins)
    else:
        found = [_texts(column, given[known], most)]
    return tuple(_with_missing(one, known) for one in found)


def column_of(frame: pd.DataFrame, column: str) -> pd.Series[Any]:
    """A column by its name. Raises NotFound, and UsageError for a name that stands for two."""
    if column not in frame.columns:
        raise NotFound.of(
            "column", column, map(str, frame.columns), otherwise=f"The rows have: {', '.join(map(str, frame.columns))}."
        )
    found = frame[column]
    if found.ndim > 1:
        raise UsageError(f"The rows have two columns called {column!r}.", hint="Drop or rename one of them.")
    return found


def crossed(first: Grouping, second: Grouping) -> Grouping:
    """The groups that two properties make together, those without rows left out."""
    import numpy as np

    cells, codes = np.unique(first.codes * len(second.names) + second.codes, return_inverse=True)
    pairs = [divmod(int(cell), len(second.names)) for cell in cells]
    names = tuple(f"{first.names[one]}, {second.names[other]}" for one, other in pairs)
    return Grouping(f"{first.label}, {second.label}", names, codes.astype(np.int64))


def _kind(given: pd.Series[Any]) -> str:
    from pandas.api import types

    dtype = given.dtype
    if types.is_object_dtype(dtype):
        told = types.infer_dtype(given, skipna=True)
        return "number" if told in _NUMBERS else "time" if told in _TIMES else "text"
    if types.is_datetime64_any_dtype(dtype):
        return "time"
    # Complex numbers have no order.
    plain = types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype) and not types.is_complex_dtype(dtype)
    return "number" if plain else "text"


def _numbers(column: str, given: pd.Series[Any], bins: int) -> Grouping:
    import numpy as np

    numbers = given.to_numpy(dtype=np.float64)
    different = np.unique(numbers)
    if len(different) <= 2 * bins:
        return Grouping(column, _figures(different), np.searchsorted(different, numbers), len(different))
    # Borders that occur among the values can be read, and infinite ones need no arithmetic.
    inner = np.arange(1, bins) / bins
    edges = np.unique(np.quantile(numbers, inner, method="inverted_cdf"))
    edges = edges[edges < different[-1]]
    texts = _figures(edges)
    names = tuple(_interval(texts, place, place) for place in range(len(edges) + 1))
    return Grouping(column, names, np.searchsorted(edges, numbers, side="left"), len(names), texts)


def _interval(edges: Sequence[str], first: int, last: int) -> str:
    if first == 0:
        return f"at most {edges[last]}"
    low = f"above {edges[first - 1]}"
    return low if last == len(edges) else f"{low} to {edges[last]}"


def _figures(numbers: Sequence[float] | np.ndarray[Any, Any]) -> tuple[str, ...]:
    whole = [int(number) if float(number).is_integer() else float(number) for number in numbers]
    texts = values.numbers(whole)
    return tuple(texts) if len({*texts}) == len(texts) else tuple(map(repr, whole))


def _times(column: str, given: pd.Series[Any], most_days: int) -> list[Grouping]:
    """By month, or day or year for a short or long time; by hour of the day where it differs."""
    import pandas as pd

    times = given if given.dtype != object else pd.Series(_in_utc(given))
    year, month = times.dt.year.to_numpy(), times.dt.month.to_numpy()
    month = year * 12 + month - 1
    day = times.dt.normalize()
    if len({*month}) <= 2 and day.nunique() <= most_days:
        found = [_ordered(f"{column} (day)", *pd.factorize(day.dt.strftime("%Y-%m-%d"), sort=True))]
    elif len({*month}) <= _MONTHS:
        codes, known = pd.factorize(month, sort=True)
        found = [_ordered(f"{column} (month)", codes, [f"{one // 12}-{one % 12 + 1:02}" for one in known])]
    else:
        found = [_ordered(f"{column} (year)", *pd.factorize(year, sort=True))]
    codes, hours = pd.factorize(times.dt.hour.to_numpy(), sort=True)
    return [*found, _ordered(f"{column} (hour)", codes, [f"{one:02}:00" for one in hours])] if len(hours) > 1 else found


def _in_utc(given: Iterable[Any]) -> np.ndarray[Any, Any]:
    """Python's own times, each of which may have another zone, and some of which lie beyond what nanoseconds reach."""
    import numpy as np

    plain = [one.astimezone(UTC).replace(tzinfo=None) if getattr(one, "tzinfo", None) else one for one in given]
    return np.array(plain, dtype="datetime64[s]")


def _ordered(label: str, codes: Any, names: Iterable[object]) -> Grouping:
    told = tuple(map(str, names))
    return Grouping(label, told, codes, len(told))


def _texts(column: str, given: pd.Series[Any], most: int) -> Grouping:
    import numpy as np
    import pandas as pd

    try:
        each, different = pd.factorize(given)
    except TypeError:  # lists, dicts
        each, different = pd.factorize(given.map(str))
    names, same = np.unique(np.array(list(map(_word, different)), dtype=object).astype(str), return_inverse=True)
    codes = same[each]
    order = np.lexsort((names, -np.bincount(codes, minlength=len(names))))
    rare = max(len(order) - most, 0)
    place = np.empty(len(order), np.int64)
    place[order] = np.minimum(np.arange(len(order)), most if rare else len(order))
    shown = [str(names[at]) for at in (order[:most] if rare else order)]
    short = [values.shorten(name, _LONGEST) for name in shown]
    told = short if len({*short}) == len(short) else shown
    return Grouping(column, (*told, *([f"other ({values.counted(rare, 'value')})"] if rare else [])), place[codes])


def _word(value: object) -> str:
    text = values.text(value)
    return repr(text) if text.strip() in {"", MISSING} else text


def _with_missing(found: Grouping, known: Mask) -> Grouping:
    import numpy as np

    if known.all():
        return found._replace(codes=found.codes.astype(np.int64))
    codes = np.full(len(known), len(found.names), np.int64)
    codes[known] = found.codes
    return found._replace(names=(*found.names, MISSING), codes=codes)
