"""What rests on old data because something could not be made anew: the sentence that says so, of a run and of all that came from it.

A run that a pipeline executed on old data has a tag with the sentence. Whatever else rests on it is found at the moment of reading, by the
contents that runs made and read; nothing is copied, so that what is learnt later counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nbops import times
from nbops.records import at
from nbops.store.client import Store

TAG = "nbops.degraded"
"""The tag of a run that rests on old data; its value is the sentence."""
TITLE = "This rests on old data."
"""What stands before the sentence wherever there is room."""
KEY = "degraded"
"""Where the metadata of an executed notebook has the sentence: below `nbops`."""
BANNER = "nbops-degraded"
"""The tag of the cell of an executed notebook that shows it."""

_BEGINS, _BECAUSE = "Made from data of ", ", because "
_ANY = "select exists (select 1 from core.tags where key = ?) or exists (select 1 from core.product_acts)"
_TAGGED = "select distinct run_id::varchar from core.tags where key = ?"
# A content is that of the last run before it was read that made it, or that a pipeline found to be as it has to be.
_UP = """
with recursive names as materialized (
    select distinct n.digest, n.run_id, n.role, r.start_time as time from data_names n join runs r on r.run_id = n.run_id
), made as materialized (
    select digest, run_id, time from names where role = 'output'
    union all
    select o.digest, a.step_run_id, a.time
    from step_acts a join run_outputs o on o.run_id = a.step_run_id where a.act = 'unchanged' and a.stale_since is null
), steps as materialized (
    select i.run_id as after, arg_max(o.run_id, o.time) as before
    from names i join made o on o.digest = i.digest and o.run_id <> i.run_id and o.time < i.time
    where i.role = 'input' group by i.run_id, i.digest
    union all
    select run_id, parent_run_id from runs where parent_run_id is not null
), told as materialized (
    select run_id, value from tags where key = ?
    union all
    -- Who read a product while it was old, and before anything made that content again, rests on it, too.
    select i.run_id, s.sentence
    from names i join run_outputs o on o.digest = i.digest join product_acts s on s.path = o.path and s.time <= i.time
    where i.role = 'input' and s.stale_since is not null
        and not exists (select 1 from product_acts f where f.path = s.path and f.time > s.time and f.time <= i.time)
        and not exists (select 1 from made m where m.digest = i.digest and m.time > s.time and m.time < i.time)
), up as (
    select unnest(?::uuid[]) as asked, asked as here
    union
    select u.asked, s.before from up u join steps s on s.after = u.here
)
select distinct u.asked::varchar, u.asked = u.here as own, t.value
from up u join told t on t.run_id = u.here order by own desc, t.value
"""
_VERSIONS = """
select source, arg_max_null(run_id::varchar, version)
from snapshots where source in (select unnest(?::varchar[])) and not removed group by source
"""


def sentence(since: int, because: str) -> str:
    """From when (UTC microseconds) the data is, and why it is not newer."""
    return f"{_BEGINS}{times.minute(at(since))}{_BECAUSE}{because.rstrip('.')}."


def sentences(told: str) -> dict[str, str]:
    """The sentences that a text is made of, each by what it gives as the reason, without its full stop."""
    found = [one.strip() for one in re.split(f"(?={_BEGINS})", told)]
    return {one.partition(_BECAUSE)[2].rstrip(".") or one: one for one in found if one}


def tagged(store: Store) -> frozenset[str]:
    """The runs that were executed on old data."""
    return frozenset(row[0] for row in store.read(_TAGGED, [TAG]).rows)


def of_runs(store: Store, run_ids: Iterable[str]) -> dict[str, str]:
    """The sentence of each of these runs that rests on old data, by itself or through what it read."""
    asked = list(dict.fromkeys(run_ids))
    # Most stores have no such run, and are not searched for what came from it.
    if not asked or not store.read(_ANY, [TAG]).rows[0][0]:
        return {}
    found: dict[str, str] = {}
    for run_id, own, told in store.read(_UP, [TAG, asked]).rows:
        if own or run_id not in found:
            found[run_id] = told
    return found


def of_run(store: Store, run_id: str) -> str | None:
    """The same of one run; None when it rests on nothing old."""
    return of_runs(store, [run_id]).get(run_id)


def of_sources(store: Store, names: Sequence[str]) -> dict[str, str]:
    """The sentence of each source whose last version a run made that rests on old data."""
    made = {name: run_id for name, run_id in store.read(_VERSIONS, [list(names)]).rows if run_id}
    old = of_runs(store, made.values())
    return {name: old[run_id] for name, run_id in made.items() if run_id in old}
