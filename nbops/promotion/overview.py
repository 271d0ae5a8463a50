"""What somebody sees of promotion before they decide: the reviews in a line each, where an alias goes back to, where it stood.

Read from the store. Only `judged` loads models, to ask the gate.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from nbops.errors import NotFound
from nbops.records import Record, at, short
from nbops.registry import aliases, lineage, models
from nbops.registry.card import Card, in_force
from nbops.render import html
from nbops.render.model import Html, element
from nbops.store.client import Store
from nbops.store.places import user_name

_MOST = 200


class Line(Record):
    """A review in a list; `question` is what whoever asked for it was asked last, `needs` why somebody should look."""

    review_id: str
    short: str
    model: str
    version: int
    alias: str
    status: str
    reason: str
    requested_by: str
    created: datetime
    changed: datetime
    changed_by: str
    question: str | None
    needs: str | None


class Previous(Record):
    """The version under an alias, and the one to which a rollback leads; None where there is none."""

    version: int
    previous: int | None


class Part(NamedTuple):
    """A piece of a model's page."""

    key: str
    title: str
    html: Html


def waiting(store: Store) -> list[Line]:
    """The reviews that wait for somebody, the oldest first."""
    return _lines(store, "r.status in ('open', 'sent back') order by r.created", [])


def of_model(store: Store, model: str) -> list[Line]:
    """The reviews of a model, the newest first."""
    return _lines(store, "r.model = ? order by r.created desc", [model])


def previous(store: Store, model: str, alias: str) -> Previous:
    """Where a rollback leads, as the owner would choose it. Raises NotFound when the alias stands for nothing."""
    now = models.holder(store, model, alias)
    told = store.read("select card, actor from core.model_cards where model = ? order by seq", [model]).rows
    # The owner takes who asks for the author, as nobody else is known.
    policy = in_force(
        ((msgspec.json.decode(text, type=Card).policy, actor) for text, actor in told), {user_name(os.getuid())}
    )
    found = aliases.fit_to_return(_Committed(store), model, alias, protected=alias in policy.protected)
    return Previous(version=now, previous=found)


def judged(store: Store, model: str, version: int, alias: str, waiver: str = "") -> Html:
    """What the gate would say of a version, which nobody has proposed yet. Raises as `evidence.inquire` does."""
    from nbops.promotion.evidence import inquire

    found = inquire(store, model, version, alias, waiver=waiver).verdict
    lines = [
        element("li", element("b", f"{one.outcome.replace('_', ' ').capitalize()}: "), f"{one.name}. {one.sentence}")
        for one in found.checks
    ]
    return html.stack(found.sentence, element("ul", *lines, style="margin:0;padding-left:1.2em"))


def parts(store: Store, model: str) -> list[Part]:
    """What is shown of a model below its versions."""
    return [part for part in (make(store, model) for make in (_moves, _lineage)) if part]


def _moves(store: Store, model: str) -> Part | None:
    sql = """
        select epoch_us(since), alias, version_before, version, kind, actor, why
        from alias_history where model = ? order by since desc limit ?
        """
    rows = [
        [f"{at(since).astimezone():%Y-%m-%d %H:%M}", alias, before, after, kind, actor, why]
        for since, alias, before, after, kind, actor, why in store.read(sql, [model, _MOST]).rows
    ]
    columns = ["time", "alias", "from version", "to version", "how", "who", "why"]
    return Part("history", "History of its aliases", html.table(columns, rows)) if rows else None


def _lineage(store: Store, model: str) -> Part | None:
    """Of the champion, and of the latest version where there is none."""
    held = store.read("select 1 from aliases where model = ? and alias = 'champion'", [model]).rows
    try:
        found = lineage.around(store, f"{model}@champion" if held else model)
    except NotFound:
        return None
    title = "What the champion was made from" if held else "What the latest version was made from"
    return Part("lineage", title, element("div", found.to_svg(), style="overflow-x:auto"))


def _lines(store: Store, chosen: str, values: list[object]) -> list[Line]:
    sql = f"""
        select r.review_id::varchar, r.model, r.version, r.alias, r.status, r.reason, r.requested_by, epoch_us(r.created),
            epoch_us(r.changed), r.changed_by, (
                select arg_max(a.reason, a.time) from review_acts a
                where a.review_id = r.review_id and a.act = 'send back' and a.outcome = 'done'
            )
        from reviews r where {chosen} limit {_MOST}
        """  # noqa: S608 - fixed text
    return [_line(row) for row in store.read(sql, values).rows]


def _line(row: Any) -> Line:
    review_id, model, version, alias, status, reason, requested_by, created, changed, changed_by, question = row
    needs = {
        "open": f"{model}/{version} is proposed for {alias} by {requested_by}: {reason}",
        "sent back": f"{requested_by} is asked about {model}/{version} for {alias}: {question}",
    }
    return Line(
        review_id=review_id, short=short(review_id), model=model, version=version, alias=alias, status=status, reason=reason,
        requested_by=requested_by, created=at(created), changed=at(changed), changed_by=changed_by, question=question,
        needs=needs.get(status),
    )  # fmt: skip


class _Committed:
    """The store's committed rows, asked as the owner asks its own."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a SELECT."""
        return [tuple(row) for row in self._store.read(sql, list(values)).rows]
