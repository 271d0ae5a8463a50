"""What SQL of a user's may be: exactly one SELECT or EXPLAIN over the store's own tables and views.

DuckDB's lock-down refuses files, settings and extensions, but not everything: on DuckDB 1.5 `read_blob` of the store's own file is
allowed, and closing that second descriptor drops the file's lock. So the parsed statement is walked, and only what is known passes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nbops import duck
from nbops.errors import QueryError, nearest

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "repeat", "json_each", "json_tree", "duckdb_tables", "duckdb_views", "duckdb_columns"})
_SCHEMAS = frozenset({"", "main", "core", "information_schema"})
_CATALOGS = frozenset({"", duck.NAME})
_EXPLAIN = re.compile(r"\s*explain\s+(analyze\s+)?(\([^()]*\)\s*)?", re.IGNORECASE)
_PLAIN = re.compile(r"[\w ]+")
_MODULES = frozenset({"tables", "columns", "schemata", "views"})
_HINT = "Ask for rows with one SELECT over the views of docs/views.md."


def check(con: Connection, sql: str) -> None:
    """Raise QueryError unless the text is one harmless SELECT or EXPLAIN. `con` is any session of the store's instance."""
    kinds = duck.statements(con, sql)
    if len(kinds) != 1:
        raise QueryError(f"One statement is wanted, {len(kinds)} were given.", hint=_HINT)
    if kinds[0] == "EXPLAIN":
        match = _EXPLAIN.match(sql)
        sql = sql[match.end() :] if match else sql
    elif kinds[0] != "SELECT":
        raise QueryError(f"Only SELECT and EXPLAIN are allowed here, not {kinds[0]}.", hint=_HINT)
    tree = json.loads(duck.rows(con, "select json_serialize_sql(?::varchar)", [sql])[0][0])
    if tree.get("error") or len(tree["statements"]) != 1:
        raise QueryError(f"This statement is not allowed here: {tree.get('error_message', 'not one SELECT')}.", hint=_HINT)
    nodes = list(_walk(tree))
    ours = {key for node in nodes if "cte_map" in node for key in _names(node["cte_map"])}
    known = {name.lower() for (name,) in duck.rows(con, "select view_name from duckdb_views() union all select table_name from duckdb_tables()")}
    for node in nodes:
        _look(node, ours, known)


def _look(node: dict[str, Any], ours: set[str], known: set[str]) -> None:
    kind = node.get("type")
    if kind == "TABLE_FUNCTION":
        function = node["function"]
        name = str(function.get("function_name", "")).lower()
        if name not in _FUNCTIONS:
            raise QueryError(f"The function {name!r} is not allowed here.", hint=_HINT)
    elif kind == "BASE_TABLE":
        name, schema, catalog = (str(node.get(k) or "").lower() for k in ("table_name", "schema_name", "catalog_name"))
        if catalog not in _CATALOGS or schema not in _SCHEMAS:
            raise QueryError(f"{catalog or schema}.{name} is not part of the store.", hint=_HINT)
        # A name that could be a file's is never taken for a CTE: the CTE may belong to another scope.
        if not (name in ours and _PLAIN.fullmatch(name)) and name not in known and name not in _MODULES:
            near = nearest(name, known)
            raise QueryError(f"There is no table or view {name!r}.", hint=f"Did you mean {near!r}?" if near else _HINT)


def _names(ctes: dict[str, Any]) -> Iterator[str]:
    for entry in ctes.get("map", []):
        yield str(entry["key"]).lower()


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
