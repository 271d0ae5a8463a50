"""One source with all that is known of it: what its contract found, what is set aside, its versions, how its values lie.

Read from the store and its blobs, drawn by the same renderer wherever it is shown. A blob that is lost costs its part, not the sheet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nbops.data import degraded, freshness
from nbops.data.compiling import HASH, LINE, REASONS
from nbops.data.freshness import Line, shown
from nbops.data.profile import Profile
from nbops.data.profile_views import ProfileView
from nbops.data.quarantine import BATCH, Quarantine
from nbops.errors import NbopsError
from nbops.records import at
from nbops.render import html, text, values
from nbops.render.model import Cell, Column, Html
from nbops.render.view import View
from nbops.store.client import Store

_LAST = 10
_BARS, _FEWEST = 20, 8


class Part(NamedTuple):
    """A piece of a sheet; `key` is one of `contract`, `quarantine`, `versions`, `collections`, `profile`."""

    key: str
    title: str
    html: Html
    text: str


class Sheet(View):
    """A source as it was when this was made; with `rows` the quarantine shows that many of its first rows.

    `degraded` says on what old data its last version rests, if it does.
    """

    kind = "source"

    def __init__(self, store: Store, line: Line, *, rows: int = 0) -> None:
        self._store, self.line = store, line
        self.facts = _facts(store, line)
        self.degraded = degraded.of_sources(store, [line.source]).get(line.source)
        made: tuple[Callable[[], Part | None], ...] = (
            self._contract, lambda: self._quarantine(rows), self._versions, self._profile, self._collections,
        )  # fmt: skip
        self.parts = [part for part in (make() for make in made) if part]

    @property
    def summary(self) -> str:
        """How fresh it is, and why somebody should look."""
        return f"{values.status(self.line.state)}: {self.line.needs or self.line.source}"

    def to_text(self) -> str:
        """How fresh it is, the facts, and the parts below each other."""
        return "\n".join(
            [self.summary, *self._old, text.facts(*self.facts), *(f"{part.title}\n{part.text}" for part in self.parts)]
        )

    def to_html(self) -> Html:
        """As the text."""
        return html.stack(
            self.summary,
            *self._old,
            html.facts(*self.facts),
            *(html.section(part.title, part.html, level=3) for part in self.parts),
        )

    @property
    def _old(self) -> list[str]:
        """That the last version rests on old data, if it does."""
        return [f"{degraded.TITLE} {self.degraded}"] if self.degraded else []

    def _contract(self) -> Part | None:
        """What each rule found the last time, and over the collections before; those that do not hold first."""
        found = _rows(self._store, _JUDGED, [self.line.source, _BARS])
        if not found:
            return None
        counts = _courses(found, "rule", "broken")
        now = [row for row in found if not row["back"]]
        lines = [
            [row["outcome"], row["rule"], row["broken"] or None, _course(counts[row["rule"]], "collections"), row["detail"] or None]
            for row in sorted(now, key=lambda row: (_OUTCOMES.index(row["outcome"]), -row["broken"], row["rule"]))
        ]  # fmt: skip
        return _part("contract", "Contract", _CONTRACT, lines, f"as of {shown(at(now[0]['time']))}")

    def _quarantine(self, rows: int) -> Part | None:
        totals = _rows(self._store, _SET_ASIDE, [self.line.source])[0]
        if not totals["rows"]:
            return None
        told = [f"{values.counted(totals['open'], 'row')} set aside and open"]
        told += [f"{totals[act]:,} {act}" for act in ("readmitted", "discarded") if totals[act]]
        sentence = f"{', '.join(told)}."
        if not totals["open"]:
            return Part("quarantine", "Quarantine", html.stack(sentence), sentence)
        try:
            found = Quarantine(self._store, self.line.source)
            reasons, (columns, sample) = found.reasons, found.first(rows) if rows else ([], [])
        except NbopsError as error:
            lost = f"{sentence} They cannot be read: {error.message} {error.hint}"
            return Part("quarantine", "Quarantine", html.stack(lost), lost)
        counts = _courses(_rows(self._store, _REASONS, [self.line.source, _BARS]), "reason", "rows")
        lines: list[list[object]] = [
            [reason, count, _course(counts.get(reason, ()), "batches")] for reason, count in reasons.items()
        ]
        part = _part("quarantine", "Quarantine", _QUARANTINE, lines, "A row may have several reasons.", sentence)
        return part._replace(html=html.stack(part.html, _sample(columns, sample, totals["open"]))) if sample else part

    def _versions(self) -> Part | None:
        found = _rows(self._store, _VERSIONS, [self.line.source, self.line.source, _LAST])
        lines: list[list[object]] = [
            [
                row["version"], row["rows"], _change(row["rows"], row["before"]), values.size(row["bytes"]), shown(at(row["created"])),
                freshness.until(row["watermark"]), "given up" if row["removed"] else row["how"], row["actor"], row["models"] or None,
            ]
            for row in found
        ]  # fmt: skip
        return _part("versions", "Versions", _VERSION, lines, _only(len(found), "versions")) if lines else None

    def _collections(self) -> Part | None:
        found = _rows(self._store, _COLLECTIONS, [self.line.source, _LAST])
        lines: list[list[object]] = [
            [
                shown(at(row["ended"])), row["status"], values.duration((row["ended"] - row["started"]) / 1e6), row["rows"] or None,
                row["good"] or None, row["quarantined"] or None, row["dropped"] or None, row["message"] or row["why"],
            ]
            for row in found
        ]  # fmt: skip
        return _part("collections", "Collections", _COLLECTION, lines, _only(len(found), "ones")) if lines else None

    def _profile(self) -> Part | None:
        found = _rows(self._store, _PROFILED, [self.line.source])
        if not found or not found[0]["profile"]:
            return None
        title = f"Values of version {found[0]['version']}"
        try:
            view = ProfileView(Profile.from_json(self._store.get_blob(found[0]["profile"])))
        except NbopsError as error:
            lost = f"They cannot be read: {error.message} {error.hint}"
            return Part("profile", title, html.stack(lost), lost)
        return Part("profile", title, view.to_html(), view.to_text())


def sheet(store: Store, source: str, *, rows: int = 0) -> Sheet:
    """All that is known of a source; with `rows` the first rows of its quarantine, too. Raises NotFound."""
    return Sheet(store, freshness.freshness(store)[source], rows=rows)


_OUTCOMES = ("failed", "quarantined", "warning", "skipped", "passed")
_CONTRACT = (
    Column("outcome", kind="status"), Column("rule"), Column("broken rows", kind="number"), Column("so far", kind="histogram"),
    Column("why"),
)  # fmt: skip
_QUARANTINE = (Column("reason"), Column("rows", kind="number"), Column("so far", kind="histogram"))
_VERSION = (
    Column("version", kind="number"), Column("rows", kind="number"), Column("change"), Column("size"), Column("taken", kind="time"),
    Column("data until", kind="time"), Column("how"), Column("by"), Column("models made of it"),
)  # fmt: skip
_COLLECTION = (
    Column("ended", kind="time"), Column("status", kind="status"), Column("took"), Column("rows", kind="number"),
    Column("good", kind="number"), Column("quarantined", kind="number"), Column("dropped", kind="number"), Column("why"),
)  # fmt: skip
_JUDGED = """
    with judged as (
        select collection_id, ended, seq from collections
        where source = ? and collection_id in (select collection_id from contract_results) order by seq desc limit ?
    ), placed as (select *, row_number() over (order by seq desc) - 1 as back from judged)
    select p.back, epoch_us(p.ended) as time, r.rule, r.outcome, r.broken, r.detail
    from placed p join contract_results r on r.collection_id = p.collection_id
