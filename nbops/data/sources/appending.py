"""Where an incremental fetch begins: the newest value that is there, less the time or amount to look back."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from nbops.data.sources.declaration import Append
from nbops.errors import SourceError

# What is taken apart by place below; fromisoformat knows other spellings, too.
_SPELLED = re.compile(r"\d{4}-\d\d-\d\d(?:\D|$)")


def beginning(append: Append, since: Any) -> Any:
    """The value beyond which rows are wanted, of the type of `since`. Raises SourceError when the two do not go together."""
    if not append.look_back:
        return since
    if append.is_span:
        span = timedelta(seconds=append.look_back)
        if isinstance(since, datetime):
            return since - span
        if isinstance(since, date):
            # Days have no hours: a part of one is the whole of it.
            return since - timedelta(days=-(-append.look_back // 86_400))
        if isinstance(since, str):
            return _text(append, since, span)
    elif isinstance(since, Decimal):
        return since - Decimal(str(append.look_back))
    elif isinstance(since, int | float) and not isinstance(since, bool):
        # A double would round a great integer.
        return since - (int(append.look_back) if append.look_back.is_integer() else append.look_back)
    raise _foreign(append, since)


def _text(append: Append, since: str, span: timedelta) -> str:
    """Times that a database keeps as text, in the same spelling."""
    try:
        if not _SPELLED.match(since):
            raise _foreign(append, since)
        moment = datetime.fromisoformat(since)
    except ValueError as error:
        raise _foreign(append, since) from error
    if len(since) == 10:
        return (moment - timedelta(days=-(-span.total_seconds() // 86_400))).date().isoformat()
    told = (moment - span).isoformat(since[10], "microseconds" if "." in since else "seconds")
    return told.replace("+00:00", "Z") if since.endswith("Z") else told


def _foreign(append: Append, since: Any) -> SourceError:
    return SourceError(
        f"`look_back` does not fit the column {append.by!r}, whose newest value is {since!r}.",
        hint="A span such as `2d` goes with times, a number with numbers; or leave it out.",
    )
