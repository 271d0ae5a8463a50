"""Which texts break a pattern: asked of the different texts of a column rather than of each row, where they are few.

Files say of a column whether its texts were written once and then referred to, as Parquet's dictionaries do. What a rule takes per text
is then paid per different text, and what is left of it per row is a look into a small table.
"""

from __future__ import annotations

from typing import Any

from nbops import duck
from nbops.data.compiling import Compiled
from nbops.data.meaning import broken
from nbops.data.relation import Relation
from nbops.duck import name

# A text that is written out takes at least as much for its length alone.
_BYTES = 4


def find(relation: Relation, compiled: Compiled) -> None:
    """Make the tables of broken texts that the compiled contract reads; rules that no text breaks are taken out of it."""
    rules = list(compiled.regex_rules())
    few = _few(relation, {rule.column for _, rule in rules})
    for number, rule in rules:
        if rule.column not in few:
            continue
        table, column = compiled.broken_texts(number), name(rule.column)
        texts = f"(select {column} from {relation.sql} group by {column})"
        relation.connection.execute(f"create temp table {table} as select {column} from {texts} where {broken(rule)}")
        if duck.rows(relation.connection, f"select count(*) from {table}")[0][0]:
            compiled.is_listed(number)
        else:
            compiled.holds(number)


def _few(relation: Relation, columns: set[str]) -> set[str]:
    """Those of the columns whose texts are in dictionaries, in all of the files."""
    if not columns or relation.files is None or relation.files.format != "parquet":
        return set()
    found: list[tuple[Any, ...]] = duck.rows(
        relation.connection,
        f"""
        select path_in_schema from parquet_metadata({relation.files.listed})
        group by path_in_schema
        having bool_and(dictionary_page_offset is not null) and sum(total_uncompressed_size) < {_BYTES} * sum(num_values)
        """,
    )
    return {str(row[0]) for row in found} & columns