"""
_SET_ASIDE = """
    select
        coalesce(sum(rows), 0)::bigint as rows, coalesce(sum(open), 0)::bigint as open,
        coalesce(sum(readmitted), 0)::bigint as readmitted, coalesce(sum(discarded), 0)::bigint as discarded
    from quarantine where source = ?
"""
_REASONS = """
    with batches as (
        select batch_id, row_number() over (order by time desc) - 1 as back from quarantine where source = ? order by time desc limit ?
    )
    select b.back, r.reason, r.rows from batches b join quarantine_reasons r on r.batch_id = b.batch_id
"""
_VERSIONS = """
    with known as (
        select version, rows, lag(rows) over (order by version) as before, bytes, epoch_us(created) as created, watermark, removed, actor,
            collection_id
        from snapshots where source = ?
    ), used as (
        select version, string_agg(distinct model || '/' || model_version, ', ') as models
        from snapshot_uses where source = ? and model is not null group by version
    )
    select k.* exclude (collection_id), c.how, u.models
    from known k left join collections c on c.collection_id = k.collection_id left join used u on u.version = k.version
    order by k.version desc limit ?
"""
_COLLECTIONS = """
    select epoch_us(started) as started, epoch_us(ended) as ended, status, rows, good, quarantined, dropped, message, why
    from collections where source = ? order by seq desc limit ?
