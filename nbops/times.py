"""Times as people write and read them: local unless they name a zone, aware UTC inside.

What is shown names its zone: a table once, in a heading, by `zone`; a text that is kept, and may be read elsewhere, by `minute`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from nbops.errors import UsageError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HINT = "Such as 2026-01-31, '2026-01-31 08:00' or 2026-01-31T08:00+01:00."


def moment(told: datetime | str) -> datetime:
    """The UTC time of a text such as "2026-01-31 08:00" or of a datetime; local unless it names a zone, a date is its first moment.

    Raises UsageError for what is no time, and for a text that the change of the clocks left out or let happen twice.
    """
    try:
        found = datetime.fromisoformat(told.strip()) if isinstance(told, str) else told
        first, second = (found.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{told!r} is no time.", hint=_HINT) from error
    if not isinstance(told, str):
        return found.astimezone(UTC)
    if found.tzinfo is None and first != second:
        left_out = first.astimezone().replace(tzinfo=None) != found
        zones = " or ".join(one.astimezone().isoformat(timespec="minutes") for one in sorted((first, second)))
        raise UsageError(
            f"The clocks {'left out' if left_out else 'showed twice'} {told!r}.", hint=f"Name the zone: {zones}."
        )
    return first


def shown(when: datetime) -> str:
    """A time of the store as it is read here, with the zone, which alone tells an hour from the next when the clocks go back."""
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def minute(when: datetime) -> str:
    """A time as it is read here, with its distance from UTC: "2026-03-02 06:00 UTC+01:00"."""
    return f"{when.astimezone():%Y-%m-%d %H:%M} {zone([when])}"


def zone(moments: Iterable[datetime] = ()) -> str:
    """How far the clock here was from UTC at these times, or is now: "UTC", "UTC+05:30"; where it changed between them, each."""
    local = [one.astimezone() for one in moments] or [datetime.now(UTC).astimezone()]
    return " or ".join(dict.fromkeys(_offset(one) for one in sorted(local)))


def _offset(local: datetime) -> str:
    return f"UTC{local.isoformat()[-6:]}" if local.utcoffset() else "UTC"


def microseconds(when: datetime) -> int:
    """A time as the store keeps it."""
    return (when - _EPOCH) // timedelta(microseconds=1)
