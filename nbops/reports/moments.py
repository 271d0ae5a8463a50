"""Times as pages tell them: absolute, in the local zone, with the zone."""

from __future__ import annotations

from datetime import date, datetime


def moment(when: date | datetime) -> str:
    """`3 Nov 2026, 14:05 (UTC+01:00)`, in the local zone; a date without a time stays a date."""
    if not isinstance(when, datetime):
        return f"{when.day} {when:%b %Y}"
    local = when.astimezone()
    return f"{local.day} {local:%b %Y, %H:%M} (UTC{local.isoformat()[-6:]})"


def minute(when: datetime) -> str:
    """`3 Nov 2026, 14:05`, in the local zone, which the page names elsewhere."""
    return moment(when).partition(" (")[0]


def day(when: datetime) -> str:
    """`3 Nov 2026`, in the local zone."""
    return moment(when.astimezone().date())
