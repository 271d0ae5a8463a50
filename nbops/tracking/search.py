"""`search_runs`: rows become a DataFrame with a column for each key that the runs have."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from nbops.errors import nearest
from nbops.store.client import Store
from nbops.tracking import search_sql
from nbops.tracking.filter import FIELDS
from nbops.tracking.recording import callers_level
from nbops.tracking.search_sql import Query

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class SearchWarning(UserWarning):
    """A search asked for something that no run has."""


_TIMES = ("start_time", "end_time")
_PLACES = ("params", "metrics", "tags")
# Up to here runs are looked up one by one; beyond it a pivot in the store is faster.
_FEW = 1_000


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
    found = table(store, query)
    for sentence in unknown(store, query, found.column_names if found.num_rows else ()):
        warnings.warn(sentence, SearchWarning, stacklevel=callers_level())
    return _to_frame(found)


def frame(store: Store, query: Query) -> pd.DataFrame:
    """The runs that `query` chooses, as `search` gives them."""
    return _to_frame(table(store, query))


def _to_frame(found: pa.Table) -> pd.DataFrame:
    made: pd.DataFrame = found.to_pandas()
    for name in _TIMES:
        made[name] = made[name].dt.tz_localize("UTC")
    return made


def unknown(store: Store, query: Query, columns: Collection[str]) -> list[str]:
    """What a search asked for that nothing in the store is called, in sentences; `columns` are those of the runs found."""
    asked = [(str(name.place), name.key) for name in query.names if f"{name.place}.{name.key}" not in columns]
    asked += [("experiments", name) for name in query.experiments if not columns]
    told = []
    for place, name in asked:
        known = [row[0] for row in store.read(search_sql.known_query(place)).rows]
        if name not in known:
            near = nearest(name, known)
            hint = f" Did you mean {near!r}?" if near else ""
            told.append(f"Nothing has the {place.removesuffix('s')} {name!r}.{hint}")
    return told


def rows(store: Store, query: Query) -> list[dict[str, Any]]:
    """As `search`, in plain values: None is missing and NaN a value, which a DataFrame cannot tell apart."""
    found: list[dict[str, Any]] = table(store, query).to_pylist()
    for row in found:
        row.update({name: row[name].replace(tzinfo=UTC) for name in _TIMES if row[name] is not None})
    return found


def table(store: Store, query: Query) -> pa.Table:
    """As `search`, in an Arrow table; null is missing, NaN is a value."""
    return _few(store, query) if query.most <= _FEW else _many(store, query)


def _many(store: Store, query: Query) -> pa.Table:
    """The store makes a column of each key."""
    keys: dict[str, dict[str, list[str]]] = {place: {} for place in _PLACES}
    for place, key, kinds in store.read(search_sql.keys_query(query).sql, query.values).rows:
        keys[place][key] = kinds or []
    wide = search_sql.wide_query(query, **{place: list(found) for place, found in keys.items()})
    found = store.arrow(wide.sql, wide.values)
    names = [f"{place}.{key}" for place in _PLACES for key in keys[place]]
    return _typed(found.rename_columns([*found.column_names[: found.num_columns - len(names)], *names]), keys["params"])


def _few(store: Store, query: Query) -> pa.Table:
    """The store gives rows: to plan a column for each key would take it longer than to read them."""
    import pyarrow as pa

    runs = store.read(query.sql, query.values).rows
    types = {"text": pa.string(), "time": pa.timestamp("us"), "number": pa.float64()}
    arrays, names = [], list(FIELDS)
    for at, kind in enumerate(FIELDS.values()):
        column = [run[at] for run in runs]
        arrays.append(
            pa.array(column, pa.string()).cast(types[kind]) if kind == "time" else pa.array(column, types[kind])
        )
    places = {run[0]: place for place, run in enumerate(runs)}
    columns: dict[str, dict[str, list[Any]]] = {place: {} for place in _PLACES}
    kinds: dict[str, set[str]] = {}
    logged = search_sql.values_query(list(places))
    for place, run_id, key, text, number, kind in store.read(logged.sql, logged.values).rows:
        column = columns[place].get(key) or columns[place].setdefault(key, [None] * len(runs))
        column[places[run_id]] = number if place == "metrics" else text
        if kind:
            kinds.setdefault(key, set()).add(kind)
    for place in _PLACES:
        for key in sorted(columns[place]):
            arrays.append(pa.array(columns[place][key], types["number" if place == "metrics" else "text"]))
            names.append(f"{place}.{key}")
    return _typed(pa.table(arrays, names=names), kinds)


def _typed(wide: pa.Table, kinds: Mapping[str, Collection[str]]) -> pa.Table:
    """Give the columns of parameters the type that all their values were logged as."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for key, found in kinds.items():
        place = wide.column_names.index(f"params.{key}")
        column = wide.column(place)
        try:
            if set(found) == {"int"}:
                column = pc.cast(column, pa.int64())
                if column.null_count:
                    # pandas makes floats of them where a run lacks it, which hold integers of 53 bits.
                    pc.cast(column, pa.float64())
            elif set(found) in ({"float"}, {"int", "float"}):
                column = pc.cast(column, pa.float64())
            elif set(found) == {"bool"}:
                column = pc.equal(column, "True")
        except pa.ArrowInvalid:
            # Larger integers stay text, which loses no digit.
            continue
        wide = wide.set_column(place, f"params.{key}", column)
    return wide
