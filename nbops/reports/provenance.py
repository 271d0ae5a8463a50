"""Where a page comes from: what the store knows about a run, else what the executed notebook says of itself.

No store is begun for a page. A notebook's own words are told as its own, and a file that is no longer what its run wrote is told as
such: nobody gets the card of a run by naming it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from nbops import config
from nbops.data import degraded
from nbops.errors import NbopsError
from nbops.execution.notebook import defaults, executed
from nbops.records import Dataset, Record, RunStatus, at, short
from nbops.store.client import Store, connect
from nbops.store.places import Places
from nbops.tracking import runs
from nbops.tracking.values import param

if TYPE_CHECKING:
    from nbformat import NotebookNode


class Parameter(Record):
    """A parameter as the run saw it; `changed` when that is not the notebook's default."""

    name: str
    value: str
    changed: bool = False


class KeyMetric(Record):
    """The last value of a metric."""

    name: str
    value: float
    unit: str | None = None


class Provenance(Record):
    """What is known about a run, as its page states it. Times are aware.

    `pipeline` is its name where it is a run of one, `data_until` is the last moment that the data speaks of, `environment` a digest,
    `models` names with versions (`air-time/3`), `cause` why the run did not finish, `degraded` on what old data it rests, `saved` when a
    notebook that a person executed was last saved, `doubt` a sentence on why this may not hold for the notebook that is shown.
    """

    run_id: str | None = None
    run_name: str | None = None
    experiment: str | None = None
    status: RunStatus | None = None
    cause: str | None = None
    actor: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    data_until: date | datetime | None = None
    inputs: tuple[Dataset, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    metrics: tuple[KeyMetric, ...] = ()
    models: tuple[str, ...] = ()
    notebook: str | None = None
    pipeline: str | None = None
    commit: str | None = None
    dirty: bool = False
    environment: str | None = None
    degraded: str | None = None
    saved: datetime | None = None
    doubt: str | None = None


def of_run(store: Store, run_id: str, usual: Mapping[str, object]) -> Provenance:
    """What the store knows about a run of a notebook with those parameters by default. Raises NotFound."""
    info = runs.info(store, run_id)
    versions = "select model, version from model_versions where run_id = ? order by model, version"
    units = dict(store.read("select key, unit from metric_definitions").rows)
    return Provenance(
        run_id=run_id,
        run_name=info.name or None,
        experiment=info.experiment,
        status=info.status,
        cause=info.cause,
        actor=info.actor,
        started=at(info.start_time),
        ended=at(info.end_time) if info.end_time else None,
        inputs=_inputs(store, run_id),
        parameters=tuple(
            Parameter(
                name=item.key,
                value=str(runs.value_of(item)),
                changed=item.key in usual and item != param(item.key, usual[item.key]),
            )
            for item in runs.stored_params(store, run_id)
        ),
        metrics=tuple(
            KeyMetric(name=key, value=value, unit=units.get(key)) for key, value in runs.metrics(store, run_id).items()
        ),
        models=tuple(f"{model}/{version}" for model, version in store.read(versions, [run_id]).rows),
        notebook=info.source,
        commit=info.commit,
        dirty=bool(info.dirty),
        environment=info.environment,
        degraded=degraded.of_run(store, run_id),
    )


def of_file(path: Path, notebook: NotebookNode) -> Provenance | None:
    """What is known about the run that the notebook of a file comes from; None when nothing says that it comes from one."""
    run_id = _kept(path) or _named(notebook)
    try:
        settings = config.settings(start=path.resolve().parent)
        if run_id and Places(settings.folder).database.exists():
            store = connect(settings)
            found = of_run(store, run_id, defaults(path))
            same = executed(store, run_id).read_bytes() == path.read_bytes()
            return found if same else msgspec.structs.replace(found, doubt=_CHANGED.format(short(run_id)))
    except (NbopsError, OSError):
        # The notebook still has its own account.
        pass
    return _own(notebook)


_CHANGED = (
    "This notebook was changed or saved again after run {} wrote it: what follows may differ from what the run showed."
)
_OWN_WORDS = "No store that knows this run could be read: this is what the notebook says of itself."


def _kept(path: Path) -> str | None:
    """The run in whose folder a file lies."""
    folder = path.resolve().parent
    kept = folder.parent.name == "runs" and folder.parent.parent.name == config.FOLDER
    return _run_id(folder.name) if kept else None


def _named(notebook: NotebookNode) -> str | None:
    """The run that a notebook's metadata names."""
    told = notebook.metadata.get("nbops")
    return _run_id(told.get("run_id")) if isinstance(told, dict) else None


def _run_id(text: object) -> str | None:
    try:
        return str(UUID(str(text)))
    except ValueError:
        return None


def _own(notebook: NotebookNode) -> Provenance | None:
    """What papermill wrote into the notebook; anybody may have edited it."""
    told = notebook.metadata.get("papermill")
    if not isinstance(told, dict) or not (started := _moment(told.get("start_time"))):
        return None
    given = told.get("parameters")
    source = told.get("input_path")
    ended = _moment(told.get("end_time"))
    status: RunStatus | None = "failed" if told.get("exception") is True else "finished" if ended else None
    return Provenance(
        run_id=_named(notebook),
        status=status,
        started=started,
        ended=ended,
        parameters=tuple(
            Parameter(name=str(name), value=str(value))
            for name, value in (given.items() if isinstance(given, dict) else ())
        ),
        notebook=os.path.basename(source) if isinstance(source, str) else None,  # noqa: PTH119 - another machine's path
        degraded=_degraded(notebook),
        doubt=_OWN_WORDS,
    )


def _degraded(notebook: NotebookNode) -> str | None:
    """What a notebook says itself of old data."""
    told = notebook.metadata.get("nbops")
    found = told.get(degraded.KEY) if isinstance(told, dict) else None
    return found if isinstance(found, str) else None


def _moment(told: Any) -> datetime | None:
    """An ISO time with its zone; None for anything else."""
    try:
        moment = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def _inputs(store: Store, run_id: str) -> tuple[Dataset, ...]:
    sql = """
        select i.name, i.digest, d.source, d.rows, d.columns
        from run_inputs i join datasets d on d.digest = i.digest where i.run_id = ? order by i.name
    """
    return tuple(
        Dataset(name=name, digest=digest, source=source, rows=rows, columns=msgspec.json.decode(columns))
        for name, digest, source, rows, columns in store.read(sql, [run_id]).rows
    )
