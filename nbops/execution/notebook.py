"""One notebook, one run: parameters are checked, Papermill executes, and the run ends in one place from what really happened.

The executed notebook lies at `runs/<id>/<name>.ipynb`, also while it is being executed, and at `output` when one is given.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nbops.errors import NotFound, UsageError, nearest
from nbops.execution import parameters as typed
from nbops.execution import reading, saving, secrets
from nbops.execution.execution import Ending, Execution, Given, Part, broken, journals, late, stopped
from nbops.execution.lanes import Stop
from nbops.execution.live import State
from nbops.execution.memory import Allowance
from nbops.execution.parameters.reading import is_python
from nbops.execution.skipping.finding import Found, Standing, find
from nbops.execution.skipping.plan import plan
from nbops.execution.skipping.seen import Undeclared
from nbops.records import short
from nbops.store.client import Store
from nbops.tracking import runs
from nbops.tracking.recording import Usage

if TYPE_CHECKING:
    from nbformat import NotebookNode


class Outcome(Ending, kw_only=True):
    """What came of an execution. `trouble` is what went wrong with the files beside; the notebook `declares` an input or an output.

    `unchanged`: nothing was executed, the run is an earlier one of the same code, parameters and inputs, which began at `earlier`
    (UTC microseconds).
    """

    run_id: str
    notebook: Path
    seconds: float
    trouble: str = ""
    unchanged: bool = False
    earlier: int = 0
    declares: bool = False
    undeclared: tuple[Undeclared, ...] = ()


def execute(  # noqa: PLR0913 - each is an option of `nbops run`, or what it is a part of
    store: Store,
    notebook: Path,
    output: Path | None = None,
    *,
    parameters: Mapping[str, object] | None = None,
    cwd: Path | None = None,
    kernel: str | None = None,
    timeout: float | None = None,
    allowance: Allowance | None = None,
    force: bool = False,
    progress: Callable[[State], None] | None = None,
    begun: Callable[[str], None] | None = None,
    part: Part | None = None,
) -> Outcome:
    """Execute a notebook as a run, unless that would repeat an earlier one. A failing notebook is an outcome, not an exception.

    What declares an input or an output is not executed again when nothing that the run depends on has changed, unless by `force`.
    `timeout` in seconds is for each cell, `allowance` the most memory; `begun` hears the run's id when it begins. As a `part` of
    something larger it executes the notebook that is given there.

    Raises NotFound for a missing notebook, folder or secret, ParameterError for parameters that it does not take and secrets that it may
    not ask for, and UsageError for what is no notebook or an output that cannot be written: all before a run begins.
    """
    notebook = notebook.expanduser().resolve()
    if not part and not notebook.is_file():
        raise NotFound(f"There is no notebook {notebook}.", hint=_neighbours(notebook))
    node = part.node if part else reading.read(notebook)
    language = reading.language_of(node)
    interface = typed.read(node, language, notebook.name)
    values = typed.resolve(interface, parameters or {}, strict=store.settings.execution.strict_parameters)
    typed.check(node, interface, values)
    secrets.refuse_values(repr(values))
    hidden = secrets.resolve(store.settings, notebook, secrets.asked(interface, values))
    output = writable(output) if output is not None else None
    where = folder(cwd or notebook.parent)
    kernel = kernel or node.metadata.get("kernelspec", {}).get("name") or "python3"
    home, tree = (part.home or where, part.tree) if part else (where, None)
    made = plan(
        store, node, interface, values, notebook=str(notebook), cwd=home, kernel=kernel, tree=tree,
        contracts=part.contracts if part else None,
    )  # fmt: skip
    started = time.monotonic()
    # Whoever it is a part of has looked for an earlier run.
    found = Found() if force or part else find(store, made)
    if found.run_id and (taken := _taken(store, found, output, started)):
        return taken
    saving.repair_dead(journals(store))
    recording = runs.begin_headless(
        store, notebook, params=typed.recorded(interface, values), parent=part.parent if part else runs.invited(),
        birth=part.birth if part else None, soon=not part or _may_join(node),
    )  # fmt: skip
    if begun:
        begun(recording.run_id)
    execution = Execution(
        recording, str(notebook), cwd=where, timeout=timeout, allowance=allowance, watch=progress, secrets=hidden
    )
    execution.given, execution.part = Given(interface, {**values, **(part.instead if part else {})}), part
    execution.node = part.node if part else None if reading.is_notebook(notebook) else node
    execution.standing = Standing(made, forced=force, noted=found.reasons, written=_written(part, where))
    missing = _missing(kernel)
    if missing:
        _over(execution, missing)
    else:
        _papermill(execution, kernel, language)
    if output is not None and execution.kept.exists():
        _copy(execution.kept, output)
    return Outcome(
        **msgspec.structs.asdict(execution.ending), run_id=recording.run_id, notebook=output or execution.kept,
        seconds=time.monotonic() - started, trouble=execution.trouble, declares=made.declares,
        undeclared=execution.standing.undeclared,
    )  # fmt: skip


def _written(part: Part | None, where: Path) -> frozenset[str]:
    """The real paths of what it writes instead of what it declares."""
    return frozenset(os.path.realpath(where / str(path)) for path in (part.instead if part else {}).values())


def _may_join(node: NotebookNode) -> bool:
    """A notebook that speaks of nbops may ask for its run any moment."""
    return any("nbops" in cell.source for cell in node.cells)


def put(store: Store, run_id: str, output: Path) -> bool:
    """Put a copy of a run's executed notebook there; False when there is none any more."""
    kept = _kept(store, run_id)
    if not kept.is_file():
        return False
    output.parent.mkdir(parents=True, exist_ok=True)
    _copy(kept, output)
    return True


