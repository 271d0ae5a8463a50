"""The kinds of Python's own scalars: numbers, text, dates and times, paths."""

from __future__ import annotations

import ast
import math
import numbers
import os
import pathlib
import re
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from nbops.execution.parameters.kinds import TEXT, Aliases, Kind, Misfit, kind_of
from nbops.tracking.values import storable


def _none(value: object) -> None:
    if value is not None:
        raise Misfit("is not None")


def _parse_none(text: str) -> None:
    if text.strip().lower() not in {"none", "null"}:
        raise Misfit("is not None")


def _bool(value: object) -> bool:
    if isinstance(value, bool) or kind_of(value) == "np.bool_":
        return bool(value)
    raise Misfit("is neither true nor false")


def _parse_bool(text: str) -> bool:
    found = {"true": True, "false": False}.get(text.strip().lower())
    if found is None:
        raise Misfit("is neither true nor false")
    return found


def _int(value: object) -> int:
    if not isinstance(value, bool) and isinstance(value, numbers.Integral):
        return int(value)
    raise Misfit("is no integer")


def _write_int(value: int, _: Aliases) -> str:
    try:
        return repr(value)
    except ValueError:  # more decimal digits than Python writes or reads
        return hex(value)


def _plain_int(value: int) -> int | str:
    written = _write_int(value, Aliases(()))
    return written if "x" in written else value


def _parse_int(text: str) -> int:
    return int(text, 16 if re.match(r"\s*[-+]?0x", text, re.IGNORECASE) else 10)


def _float(value: object) -> float:
    if not isinstance(value, bool) and isinstance(value, numbers.Real):
        return float(value)
    raise Misfit("is no number")


def _write_float(value: float, aliases: Aliases) -> str:
    return repr(value) if math.isfinite(value) else f'{aliases.builtin("float")}("{value!r}")'


def _plain_float(value: float) -> float | str:
    return value if math.isfinite(value) else repr(value)


def _complex(value: object) -> complex:
    if not isinstance(value, bool) and isinstance(value, numbers.Complex):
        return complex(value)
    raise Misfit("is no number")


def _write_complex(value: complex, aliases: Aliases) -> str:
    # The sum that `repr` writes loses the sign of a zero.
    return f"{aliases.builtin('complex')}({_write_float(value.real, aliases)}, {_write_float(value.imag, aliases)})"


def _str(value: object) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return str.__str__(value)
    raise Misfit("is no text")


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    raise Misfit("is no bytes")


def _parse_bytes(text: str) -> bytes:
    if re.match(r"""b["'].*["']$""", text, re.DOTALL):
        return _bytes(ast.literal_eval(text))
    return text.encode()


def _decimal(value: object) -> Decimal:
    if isinstance(value, Decimal):
        return Decimal(value)
    if not isinstance(value, bool) and isinstance(value, numbers.Real):
        # A float is meant as it is written: 0.1, not the binary fraction next to it.
        return Decimal(int(value)) if isinstance(value, numbers.Integral) else Decimal(repr(float(value)))
    raise Misfit("is no number")


def as_datetime(value: Any) -> datetime:
    """A time or date of any library. Raises Misfit where something would be lost."""
    name = kind_of(value)
    if name == "np.datetime64":
        found = value.astype("datetime64[us]").item()
        if not isinstance(found, datetime) or value.astype("datetime64[us]") != value:
            raise Misfit("is no time that a datetime holds")
        return found
    if name == "pd.Timestamp":
        if value.nanosecond:
            raise Misfit("has nanoseconds, which a datetime does not hold")
        return own_zone(value.to_pydatetime())
    if name == "datetime":
        return own_zone(value)
    if name == "date":
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a date belongs to no time zone
    raise Misfit("is no time")


def own_zone(value: datetime) -> datetime:
    """The same moment, in a time zone that can be written down."""
    zone = value.tzinfo
    if zone is not None and not (isinstance(zone, timezone) or (isinstance(zone, ZoneInfo) and zone.key)):
        # No text makes zones of other libraries and those read from a file: the offset is kept.
        zone = timezone(value.utcoffset() or timedelta())
    return datetime.combine(value.date(), value.time(), zone).replace(fold=value.fold)


def _write_datetime(value: datetime, aliases: Aliases) -> str:
    text = _write_datetime_part(value.replace(tzinfo=None), aliases)
    if value.tzinfo is None:
        return text
    return f"{text[:-1]}, tzinfo={_zone(value.tzinfo, aliases)})"


