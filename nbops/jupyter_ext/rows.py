"""Lines of lists that several routes answer with, with paths as the server shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbops.records import at

if TYPE_CHECKING:
    from nbops.execution.board import Row
    from nbops.jupyter_ext.verbs import Root
    from nbops.pipelines.approving import Waiting
    from nbops.pipelines.sheet import Line
    from nbops.store.client import Store

# The sidebar asks often, and tells of few steps.
_MOST = 12
_USUAL = ("finished", "unchanged", "waiting")


def pipelines(
    root: Root, store: Store, runs: list[Row]
) -> tuple[list[dict[str, object]], dict[str, str], dict[str, object]]:
    """The steps that wait for a person, the folders that this server shows and that have run, and which rows are runs of pipelines."""
    from nbops.pipelines import approving, sheet

    waits = approving.waiting(store)
    found = sheet.of_runs(store, [row.run_id for row in runs] + [one.run_id for one in waits])
    approvals = [waiting(root, one, found[one.run_id].folder) for one in waits if one.run_id in found]
    shown = {told: name for folder, name in sheet.folders(store).items() if (told := root.shown(folder)) is not None}
    return approvals, shown, {run_id: line(root, one, most=_MOST) for run_id, one in found.items()}


def line(root: Root, one: Line, *, most: int | None = None) -> dict[str, object]:
    """A run of a pipeline in a list; with `most`, only so many of its steps, and of those only what is running or went another way."""
    steps = [step for step in one.tasks if most is None or step.status not in _USUAL][:most]
    return {
        "id": one.run_id, "short": one.short, "pipeline": one.pipeline, "folder": root.shown(one.folder), "status": one.status,
        "outcome": one.outcome, "sentence": one.sentence, "trigger": one.trigger, "start": one.start, "seconds": one.seconds,
        "done": one.done, "total": len(one.tasks), "resumable": one.resumable,
        "steps": [{"task": step.task, "status": step.status, "doing": step.doing, "sentence": step.sentence} for step in steps],
    }  # fmt: skip


def waiting(root: Root, one: Waiting, folder: str) -> dict[str, object]:
    """A step that waits for a person; `folder` is the whole path of its pipeline's."""
    return {
        "run": one.run_id, "task": one.task, "pipeline": one.pipeline, "asks": one.asks, "approvers": one.approvers,
        "requested_by": one.requested_by, "requested": at(one.requested), "expires": at(one.expires), "needs": one.needs,
        "folder": root.shown(folder),
    }  # fmt: skip
