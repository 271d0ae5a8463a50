"""An execution as everybody sees it who takes part: its run, what it is given, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops import config
from nbops.execution import reading
from nbops.records import Record, RunStatus
from nbops.store.client import Store, connect
from nbops.tracking import runs
from nbops.tracking.recording import Recording

if TYPE_CHECKING:
    from nbops.execution.live import State


class Ending(Record):
    """How an execution ended; `code` is the error code for its exit status, empty when it finished."""

    status: RunStatus = "finished"
    cause: str | None = None
    code: str = ""


class Execution:
    """An execution that has a run; `ending` says how it ended, `kept` where the executed notebook is."""

    def __init__(
        self,
        recording: Recording,
        notebook: str,
        *,
        cwd: Path | None = None,
        timeout: float | None = None,
        watch: Callable[[State], None] | None = None,
    ) -> None:
        """`notebook` is the path or address it came from, `timeout` in seconds is for each cell, `watch` hears of progress."""
        self.recording = recording
        self.notebook = notebook
        self.cwd = cwd
        self.timeout = timeout
        self.watch = watch
        self.folder = recording.store.places.runs / recording.run_id
        self.kept = self.folder / (Path(notebook).name or "notebook.ipynb")
        self.journals = journals(recording.store)
        self.ending = Ending()
        self.trouble = ""
        """What went wrong with the files beside, for a person to know."""


def journals(store: Store) -> Path:
    """Where the journals of executions lie that have not ended."""
    return store.places.run / "journals"


def adopt(node: Any, source: str | None, parameters: Mapping[str, object]) -> Execution:
    """The execution of a notebook that papermill was asked to execute with our engine: it becomes a run like any other.

    Raises ParameterError for a parameter that the notebook does not have.
    """
    path = Path(source) if source else None
    local = path is not None and path.is_file()
    folder = path.parent if path and local else None
    store = connect(config.settings(start=folder))
    language = reading.language_of(node)
    known, usual = reading.parameters(node, language)
    name = path.name if path else "notebook.ipynb"
    if known:
        reading.refuse_unknown(parameters, known, Path(name))
    recording = runs.begin_headless(
        store, path if path and local else Path(name), params={**usual, **parameters}, parent=runs.invited()
    )
    return Execution(recording, str(path) if path and local else source or name)
