"""The SQL of `search_runs`: a `Search` goes in, one SELECT with its bound values comes out. Nothing is executed.

Every name and value of the user's is bound; the text of the SQL is made of the fixed pieces below alone.
"""

# ruff: noqa: S608 - what is put together here are the fixed pieces
from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from nbops.records import Record
from nbops.tracking.filter import FIELDS, Both, Comparison, Condition, Either, Name, Not, Search, Sort, parse


class Query(Record):
    """One SELECT of at most `most` rows; `names` are the keys that it asks for, `experiments` those that it is narrowed to."""

    sql: str
    values: tuple[object, ...]
    most: float = math.inf
    names: tuple[Name, ...] = ()
    experiments: tuple[str, ...] = ()


def runs_query(
    filter: str | None = None,  # noqa: A002 - the name that people know from search_runs
    *,
    order_by: str | None = None,
    limit: int | None = None,
    experiments: Sequence[str] = (),
    deleted: bool = False,
) -> Query:
    """The runs that match, first to last: `FIELDS`. Either the deleted runs or the others.

    Runs without the key that is sorted by come last in both directions, NaN just before them; ties, and everything when no order is
    asked for, newest first. Raises FilterError.
    """
    return _Writer(parse(filter, order_by=order_by, limit=limit)).runs(experiments, deleted=deleted)


def these_query(run_ids: Sequence[str]) -> Query:
    """The runs of these full ids in this order, as `runs_query` gives them; what does not exist is left out."""
    chosen = "(select unnest(?::uuid[]) as run_id, generate_subscripts(?::uuid[], 1) as position) c"
    sql = _listed(f"{chosen} join core.runs r on r.run_id = c.run_id", "order by c.position")
    return Query(sql=sql, values=(list(run_ids), list(run_ids)), most=len(run_ids))


def values_query(run_ids: Sequence[str]) -> Query:
    """What a handful of runs have logged, in no order: `place`, `run_id`, `key`, `text` or `number`, for params `kind`."""
    latest = {
        "params": "arg_max(value, seq) as text, null::double as number, arg_max(kind, seq) as kind",
        "metrics": "null as text, arg_max(value, seq) as number, null as kind",
        "tags": "arg_max(value, seq) as text, null as number, null as kind",
    }
    parts = [
        f"select '{place}' as place, run_id::varchar as run_id, key, {columns} from core.{place}"
        " where run_id in (select run_id from chosen) group by run_id, key"
        for place, columns in latest.items()
    ]
    sql = f"with chosen as (select unnest(?::uuid[]) as run_id)\n{' union all '.join(parts)}"
    return Query(sql=sql, values=(list(run_ids),))


def known_query(place: str) -> str:
    """A SELECT of every key that runs have in a place ('metrics', 'params', 'tags'), or of the names of 'experiments'."""
    column = "name" if place == "experiments" else "key"
    return f"select distinct {column} from core.{place} order by all"


def keys_query(query: Query) -> Query:
    """What the runs of `query` have logged: rows of `place`, `key` and, for params, the `kinds` that their values had."""
    parts = [
        f"select '{place}' as place, key, null::varchar[] as kinds from core.{place} where run_id in (select run_id from q) group by key"
        for place in ("metrics", "tags")
    ]
    params = "select distinct key, kind from core.params where run_id in (select run_id from q)"
    parts.append(f"select 'params' as place, key, list(kind order by kind) as kinds from ({params}) group by key")
    return Query(sql=f"with q as ({query.sql})\n{' union all '.join(parts)} order by place, key", values=query.values)


