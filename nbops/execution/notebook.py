"""One notebook, one run: parameters are checked, Papermill executes, and the run ends in one place from what really happened.

The executed notebook lies at `runs/<id>/<name>.ipynb`, also while it is being executed, and at `output` when one is given.
"""

from __future__ import annotations

import ast
import asyncio
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.errors import NotFound, ParameterError, UsageError, nearest
from nbops.records import Record, RunStatus, short
from nbops.store.client import Store
from nbops.tracking import runs
from nbops.tracking.provenance import NOTEBOOK_VARIABLE
from nbops.tracking.recording import Recording

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

METRICS_TAG = "metrics"


class Outcome(Record):
    """How an execution ended; `code` is the error code for its exit status, empty when it finished."""

    run_id: str
    status: RunStatus
    notebook: Path
    seconds: float
    cause: str | None = None
    code: str = ""


class Progress(Record):
    """Cell `cell` of `cells` has begun; counted over code cells."""

    cell: int
    cells: int


class _Failure(Record):
    status: RunStatus
    cause: str
    code: str


class _Order(Record):
    """What is to be executed: `node` is the notebook as read, `kept` where the executed one goes."""

    node: Any
    notebook: Path
    kept: Path
    parameters: dict[str, object]
    cwd: Path
    kernel: str
    language: str
    timeout: float | None


