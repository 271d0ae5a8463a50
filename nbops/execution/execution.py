"""An execution as everybody sees it who takes part: its run, what it is given, and how it ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nbops import config, failures
from nbops.execution import parameters as typed
from nbops.execution import reading, saving, secrets
from nbops.execution.lanes import Stop
from nbops.execution.memory import Allowance
from nbops.execution.parameters import Interface
from nbops.execution.skipping.finding import Standing
from nbops.execution.skipping.plan import plan
from nbops.records import FailureClass, Record, RunStatus
from nbops.store.client import Store, connect
from nbops.tracking import runs
from nbops.tracking.recording import Recording

if TYPE_CHECKING:
    from nbops.execution.live import State


class Ending(Record):
    """How an execution ended; `code` is its error code, empty when it finished, `exit` the exit status, `rule` what gave the class."""

    status: RunStatus = "finished"
    cause: str | None = None
    code: str = ""
    failure_class: FailureClass | None = None
    exit: int = 0
    rule: str = ""


INTERRUPTED = 130
"""The exit status of what somebody stopped."""


def stopped(cause: str) -> Ending:
    """Somebody stopped it."""
    return Ending(status="stopped", cause=cause, code="execution", exit=INTERRUPTED)


def late(stop: Stop) -> Ending:
    """It took longer than somebody allowed."""
    return failed(stop.reason, "execution.timeout", failures.Evidence(timed_out=True))


def failed(cause: str, code: str, evidence: failures.Evidence) -> Ending:
    """It failed, for a reason that the rules know."""
    verdict = failures.classify(evidence)
    return Ending(
        status="failed", cause=cause[:500], code=code, failure_class=verdict.failure_class, exit=verdict.exit_status,
        rule=verdict.rule,
    )  # fmt: skip


def broken(cause: str) -> Ending:
    """The surroundings did not let it happen."""
    return Ending(status="failed", cause=cause, code="execution.environment", failure_class="environment", exit=26)


class Part(NamedTuple):
    """What an execution is told that is a part of something larger: its place there, and the notebook as that has read it.

    Its code may lie in another `tree`, a copy of the project, than what the run depends on is told for, which is then the folder `home`.
    `stop` tells why the larger thing has stopped the execution, if it has. Parameters get the values of `instead` where the notebook is
    to write beside what it declares; `settle` brings that to its place after the last cell, or tells how the run ended instead.
    `contracts` are the paths of those that `settle` holds outputs against.
    """

    parent: str
    birth: runs.Birth
    node: Any
    stop: Callable[[], Stop]
    instead: Mapping[str, object] = {}
    settle: Callable[[], Ending | None] | None = None
    home: Path | None = None
    tree: Path | None = None
    contracts: Mapping[str, str] = {}


class Given(NamedTuple):
    """What the notebook takes, and the values that it gets."""

    interface: Interface
    values: Mapping[str, object]


class Execution:
    """An execution that has a run; `ending` says how it ended, `kept` where the executed notebook is.

    `node` is the notebook to be executed where that is read already, else its file is.
    """

    def __init__(
        self,
        recording: Recording,
        notebook: str,
        *,
        cwd: Path | None = None,
        timeout: float | None = None,
        allowance: Allowance | None = None,
        watch: Callable[[State], None] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        """`notebook` is the path or address it came from, `timeout` in seconds is for each cell, `allowance` for the whole of it.

        `watch` hears of progress; `secrets` are values by parameter.
        """
        self.recording = recording
        self.notebook = notebook
        self.cwd = cwd
        # nbclient takes whole seconds.
        self.timeout: float | None = math.ceil(timeout) if timeout else None
        self.allowance = allowance
        self.watch = watch
        self.secrets = secrets or {}
        self.folder = recording.store.places.runs / recording.run_id
        name = Path(notebook).name or "notebook.ipynb"
        self.kept = self.folder / (name if reading.is_notebook(Path(name)) else f"{Path(name).stem}.ipynb")
        self.node: Any = None
        self.given: Given | None = None
        self.standing: Standing | None = None
        self.part: Part | None = None
        self.ending = Ending()
        self.trouble = ""
        """What went wrong with the files beside, for a person to know."""


def journals(store: Store) -> Path:
    """Where the journals of executions lie until these end."""
    return store.places.run / "journals"


def journal(store: Store, run_id: str) -> Path:
    """The journal of an execution."""
    return journals(store) / f"{run_id}{saving.SUFFIX}"


def adopt(node: Any, source: str | None, parameters: Mapping[str, object], kernel: str) -> Execution:
    """The execution of a notebook that papermill was asked to execute with our engine: it becomes a run like any other.

    Raises ParameterError for parameters that the notebook does not take. Without a parameters cell it takes what papermill gives it.
    """
    path = Path(source) if source else None
    local = path if path and path.is_file() else None
    store = connect(config.settings(start=local.parent if local else None))
    name = path.name if path else "notebook.ipynb"
    interface = typed.read(node, reading.language_of(node), name)
    values: Mapping[str, object] = parameters
    if interface.cell is not None:
        values = typed.resolve(interface, parameters, strict=store.settings.execution.strict_parameters)
        typed.check(node, interface, values)
    hidden = secrets.asked(interface, values)
    found = secrets.resolve(store.settings, local.resolve() if local else name, hidden)
    recording = runs.begin_headless(
        store, local or Path(name), params=typed.recorded(interface, values), parent=runs.invited()
    )
    execution = Execution(recording, str(local) if local else source or name, secrets=found)
    if interface.cell is not None and (hidden or not _papermill_wrote(values, parameters)):
        execution.given = Given(interface, values)
    # Papermill has gone to where the kernel starts.
    made = plan(store, node, interface, values, notebook=execution.notebook, cwd=Path.cwd(), kernel=kernel)
    execution.standing = Standing(made, noted=("papermill executes whatever it is given",))
    return execution


def _papermill_wrote(values: Mapping[str, object], parameters: Mapping[str, object]) -> bool:
    """Whether papermill's cell sets these very values: it knows texts and plain numbers."""
    plain = all(type(value) in {str, bool, int, float, type(None)} for value in values.values())
    return plain and repr(dict(values)) == repr(dict(parameters))
