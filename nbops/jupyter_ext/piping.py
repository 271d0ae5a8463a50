"""What the routes about pipelines do: the graph of a folder with how its tasks stand, running it, and what a person says to a step.

As in `verbs`, a verb runs on a thread. Runs go on in processes of their own.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import msgspec

from nbops.jupyter_ext import rows, scheduling
from nbops.jupyter_ext.forms import PipelineOrder
from nbops.jupyter_ext.verbs import Asked, InProject, Root
from nbops.pipelines.requests import Decision
from nbops.records import at

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nbops.pipelines.marked import Mistake
    from nbops.pipelines.sheet import Page, Stands


class StepAnswer(InProject, kw_only=True):
    """What a person says to a step that waits, and why."""

    task: str
    decision: Decision
    reason: str


def pipeline(asked: Asked) -> dict[str, object]:
    """A folder as a pipeline: what would run now and why, how its last runs ended, what waits, or its mistakes."""
    from nbops.pipelines import drawing, health, sheet

    folder = asked.root.file(asked.one("folder"))
    store = asked.store if asked.settings.folder.is_dir() else None
    found = sheet.page(store, folder)
    plan = found.plan
    return {
        "name": found.pipeline, "folder": asked.root.shown(found.folder), "command": shlex.join(["nbops", "run", folder.name]),
        "mistakes": _mistakes(asked.root, folder, found.mistakes), "warnings": _mistakes(asked.root, folder, plan.warnings if plan else []),
        "aside": dict(plan.aside) if plan else {}, "tasks": _tasks(asked.root, found),
        "plan": str(drawing.of_plan(plan, pressed=True)) if plan else "",
        "picture": str(found.newest.picture(pressed=True)) if found.newest else "",
        "runs": [rows.line(asked.root, one) for one in found.runs],
        "waiting": [rows.waiting(asked.root, one, found.folder) for one in found.waiting],
        **(scheduling.of_folder(store, folder) if store else {"schedules": [], "unseen": []}),
        "health": str(health.of(store, found.pipeline).to_html()) if store and found.runs else "",
    }  # fmt: skip


def live(asked: Asked) -> dict[str, object]:
    """How the newest run of a folder stands; nothing is planned."""
    from nbops.pipelines import sheet

    newest = next(iter(sheet.of_folder(asked.store, asked.root.file(asked.one("folder")), limit=1)), None)
    return {
        "run": rows.line(asked.root, newest) if newest else None, "picture": str(newest.picture(pressed=True)) if newest else "",
    }  # fmt: skip


def start(asked: Asked) -> dict[str, object]:
    """Begin a run of a folder, or go on with one."""
    from nbops.workspace import launching

    told: PipelineOrder = asked.body
    folder = asked.root.file(told.folder)
    order = launching.Order(
        project=str(asked.settings.project),
        folder=str(folder),
        values=told.values,
        force=told.force,
        release="current" if told.release else "",
        resume=told.resume,
    )
    return {"id": launching.launch(order).run_id}


def decide(asked: Asked, run_id: str) -> dict[str, object]:
    """Let a step that waits go on, or not."""
    from nbops.pipelines import approving

    told: StepAnswer = asked.body
    task, _ = approving.decide(asked.store, run_id, told.task, told.decision, told.reason)
    done = "approved" if told.decision == "approve" else "rejected"
    return {"message": f"{task} is {done}."}


def copy(asked: Asked, run_id: str) -> dict[str, object]:
    """A copy of a run's executed notebook, for a person to go on with by hand; `path` is null where this server does not show it."""
    from nbops.pipelines import by_hand

    store = asked.store
    made = by_hand.bring_up(store, by_hand.choose(store, run_id))
    return {"path": asked.root.shown(str(made.path)), "file": str(made.path), "made": made.made, "cell": made.cell}


def _tasks(root: Root, found: Page) -> list[dict[str, object]]:
    """What would run now, beside how it stands in the newest run; what is no part of the pipeline any more comes last."""
    stood: dict[str, Stands] = {one.task: one for one in found.newest.tasks} if found.newest else {}
    planned = {one.task: one for one in found.plan.tasks} if found.plan else {}
    made: list[dict[str, object]] = []
    for task in [*planned, *(task for task in stood if task not in planned)]:
        would, stands = planned.get(task), stood.get(task)
        step = would.step if would else stands.step if stands else task
        told = (
            msgspec.to_builtins(stands)
            if stands
            else {"status": None, "sentence": "", "attempt": 0, "healed": False, "run_id": None}
        )
        made.append(
            {
                **{name: told[name] for name in ("status", "sentence", "attempt", "healed", "run_id")}, "task": task, "step": step,
                "seconds": stands.seconds if stands else None, "doing": stands.doing if stands else "",
                "stale_since": at(stands.stale_since) if stands and stands.stale_since is not None else None,
                "would": would.verdict if would else None, "why": would.why if would else "",
                "reads": would.reads if would else [], "writes": would.writes if would else [],
                "path": root.shown(found.paths.get(step)), "executed": found.executed.get(task),
            }
        )  # fmt: skip
    return made


def _mistakes(root: Root, folder: Path, found: Iterable[Mistake]) -> list[dict[str, object]]:
    return [{**msgspec.to_builtins(one), "path": _beside(root, folder, one.file)} for one in found]


def _beside(root: Root, folder: Path, file: str) -> str | None:
    path = folder / file
    return root.shown(str(path)) if file and path.is_file() else None
