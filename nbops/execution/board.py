"""What goes on in a project: its latest runs, those that somebody should look at, and one run with all that is known of it.

In flow rows of the store and what runners tell of themselves; out flow records that surfaces only have to place.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nbops.errors import NbopsError
from nbops.execution import live, reading, saving
from nbops.execution import parameters as typed
from nbops.execution.execution import journals
from nbops.execution.notebook import executed
from nbops.execution.parameters.form import as_typed
from nbops.execution.sweeps.texts import label
from nbops.records import Better, Param, Record, RunStatus, at, short
from nbops.registry import models
from nbops.store.client import Store
from nbops.tracking import compare, runs

if TYPE_CHECKING:
    from nbops.execution.sweeps.results import Sweep

MOST = 200
"""Rows of a list at most."""
_ATTENTION = 50


class Row(Record):
    """A run in a list. `seconds` is how long it took, or has taken so far; it executes cell `cell` of `cells`.

    `notebook` is a whole path; `differs` has the parameters in which the run differs from others of that notebook in the list.
    """

    run_id: str
    short: str
    title: str
    name: str
    experiment: str
    status: RunStatus
    start: datetime
    seconds: float
    notebook: str | None = None
    cause: str | None = None
    failure_class: str | None = None
    parent: str | None = None
    is_sweep: bool = False
    cell: int | None = None
    cells: int | None = None
    line: str = ""
    differs: str = ""


class ModelRow(Record):
    """A model in a list; `champion` is the version under that alias, and `health` is known once it is monitored."""

    name: str
    versions: int
    latest: int
    champion: int | None = None
    health: str | None = None


class Board(Record):
    """The latest runs that are no part of others, the failed ones without a better one since, and the models."""

    rows: list[Row]
    more: bool
    attention: list[Row]
    running: int
    models: list[ModelRow]


class Value(Record):
    """A parameter of a run, as one types it; `changed`: it is not the notebook's default."""

    name: str
    type: str
    value: str
    default: str | None = None
    changed: bool = False


class Metric(Record):
    """A metric's last value of `points`."""

    name: str
    value: float
    unit: str | None
    better: Better | None
    points: int


class Part(Record):
    """A run that is part of another, with its metrics' last values."""

    row: Row
    metrics: dict[str, float]


class Sheet(Record):
    """One run with all that is known of it. Memory in bytes; `failed_cell` counts from 0 in the executed notebook.

    `grid` has the values of a sweep's parameters, as one types them, if its points are all their combinations; `better` is the
    known direction of its children's metrics.
    """

    row: Row
    info: runs.RunInfo
    exit_status: int | None
    peak_memory: int | None
    cpu_seconds: float | None
    executed: str | None
    failed_cell: int | None
    live: live.State | None
    params: list[Value]
    metrics: list[Metric]
    tags: dict[str, str]
    files: list[tuple[str, int]]
    inputs: list[tuple[str, str, str | None, int | None]]
    models: list[tuple[str, int]]
    children: list[Part]
    better: dict[str, Better]
    grid: dict[str, list[str]]
    can_stop: bool


class VersionRow(Record):
    """A version of a model with what it came from; `notebook` is a whole path, `inputs` have name and digest."""

    version: int
    run: str
    short: str
    state: str
    created: datetime
    actor: str
    description: str | None
    metrics: dict[str, float]
    inputs: list[tuple[str, str]]
    notebook: str | None


class ModelSheet(Record):
    """A model with its versions, newest first, and their metrics; `aliases` have the version that each stands for."""

    name: str
    aliases: dict[str, int]
    versions: list[VersionRow]
    metrics: list[Metric]


_FIELDS = """
    r.run_id::varchar, r.name, r.experiment, r.status, r.cause, r.failure_class, r.source, epoch_us(r.start_time), epoch_us(r.end_time),
    r.parent_run_id::varchar, exists (select 1 from core.tags t where t.run_id = r.run_id and t.key = 'nbops.sweep')
    """


def board(store: Store, *, text: str = "", status: str = "", limit: int = 50) -> Board:
    """The project at a glance; `text` is sought in the runs' titles, names, experiments, states and ids, `status` is theirs."""
    limit = max(1, min(limit, MOST))
    saving.repair_dead(journals(store))
    sql = f"""
        select {_FIELDS} from runs r
        where not r.deleted and (r.parent_run_id is null or ? <> '') and (? = '' or r.status = ?)
            and (? = '' or contains(lower(concat_ws(' ', r.name, r.experiment, r.status, r.source, r.run_id::varchar)), ?))
        order by r.start_time desc limit ?
        """  # noqa: S608 - fixed text
    wanted = text.strip().lower()
    found = store.read(sql, [wanted, status, status, wanted, wanted, limit + 1]).rows
    return Board(
        rows=_told_apart(store, [_row(store, row) for row in found[:limit]]),
        more=len(found) > limit,
        attention=_attention(store),
        running=store.read("select count(*) from runs where not deleted and status = 'running' and parent_run_id is null").rows[0][0],
        models=_model_rows(store),
    )  # fmt: skip


