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

_FUNCTIONS = frozenset(
    {
        "range",
        "generate_series",
        "unnest",
        "repeat",
        "json_each",
        "json_tree",
        "duckdb_tables",
        "duckdb_views",
        "duckdb_columns",
    }
)
_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_SCHEMAS = frozenset({"", "main", "core", "information_schema"})
_CATALOGS = frozenset({"", duck.NAME})
_EXPLAIN = re.compile(r"^\s*explain\s+(analyze\s+)?(\([^()]*\)\s*)?", re.IGNORECASE)
_PLAIN = re.compile(r"[\w ]+")
_MODULES = frozenset({"tables", "columns", "schemata", "views"})
_HINT = "Ask for rows with one SELECT over the views of docs/views.md."


def check(con: Connection, sql: str) -> None:
    """Raise QueryError unless the text is one harmless SELECT or EXPLAIN. `con` is any session of the store's instance."""
    nodes = list(_walk(_parsed(con, sql)))
    known = {
        name.lower()
        for (name,) in duck.rows(
            con, "select view_name from duckdb_views() union all select table_name from duckdb_tables()"
        )
    }
    ours = _own(nodes)
    for node in nodes:
        _look(node, ours, known)


def tables(con: Connection, sql: str) -> set[str]:
    """The tables that one SELECT reads, by their names. Raises QueryError as `check`; the tables need not be there."""
    nodes = list(_walk(_parsed(con, sql)))
    ours = _own(nodes)
    read = {str(node["table_name"]) for node in nodes if node.get("type") == "BASE_TABLE"}
    found = {name for name in read if name.lower() not in ours}
    for node in nodes:
        _look(node, ours, {name.lower() for name in found})
    return found


def _parsed(con: Connection, sql: str) -> dict[str, Any]:
    if "\0" in sql:
        raise QueryError("The query holds a zero character.", hint=_HINT)
    # This parses and does nothing else. DuckDB 1.5's extract_statements would already open the files of an IMPORT DATABASE.
    tree = json.loads(duck.rows(con, "select json_serialize_sql(?::varchar)", [_EXPLAIN.sub("", sql, count=1)])[0][0])
    if tree.get("error_type") == "parser":
        raise QueryError(f"The query cannot be read: {tree['error_message']}.", hint=_HINT)
    if tree.get("error"):
        raise QueryError("Only one SELECT or EXPLAIN is allowed here.", hint=_HINT)
    if len(tree["statements"]) != 1:
        raise QueryError(f"One statement is wanted, {len(tree['statements'])} were given.", hint=_HINT)
    return tree  # type: ignore[no-any-return]  # one statement, as JSON


def _own(nodes: list[dict[str, Any]]) -> set[str]:
    """The names that the query itself gives, in WITH."""
    ctes = (entry for node in nodes for entry in (node.get("cte_map") or {}).get("map", []))
    return {str(entry["key"]).lower() for entry in ctes}


def _look(node: dict[str, Any], ours: set[str], known: set[str]) -> None:
    kind = str(node.get("type"))
    if kind.endswith("_NODE") and kind not in _NODES:
        # DuckDB 2 takes INSERT, UPDATE, DELETE and COPY TO in a WITH; the last is no write to the store, but to its backups.
        raise QueryError(
            f"Only SELECT is allowed here, in a WITH too, not {kind.removesuffix('_NODE').removesuffix('_QUERY')}.",
            hint=_HINT,
        )
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


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
