"""One execution from its beginning to its end: the run begins, cells are executed, and what really happened is told in one place.

Papermill calls `execute` with a notebook that has its parameters, whether `nbops run`, its own command line or Python asked it. The
executed notebook lies at `runs/<id>/<name>.ipynb`, also meanwhile, and at papermill's output if there is one.
"""

from __future__ import annotations

import ast
import contextlib
import math
import os
import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops import failures
from nbops.errors import StoreFull
from nbops.execution import kernel, parameters, reading, saving, secrets
from nbops.execution.execution import Ending, Execution, adopt, broken, failed, journal, late, stopped
from nbops.execution.lanes import Stop
from nbops.execution.live import Live, asked
from nbops.execution.parameters.reading import is_python
from nbops.execution.skipping import finding, seen
from nbops.execution.steps import making
from nbops.store.places import make_folder, make_private
from nbops.tracking.recording import Usage

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from papermill.exceptions import PapermillExecutionError

    from nbops.execution.account import Account
    from nbops.execution.client import Client
    from nbops.execution.skipping.finding import Standing
    from nbops.security.masking import Mask


def execute(  # noqa: PLR0913 - papermill's signature
    nb: NotebookNode,
    kernel_name: str,
    *,
    input_path: str | None = None,
    output_path: str | None = None,
    progress_bar: bool | dict[str, object] = True,
    log_output: bool = False,
    stdout_file: Any = None,
    stderr_file: Any = None,
    start_timeout: float = 60,
    execution_timeout: float | None = None,
    nbops: Execution | None = None,
    **options: Any,
) -> NotebookNode:
    """Execute a notebook as papermill's engines do; the notebook, the run and what is raised tell the outcome.

    Raises PapermillExecutionError for an error in a cell, and nbclient's and our own for what ends an execution otherwise.
    """
    execution = nbops or adopt(
        nb, _path(input_path), nb.metadata.papermill.get("parameters") or {}, kernel_name or "python3"
    )
    if execution.node is not None:
        # What papermill was given is the notebook itself.
        nb.metadata.papermill["input_path"] = execution.notebook
    if execution_timeout:
        # nbclient takes whole seconds.
        execution.timeout = math.ceil(execution_timeout)
    for name in ("autosave_cell_every", "timeout"):
        options.pop(name, None)
    from papermill.execute import raise_for_execution_errors

    from nbops.execution.account import Account

    if execution.given and is_python(execution.given.interface.language):
        parameters.inject(nb, *execution.given, secret=secrets.expression)
    # A copy of the executed notebook still says where it comes from.
    told = nb.metadata.get("nbops")
    nb.metadata["nbops"] = {**(told if isinstance(told, dict) else {}), "run_id": execution.recording.run_id}
    document = saving.Document(nb, _writer(execution, output_path))
    account = Account(nb, document, progress_bar=progress_bar, log_output=log_output)
    with secrets.hand_over(execution.secrets) as handed, _Telling(execution, account) as live:
        _converse(
            execution, account, live, kernel_name,
            {
                "stdout_file": stdout_file, "stderr_file": stderr_file, "log_output": log_output, "startup_timeout": start_timeout,
                **options, "kernel_options": kernel.options(execution, handed),
            },
        )  # fmt: skip
        account.notebook_complete()
        # Papermill would mark and raise the error after us; here what it marks is still written.
        raise_for_execution_errors(nb, None)
    return nb


class _Telling:
    """From the run's first file to its end: the notebook and the run tell whatever happens in between."""

    def __init__(self, execution: Execution, account: Account) -> None:
        self._execution = execution
        self._account = account
        self._live = Live(account, execution)

    def __enter__(self) -> Live:
        execution, account = self._execution, self._account
        make_folder(execution.folder)
        account.notebook_start()
        run_id = execution.recording.run_id
        opening = saving.Opening(run_id, os.getpid(), paths=[str(execution.kept)], notebook=account.document.text())
        account.journal = saving.Journal(journal(execution.recording.store, run_id), opening)
        account.begins, account.ends = self._live.announce, self._live.sum_up
        return self._live

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from papermill.exceptions import PapermillExecutionError

        execution, account = self._execution, self._account
        if isinstance(error, PapermillExecutionError):
            execution.ending = _raised(error, _place(error, execution, account.nb), account.nb)
        elif error is not None:
            execution.ending, name = _broken(error, execution, self._live)
            account.abort(name, execution.ending.cause or name)
        elif execution.part and execution.part.settle and (refused := execution.part.settle()):
            execution.ending = refused
            account.refuse(refused.cause or "")
        account.notebook_complete()
        saved = _save(account.document, execution)
        if account.journal:
            account.journal.close(keep=not saved)
        self._live.close()
        ending, standing, used, key = execution.ending, execution.standing, self._live.usage, None
        usage = Usage(
            failure_class=ending.failure_class, exit_status=ending.exit,
            peak_memory=used.peak_rss if used else None, cpu_seconds=used.cpu if used else None,
        )  # fmt: skip
        try:
            if standing and ending.status == "finished":
                key = finding.kept(execution.recording.store, execution.recording.run_id, standing, account.nb)
        finally:
            execution.recording.end(ending.status, ending.cause, usage, key=key)