"""
_PROFILED = "select version, profile from snapshots where source = ? and not removed order by version desc limit 1"
_DECLARED = "select address, licence, purpose from sources where name = ?"


def _facts(store: Store, line: Line) -> tuple[Sequence[Column], Sequence[object]]:
    """What is known of a source itself; what nobody said is left out."""
    found = _rows(store, _DECLARED, [line.source])
    said: Mapping[str, object] = found[0] if found else {}
    pairs = {
        Column("expected"): line.interval or None,
        Column("last checked", kind="time"): shown(line.last_checked), Column("last change", kind="time"): shown(line.last_change),
        Column("data until", kind="time"): line.data_until, Column("from", kind="code"): said.get("address"),
        Column("owner"): line.owner, Column("licence"): said.get("licence"), Column("purpose"): said.get("purpose"),
    }  # fmt: skip
    known = {column: value for column, value in pairs.items() if value is not None}
    return list(known), list(known.values())


def _part(
    key: str, title: str, columns: Sequence[Column], lines: list[list[object]], note: str, sentence: str = ""
) -> Part:
    """A table; columns in which no line says anything are left out."""
    kept = [place for place in range(len(columns)) if any(line[place] is not None for line in lines)]
    heads, rows = [columns[place] for place in kept], [[line[place] for place in kept] for line in lines]
    drawn = html.table(heads, rows, note=note)
    plain = text.table(heads, rows, note=note)
    if not sentence:
        return Part(key, title, drawn, plain)
    return Part(key, title, html.stack(sentence, drawn), f"{sentence}\n{plain}")


def _courses(rows: Sequence[Mapping[str, Any]], name: str, count: str) -> dict[str, list[int | None]]:
    """The counts of each name from the oldest to the last, which is none `back`; a few have room before them."""
    length = max([_FEWEST, *(int(row["back"]) + 1 for row in rows)])
    found: dict[str, list[int | None]] = {}
    for row in rows:
        found.setdefault(row[name], [None] * length)[length - 1 - int(row["back"])] = row[count]
    return found


def _course(counts: Sequence[int | None], of: str) -> Cell | None:
    """Counts of rows to be drawn, the last one on the right; nothing where there never were any."""
    known = [count for count in counts if count is not None]
    if not any(known):
        return None
    return Cell(list(counts), note=f"rows in the last {len(known)} {of}: {', '.join(f'{count:,}' for count in known)}")


def _sample(columns: Sequence[str], rows: Sequence[Sequence[object]], total: int) -> Html:
    """The first rows as they came, their reasons first; what they are known by inside is left out."""
    lines: list[dict[str, Any]] = [dict(zip(columns, row, strict=True)) for row in rows]
    inner = {REASONS, HASH, BATCH} | ({LINE} if all(line.get(LINE) is None for line in lines) else set())
    came = [column for column in columns if column not in inner]
    note = f"the first {len(rows):,} of {total:,}" if total > len(rows) else "all of them"
    heads = [Column("set aside because"), *(Column("line" if column == LINE else column) for column in came)]
    return html.table(heads, [[", ".join(line[REASONS]), *map(line.get, came)] for line in lines], note=note)


def _change(rows: int, before: int | None) -> str | None:
    if before is None:
        return None
    return f"{'+' if rows > before else '−' if rows < before else '±'}{abs(rows - before):,}"


def _only(count: int, what: str) -> str:
    return f"the last {count} {what}" if count == _LAST else ""


def _rows(store: Store, sql: str, given: Sequence[object]) -> list[dict[str, Any]]:
    table = store.read(sql, given)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]
