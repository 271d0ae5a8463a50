"""A run's page: its executed notebook with what the store knows about the run on top."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from nbops.errors import NotFound
from nbops.execution.notebook import defaults, executed
from nbops.execution.reading import light_imports
from nbops.records import Dataset, at, short
from nbops.reports.page import KeyMetric, Parameter, Provenance, page
from nbops.store.client import Store
from nbops.tracking import runs
from nbops.tracking.values import param


def page_of(store: Store, run_id: str) -> str:
    """The page of a run, complete in itself: of its executed notebook, else of the notebook that it was made in, as that was saved.

    Raises NotFound when the run is of no notebook.
    """
    notebook, saved = _notebook(store, run_id)
    about = msgspec.structs.replace(provenance(store, run_id, defaults(notebook)), saved=saved)
    with light_imports():
        return page(notebook, provenance=about)


def _notebook(store: Store, run_id: str) -> tuple[Path, datetime | None]:
    try:
        return executed(store, run_id), None
    except NotFound:
        source = runs.info(store, run_id).source
        path = store.settings.project / (source or "")
        if path.suffix != ".ipynb" or not path.is_file():
            raise
        return path, datetime.fromtimestamp(path.stat().st_mtime, UTC)


def provenance(store: Store, run_id: str, usual: Mapping[str, object]) -> Provenance:
    """What a page says about a run of a notebook with those parameters by default."""
    info = runs.info(store, run_id)
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
        models=tuple(f"{model}/{version}" for model, version in _versions(store, run_id)),
        notebook=info.source,
        commit=info.commit,
        dirty=bool(info.dirty),
        environment=info.environment,
    )


def _inputs(store: Store, run_id: str) -> tuple[Dataset, ...]:
    sql = """
        select i.name, i.digest, d.source, d.rows, d.columns
        from run_inputs i join datasets d on d.digest = i.digest where i.run_id = ? order by i.name
    """
    return tuple(
        Dataset(name=name, digest=digest, source=source, rows=rows, columns=msgspec.json.decode(columns))
        for name, digest, source, rows, columns in store.read(sql, [run_id]).rows
    )


def _versions(store: Store, run_id: str) -> list[tuple[str, int]]:
    rows = store.read(
        "select model, version from model_versions where run_id = ? order by model, version", [run_id]
    ).rows
    return [(str(model), int(version)) for model, version in rows]


def default_path(run_id: str) -> str:
    """The file name that a page gets when none is asked for."""
    return f"report-{short(run_id)}.html"