def _converse(
    execution: Execution, account: Account, live: Live, kernel_name: str, conversation: dict[str, Any]
) -> None:
    from papermill.log import logger

    from nbops.execution.client import Client
    from nbops.security.masking import Mask

    manager = conversation.pop("km", None) or kernel.manager(kernel_name, execution)
    mask = Mask(execution.secrets.values())
    first, last = _watching(execution.standing, mask)
    live.client = client = Client(
        account, manager, mask=mask, first=first, after=_metrics(execution), last=last, tick=live.tick,
        stopped=(lambda: execution.part and execution.part.stop().reason) if execution.part else None,
        timeout=execution.timeout, allowance=execution.allowance, kernel_name=kernel_name, log=logger, **conversation,
    )  # fmt: skip
    client.execute()


def _watching(
    standing: Standing | None, mask: Mask
) -> tuple[Callable[[Client], None] | None, Callable[[Client], Awaitable[None]] | None]:
    """Have a Python kernel watch what its cells read, and ask it in the end; the notebook shows nothing of it."""
    if standing is None or not is_python(standing.plan.parts.language):
        return None, None

    from nbops.execution.kernels.manager import Kernel

    def first(client: Client) -> None:
        if isinstance(client.km, Kernel) and client.km.forked and client.km.watch:
            return
        # Nobody waits for the reply: the kernel takes one request after the other.
        code = seen.request(standing.plan.project, standing.plan.folder)
        client.kc.execute(code, silent=True, store_history=False, allow_stdin=False)

    async def last(client: Client) -> None:
        message = await client.async_wait_for_reply(
            client.kc.execute("", silent=True, store_history=False, user_expressions={"watched": seen.QUESTION})
        )
        if message is not None:
            standing.seen = seen.answer(mask.value(message["content"].get("user_expressions", {}).get("watched", {})))

    return first, last


# Evaluated in the kernel. numpy's truth values are `bool`, once `bool_`.
_NUMBER = "repr(float({name})) if type({name}).__name__ not in ('bool', 'bool_', 'str', 'bytes') and hasattr({name}, '__float__') else None"


def _metrics(execution: Execution) -> Callable[[Client, NotebookNode], Any]:
    """After a cell tagged `metrics`, the numbers that it assigned are the run's metrics, without any import in the notebook."""

    async def read(client: Client, cell: NotebookNode) -> None:
        if "metrics" not in cell.metadata.get("tags", []):
            return
        if cell.source.startswith(making.SQL_METRICS):
            execution.recording.metrics(await _of_sql(client))
            return
        names = [name for name in reading.assignments(cell.source) if not name.startswith("_")]
        expressions = {name: _NUMBER.format(name=name) for name in names}
        message = await client.async_wait_for_reply(
            client.kc.execute("", silent=True, store_history=False, user_expressions=expressions)
        )
        if message is not None:
            answers = message["content"]["user_expressions"]
            told = {name: answer["data"]["text/plain"] for name, answer in answers.items() if answer["status"] == "ok"}
            execution.recording.metrics({name: float(text.strip("'")) for name, text in told.items() if text != "None"})

    return read


async def _of_sql(client: Client) -> dict[str, float]:
    """The numbers of the row that the last SQL statement gave."""
    asked = {"metrics": "{name: repr(value) for name, value in _nbops_sql.metrics.items()}"}
    message = await client.async_wait_for_reply(
        client.kc.execute("", silent=True, store_history=False, user_expressions=asked)
    )
    answer = message["content"]["user_expressions"]["metrics"] if message else {}
    told = ast.literal_eval(answer["data"]["text/plain"]) if answer.get("status") == "ok" else {}
    return {name: float(value) for name, value in told.items()}


def _writer(execution: Execution, output_path: str | None) -> Callable[[str], None]:
    """What writes the notebook where it is kept and to papermill's output."""
    from papermill.iorw import papermill_io

    output = _local(output_path) if output_path else None
    if output is not None:
        output = Path(os.path.realpath(output))
        # What is there and no file, such as a pipe, cannot be replaced.
        output = output if output.is_file() or not output.exists() else None

    def write(text: str) -> None:
        saving.replace(execution.kept, text)
        if output is not None:
            saving.replace(output, text)
        elif output_path:
            papermill_io.write(text, output_path)

    return write


