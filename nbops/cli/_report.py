"""`nbops report`: a run's page, as a file, as a PDF, by mail; and the index of the pages in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from nbops.cli._base import Here, cli, here, json_option, show
from nbops.errors import UsageError
from nbops.render.values import counted

if TYPE_CHECKING:
    from nbops.reports.page import Code
    from nbops.store.client import Store


@cli.command("report")
@click.argument("run", required=False)
@click.argument("output", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--code",
    type=click.Choice(["hidden", "folded"]),
    default="hidden",
    show_default=True,
    help="Leave the code out, or keep it behind a line to open.",
)
@click.option(
    "--steps/--no-steps",
    default=True,
    show_default=True,
    help="Of a pipeline's run: write the pages of its steps beside it.",
)
@click.option(
    "--pdf", type=click.Path(dir_okay=False, path_type=Path), help="Print the page into this file, by Chromium."
)
@click.option(
    "--to", "addresses", multiple=True, metavar="ADDRESS", help="Send it by mail, as [mail] in the settings says."
)
@click.option(
    "--index",
    "folder",
    is_flag=False,
    flag_value=".",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write index.html over the reports in a folder (default: this one).",
)
@json_option
@here
def report(
    obj: Here,
    run: str | None,
    output: Path | None,
    code: Code,
    steps: bool,
    pdf: Path | None,
    addresses: tuple[str, ...],
    folder: Path | None,
    as_json: bool,
) -> None:
    """Render RUN's executed notebook as one self-contained page, into OUTPUT (default: report-ID.html).

    Of a pipeline's run the page tells how its steps were, and leads to their pages, which are written beside it. With --pdf or --to
    the page is a file of its own only where OUTPUT is given.
    """
    if run is None and (folder is None or pdf or addresses):
        raise UsageError("No run is named.", hint="`nbops runs list` shows them; `nbops report --index` needs none.")
    told = _rendered(obj, run, output, _Wanted(code, steps=steps), pdf, addresses) if run else {}
    if folder is not None:
        from nbops.reports import index

        path, count = index.write(folder)
        told |= {"index": str(path), "reports": count}
    lines = [told[name] for name in ("report", "pdf", "index") if name in told]
    lines += [f"{counted(len(told['steps']), 'page')} of its steps beside it"] if told.get("steps") else []
    lines += [f"sent to {address}" for address in told.get("sent", ())]
    show(told, as_json=as_json, text=lambda: "\n".join(lines))


class _Wanted(NamedTuple):
    """How pages are made: with their code or without, and whether those of a pipeline's steps are."""

    code: Code
    steps: bool


def _rendered(
    obj: Here, run: str, output: Path | None, wanted: _Wanted, pdf: Path | None, addresses: tuple[str, ...]
) -> dict[str, Any]:
    from nbops.execution.notebook import writable
    from nbops.reports import run_page

    run_id = obj.workspace().run(run).run_id
    output = output or (None if pdf or addresses else Path(run_page.default_path(run_id)))
    for path in filter(None, (output, pdf)):
        writable(path)
    told: dict[str, Any] = {}
    made = None
    if output and wanted.steps and (steps := _steps(obj.store(), run_id, output.parent, wanted.code)):
        made = run_page.of_pipeline(obj.store(), run_id, steps)
        told["steps"] = [str(output.parent / name) for name in dict.fromkeys(steps.values())]
    made = made or run_page.made(obj.store(), run_id, code=wanted.code)
    if output:
        output.write_text(made.html, encoding="utf-8")
        told |= {"report": str(output), "size": len(made.html.encode())}
    if pdf:
        from nbops.reports import pdf as printing

        printing.write(made.html, pdf)
        told["pdf"] = str(pdf)
    if addresses:
        from nbops.reports import mail

        mail.send(obj.settings(), addresses, made.html, made.provenance, name=run_page.default_path(run_id))
        told["sent"] = list(addresses)
    return told


def _steps(store: Store, run_id: str, folder: Path, code: Code) -> dict[str, str]:
    """Write the pages of the steps, where it is the run of a pipeline; gives their names by task."""
    from nbops.render.progress import told
    from nbops.reports import run_page

    with told("report") as tell:
        return run_page.write_steps(store, run_id, folder, code=code, tell=lambda task: tell(task, 0))
