"""`search_runs`: a filter becomes SQL, rows become a DataFrame with a column for each key that the runs have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nbops.store.client import Store
from nbops.tracking import search_sql
from nbops.tracking.search_sql import Query

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def search(
    store: Store,
    condition: str | None = None,
    *,
    experiments: Sequence[str] = (),
    order_by: str | None = None,
    limit: int | None = None,
    deleted: bool = False,
) -> pd.DataFrame:
    """The runs that match, one row each: run fields, then `metrics.x`, `params.x`, `tags.x`.

    Parameters that are numbers in every run come as numbers, the others as text. Raises FilterError.
    """
    query = search_sql.runs_query(condition, order_by=order_by, limit=limit, experiments=experiments, deleted=deleted)
    return frame(store, query)


def frame(store: Store, query: Query) -> pd.DataFrame:
    """The wide table of the runs that `query` chooses."""
    import pandas as pd

    keys: dict[str, dict[str, list[str]]] = {"params": {}, "metrics": {}, "tags": {}}
    for place, key, kinds in store.read(search_sql.keys_query(query).sql, query.values).rows:
        keys[place][key] = kinds or []
    wide = search_sql.wide_query(query, params=list(keys["params"]), metrics=list(keys["metrics"]), tags=list(keys["tags"]))
    table = store.arrow(wide.sql, wide.values)
    names = [f"{place}.{key}" for place in ("params", "metrics", "tags") for key in keys[place]]
    table = _typed(table.rename_columns([*table.column_names[: table.num_columns - len(names)], *names]), keys["params"])
    made: pd.DataFrame = table.to_pandas()
    for name in ("start_time", "end_time"):
        made[name] = pd.to_datetime(made[name], utc=True)
    return made


def _typed(table: pa.Table, kinds: dict[str, list[str]]) -> pa.Table:
    """Give the columns of parameters the type that all their values were logged as."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for key, found in kinds.items():
        place = table.column_names.index(f"params.{key}")
        column = table.column(place)
        try:
            if set(found) == {"int"}:
                column = pc.cast(column, pa.int64())
            elif set(found) in ({"float"}, {"int", "float"}):
                column = pc.cast(column, pa.float64())
            elif set(found) == {"bool"}:
                column = pc.equal(column, "True")
        except pa.ArrowInvalid:
            # Integers beyond 64 bits stay text, which loses no digit.
            continue
        table = table.set_column(place, f"params.{key}", column)
    return table
