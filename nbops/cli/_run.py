"""`nbops run`: execute a notebook."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from nbops import times
from nbops.cli._base import Here, cli, here, json_option
from nbops.cli._given import UNCHANGED, merged_parameters
from nbops.cli._params import show_interface
from nbops.errors import NotFound, UsageError
from nbops.records import at, short
from nbops.store.client import connect

if TYPE_CHECKING:
    from nbops.execution.live import State
    from nbops.execution.skipping.seen import Undeclared

cwd_option = click.option(
    "--cwd",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder to execute in (default: the notebook's).",
)
kernel_option = click.option("-k", "--kernel", help="Kernel to use (default: the notebook's own).")
timeout_option = click.option("--execution-timeout", type=float, metavar="SECONDS", help="Longest time for one cell.")


@cli.command("run")
@click.argument("notebook", type=click.Path(path_type=Path))
@click.argument("output", required=False, type=click.Path(path_type=Path))
@click.option(
    "-p",
    "--parameters",
    "pairs",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="Set a parameter; the value is read as the type that the notebook gives it.",
)
@click.option(
    "-r",
    "--parameters-raw",
    "raw",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="Set a parameter to this very text.",
)
@click.option(
    "-f",
    "--parameters-file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Parameters from a YAML or JSON file.",
)
@click.option("-y", "--parameters-yaml", "yamls", multiple=True, metavar="YAML", help="Parameters as YAML.")
@cwd_option
@kernel_option
@timeout_option
@click.option("--memory", metavar="SIZE", help="The most memory that it may hold, such as 2G or 500MB.")
@click.option("--force", is_flag=True, help="Execute it even if that repeats an unchanged run.")
@click.option("--release", default="", metavar="N", help="Of a folder: run a release, `current` or a number.")
@click.option(
    "--detailed-exit-code",
    is_flag=True,
    help="Exit status 10 when it was healed, 11 when it waits, 12 when it was unchanged.",
)
@click.option("--help-notebook", is_flag=True, help="Show the parameters that NOTEBOOK takes, and execute nothing.")
@click.option("--html", "html", type=click.Path(path_type=Path), help="Also render the executed notebook as one page.")
@json_option
@here
def run(  # noqa: C901 - one option after the other
    obj: Here,
    notebook: Path,
    output: Path | None,
    pairs: tuple[tuple[str, str], ...],
    raw: tuple[tuple[str, str], ...],
    files: tuple[Path, ...],
    yamls: tuple[str, ...],
    cwd: Path | None,
    kernel: str | None,
    execution_timeout: float | None,
    memory: str | None,
    force: bool,
    release: str,
    detailed_exit_code: bool,
    help_notebook: bool,
    html: Path | None,
    as_json: bool,
) -> int:
    """Execute NOTEBOOK with parameters, as a run; write the executed notebook to OUTPUT if given. A folder is a pipeline.

    It runs in its own folder, as in JupyterLab. A notebook that declares inputs or outputs is not executed again when neither they nor
    its code, parameters and packages have changed. NOTEBOOK may also be a script with `# %%` cells (.py), or SQL for DuckDB whose
    comments declare what it reads and writes (.sql): see docs/running.md. The exit status says how it ended: see docs/errors.md.
    """
    from nbops.data import spans
    from nbops.execution import notebook as execution
    from nbops.execution import reading
    from nbops.execution.memory import Allowance

    reading.only_files()
    _mind_the_noun(notebook)
    parameters = merged_parameters(pairs, raw, files, yamls)
    if notebook.is_dir():
        alone = {
            "output": output,
            "cwd": cwd,
            "kernel": kernel,
            "timeout": execution_timeout,
            "memory": memory,
            "html": html,
            "help": help_notebook,
        }
        return _folder(
            obj,
            notebook,
            parameters,
            alone,
            release,
            force=force,
            detailed_exit_code=detailed_exit_code,
            as_json=as_json,
        )
    if help_notebook:
        show_interface(notebook, as_json=as_json)
        return 0
    if html:
        execution.writable(html)
    store = connect(obj.settings(start=notebook.expanduser().resolve().parent))
    lively = sys.stderr.isatty() and not as_json
    # A scheduler that gives up sends this signal: the run is then stopped as by Ctrl-C, not lost.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def progress(at: State) -> None:
        if lively:
            click.echo(f"\r\033[K{notebook.name}: cell {at.cell}/{at.cells}", err=True, nl=False)

    outcome = execution.execute(
        store,
        notebook,
        output,
        parameters=parameters,
        cwd=cwd,
        kernel=kernel,
        timeout=execution_timeout,
        allowance=Allowance(spans.memory(memory), "--memory") if memory else None,
        force=force,
        progress=progress,
    )
    if lively:
        click.echo("\r\033[K", err=True, nl=False)
    executed = outcome.notebook.exists()
    if html is not None and executed:
        from nbops.reports import run_page

        html.write_text(run_page.page_of(store, outcome.run_id), encoding="utf-8")
    if as_json:
        document = {
            "run_id": outcome.run_id, "status": outcome.status, "cause": outcome.cause, "exit": outcome.exit,
            "failure_class": outcome.failure_class,
            "seconds": round(outcome.seconds, 3), "notebook": str(outcome.notebook) if executed else None,
            "html": str(html) if html and executed else None, "unchanged": outcome.unchanged,
            "undeclared": [msgspec.to_builtins(item) for item in outcome.undeclared],
        }  # fmt: skip
        click.echo(json.dumps(document))
    elif outcome.unchanged:
        began = times.minute(at(outcome.earlier))
        click.echo(
            f"Unchanged: run {short(outcome.run_id)} of {began} had the same code, parameters and inputs; --force runs it again."
        )
    else:
        if outcome.declares and outcome.undeclared:
            click.echo(_advice(outcome.undeclared, (cwd or notebook.parent).resolve(), store.settings.project))
        reason = f": {outcome.cause}" if outcome.cause else ""
        click.echo(f"{outcome.status} {short(outcome.run_id)} {notebook.name} in {outcome.seconds:.1f} s{reason}")
        if outcome.cause and executed:
            click.echo(f"Executed notebook: {outcome.notebook}")
    if outcome.trouble:
        click.echo(outcome.trouble, err=True)
    return UNCHANGED if outcome.unchanged and detailed_exit_code else outcome.exit


def _advice(undeclared: tuple[Undeclared, ...], folder: Path, project: Path) -> str:
    first = next((item for item in undeclared if item.kind == "read"), undeclared[0])
    more = f", and {len(undeclared) - 1} more" if len(undeclared) > 1 else ""
    told = str(first)
    if first.kind != "read":
        return f"I{told[1:]}{more}: whether that changed cannot be known, so it is executed each time."
    path = os.path.relpath(project / first.name, folder)
    name = re.sub(r"\W+", "_", Path(path).stem).strip("_").lower()
    name = name if name.isidentifier() else f"data_{name}"
    remedy = f'add `{name}: "in" = "{path}"` to the parameters cell, and an unchanged run can be skipped.'
    return f"I{told[1:]}{more}: {remedy}"


def _folder(
    obj: Here, folder: Path, given: dict[str, Any], alone: Mapping[str, object], release: str, **ways: bool
) -> int:
    """Run a folder as a pipeline. Raises UsageError for what can be given to a notebook `alone`."""
    from nbops.cli._pipeline import run_folder

    if wrong := [name for name, value in alone.items() if value]:
        raise UsageError(
            f"A folder of notebooks takes no {wrong[0]}.", hint="Say it for a step, in the folder's pipeline.yaml."
        )
    return run_folder(
        obj, folder, given, release=release, force=ways["force"], detailed_exit_code=ways["detailed_exit_code"], as_json=ways["as_json"]
    )  # fmt: skip


def _mind_the_noun(notebook: Path) -> None:
    """`nbops run show ID` is what people type who mean `nbops runs show ID`. Raises NotFound for this, and for what is not there."""
    from nbops.execution import reading

    if notebook.exists():
        return
    group = cli.get_command(click.get_current_context(), "runs")
    if isinstance(group, click.Group) and str(notebook) in group.commands:
        raise NotFound(f"There is no notebook {str(notebook)!r}.", hint=f"Did you mean `nbops runs {notebook} …`?")
    raise reading.absent(notebook.expanduser().resolve(), "notebook or folder")