def _zone(zone: object, aliases: Aliases) -> str:
    if isinstance(zone, ZoneInfo):
        return f"{aliases.module('zoneinfo')}.ZoneInfo({zone.key!r})"
    # `datetime.timezone(datetime.timedelta(…))`: both, but nothing in a name that follows.
    return repr(zone).replace("datetime.", f"{aliases.module('datetime')}.", 2)


def _plain_datetime(value: datetime) -> str:
    zone = f"[{value.tzinfo.key}]" if isinstance(value.tzinfo, ZoneInfo) else ""
    return value.isoformat() + zone


def _parse_datetime(text: str) -> datetime:
    instant, bracket, key = text.strip().partition("[")
    found = datetime.fromisoformat(instant)
    if not bracket:
        return found
    zoned = found.replace(tzinfo=ZoneInfo(key.removesuffix("]")))
    # Of an hour that a clock shows twice the offset tells which.
    return zoned if zoned.utcoffset() == found.utcoffset() else zoned.replace(fold=1)


def _date(value: object) -> date:
    if kind_of(value) == "date" and isinstance(value, date):
        return date(value.year, value.month, value.day)
    at = as_datetime(value)
    if at.time() != time() or at.tzinfo is not None:
        raise Misfit("is a time of a day, not a date")
    return at.date()


def _time(value: object) -> time:
    if isinstance(value, time) and value.tzinfo is None:
        return value
    raise Misfit("is no time of day")


def as_timedelta(value: Any) -> timedelta:
    """A duration of any library. Raises Misfit where something would be lost."""
    if kind_of(value) == "np.timedelta64":
        found = value.astype("timedelta64[us]")
        if not isinstance(found.item(), timedelta) or found != value:
            raise Misfit("is no duration that a timedelta holds")
        return timedelta(microseconds=int(found.astype("int64")))
    if kind_of(value) == "pd.Timedelta":
        if value.nanoseconds:
            raise Misfit("has nanoseconds, which a timedelta does not hold")
        value = value.to_pytimedelta()
    if isinstance(value, timedelta):
        return timedelta(value.days, value.seconds, value.microseconds)
    raise Misfit("is no duration")


def _write_datetime_part(value: date | time | timedelta, aliases: Aliases) -> str:
    return aliases.module("datetime") + repr(value).removeprefix("datetime")


def _path(value: object) -> pathlib.Path:
    if isinstance(value, str | os.PathLike):
        return pathlib.Path(os.fspath(value))
    raise Misfit("is no path")


SCALARS: dict[str, Kind] = {
    "None": Kind(_none, _parse_none, lambda *_: "None", lambda _: None, {"type": "null"}),
    "bool": Kind(_bool, _parse_bool, lambda value, _: repr(value), bool, {"type": "boolean"}),
    "int": Kind(_int, _parse_int, _write_int, _plain_int, {"type": "integer"}),
    "float": Kind(_float, float, _write_float, _plain_float, {"type": "number"}),
    "complex": Kind(_complex, complex, _write_complex, str, TEXT),
    "str": Kind(_str, str.__str__, lambda value, _: repr(value), storable, TEXT),
    "bytes": Kind(_bytes, _parse_bytes, lambda value, _: repr(value), repr, TEXT),
    "Decimal": Kind(_decimal, Decimal, lambda value, aliases: f"{aliases.module('decimal')}.{value!r}", str, TEXT),
    "date": Kind(_date, date.fromisoformat, _write_datetime_part, date.isoformat, {**TEXT, "format": "date"}),
    "datetime": Kind(as_datetime, _parse_datetime, _write_datetime, _plain_datetime, {**TEXT, "format": "date-time"}),
    "time": Kind(_time, time.fromisoformat, _write_datetime_part, time.isoformat, {**TEXT, "format": "time"}),
    "timedelta": Kind(
        as_timedelta, lambda text: msgspec.convert(text.strip(), timedelta), _write_datetime_part, msgspec.to_builtins,
        {**TEXT, "format": "duration"},
    ),
    "Path": Kind(
        _path, pathlib.Path, lambda value, aliases: f"{aliases.module('pathlib')}.Path({str(value)!r})",
        lambda value: storable(str(value)), {**TEXT, "format": "path"},
    ),
}  # fmt: skip
