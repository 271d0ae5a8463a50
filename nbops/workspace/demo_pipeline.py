"""The demo's pipeline, run: each step is told when it is over, and the weather comes late the first time, to be seen healed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from nbops.errors import ExecutionError
from nbops.pipelines import lines
from nbops.pipelines.course import Ended, Progress
from nbops.pipelines.standing import OVER, Standing
from nbops.records import short
from nbops.workspace import remote
from nbops.workspace._workspace import Workspace
from nbops.workspace.demo_review import Step


def run(
    workspace: Workspace,
    folder: Path,
    parameters: Mapping[str, object],
    *,
    tell: Callable[[Step], None],
    late: Mapping[str, Callable[[], None]],
) -> Ended:
    """Run the folder, in a process of its own. What a step of `late` reads is brought once it has failed without it.

    Raises ExecutionError when the run fails, KeyboardInterrupt when it is stopped here.
    """
    watched = _Watched(tell, late)
    given = remote.given(parameters)
    call = remote.Call(project=str(workspace.project), folder=str(folder), parameters=given, lanes=2)
    ended, interrupted = remote.run(call, watched.see)
    if interrupted:
        raise KeyboardInterrupt(f"nbops pipeline resume {short(ended.run_id)} goes on with what is missing")
    if ended.exit:
        raise ExecutionError(
            f"Run {short(ended.run_id)} of {folder} {ended.outcome}: {ended.sentence}.",
            hint=f"The notebook and its error: nbops runs open {short(ended.run_id)}",
        )
    watched.see(Progress(ended.run_id, ended.tasks))
    tell(Step(text=f"the pipeline {ended.pipeline}: {ended.outcome}, {ended.sentence}", seconds=ended.seconds))
    return ended


class _Watched:
    """What was told of a run, and which steps have still to get what they read."""

    def __init__(self, tell: Callable[[Step], None], late: Mapping[str, Callable[[], None]]) -> None:
        self._tell = tell
        self._late = dict(late)
        self._began: dict[str, float] = {}
        self._over: set[str] = set()

    def see(self, at: Progress) -> None:
        """How the steps stand now."""
        for task, one in at.tasks.items():
            if one.status == "running":
                self._began.setdefault(task, time.monotonic())
            elif one.status == "waiting" and one.attempt and task in self._late:
                self._tell(Step(text=f"{task}: {one.sentence}"))
                self._late.pop(task)()
            elif one.status in OVER and task not in self._over:
                self._over.add(task)
                took = time.monotonic() - self._began[task] if task in self._began else 0.0
                self._tell(Step(text=f"  {task}: {_words(one)}", seconds=took))
        if any(one.status == "running" for one in at.tasks.values()):
            self._tell(Step(text=lines.progress(at)))


def _words(one: Standing) -> str:
    """How a task ended, as it is told."""
    tries = f"tried again {'once' if one.attempt == 2 else f'{one.attempt - 1} times'}" if one.attempt > 1 else ""
    healed = tries or ("rows were set aside" if one.healed else "")
    return f"{one.status}{f', {one.sentence}' if one.sentence else ''}{f' ({healed})' if healed else ''}"
