"""What pipelines made that is old now: known to whoever reads it, and told to those who are named as its consumers.

A product is old when the run that had to make it anew went on with old data, and fresh when a later one made it. Both are told once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from nbops.pipelines import standing
from nbops.pipelines.graph import Graph, Task
from nbops.pipelines.requests import KeepProducts, Product
from nbops.pipelines.results import Definition
from nbops.pipelines.standing import Standing
from nbops.pipelines.steps import name_in
from nbops.records import Record, now_us
from nbops.store.client import Store

_LAST = """
select p.pipeline, c.definition from pipeline_runs p join core.pipeline_runs c on c.run_id = p.run_id
where p.trigger <> 'drill' qualify row_number() over (partition by p.pipeline, p.folder order by p.start_time desc) = 1
"""


class Old(Record):
    """A product that is old: since when (UTC microseconds), and the sentence that says why."""

    pipeline: str
    product: str
    since: int
    sentence: str


class Reader(Record):
    """A pipeline whose last run read an old product of another one."""

    pipeline: str
    reads: Old


def old(store: Store) -> dict[str, Old]:
    """What is old now, by its path in the project."""
    sql = "select path, pipeline, product, epoch_us(stale_since), sentence from stale_products order by path"
    return {path: Old(*row) for path, *row in store.read(sql).rows}


def readers(store: Store) -> list[Reader]:
    """The pipelines that read what is old in another one."""
    known = old(store)
    found = []
    for pipeline, told in store.read(_LAST).rows if known else ():
        try:
            drawn = msgspec.json.decode(told, type=Definition).tasks
        except msgspec.DecodeError:
            # What a run was begun with long ago may not be readable any more.
            continue
        paths = dict.fromkeys(path for task in drawn for path in task.reads if path in known)
        found += [Reader(pipeline, known[path]) for path in paths if known[path].pipeline != pipeline]
    return found


def outside(store: Store, graph: Graph, tasks: Iterable[Task], known: Mapping[str, Old]) -> dict[str, Old]:
    """By task, the oldest of what it reads that another pipeline made."""
    found = {}
    for task in tasks if known else ():
        names = (name_in(store.settings.project, path) for paths in task.ins.values() for path in paths)
        there = [known[name] for name in names if name in known and known[name].pipeline != graph.name]
        if there:
            found[task.key] = min(there, key=lambda one: one.since)
    return found


def keep(
    store: Store, graph: Graph, run_id: str, tasks: Iterable[Task], stand: Mapping[str, Standing], known: Mapping[str, Old]
) -> int:  # fmt: skip
    """Keep which products became old, and which are fresh again; gives how many messages that made."""
    named = graph.operations.consumers
    changed = []
    for task in tasks:
        stood = stand[task.key]
        for name, path in task.outs.items() if stood.status in standing.GOOD else ():
            place = name_in(store.settings.project, path)
            if (stood.since is not None) == (place in known):
                continue
            told = standing.hands_on(graph.name, task.key, stood)
            changed.append(
                Product(name, place, stood.since, told, [one.removeprefix("mailto:") for one in named.get(name, ())])
            )
    if not changed:
        return 0
    return int(store.write(KeepProducts(run_id=run_id, products=changed, time=now_us()))[0] or 0)