def wide_query(query: Query, *, params: Sequence[str], metrics: Sequence[str], tags: Sequence[str]) -> Query:
    """One row for each run of `query`, in its order: `FIELDS`, then the latest value of each key, null where a run has none.

    The columns of params are called p0, p1, … in the order given, those of metrics m0, …, those of tags t0, …
    """
    # DuckDB keeps the order of its rows for a window over everything.
    tables = [f"q as (select row_number() over () as position, * from ({query.sql}))"]
    values, late = list(query.values), list[object]()
    joins, columns = "", [f'q."{field}"' for field in FIELDS]
    for place, keys in (("params", params), ("metrics", metrics), ("tags", tags)):
        if not keys:
            continue
        names = [f"{place[0]}{i}" for i in range(len(keys))]
        source = f"from core.{place} where run_id in (select run_id from q)"
        if len(keys) <= _FEW_KEYS:
            latest = ", ".join(f"arg_max(value, seq) filter (where key = ?) as {name}" for name in names)
            tables.append(f"wide_{place} as (select run_id, {latest} {source} group by run_id)")
            values += keys
        else:
            each = f"select run_id, key, arg_max(value, seq) as value {source} group by run_id, key"
            tables.append(
                f"wide_{place} as (select run_id, map(list(key), list(value)) as found from ({each}) group by run_id)"
            )
            names = [f"wide_{place}.found[?] as {name}" for name in names]
            late += keys
        joins += f" left join wide_{place} on wide_{place}.run_id = q.run_id"
        columns += names
    sql = f"with {', '.join(tables)}\nselect {', '.join(columns)}\nfrom q{joins}\norder by q.position"
    return Query(sql=sql, values=(*values, *late))


# Filtered aggregates are four times as fast for ten keys, and take seconds for hundreds.
_FEW_KEYS = 60

_SOURCES = {
    "run_id": "r.run_id",
    "experiment": "e.name",
    "name": "r.name",
    "status": "r.status",
    "start_time": "r.started",
    "end_time": "r.ended",
    "duration": "(epoch_us(r.ended) - epoch_us(r.started)) / 1e6",
    "actor": "r.actor",
    "source": "r.source",
    "commit": "r.commit_hash",
    "parent_run_id": "r.parent_id",
    "cause": "r.cause",
    "host": "r.host",
}
_COMPARED = _SOURCES | {"run_id": "r.run_id::varchar", "parent_run_id": "r.parent_id::varchar"}
# Numbers are read faster than text, and runs have fewer tags than params.
_CHEAPEST_FIRST = ("metrics", "tags", "params")


def _listed(source: str, rest: str) -> str:
    """The `FIELDS` of the runs `r` in `source`."""
    columns = ", ".join(f'{_SOURCES[field]} as "{field}"' for field in FIELDS)
    experiments = "join core.experiments e on e.experiment_id = r.experiment_id"
    return f"select {columns}\nfrom {source} {experiments}\n{rest}"


