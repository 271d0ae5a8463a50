"""A fire whose run of a pipeline was interrupted goes on with that run, as long as it is what would be begun anew."""

from __future__ import annotations

import contextlib
from pathlib import Path

from nbops.errors import NbopsError
from nbops.pipelines import definition, graph, releases, results
from nbops.pipelines.schedules.spec import Spec
from nbops.store.client import Store

_ENDS = """
select act, run_id::varchar from core.fire_acts
where schedule_id = ?::uuid and nominal = make_timestamp(?) and act not in ('due', 'running') order by seq desc
"""
_SINCE = """
select r.status from runs r, schedules s
where r.run_id = ?::uuid and s.schedule_id = ?::uuid and s.changed <= r.start_time and not r.deleted
"""


def unfinished(store: Store, spec: Spec, schedule_id: str, nominal: int) -> str | None:
    """The run to go on with: the last one of a nominal time (UTC microseconds) whose attempts since were all interrupted.

    None for a notebook, and when the schedule, its release or what its steps read and write have changed since.
    """
    folder = store.settings.project / spec.target
    run_id = _interrupted(store, schedule_id, nominal) if folder.is_dir() else None
    if run_id is None or not store.read(_SINCE, [run_id, schedule_id]).rows:
        return None
    # What cannot be read any more is begun anew, and says why it cannot.
    with contextlib.suppress(NbopsError):
        if _same(store, results.load(store, run_id), spec, folder):
            return run_id
    return None


def _interrupted(store: Store, schedule_id: str, nominal: int) -> str | None:
    for act, run_id in store.read(_ENDS, [schedule_id, nominal]).rows:
        if act != "interrupted":
            return None
        if run_id is not None:
            return str(run_id)
    return None


def _same(store: Store, run: results.PipelineRun, spec: Spec, folder: Path) -> bool:
    if not spec.working_tree:
        return run.release is not None and run.release == releases.get(store, run.pipeline).number
    if run.release is not None:
        return False
    tasks = graph.tasks(definition.load(folder, run.parameters))
    return results.definition(store.settings.project, tasks, run.parameters).tasks == run.drawn