def _told_apart(store: Store, rows: list[Row]) -> list[Row]:
    notebooks = {row.run_id: row.notebook for row in rows if row.notebook and not row.is_sweep}
    sql = "select run_id::varchar, key, value, kind from params where run_id in (select unnest(?::uuid[])) order by key"
    params: dict[str, dict[str, object]] = {}
    for run_id, *param in store.read(sql, [list(notebooks)]).rows if len(notebooks) > 1 else []:
        item = Param(*param)
        params.setdefault(run_id, {})[item.key] = runs.value_of(item)
    texts: dict[tuple[str, str], set[str]] = {}
    for run_id, values in params.items():
        for key, value in values.items():
            texts.setdefault((notebooks[run_id], key), set()).add(repr(value))
    return [
        msgspec.structs.replace(row, differs=label({
            key: value for key, value in params.get(row.run_id, {}).items() if len(texts[row.notebook or "", key]) > 1
        }))
        for row in rows
    ]  # fmt: skip


def sheet(store: Store, run_id: str) -> Sheet:
    """One run with all that is known of it. Raises NotFound."""
    info = runs.info(store, run_id)
    row = _row(store, store.read(f"select {_FIELDS} from runs r where r.run_id = ?", [run_id]).rows[0])  # noqa: S608 - fixed text
    used = store.read("select exit_status, peak_memory, cpu_seconds from runs where run_id = ?", [run_id]).rows[0]
    notebook = _executed(store, run_id)
    swept = _sweep(store, run_id) if row.is_sweep else None
    parts = _parts(store, run_id, swept)
    return Sheet(
        row=row, info=info, exit_status=used[0], peak_memory=used[1], cpu_seconds=used[2],
        executed=str(notebook) if notebook else None, failed_cell=_failed_cell(notebook) if row.status == "failed" else None,
        live=now(store, run_id) if row.status == "running" else None,
        params=_params(store, run_id, notebook or _source(row)), metrics=_metrics(store, run_id), tags=runs.tags(store, run_id),
        files=_pairs(store, "select path, size from artifacts where run_id = ? order by path", run_id),
        inputs=_pairs(store, "select name, digest, source, rows from run_inputs where run_id = ? order by name", run_id),
        models=_pairs(store, "select model, version from model_versions where run_id = ? order by model, version", run_id),
        children=parts, better=_better(store, parts),
        grid={name: list(map(_typed_again, values)) for name, values in swept.grid.items()} if swept else {},
        can_stop=row.status == "running" and info.host == store.host,
    )  # fmt: skip


def _parts(store: Store, run_id: str, sweep: Sweep | None) -> list[Part]:
    """The runs of a sweep's first points, named by what is varied; else the run's children as they began."""
    found = [(child.run_id, label(sweep.values(number))) for number, child in sweep.children.items()] if sweep else []
    names = dict(found[:MOST])
    chosen = "r.run_id in (select unnest(?::uuid[]))" if sweep else "r.parent_run_id = ?"
    sql = f"select {_FIELDS} from runs r where {chosen} and not r.deleted order by r.start_time limit ?"  # noqa: S608 - fixed text
    rows = [_row(store, row) for row in store.read(sql, [list(names) if sweep else run_id, MOST]).rows]
    if sweep:
        rows = [msgspec.structs.replace(row, name=names[row.run_id]) for row in rows]
        rows.sort(key=lambda row: list(names).index(row.run_id))
    measured: dict[str, dict[str, float]] = {row.run_id: {} for row in rows}
    sql = (
        "select run_id::varchar, key, value from latest_metrics where run_id in (select unnest(?::uuid[])) order by key"
    )
    for part, key, value in store.read(sql, [list(measured)]).rows if rows else []:
        measured[part][key] = value
    return [Part(row, measured[row.run_id]) for row in rows]


def _better(store: Store, parts: list[Part]) -> dict[str, Better]:
    names = {name for part in parts for name in part.metrics}
    defined = _definitions(store) if names else {}
    found = {name: defined.get(name, (compare.direction(name), None))[0] for name in sorted(names)}
    return {name: better for name, better in found.items() if better}


def _sweep(store: Store, run_id: str) -> Sweep | None:
    """None before the sweep is kept."""
    from nbops.execution.sweeps import results

    try:
        return results.load(store, run_id)
    except NbopsError:
        return None