class _Writer:
    """Writes one search from left to right: values are gathered in the order of their question marks."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._values: list[object] = []
        self._own, self._rest = _split(search.where)
        asked = [*_names(search.where), *(sort.name for sort in search.order)]
        keys = [name for name in dict.fromkeys(asked) if name.place != "run"]
        keys.sort(key=lambda name: (name not in self._own, _CHEAPEST_FIRST.index(name.place)))
        self._tables = {name: f"k{i}" for i, name in enumerate(keys)}

    def runs(self, experiments: Sequence[str], *, deleted: bool) -> Query:
        """The whole SELECT."""
        joins = [
            f"{'' if name in self._own else 'left '}join {self._latest(name)} {table} on {table}.run_id = r.run_id"
            for name, table in self._tables.items()
        ]
        where = ["r.deleted" if deleted else "not r.deleted"]
        if experiments:
            where.append(f"e.name in ({', '.join(map(self._bind, experiments))})")
        where += [self._condition(part, self._compared) for part in self._rest]
        order = ", ".join([*(column for sort in self._search.order for column in self._sort(sort)), "r.seq desc"])
        limit = self._search.limit
        top = "" if limit is None else f" limit {self._bind(limit)}"
        sql = _listed(" ".join(["core.runs r", *joins]), f"where {' and '.join(where)} order by {order}{top}")
        return Query(
            sql=sql, values=tuple(self._values), most=math.inf if limit is None else limit, names=tuple(self._tables),
            experiments=tuple(experiments),
        )  # fmt: skip

    def _latest(self, name: Name) -> str:
        """The latest value of a key for every run that has it and passes what must hold in any case."""
        sql = f"select run_id, arg_max(value, seq) as latest from core.{name.place} where key = {self._bind(name.key)} group by run_id"
        if name in self._own:
            sql += " having " + " and ".join(self._condition(part, lambda _: "latest") for part in self._own[name])
        return f"({sql})"

    def _compared(self, name: Name) -> str:
        return _COMPARED[name.key] if name.place == "run" else f"{self._tables[name]}.latest"

    def _sort(self, sort: Sort) -> list[str]:
        """DuckDB holds NaN for the greatest number, so numbers are negated instead of sorted downwards."""
        source = self._compared(sort.name)
        direction, sign = (" desc", "-") if sort.descending else ("", "")
        if sort.name.place == "metrics" or sort.name == Name(place="run", key="duration"):
            return [f"{sign}{source} nulls last"]
        if sort.name.place == "run":
            return [f"{source}{direction} nulls last"]
        return [f"{sign}try_cast({source} as double) nulls last", f"{source}{direction} nulls last"]

    def _condition(self, condition: Condition, compared: Callable[[Name], str]) -> str:
        if isinstance(condition, Comparison):
            return f"({self._comparison(condition, compared(condition.left))})"
        if isinstance(condition, Not):
            return f"(not {self._condition(condition.part, compared)})"
        word = " and " if isinstance(condition, Both) else " or "
        return f"({word.join(self._condition(part, compared) for part in condition.parts)})"

    def _comparison(self, comparison: Comparison, source: str) -> str:
        if comparison.operator == "null":
            return f"{source} is null"
        kind = FIELDS[comparison.left.key] if comparison.left.place == "run" else comparison.left.place
        numbers = [value for value in comparison.values if isinstance(value, float)]
        if kind in ("metrics", "number"):
            return self._number(source, comparison.operator, numbers)
        parts = []
        if texts := [value for value in comparison.values if isinstance(value, str)]:
            parts.append(self._text(source, comparison.operator, texts, "?::timestamp" if kind == "time" else "?"))
        if truths := [str(value).lower() for value in comparison.values if isinstance(value, bool)]:
            parts.append(self._text(f"lower({source})", comparison.operator, truths, "?"))
        if numbers:
            number = self._number(f"try_cast({source} as double)", comparison.operator, numbers)
            # Text that is no number compares false; null is kept for runs that have no such key.
            parts.append(f"coalesce({number}, {source} is null and null)")
        return " or ".join(parts)

    def _text(self, source: str, operator: str, texts: Sequence[str], mark: str) -> str:
        self._values += texts
        return f"{source} {operator} ({', '.join([mark] * len(texts))})"

    def _number(self, source: str, operator: str, numbers: Sequence[float]) -> str:
        """A comparison that NaN never passes unless it is asked for by name."""
        if operator == "in":
            return f"{source} in ({', '.join(map(self._bind, numbers))})"
        if math.isnan(numbers[0]):
            return f"{source} < {self._bind(-math.inf)}"  # false for every number
        marked = f"{source} {operator} {self._bind(numbers[0])}"
        return marked if operator[0] == "<" else f"{marked} and not isnan({source})"

    def _bind(self, value: object) -> str:
        self._values.append(value)
        return "?"


def _split(condition: Condition | None) -> tuple[dict[Name, list[Condition]], list[Condition]]:
    """Conditions on a single key that a run without the key fails, by key; and the rest."""
    own: dict[Name, list[Condition]] = {}
    rest = []
    for part in condition.parts if isinstance(condition, Both) else [condition] if condition else []:
        names = set(_names(part))
        name = names.pop()
        if names or name.place == "run" or _without(part):
            rest.append(part)
        else:
            own.setdefault(name, []).append(part)
    return own, rest


def _names(condition: Condition | None) -> list[Name]:
    if condition is None:
        return []
    if isinstance(condition, Comparison):
        return [condition.left]
    if isinstance(condition, Not):
        return _names(condition.part)
    return [name for part in condition.parts for name in _names(part)]


def _without(condition: Condition) -> bool | None:
    """Whether a run that has none of the keys matches; None is neither."""
    if isinstance(condition, Comparison):
        return True if condition.operator == "null" else None
    if isinstance(condition, Not):
        inner = _without(condition.part)
        return None if inner is None else not inner
    decisive = isinstance(condition, Either)
    answers = {_without(part) for part in condition.parts}
    if decisive in answers:
        return decisive
    return None if None in answers else not decisive