def _kept(store: Store, run_id: str) -> Path:
    """No file, where there is no notebook."""
    folder = store.places.runs / run_id
    return min(folder.glob("*.ipynb"), default=folder)


def _taken(store: Store, found: Found, output: Path | None, began: float) -> Outcome | None:
    """The outcome of a run that is taken instead; None when a copy is asked for of a notebook that is gone."""
    run_id = found.run_id or ""
    if output is not None and not put(store, run_id, output):
        return None
    return Outcome(
        run_id=run_id, notebook=output or _kept(store, run_id), seconds=time.monotonic() - began, unchanged=True,
        earlier=found.started, declares=True,
    )  # fmt: skip


def _papermill(execution: Execution, kernel: str, language: str) -> None:
    with reading.light_imports():
        import papermill
        from nbclient.exceptions import CellTimeoutError, DeadKernelError
        from papermill.exceptions import PapermillException

    # What it warns of was checked before, and what goes wrong is the run's ending.
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    # What Python takes we write, with its type; for other languages papermill knows how.
    theirs = {} if is_python(language) or execution.given is None else dict(execution.given.values)
    source = execution.notebook if execution.node is None else execution.node
    try:
        papermill.execute_notebook(
            source, None, parameters=theirs, cwd=execution.cwd, kernel_name=kernel, language=language,
            progress_bar=False, engine_name="nbops", nbops=execution,
        )  # fmt: skip
    except (
        PapermillException,
        CellTimeoutError,
        DeadKernelError,
        OSError,
        RuntimeError,
        ValueError,
        LookupError,
        KeyboardInterrupt,
    ) as error:
        # Papermill, nbclient and the kernel's launcher have no one error for what they cannot do.
        if execution.recording.ended:
            return
        if isinstance(error, KeyboardInterrupt):
            stop = execution.part.stop() if execution.part else Stop()
            _over(execution, late(stop) if stop.timed_out else stopped(stop.reason or "interrupted before it began"))
        else:
            _over(execution, broken(f"{type(error).__name__}: {error}"[:500]))


def _over(execution: Execution, ending: Ending) -> None:
    """End an execution that never came to its first cell."""
    execution.ending = ending
    usage = Usage(failure_class=ending.failure_class, exit_status=ending.exit)
    execution.recording.end(ending.status, ending.cause, usage)


def executed(store: Store, run_id: str) -> Path:
    """The executed notebook of a run; a dead runner's is finished first, from its journal. Raises NotFound."""
    saving.repair_dead(journals(store))
    _bring_home(store, run_id)
    kept = _kept(store, run_id)
    if not kept.is_file():
        raise NotFound(
            f"Run {short(run_id)} has no executed notebook.",
            hint="Runs of scripts have none: execute a notebook with `nbops run`.",
        )
    return kept


def _bring_home(store: Store, run_id: str) -> None:
    """Put an executed notebook that there was no room for where it belongs, if there is now."""
    for path in (path for folder in store.places.spools() for path in folder.glob(f"{run_id}-*.ipynb")):
        with contextlib.suppress(OSError):
            saving.replace(store.places.runs / run_id / path.name.removeprefix(f"{run_id}-"), path.read_text("utf-8"))
            path.unlink()


def defaults(notebook: Path) -> dict[str, object]:
    """A notebook's parameters by default: literals as values, other expressions as their text. Raises UsageError."""
    node = reading.read(notebook)
    return typed.recorded(typed.read(node, reading.language_of(node), notebook.name), {})


def _missing(kernel: str) -> Ending | None:
    from jupyter_client.kernelspec import NoSuchKernel

    from nbops.execution.kernels.specs import Specs

    specs = Specs()
    try:
        specs.get_kernel_spec(kernel)
    except NoSuchKernel:
        known = ", ".join(sorted(specs.find_kernel_specs())) or "none"
        return broken(f"there is no kernel {kernel!r} here; there are: {known}")
    return None


def folder(path: Path) -> Path:
    """The absolute path of a folder to run in. Raises NotFound."""
    found = path.expanduser().resolve()
    if not found.is_dir():
        raise NotFound(f"There is no folder {found} to run in.", hint="Make it first, or name another one.")
    return found


def writable(output: Path) -> Path:
    """The absolute path, once it is known that a file can be written there. Raises UsageError."""
    output = output.expanduser().resolve()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output.parent):
            pass
    except OSError as error:
        raise UsageError(
            f"{output} cannot be written: {error}.", hint="Name a file in a folder that you may write to."
        ) from error
    if output.is_dir():
        raise UsageError(f"{output} is a folder.", hint=f"Name a file in it: {output.name}/executed.ipynb")
    return output


def _copy(kept: Path, output: Path) -> None:
    temporary = output.with_name(f".{output.name}.new")
    temporary.write_bytes(kept.read_bytes())
    temporary.replace(output)


def _neighbours(notebook: Path) -> str:
    there = [path.name for suffix in reading.STEPS for path in notebook.parent.glob(f"*{suffix}")]
    near = nearest(notebook.name, there)
    return f"Did you mean {near!r}?" if near else "Give the path of an .ipynb, .py or .sql file."