def execute(
    store: Store,
    notebook: Path,
    output: Path | None = None,
    *,
    parameters: Mapping[str, object] | None = None,
    cwd: Path | None = None,
    kernel: str | None = None,
    timeout: float | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Execute a notebook as a run. A failing notebook is an outcome, not an exception.

    Raises NotFound for a missing notebook, ParameterError for a parameter that it does not have, and UsageError for what is no
    notebook or an output that cannot be written: all before a run begins. `timeout` in seconds is for each cell.
    """
    notebook = notebook.expanduser().resolve()
    if not notebook.is_file():
        raise NotFound(f"There is no notebook {notebook}.", hint=_neighbours(notebook))
    node = _read(notebook)
    given = dict(parameters or {})
    language = _language(node)
    known, defaults = _parameters(node, language)
    if known is not None:
        _refuse_unknown(given, known, notebook)
    output = _writable(output) if output is not None else None
    recording = runs.begin_headless(store, notebook, params={**defaults, **given}, parent=runs.invited())
    kept = store.places.runs / recording.run_id / notebook.name
    started = time.monotonic()
    kernel = kernel or node.metadata.get("kernelspec", {}).get("name") or "python3"
    order = _Order(node, notebook, kept, given, (cwd or notebook.parent).resolve(), kernel, language, timeout)
    failure = _missing(kernel) or _papermill(order, recording, progress)
    recording.end(failure.status if failure else "finished", failure.cause if failure else None)
    if output is not None and kept.exists():
        _copy(kept, output)
    return Outcome(
        run_id=recording.run_id, status=failure.status if failure else "finished", notebook=output or kept,
        seconds=time.monotonic() - started, cause=failure.cause if failure else None, code=failure.code if failure else "",
    )  # fmt: skip


def executed(store: Store, run_id: str) -> Path:
    """The executed notebook of a run. Raises NotFound."""
    found = sorted((store.places.runs / run_id).glob("*.ipynb"))
    if not found:
        raise NotFound(
            f"Run {short(run_id)} has no executed notebook.",
            hint="Runs of scripts have none: execute a notebook with `nbops run`.",
        )
    return found[0]


def defaults(notebook: Path) -> dict[str, object]:
    """The parameters that a notebook has by default: literals as values, other expressions as their text. Raises UsageError."""
    node = _read(notebook)
    return _parameters(node, _language(node))[1]


def _missing(kernel: str) -> _Failure | None:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    specs = KernelSpecManager()
    try:
        specs.get_kernel_spec(kernel)
    except NoSuchKernel:
        known = ", ".join(sorted(specs.find_kernel_specs())) or "none"
        return _Failure(
            status="failed",
            cause=f"there is no kernel {kernel!r} here; there are: {known}",
            code="execution.environment",
        )
    return None


def _papermill(order: _Order, recording: Recording, progress: Callable[[Progress], None] | None) -> _Failure | None:
    with light_imports():
        import papermill
        from nbclient.exceptions import CellTimeoutError, DeadKernelError
        from papermill.exceptions import PapermillException, PapermillExecutionError

    # What it warns of was looked at before: parameters.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    manager = _kernel_manager(recording, order)
    watcher = _Watcher(manager, recording, progress)
    order.kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            order.notebook, order.kept, parameters=order.parameters, cwd=order.cwd, kernel_name=order.kernel, language=order.language,
            progress_bar=False, km=manager, execution_timeout=order.timeout, on_notebook_start=watcher.begins,
            on_cell_execute=watcher.cell_begins, on_cell_executed=watcher.cell_ends,
        )  # fmt: skip
    except PapermillExecutionError as error:
        first = str(error.evalue).strip().partition("\n")[0]
        cause = f"{error.ename}: {first}".removesuffix(": ") + f" (cell [{error.exec_count}])"
        return _Failure(status="failed", cause=cause[:500], code="execution")
    except DeadKernelError:
        return _Failure(
            status="failed", cause="the kernel died (out of memory, or it was killed)", code="execution.kernel"
        )
    except CellTimeoutError:
        return _Failure(status="failed", cause=f"a cell took longer than {order.timeout:g} s", code="execution.timeout")
    except KeyboardInterrupt:
        return _Failure(status="stopped", cause="interrupted", code="execution")
    except (PapermillException, OSError, RuntimeError, ValueError, LookupError) as error:
        # Papermill, nbclient and the kernel's launcher have no one error for what they cannot do.
        return _Failure(status="failed", cause=f"{type(error).__name__}: {error}"[:500], code="execution.environment")
    finally:
        asyncio.run(_stop(manager))
    return None


class _Watcher:
    """Listens to nbclient while cells run: progress out, metrics of tagged cells into the run."""

    def __init__(
        self, manager: AsyncKernelManager, recording: Recording, progress: Callable[[Progress], None] | None
    ) -> None:
        self._manager = manager
        self._recording = recording
        self._progress = progress
        self._cells: list[int] = []

    def begins(self, notebook: Any) -> None:
        self._cells = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]

    def cell_begins(self, *, cell_index: int, **_: object) -> None:
        if self._progress and cell_index in self._cells:
            self._progress(Progress(cell=self._cells.index(cell_index) + 1, cells=len(self._cells)))

    async def cell_ends(self, *, cell: Any, execute_reply: Any, **_: object) -> None:
        if METRICS_TAG not in cell.metadata.get("tags", []) or execute_reply["content"]["status"] != "ok":
            return
        names = [name for name in _assignments(cell.source) if not name.startswith("_")]
        from jupyter_client.asynchronous.client import AsyncKernelClient

        # A client of its own: one made by the manager would share nbclient's identity and take its replies.
        client = AsyncKernelClient()
        client.load_connection_info(self._manager.get_connection_info())
        client.start_channels()
        try:
            expressions = {name: _NUMBER.format(name=name) for name in names}
            reply = await client.execute_interactive("", silent=True, user_expressions=expressions, timeout=30)
        finally:
            client.stop_channels()
        found = reply["content"]["user_expressions"]
        values = {name: answer["data"]["text/plain"] for name, answer in found.items() if answer["status"] == "ok"}
        self._recording.metrics({name: float(text.strip("'")) for name, text in values.items() if text != "None"})
        self._recording.flush()


# Evaluated in the kernel, on names that stand on the left of an assignment in the tagged cell.
# numpy's truth values are `bool`, once `bool_`.
_NUMBER = "repr(float({name})) if type({name}).__name__ not in ('bool', 'bool_', 'str', 'bytes') and hasattr({name}, '__float__') else None"


def _kernel_manager(recording: Recording, order: _Order) -> AsyncKernelManager:
    from jupyter_client.manager import AsyncKernelManager

    project = recording.store.settings.project
    environ = {
        **os.environ,
        runs.RUN_VARIABLE: f"{recording.run_id}@{os.getpid()}",
        NOTEBOOK_VARIABLE: str(order.notebook),
        "NBOPS_PROJECT": str(project),
        "NBOPS_HEADLESS": "1",
    }

    class _Kernel(AsyncKernelManager):
        """A kernel whose environment names its run: this process's own stays as it is."""

        async def _async_start_kernel(self, **options: Any) -> None:
            await super()._async_start_kernel(**{**options, "env": environ, "cwd": str(order.cwd)})

        start_kernel = _async_start_kernel

    # Sockets in a private folder: no port can be taken, and nothing crosses the network in clear.
    return _Kernel(kernel_name=order.kernel, transport="ipc")


async def _stop(manager: AsyncKernelManager) -> None:
    if manager.has_kernel:
        await manager.shutdown_kernel(now=False)


@contextmanager
def light_imports() -> Iterator[None]:
    """Import nbformat without the grammar of internationalised addresses.

    jsonschema would load it for a format that no notebook schema uses, at about a second of cpu time.
    """
    if "rfc3987_syntax" in sys.modules or "jsonschema" in sys.modules:
        yield
        return
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # the documented way to make an import fail
    try:
        yield
    finally:
        del sys.modules["rfc3987_syntax"]


def _read(notebook: Path) -> Any:
    with light_imports():
        import nbformat

    try:
        return nbformat.read(notebook, as_version=4)
    except (ValueError, KeyError, AttributeError, TypeError, nbformat.ValidationError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"{notebook} is not a notebook: {first}.", hint="Open it in JupyterLab and save it again."
        ) from error


def _language(node: Any) -> str:
    told = node.metadata.get("language_info", {}).get("name") or node.metadata.get("kernelspec", {}).get("language")
    return told or "python"


def _parameters(node: Any, language: str) -> tuple[list[str] | None, dict[str, object]]:
    """The names of the first parameters cell, and the defaults that it gives: literals as values, other expressions as their text.

    None instead of the names when nothing here reads the language.
    """
    tagged = [cell for cell in node.cells if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", [])]
    if not tagged:
        return [], {}
    if language.lower() in {"python", "ipython"}:
        assigned = _assignments(tagged[0].source)
        return list(assigned), {
            name: _value(expression) for name, expression in assigned.items() if expression is not None
        }
    with light_imports():
        from papermill.exceptions import PapermillException
        from papermill.translators import papermill_translators

    try:
        told = papermill_translators.find_translator("", language).inspect(tagged[0])
    except (NotImplementedError, PapermillException):
        # Papermill writes parameters of this language at most, it does not read them.
        return None, {}
    return [item.name for item in told], {item.name: item.default for item in told}


def _value(expression: ast.expr) -> object:
    try:
        return ast.literal_eval(expression)
    except (ValueError, TypeError):
        return ast.unparse(expression)


def _refuse_unknown(given: Mapping[str, object], known: Sequence[str], notebook: Path) -> None:
    for name in given:
        if name in known:
            continue
        if not known:
            raise ParameterError(
                f"{notebook.name} has no parameters, so {name!r} cannot be set.",
                hint="Put the settings into one cell and give that cell the tag 'parameters'.",
            )
        near = nearest(name, known)
        raise ParameterError(
            f"Unknown parameter {name!r} for {notebook.name}. Known: {', '.join(known)}.",
            hint=f"Did you mean {near!r}?" if near else "Use one of the known names, or add it to the parameters cell.",
        )


def _assignments(source: str) -> dict[str, ast.expr | None]:
    """The names that a cell assigns, with the expression where one belongs to the name alone. What only IPython reads is passed over."""
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        return {}
    found: dict[str, ast.expr | None] = {}
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                found[target.id] = None if isinstance(node, ast.AugAssign) else node.value
            elif isinstance(target, (ast.Tuple, ast.List)):
                values = node.value.elts if isinstance(node.value, (ast.Tuple, ast.List)) else []
                pairs = zip(
                    target.elts, values if len(values) == len(target.elts) else [None] * len(target.elts), strict=True
                )
                found.update((item.id, value) for item, value in pairs if isinstance(item, ast.Name))
    return found


def _writable(output: Path) -> Path:
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
    """Put the executed notebook where the caller wants it, whole or not at all."""
    temporary = output.with_name(f".{output.name}.new")
    temporary.write_bytes(kept.read_bytes())
    temporary.replace(output)


def _neighbours(notebook: Path) -> str:
    near = (
        nearest(notebook.name, [path.name for path in notebook.parent.glob("*.ipynb")])
        if notebook.parent.is_dir()
        else None
    )
    return f"Did you mean {near!r}?" if near else "Give the path of an .ipynb file."