def _path(input_path: str | None) -> str | None:
    """The notebook that papermill was given, by its whole path if it is a file."""
    # It may be the notebook itself.
    if not isinstance(input_path, str):
        return None
    path = _local(input_path)
    if path is None:
        return input_path
    return str(path.resolve()) if path.is_file() else None


def _local(address: str) -> Path | None:
    """The path of what papermill takes for a local file."""
    from papermill.iorw import LocalHandler, papermill_io

    handler = papermill_io.get_handler(address)
    if not isinstance(handler, LocalHandler):
        return None
    # Papermill has gone to the notebook's folder by now, its files are relative to where it was before.
    folder = handler.cwd(None)
    handler.cwd(folder)
    return Path(folder or ".") / address


def _place(error: PapermillExecutionError, execution: Execution, node: NotebookNode) -> str:
    """Where a cell failed: by the line of a step's file, else by the cell's number. SQL tells the line itself."""
    cell = f"cell [{error.exec_count}]"
    path = Path(execution.notebook)
    if reading.is_notebook(path):
        return cell
    told = f"{path.name}, line "
    if told in str(error.evalue).partition("\n")[0]:
        return ""
    # Papermill has put a cell of its own before the one that failed.
    failed = (one for one in node.cells if one.source == error.source and one.get("outputs"))
    begins = next((one.metadata["nbops"]["line"] for one in failed if "line" in one.metadata.get("nbops", {})), None)
    lines = _CELL_LINE.findall(_COLOURS.sub("", "\n".join(error.traceback)))
    return f"{told}{begins + int(lines[-1]) - 1}" if begins and lines else cell


# As IPython's tracebacks name a line of the cell that ran.
_CELL_LINE = re.compile(r"^\s*(?:Cell )?In ?\[\d+\], line (\d+)", re.MULTILINE)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def _raised(error: PapermillExecutionError, place: str, node: NotebookNode) -> Ending:
    first = str(error.evalue).strip().partition("\n")[0]
    cause = f"{error.ename}: {first}".removesuffix(": ")[: 480 - len(place)] + (f" ({place})" if place else "")
    output = {"output_type": "error", "ename": error.ename, "evalue": error.evalue, "traceback": error.traceback}
    sources = [cell.source for cell in node.cells if cell.cell_type == "code"]
    ran = sources[: sources.index(error.source) + 1] if error.source in sources else sources
    return failed(cause, "execution", failures.evidence_from_outputs([output], cell=error.cell_index, cells=ran))


def _broken(error: BaseException, execution: Execution, live: Live) -> tuple[Ending, str]:
    """What else than a cell's error ended an execution, and the name that the notebook gives it."""
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    from nbops.execution.client import Stopped

    if isinstance(error, DeadKernelError) or live.killed_unanswered(error):
        evidence, told = live.death()
        return failed(told, "execution.kernel", evidence), "KernelDied"
    if isinstance(error, CellTimeoutError):
        seconds = execution.timeout or 0
        evidence = failures.Evidence(timed_out=True, seconds=seconds)
        return failed(f"timeout after {seconds:g} s", "execution.timeout", evidence), "CellTimeout"
    if isinstance(error, KeyboardInterrupt):
        stop = execution.part.stop() if execution.part else Stop()
        if stop.timed_out:
            return late(stop), "Timeout"
        cause = str(error) if isinstance(error, Stopped) else f"interrupted by {signal.SIGINT.name}"
        recording = execution.recording
        return stopped(stop.reason or asked(recording.store, recording.run_id) or cause), "Stopped"
    cause = f"{type(error).__name__}: {error}"[:500]
    return broken(cause), type(error).__name__


def _save(document: saving.Document, execution: Execution) -> bool:
    """Write the last state; where that fails, in another of our folders. False when there is no room anywhere."""
    with contextlib.suppress(OSError):
        document.save_now()
        return True
    problem = document.trouble
    text = document.text()
    for folder in execution.recording.store.places.spools():
        path = folder / f"{execution.recording.run_id}-{execution.kept.name}"
        try:
            make_private(folder)
            saving.replace(path, text)
        except OSError:
            continue
        execution.trouble = f"{execution.kept} cannot be written ({problem}); the executed notebook is {path}."
        execution.kept = path
        return True
    execution.trouble = f"The executed notebook cannot be written anywhere ({problem})."
    if execution.ending.status == "finished":
        full = StoreFull(execution.trouble, hint="Free some space and run it again.")
        execution.ending = Ending(
            status="failed", cause=full.message, code=full.code, failure_class="resource", exit=full.exit.status
        )
    return False