def model(store: Store, name: str) -> ModelSheet:
    """A model with its versions. Raises NotFound with what exists."""
    models.version(store, name)  # raises when there is none
    made = []
    known: dict[str, Metric] = {}
    sql = """
        select v.version, v.run_id::varchar, v.state, epoch_us(v.created), v.actor, v.description, r.source
        from model_versions v join runs r on r.run_id = v.run_id where v.model = ? order by v.version desc limit ?
        """
    for number, run_id, state, created, actor, description, source in store.read(sql, [name, MOST]).rows:
        metrics = _metrics(store, run_id)
        known |= {metric.name: metric for metric in metrics if metric.name not in known}
        inputs = _pairs(store, "select name, digest from run_inputs where run_id = ? order by name", run_id)
        made.append(
            VersionRow(
                version=number, run=run_id, short=short(run_id), state=state, created=at(created), actor=actor, description=description,
                metrics={metric.name: metric.value for metric in metrics}, inputs=inputs,
                notebook=_notebook(store, source),
            )
        )  # fmt: skip
    held = store.read("select alias, version from aliases where model = ? order by alias", [name]).rows
    return ModelSheet(name=name, aliases=dict(held), versions=made, metrics=[*known.values()])


def now(store: Store, run_id: str) -> live.State | None:
    """What a run executes right now; None between cells and where nobody tells."""
    return live.read(store.places.runs / run_id)


def _attention(store: Store) -> list[Row]:
    sql = f"""
        select {_FIELDS} from runs r
        where not r.deleted and r.parent_run_id is null
        qualify row_number() over (partition by r.experiment, r.source order by r.start_time desc) = 1
            and r.status in ('failed', 'lost')
        order by r.start_time desc limit {_ATTENTION}
        """  # noqa: S608 - fixed text
    return [_row(store, row) for row in store.read(sql).rows]


def _model_rows(store: Store) -> list[ModelRow]:
    sql = """
        select m.name, count(v.version), coalesce(m.latest_version, 0), any_value(a.version)
        from models m
        left join model_versions v on v.model = m.name
        left join aliases a on a.model = m.name and a.alias = 'champion'
        group by m.name, m.latest_version order by m.name
        """
    return [
        ModelRow(name=name, versions=count, latest=latest, champion=champion)
        for name, count, latest, champion in store.read(sql).rows
    ]


def _row(store: Store, row: Any) -> Row:
    run_id, name, experiment, status, cause, failure, source, began, ended, parent, sweep = row
    start = at(began)
    end = at(ended) if ended else datetime.now(UTC)
    state = now(store, run_id) if status == "running" else None
    return Row(
        run_id=run_id, short=short(run_id), title=name if sweep else (Path(source).name if source else name or experiment), name=name,
        experiment=experiment, status=status, start=start, seconds=max(0.0, (end - start).total_seconds()),
        notebook=_notebook(store, source), cause=cause, failure_class=failure, parent=parent, is_sweep=bool(sweep),
        cell=state.cell if state else None, cells=state.cells if state else None, line=state.line if state else "",
    )  # fmt: skip


def _notebook(store: Store, source: str | None) -> str | None:
    path = store.settings.project / source if source else None
    return str(path) if path and reading.is_executable(path) else None


def _source(row: Row) -> Path | None:
    """The run's own notebook tells the types until there is an executed one."""
    path = Path(row.notebook) if row.notebook else None
    return path if path and path.is_file() else None


def _params(store: Store, run_id: str, notebook: Path | None) -> list[Value]:
    interface = _interface(notebook)
    made = []
    for item in runs.stored_params(store, run_id):
        known = interface.get(item.key) if interface else None
        default = None
        if known and not known.required and not isinstance(known.default, typed.Expression):
            default = as_typed(known.default)
        value = _typed_again(runs.value_of(item))
        made.append(
            Value(
                name=item.key, type=str(known.type) if known else item.kind, value=value, default=default,
                changed=default is not None and default != value,
            )
        )  # fmt: skip
    return made


def _typed_again(value: object) -> str:
    try:
        return as_typed(value)
    except (TypeError, ValueError):
        return str(value)


def _interface(notebook: Path | None) -> typed.Interface | None:
    if notebook is None:
        return None
    try:
        node = reading.read(notebook)
    except NbopsError:
        return None
    return typed.read(node, reading.language_of(node), notebook.name)


def _metrics(store: Store, run_id: str) -> list[Metric]:
    defined = _definitions(store)
    sql = "select key, value, points from latest_metrics where run_id = ? order by key"
    found = []
    for key, value, points in store.read(sql, [run_id]).rows:
        better, unit = defined.get(key, (compare.direction(key), None))
        found.append(Metric(name=key, value=value, unit=unit, better=better, points=points))
    return found


def _definitions(store: Store) -> dict[str, tuple[Better | None, str | None]]:
    rows = store.read("select key, better, unit from metric_definitions").rows
    return {key: (better, unit) for key, better, unit in rows}


def _executed(store: Store, run_id: str) -> Path | None:
    try:
        return executed(store, run_id)
    except NbopsError:
        return None


def _failed_cell(notebook: Path | None) -> int | None:
    cells = reading.read(notebook).cells if notebook else []
    for index, cell in enumerate(cells):
        papermill = cell.metadata.get("papermill") or {}
        if cell.cell_type == "code" and papermill.get("exception") is True:
            return index
    return None


def _pairs(store: Store, sql: str, run_id: str) -> list[Any]:
    return [tuple(row) for row in store.read(sql, [run_id]).rows]
