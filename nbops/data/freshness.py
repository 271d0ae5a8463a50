"""How fresh the data of a project is: a line for each source, and a sentence that says which need somebody.

What the store knows of collections and what the project declares come together here; nothing is collected and no contract is read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from nbops.data import declared
from nbops.data.declared import Step
from nbops.data.sources.declaration import Source
from nbops.errors import ConfigError, NotFound
from nbops.records import Record, at, now_us
from nbops.render import html, text, values
from nbops.render.model import Column, Html
from nbops.render.view import View
from nbops.store.client import Store

State = Literal["fresh", "unknown", "late", "unchecked", "never", "failing", "unreadable", "undeclared"]
"""`unknown` has no interval to be late by, `unchecked` was not looked at for longer than that, `unreadable` is declared wrongly.

What was declared by a file that is gone is `undeclared` and not judged: nobody says that it should go on.
"""

_LOOK: tuple[State, ...] = ("unreadable", "failing", "late", "unchecked", "never")
_NAMED = 3
_ALWAYS = 5
_LONGEST = 160
_UNITS = ((604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


class Line(Record):
    """A source. `every` is the declared interval and `usual` the one it was found to change in, in seconds.

    `data_until` is the highest value that a source which is appended to was read up to; `needs` says why somebody should look.
    """

    source: str
    state: State
    every: float | None = None
    usual: float | None = None
    last_checked: datetime | None = None
    last_change: datetime | None = None
    data_until: str | None = None
    version: int | None = None
    rows: int | None = None
    quarantined: int = 0
    owner: str | None = None
    message: str | None = None
    needs: str | None = None

    @property
    def interval(self) -> str:
        """How often it is expected to change, in words; empty when nobody can tell."""
        if self.every is not None:
            return interval(self.every)
        return f"about every {span(self.usual)}" if self.usual is not None else ""


class Freshness(View):
    """The sources of a project as they were at `as_of`, those that need somebody first."""

    kind = "freshness"

    def __init__(self, lines: Sequence[Line], as_of: datetime) -> None:
        self.lines = tuple(lines)
        self.as_of = as_of

    @property
    def ok(self) -> bool:
        """Whether no source is late, failing, unchecked, never collected or declared wrongly."""
        return not any(line.needs for line in self.lines)

    @property
    def sentence(self) -> str:
        """Which sources need a look, and why."""
        needy = [line for line in self.lines if line.needs]
        if not needy:
            return _all_well(self.lines)
        told = "; ".join(values.shorten(str(line.needs), _LONGEST).rstrip(".") for line in needy[:_NAMED])
        more = f"; and {len(needy) - _NAMED} more" if len(needy) > _NAMED else ""
        verb = "needs" if len(needy) == 1 else "need"
        return f"{len(needy)} of {values.counted(len(self.lines), 'source')} {verb} a look: {told}{more}."

    def to_text(self) -> str:
        """The sentence, and a line for each source."""
        return text.table(*self.table(), caption=self.sentence) if self.lines else f"{self.sentence}\n"

    def to_html(self) -> Html:
        """As the text, as a table."""
        return html.table(*self.table(), caption=self.sentence, note=f"as of {shown(self.as_of)}")

    def table(self) -> tuple[Sequence[Column], list[list[object]]]:
        """Columns and rows; columns in which no source says anything are left out."""
        rows: list[list[object]] = [
            [
                line.source, line.state, line.interval or None, shown(line.last_checked), shown(line.last_change), line.data_until,
                line.version, line.rows, line.quarantined or None, line.owner, line.message,
            ]
            for line in self.lines
        ]  # fmt: skip
        kept = [
            place for place in range(len(_COLUMNS)) if place < _ALWAYS or any(row[place] is not None for row in rows)
        ]
        return [_COLUMNS[place] for place in kept], [[row[place] for place in kept] for row in rows]

    def __getitem__(self, source: str) -> Line:
        """The line of a source. Raises NotFound."""
        for line in self.lines:
            if line.source == source:
                return line
        raise NotFound.of(
            "source", source, [line.source for line in self.lines], otherwise="No source is declared or collected yet."
        )


def freshness(store: Store) -> Freshness:
    """How the sources of a store's project stand: those that were collected, and those that it only declares."""
    table = store.read(_SQL)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    as_of = at(rows[0]["now"]) if rows else at(now_us())
    return Freshness(together(rows, declarations(store.settings.project), as_of), as_of)


def uncollected(project: Path) -> Freshness:
    """As `freshness`, for a project without a store: all that it declares was never collected."""
    as_of = at(now_us())
    return Freshness(together((), declarations(project), as_of), as_of)


def declarations(project: Path) -> Mapping[str, Source | Step | ConfigError]:
    """What a project declares, read again when a file of it changed."""
    stamps = []
    for path in declared.files(project):
        with contextlib.suppress(OSError):
            status = path.stat()
            stamps.append((path.name, status.st_mtime_ns, status.st_size))
    return _declarations(project, tuple(stamps))


