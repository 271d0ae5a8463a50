"""The courses of metrics: those that runs have logged more than once, and their values by step, thinned to what can be seen."""

from __future__ import annotations

from collections.abc import Sequence

from nbops.render import svg
from nbops.store.client import Store

_POINTS = 5_000


def names(store: Store, run_ids: Sequence[str]) -> list[str]:
    """The metrics of which one of the runs has more than one value."""
    sql = """
        select distinct key
        from (select key from metrics where run_id in (select unnest(?::uuid[])) group by run_id, key having count(*) > 1)
        order by key
        """
    return [row[0] for row in store.read(sql, [list(run_ids)]).rows]


def lines(store: Store, run_ids: Sequence[str], labels: Sequence[str], key: str) -> list[svg.Line]:
    """A line for each run that has the metric, called by its label; steps count from 0 where none were logged."""
    every = """
        select run_id::varchar as run, coalesce(step, place), value
        from (
            select run_id, step, value, row_number() over one - 1 as place, count(*) over (partition by run_id) as points
            from metrics where key = ? and run_id in (select unnest(?::uuid[]))
            window one as (partition by run_id order by seq)
        )
        where place % ((points + ? - 1) // ?) = 0
        order by run, place
        """
    most = max(100, _POINTS // max(1, len(run_ids)))
    found: dict[str, tuple[list[object], list[object]]] = {}
    for run_id, step, value in store.read(every, [key, list(run_ids), most, most]).rows:
        values, steps = found.setdefault(run_id, ([], []))
        values.append(value)
        steps.append(step)
    return [svg.Line(label, *found[run_id]) for run_id, label in zip(run_ids, labels, strict=True) if run_id in found]
