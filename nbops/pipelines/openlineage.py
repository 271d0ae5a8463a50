"""Runs of pipelines as OpenLineage tells them: events of their steps, what they read and wrote, as lines of JSON and to a server.

The events are made from the store when a run has ended, so whoever tells them late, or twice, tells the same; consumers know events by the
run's id. Specification: openlineage.io, version 2-0-2.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import requests

import nbops
from nbops.errors import ExecutionError
from nbops.execution import secrets
from nbops.records import at
from nbops.store.client import Store

_SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/definitions/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
_ENDS = {"finished": "COMPLETE", "failed": "FAIL", "stopped": "ABORT", "lost": "FAIL"}
_SECONDS = 10.0
_RUNS = """
select
    p.run_id::varchar, p.pipeline, p.status, p.outcome, p.sentence, epoch_us(p.start_time), epoch_us(p.end_time), epoch_us(p.nominal),
    e.seq
from pipeline_runs p
join (select run_id, max(seq) as seq from core.pipeline_ends group by run_id) e on e.run_id = p.run_id
where p.status <> 'running' and p.trigger <> 'drill' and e.seq > ? and (? is null or p.run_id = ?::uuid)
order by e.seq limit 1000
"""
_STEPS = """
select r.run_id::varchar, t.value, r.status, r.cause, epoch_us(r.start_time), epoch_us(r.end_time), r.source, k.parts
from runs r
join tags t on t.run_id = r.run_id and t.key = 'nbops.task'
left join run_keys k on k.run_id = r.run_id
where r.parent_run_id = ?::uuid order by r.start_time
"""
_OUTPUTS = "select name, path, digest from run_outputs where run_id = ?::uuid"


def events(store: Store, *, run_id: str) -> Iterator[dict[str, Any]]:
    """The events of a run that has ended."""
    return _told(store, store.read(_RUNS, [0, run_id, run_id]).rows)


def emit(store: Store) -> int:
    """Tell what ended since the last time, where the settings name a file or a server; gives the number of events.

    Raises ExecutionError when the server does not take them: they are told again the next time.
    """
    wanted = store.settings.lineage
    if not wanted.file and not wanted.url:
        return 0
    with _alone(store) as cursor:
        if cursor is None:
            return 0
        last = int(cursor.read_text() or 0) if cursor.exists() else 0
        rows = store.read(_RUNS, [last, None, None]).rows
        if not rows:
            return 0
        found = list(_told(store, rows))
        if wanted.url:
            _send(store, found)
        if wanted.file:
            write(store.settings.project / wanted.file, found)
        # In the writer's sequence: what ends from now on comes after it.
        cursor.write_text(str(rows[-1][-1]))
    return len(found)


def write(path: Path, found: Iterable[dict[str, Any]]) -> None:
    """Append events to a file, a line each. Raises OSError."""
    text = b"".join(msgspec.json.encode(one) + b"\n" for one in found)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _told(store: Store, ended: Iterable[Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """The events of runs, in the order in which they ended."""
    namespace = _namespace(store)
    for run, pipeline, status, outcome, sentence, began, end, nominal, _ in ended:
        job = {"namespace": namespace, "name": pipeline, "facets": _job("PIPELINE")}
        facets: dict[str, Any] = {}
        if nominal is not None:
            facets["nominalTime"] = _facet("NominalTimeRunFacet", nominalStartTime=_time(nominal))
        yield _event("START", began, run, job, dict(facets))
        for step in store.read(_STEPS, [run]).rows:
            yield from _of_step(store, namespace, pipeline, run, _StepRun(*step))
        if status in {"failed", "lost"}:
            facets["errorMessage"] = _facet(
                "ErrorMessageRunFacet", message=sentence or outcome, programmingLanguage="python"
            )
        facets["nbops_outcome"] = _facet("NbopsOutcome", outcome=outcome, sentence=sentence or "")
        yield _event(_ENDS.get(status, "OTHER"), end, run, job, facets)


class _StepRun(NamedTuple):
    """A step's run as the store has it."""

    run: str
    task: str
    status: str
    cause: str | None
    began: int
    ended: int | None
    source: str | None
    parts: str | None


