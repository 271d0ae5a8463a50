"""What a version is made from and what is made from it: data, runs, versions and aliases, followed up or down through the view `lineage`.

Data is one thing wherever its content is the same, whatever it was called. Kinds are words: a new one in the view is followed as the
others are, and needs only a way to tell what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Literal

from nbops.errors import NotFound
from nbops.records import Record, at, short
from nbops.render import diagram, values
from nbops.render.model import Html, element
from nbops.store.client import Store
from nbops.tracking import runs

MOST = 300
"""Things that a graph holds; where there are more it says so."""

Way = Literal["up", "down"]
_EDGES = 100 * MOST
_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_REFERENCE = re.compile(r"(?:models:/)?(?P<model>[^/@:]+)(?:/(?P<version>\d+)|@(?P<alias>[\w-]+))?")
_HINT = 'Write "NAME", "NAME/3", "NAME@ALIAS", "data:NAME", "data:NAME/3", "data:DIGEST" or "run:ID".'


class Node(Record):
    """A thing: `kind` is data, run, version or alias, `id` tells it from all others of its kind, `name` and `note` are for people."""

    kind: str
    id: str
    name: str
    note: str = ""

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"{self.kind}:{self.id}"


class Edge(Record):
    """`after` was made from, is a child of or stands for `before`; both are keys of nodes. `label` says as what."""

    before: str
    after: str
    label: str


class Graph(Record):
    """The things around what was `asked` for, whose keys are `roots`, nearest first; `cut` where there are more. Shows itself."""

    asked: str
    roots: tuple[str, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    cut: bool = False

    def of_kind(self, kind: str) -> list[Node]:
        """The nodes of a kind, nearest first."""
        return [node for node in self.nodes if node.kind == kind]

    def to_svg(self) -> Html:
        """The picture, from left to right."""
        boxes = [
            diagram.Box(node.key, node.name, node.kind, node.note, strong=node.key in self.roots) for node in self.nodes
        ]
        arrows = [diagram.Arrow(edge.before, edge.after, edge.label) for edge in self.edges]
        return diagram.draw_boxes(boxes, arrows, title=f"Lineage of {self.asked}", note=self._more)

    def to_text(self) -> str:
        """What was asked for, what it was made from and what was made from it, a line each, indented by the steps in between."""
        known = {node.key: node for node in self.nodes}
        lines = [_line(known[root], "", 0) for root in self.roots]
        ways: tuple[tuple[Way, str], ...] = (("up", "made from:"), ("down", "made into:"))
        for way, title in ways:
            steps = [_line(known[key], label, depth) for key, label, depth in self._steps(way)]
            lines += [title, *steps] if steps else []
        return "\n".join([*lines, *([self._more] if self.cut else [])])

    def _steps(self, way: Way) -> Iterator[tuple[str, str, int]]:
        """Each thing once, with the label of the edge that leads there and how far it is."""
        near: dict[str, list[tuple[str, str]]] = {}
        for edge in self.edges:
            here, there = (edge.after, edge.before) if way == "up" else (edge.before, edge.after)
            near.setdefault(here, []).append((there, edge.label))
        seen: set[str] = set()
        waiting = [(root, "", 0) for root in reversed(self.roots)]
        while waiting:
            key, label, depth = waiting.pop()
            if key in seen or (depth and key in self.roots):
                continue
            seen.add(key)
            if depth:
                yield key, label, depth
            waiting += [(there, said, depth + 1) for there, said in reversed(near.get(key, []))]

    @property
    def _more(self) -> str:
        return f"There is more: these are the {len(self.nodes)} nearest." if self.cut else ""

    def _repr_html_(self) -> str:
        return element("div", self.to_svg(), style="overflow-x:auto")

    def __repr__(self) -> str:
        return self.to_text()


class Use(Record):
    """A version that was made from some data, and a time in which an alias stood for it, if there was one; `until` is None if it does."""

    model: str
    version: int
    state: str
    run_id: str
    alias: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def up(store: Store, reference: str) -> Graph:
    """What a thing was made from: "NAME" (its latest version), "NAME/3", "NAME@ALIAS", "data:NAME", "data:NAME/3" or "run:ID".

    Raises NotFound with what exists.
    """
    return _graph(store, reference, ("up",))


def down(store: Store, reference: str) -> Graph:
    """What was made from a thing, named as in `up`; "data:NAME" is every content that was ever called so."""
    return _graph(store, reference, ("down",))


def around(store: Store, reference: str) -> Graph:
    """Both."""
    return _graph(store, reference, ("up", "down"))


def using(store: Store, data: str, *, alias: str | None = None) -> list[Use]:
    """The versions that were made from data, at however many steps, and when aliases (or one) stood for them; newest first.

    `data` is a name, NAME/VERSION, a path or the beginning of a digest. Raises NotFound with the nearest name.
    """
    rows = store.read(
        """
        with recursive steps as materialized (
            select * from lineage
        ), down as (
            select 'data' as kind, unnest(?::varchar[]) as id
            union
            select s.to_kind, s.to_id from down d join steps s on s.from_kind = d.kind and s.from_id = d.id
        )
        select v.model, v.version, v.state, v.run_id::varchar, h.alias, epoch_us(h.since), epoch_us(h.until)
        from down d
        join model_versions v on d.kind = 'version' and d.id = v.model || '/' || v.version
        left join alias_history h on h.model = v.model and h.version = v.version
        where ?::varchar is null or h.alias = ?
        order by v.model, v.version desc, h.since desc
        """,
        [_digests(store, data), alias, alias],
    ).rows
    return [Use(*row[:5], *(None if us is None else at(us) for us in row[5:])) for row in rows]


def _graph(store: Store, reference: str, ways: Sequence[Way]) -> Graph:
    roots = _roots(store, reference)
    keys, edges, cut = dict.fromkeys(roots[:MOST]), dict[tuple[str, str], list[str]](), len(roots) > MOST
    for way in ways:
        more = _follow(store, list(keys)[: len(roots)], way, keys, edges)
        cut = cut or more
    nodes = _described(store, list(keys))
    return Graph(
        asked=reference,
        roots=tuple(roots[:MOST]),
        nodes=tuple(nodes),
        edges=tuple(Edge(*ends, ", ".join(labels)) for ends, labels in edges.items()),
        cut=cut,
    )


def _follow(
    store: Store, roots: Sequence[str], way: Way, keys: dict[str, None], edges: dict[tuple[str, str], list[str]]
) -> bool:
    """Add what lies that way, the nearest first, as far as there is room. True when there was not enough."""
    here, there = ("after", "before") if way == "up" else ("before", "after")
    # The view is computed once, and not anew for each step.
    sql = f"""
        with recursive steps as materialized (
            select from_kind || ':' || from_id as before, to_kind || ':' || to_id as after, label from lineage
        ), found as (
            select unnest(?::varchar[]) as key
            union
            select s.{there} from found f join steps s on s.{here} = f.key
        )
        select {here}, {there}, label from steps where {here} in (select key from found)
        order by {there} desc, {here} desc, label limit {_EDGES}
    """  # noqa: S608 - words of ours
    rows = store.read(sql, [list(roots)]).rows
    near: dict[str, list[tuple[str, str]]] = {}
    for start, end, label in rows:
        near.setdefault(start, []).append((end, label))
    cut, room = len(rows) == _EDGES, len(keys) + MOST
    waiting = list(roots)
    entered = set(waiting)
    for start in waiting:
        for end, label in near.get(start, []):
            if end not in keys and len(keys) >= room:
                cut = True
                continue
            keys.setdefault(end)
            labels = edges.setdefault((start, end) if way == "down" else (end, start), [])
            labels += [label] if label not in labels else []
            if end not in entered:
                entered.add(end)
                waiting.append(end)
    return cut


def _roots(store: Store, reference: str) -> list[str]:
    kind, colon, name = reference.strip().partition(":")
    if colon and kind == "data":
        return [f"data:{digest}" for digest in _digests(store, name)]
    if colon and kind == "run":
        return [f"run:{runs.find(store, name)}"]
    match = _REFERENCE.fullmatch(reference.strip())
    if match is None:
        raise NotFound(f"{reference!r} names nothing that has a lineage.", hint=_HINT)
    model = match["model"]
    if match["alias"]:
        held = [row[0] for row in store.read("select alias from aliases where model = ? order by 1", [model]).rows]
        if match["alias"] not in held:
            known = [f"{model}@{alias}" for alias in held]
            raise NotFound.of("alias", reference, known, otherwise=f"There are: {', '.join(known) or 'none'}.")
        return [f"alias:{model}@{match['alias']}"]
    numbers = [
        row[0] for row in store.read("select version from model_versions where model = ? order by 1", [model]).rows
    ]
    if not numbers:
        names = [row[0] for row in store.read("select name from models order by name").rows]
        raise NotFound.of("model", model, names, otherwise=_HINT)
    number = int(match["version"] or numbers[-1])
    if number not in numbers:
        raise NotFound(f"{model} has no version {number}.", hint=f"It has {', '.join(map(str, numbers))}.")
    return [f"version:{model}/{number}"]


def _digests(store: Store, data: str) -> list[str]:
    """The contents that a name, a name with its version, a path or the beginning of a digest stands for, newest version first."""
    data = data.removeprefix("data:")
    rows = store.read(
        """
        select digest, max(version) from data_names
        where name = ? or name || '/' || version = ? or path = ? or (? and starts_with(digest, ?))
        group by digest order by 2 desc nulls last, 1
        """,
        [data, data, data, _DIGEST.fullmatch(data) is not None, data],
    ).rows
    if not rows:
        names = [row[0] for row in store.read("select distinct name from data_names order by 1").rows]
        raise NotFound.of(
            "data", data, names, otherwise="`nbops data list` shows sources; runs name data by `run.log_input`."
        )
    return [row[0] for row in rows]


def _described(store: Store, keys: Sequence[str]) -> list[Node]:
    """The nodes with their names, in the same order."""
    by_kind: dict[str, list[str]] = {}
    for key in keys:
        kind, _, name = key.partition(":")
        by_kind.setdefault(kind, []).append(name)
    told = {kind: _TELLERS[kind](store, ids) if kind in _TELLERS else {} for kind, ids in by_kind.items()}
    found = []
    for key in keys:
        kind, _, name = key.partition(":")
        found.append(Node(kind, name, *told[kind].get(name, (name, ""))))
    return found


_Told = dict[str, tuple[str, str]]
"""The name and note of each id."""


def _data(store: Store, ids: Sequence[str]) -> _Told:
    sql = """
        select n.digest, n.name, n.version, n.path, coalesce(s.rows, d.rows)
        from data_names n
        left join snapshots s on s.source = n.name and s.version = n.version
        left join datasets d on d.digest = n.digest
        where n.digest in (select unnest(?::varchar[])) order by n.version, n.role desc, n.name desc, n.path
    """
    found: _Told = {}
    # Of several names the last one stays: the newest version of a source, else what a run called what it read.
    for digest, name, version, path, rows in sorted(store.read(sql, [list(ids)]).rows, key=lambda row: row[2] or 0):
        note = [values.counted(rows, "row") if rows is not None else path, digest[:8]]
        found[digest] = f"{name}/{version}" if version else name, ", ".join(filter(None, note))
    return found


def _runs(store: Store, ids: Sequence[str]) -> _Told:
    sql = """
        select run_id::varchar, coalesce(nullif(name, ''), experiment), status, source, "commit", dirty
        from runs where run_id in (select unnest(?::uuid[]))
    """
    found: _Told = {}
    for run_id, name, status, source, commit, dirty in store.read(sql, [list(ids)]).rows:
        code = f"{commit[:8]}{' with changes' if dirty else ''}" if commit else ""
        note = [status if status != "finished" else "", (source or "").rpartition("/")[2], code]
        found[run_id] = f"{name} {short(run_id)}", ", ".join(filter(None, note))
    return found


def _versions(store: Store, ids: Sequence[str]) -> _Told:
    sql = """
        select model || '/' || version as id, state, epoch_us(created), actor from model_versions
        where id in (select unnest(?::varchar[]))
    """
    rows = store.read(sql, [list(ids)]).rows
    return {
        name: (name, f"{'retired, ' if state == 'retired' else ''}{_day(created)} by {actor}")
        for name, state, created, actor in rows
    }


def _aliases(store: Store, ids: Sequence[str]) -> _Told:
    sql = """
        select model || '@' || alias as id, epoch_us(since) from aliases
        where id in (select unnest(?::varchar[]))
    """
    return {name: (name, f"since {_day(us)}") for name, us in store.read(sql, [list(ids)]).rows}


_TELLERS: dict[str, Callable[[Store, Sequence[str]], _Told]] = {
    "data": _data,
    "run": _runs,
    "version": _versions,
    "alias": _aliases,
}


def _day(us: int) -> str:
    return f"{at(us).astimezone():%Y-%m-%d}"


def _line(node: Node, label: str, depth: int) -> str:
    said = f" as {label}" if node.kind == "data" and label not in {"", node.name} else ""
    return f"{'  ' * depth}{node.kind} {node.name}{said}" + (f" ({node.note})" if node.note else "")
