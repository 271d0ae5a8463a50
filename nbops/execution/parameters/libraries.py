"""The kinds of numpy's and pandas' scalars; each library is imported by the function that needs it."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any

from nbops.execution.parameters.kinds import FAMILIES, TEXT, Aliases, Kind, Misfit, is_numpy, kind_of, numpy_kind_name
from nbops.execution.parameters.scalars import SCALARS, as_datetime, as_timedelta, own_zone


def numpy_name(attribute: str) -> str | None:
    """The kind of numpy's class of that name: `np.int64` for `int64`, and for `int_` where that is the same."""
    import numpy as np

    owner = getattr(np, attribute, None)
    return numpy_kind_name(owner) if isinstance(owner, type) and is_numpy(owner) else None


def numpy_kind(name: str) -> Kind | None:
    """The kind of numpy's class of that name; None when a cell cannot write it down."""
    import numpy as np

    if numpy_name(name) is None:
        return None
    owner: Any = getattr(np, name)
    letter = np.dtype(owner).kind
    if letter in "mM":
        return _numpy_time(owner)
    base = SCALARS[FAMILIES[letter]]

    def accept(value: object) -> object:
        return value if type(value) is owner else convert(base.accept(value))

    def parse(text: str) -> object:
        return owner(text.strip()) if name == "longdouble" else convert(base.parse(text))

    def convert(value: Any) -> object:
        with np.errstate(over="ignore"):
            made = owner(value)
        # numpy 1 wraps integers around; floats of few bits become infinite.
        if (letter in "iu" and int(made) != value) or (
            letter == "f" and math.isfinite(value) and not np.isfinite(made)
        ):
            raise Misfit(f"is beyond {name}")
        return made

    def write(value: Any, aliases: Aliases) -> str:
        inner = repr(str(value)) if name == "longdouble" else base.write(value.item(), aliases)
        return f"{aliases.module('numpy')}.{name}({inner})"

    def told(value: Any) -> object:
        return str(value) if name == "longdouble" else base.plain(value.item())

    return Kind(accept, parse, write, told, base.schema)


def _numpy_time(owner: Any) -> Kind:
    import numpy as np

    is_duration = owner is np.timedelta64

    def accept(value: object) -> object:
        if type(value) is owner:
            return value
        made = as_timedelta(value) if is_duration else as_datetime(value)
        if isinstance(made, datetime) and made.tzinfo is not None:
            raise Misfit("has a time zone, which numpy's times do not")
        return owner(made)

    def parse(text: str) -> object:
        found = re.fullmatch(r"(-?\d+|NaT)(?: (\w+))?", text.strip()) if is_duration else None
        if found:
            return owner(found[1] if found[1] == "NaT" else int(found[1]), *([found[2]] if found[2] else []))
        if is_duration or not re.match(r"-?\d|NaT$", text.strip()):  # numpy too knows "now"
            raise Misfit("is no duration such as '5 D'" if is_duration else "is no time")
        return owner(text.strip())

    def write(value: Any, aliases: Aliases) -> str:
        unit, count = np.datetime_data(value.dtype)
        number = '"NaT"' if np.isnat(value) else str(value.astype("int64"))
        if count == 1 and not is_duration and not np.isnat(value):
            number = repr(str(value))
        resolution = "" if unit == "generic" else f", {unit!r}" if count == 1 else f", ({unit!r}, {count})"
        return f"{aliases.module('numpy')}.{owner.__name__}({number}{resolution})"

    def told(value: Any) -> str:
        if not is_duration or np.isnat(value):
            return str(value)
        unit, count = np.datetime_data(value.dtype)
        return f"{int(value.astype('int64')) * count} {unit}".removesuffix(" generic")

    return Kind(accept, parse, write, told, TEXT)


def _timestamp(value: Any) -> object:
    name = kind_of(value)
    if name in {"pd.Timestamp", "pd.NaT"}:
        return value
    if name not in {"datetime", "date", "np.datetime64"}:
        raise Misfit("is no time")
    import pandas as pd

    return pd.Timestamp(own_zone(value) if name == "datetime" else value)


def _parse_timestamp(text: str) -> object:
    # pandas would take "now" and "today" for the clock.
    if text.strip() != "NaT" and not re.match(r"\s*[-+]?\d", text):
        raise Misfit("is no time")
    import pandas as pd

    instant, bracket, zone = text.strip().partition("[")
    found = pd.Timestamp(instant)
    return found.tz_convert(zone.removesuffix("]")) if bracket else found


def _write_timestamp(value: Any, aliases: Aliases) -> str:
    key = _zone_key(value)
    text = f"{aliases.module('pandas')}.Timestamp({_instant(value)!r})"
    return f"{text}{f'.tz_convert({key!r})' if key else ''}.as_unit({value.unit!r})"


def _zone_key(value: Any) -> str | None:
    zone = value.tzinfo
    return getattr(zone, "key", None) or getattr(zone, "zone", None)


def _plain_timestamp(value: Any) -> str:
    key = _zone_key(value)
    return f"{_instant(value)}[{key}]" if key else _instant(value)


def _instant(value: Any) -> str:
    """ISO 8601; in UTC where the offset has seconds (before there were time zones), which pandas writes but does not read."""
    offset = value.utcoffset()
    return str((value if offset is None or offset.seconds % 60 == 0 else value.tz_convert("UTC")).isoformat())


def _pandas_timedelta(value: Any) -> object:
    name = kind_of(value)
    if name in {"pd.Timedelta", "pd.NaT"}:
        return value
    if name not in {"timedelta", "np.timedelta64"}:
        raise Misfit("is no duration")
    import pandas as pd

    return pd.Timedelta(value)


def _parse_pandas_timedelta(text: str) -> object:
    import pandas as pd

    return pd.Timedelta(text)


def _write_pandas_timedelta(value: Any, aliases: Aliases) -> str:
    return f"{aliases.module('pandas')}.Timedelta({value.isoformat()!r}).as_unit({value.unit!r})"


def _missing(name: str) -> Kind:

    def accept(value: object) -> object:
        if kind_of(value) == f"pd.{name}":
            return value
        raise Misfit(f"is not {name}")

    def parse(text: str) -> object:
        import pandas as pd

        if text.strip() != name:
            raise Misfit(f"is not {name}")
        return getattr(pd, name)

    return Kind(accept, parse, lambda _, aliases: f"{aliases.module('pandas')}.{name}", lambda _: name, {"const": name})


PANDAS: dict[str, Kind] = {
    "pd.Timestamp": Kind(
        _timestamp, _parse_timestamp, _write_timestamp, _plain_timestamp, {**TEXT, "format": "date-time"}
    ),
    "pd.Timedelta": Kind(
        _pandas_timedelta, _parse_pandas_timedelta, _write_pandas_timedelta, lambda value: value.isoformat(),
        {**TEXT, "format": "duration"},
    ),
    "pd.NaT": _missing("NaT"),
    "pd.NA": _missing("NA"),
}  # fmt: skip