def _of_step(store: Store, namespace: str, pipeline: str, parent: str, step: _StepRun) -> Iterator[dict[str, Any]]:
    code = _facet("SourceCodeLocationJobFacet", type="file", url=step.source or "")
    job = {
        "namespace": namespace,
        "name": f"{pipeline}.{step.task}",
        "facets": {**_job("TASK"), "sourceCodeLocation": code},
    }
    facets: dict[str, Any] = {
        "parent": _facet("ParentRunFacet", run={"runId": parent}, job={"namespace": namespace, "name": pipeline})
    }
    kept = msgspec.json.decode(step.parts) if step.parts else {}
    read = (kept.get("parts") or {}).get("inputs") or {}
    inputs = [_dataset(namespace, item["path"], item.get("digest")) for item in read.values() if item.get("path")]
    outputs = [_dataset(namespace, path, digest) for _, path, digest in store.read(_OUTPUTS, [step.run]).rows]
    yield _event("START", step.began, step.run, job, dict(facets), inputs)
    if step.ended is None:
        return
    if step.status in {"failed", "lost"}:
        facets["errorMessage"] = _facet(
            "ErrorMessageRunFacet", message=step.cause or step.status, programmingLanguage="python"
        )
    yield _event(_ENDS.get(step.status, "OTHER"), step.ended, step.run, job, facets, inputs, outputs)


def _event(
    kind: str,
    time: int,
    run: str,
    job: dict[str, Any],
    facets: dict[str, Any],
    inputs: list[dict[str, Any]] | None = None,
    outputs: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {
        "eventType": kind, "eventTime": _time(time), "run": {"runId": run, "facets": facets}, "job": job, "inputs": inputs or [],
        "outputs": outputs or [], "producer": _producer(), "schemaURL": _SPEC,
    }  # fmt: skip


def _facet(name: str, **fields: Any) -> dict[str, Any]:
    return {"_producer": _producer(), "_schemaURL": f"{_FACETS}/1-0-0/{name}.json", **fields}


def _job(kind: str) -> dict[str, Any]:
    return {"jobType": _facet("JobTypeJobFacet", processingType="BATCH", integration="NBOPS", jobType=kind)}


def _dataset(namespace: str, path: str, digest: str | None) -> dict[str, Any]:
    facets = {"version": _facet("DatasetVersionDatasetFacet", datasetVersion=digest)} if digest else {}
    return {"namespace": namespace, "name": path, "facets": facets}


def _producer() -> str:
    return f"urn:nbops:{nbops.__version__}"


def _time(moment: int) -> str:
    return at(moment).isoformat().replace("+00:00", "Z")


def _namespace(store: Store) -> str:
    return store.settings.lineage.namespace or f"file://{store.host}{store.settings.project}"


def _send(store: Store, found: Iterable[dict[str, Any]]) -> None:
    wanted = store.settings.lineage
    headers = {"Content-Type": "application/json"}
    if wanted.key:
        headers["Authorization"] = f"Bearer {secrets.of_setting(store.settings, 'lineage.key', wanted.key)}"
    try:
        with requests.Session() as session:
            for one in found:
                session.post(
                    wanted.url, data=msgspec.json.encode(one), headers=headers, timeout=_SECONDS
                ).raise_for_status()
    except requests.RequestException as error:
        raise ExecutionError(
            f"The lineage server did not take what it was told: {error}.",
            hint="Look at `lineage.url`; it is told again the next time.",
        ) from error


@contextlib.contextmanager
def _alone(store: Store) -> Iterator[Path | None]:
    """The file that remembers until when was told; None when somebody else is telling."""
    path = store.places.run / "lineage"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield path