def together(
    rows: Sequence[Mapping[str, object]], known: Mapping[str, Source | Step | ConfigError], as_of: datetime
) -> list[Line]:
    """A line for each source that the store has a row of or the project declares, those that need somebody first."""
    found = {str(row["source"]): _line(row, as_of) for row in rows}
    gone = {str(row["source"]) for row in rows if row["in_file"]} - known.keys()
    for name in gone:
        found[name] = msgspec.structs.replace(found[name], state="undeclared", needs=None)
    for name, made in known.items():
        line = found.get(name) or Line(source=name, state="never", needs=f"{name} was never collected")
        if isinstance(made, ConfigError):
            replaced = {
                "state": "unreadable",
                "message": made.message,
                "needs": f"{name} is declared wrongly: {made.message}",
            }
            line = msgspec.structs.replace(line, **replaced)
        elif name not in found:
            source = declared.source_of(made)
            line = msgspec.structs.replace(line, every=source.every, owner=source.owner or None)
        found[name] = line
    order = {state: place for place, state in enumerate(_LOOK)}
    return sorted(found.values(), key=lambda line: (order.get(line.state, len(order)), line.source))


def interval(seconds: float) -> str:
    """A declared interval: "every day", "every 2 weeks", "every 90 minutes"."""
    for unit, name in _UNITS:
        count, rest = divmod(seconds, unit)
        if count and not rest:
            return f"every {name}" if count == 1 else f"every {values.counted(round(count), name)}"
    return f"every {values.duration(seconds)}"


def span(seconds: float) -> str:
    """About how long: "40 seconds", "26 hours", "3 days"."""
    unit, name = next(((unit, name) for unit, name in _UNITS[1:] if seconds >= 2 * unit), _UNITS[-1])
    return values.counted(max(round(seconds / unit), 1), name)


def shown(moment: datetime | None) -> str | None:
    """A time as the other views show it."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" if moment else None


def until(watermark: str | None) -> str | None:
    """A watermark as one reads it."""
    if watermark is None:
        return None
    told = str(msgspec.json.decode(watermark))
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:
        return told
    return told if len(told) <= len("2026-01-31") else f"{moment:%Y-%m-%d %H:%M:%S}"


# A repair makes a version, too, which is nothing that the source brought.
_SQL = """
    select
        f.source, f.state, f.every, f.usual, epoch_us(f.last_checked) as last_checked, epoch_us(f.last_change) as last_change,
        f.data_until, s.version, s.rows, coalesce(q.rows, 0)::bigint as quarantined, f.owner, f.last_message, f.last_status,
        coalesce(d.in_file, false) as in_file, epoch_us(now()) as now
    from freshness f
    left join sources d on d.name = f.source
    left join (
        select source, max(version) as version, arg_max(rows, version) as rows from snapshots group by source
    ) s on s.source = f.source
    left join (select source, sum(open) as rows from quarantine group by source) q on q.source = f.source
    order by f.source
"""
_COLUMNS = (
    Column("source"), Column("state", kind="status"), Column("expected"), Column("last checked", kind="time"),
    Column("last change", kind="time"), Column("data until", kind="time"), Column("version", kind="number"), Column("rows", kind="number"),
    Column("in quarantine", kind="number"), Column("owner"), Column("message"),
)  # fmt: skip


class _Row(Record):
    source: str
    state: State
    every: float | None
    usual: float | None
    last_checked: int | None
    last_change: int | None
    data_until: str | None
    version: int | None
    rows: int | None
    quarantined: int
    owner: str | None
    last_message: str | None
    last_status: str | None


def _line(found: Mapping[str, object], as_of: datetime) -> Line:
    row = msgspec.convert(found, _Row)
    line = Line(
        source=row.source, state=row.state, every=row.every, usual=row.usual,
        last_checked=at(row.last_checked) if row.last_checked is not None else None,
        last_change=at(row.last_change) if row.last_change is not None else None,
        data_until=until(row.data_until), version=row.version, rows=row.rows, quarantined=row.quarantined, owner=row.owner,
        message=row.last_message if row.state == "failing" else None,
    )  # fmt: skip
    return msgspec.structs.replace(line, needs=_needs(line, row.last_status, as_of))


def _needs(line: Line, last_status: str | None, as_of: datetime) -> str | None:
    expected = line.every if line.every is not None else 3 * (line.usual or 0)
    match line.state:
        case "never":
            return f"{line.source} was never collected"
        case "failing":
            verb = "was refused" if last_status == "refused" else "failed"
            return f"{line.source} {verb}: {line.message}" if line.message else f"{line.source} {verb}"
        case "unchecked" if line.last_checked:
            return f"{line.source} was not checked for {span((as_of - line.last_checked).total_seconds())}"
        case "late" if line.last_change:
            return f"{line.source} is {span((as_of - line.last_change - timedelta(seconds=expected)).total_seconds())} late"
    return None


def _all_well(lines: Sequence[Line]) -> str:
    if not lines:
        return "No source of data is declared or collected yet."
    left = len(lines)
    lines = [line for line in lines if line.state != "undeclared"]
    if not lines:
        return f"No source of data is declared any more: {values.counted(left, 'source')} collected before."
    regular = sum(line.state == "fresh" for line in lines)
    if regular == len(lines):
        return (
            f"{lines[0].source} is updated regularly."
            if regular == 1
            else f"All {regular} sources are updated regularly."
        )
    if not regular:
        return f"Nothing is known to be late: {values.counted(len(lines), 'source')} without an expected interval."
    told = f"{regular} of {values.counted(len(lines), 'source')} {'is' if regular == 1 else 'are'} updated regularly"
    return f"{told}; {len(lines) - regular} without an expected interval."


@lru_cache(maxsize=32)
def _declarations(project: Path, _stamps: tuple[object, ...]) -> Mapping[str, Source | Step | ConfigError]:
    return declared.told(project)
