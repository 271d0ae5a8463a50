"""`nbops params …`: what a notebook can be given, and a parameters cell for one that has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nbops.cli._base import cli, json_option, show
from nbops.errors import NotFound, UsageError

NOTEBOOK = click.Path(exists=True, dir_okay=False, path_type=Path)


@cli.group("params")
def params_group() -> None:
    """Show a notebook's parameters, or make its settings into parameters."""


@params_group.command("show")
@click.argument("notebook", type=NOTEBOOK)
@json_option
def show_params(notebook: Path, as_json: bool) -> None:
    """Show what NOTEBOOK can be given: types, defaults, ranges and help."""
    show_interface(notebook, as_json=as_json)


def show_interface(notebook: Path, *, as_json: bool) -> None:
    """Print the interface of a notebook; `nbops run NOTEBOOK --help-notebook` is this too."""
    from nbops.execution import parameters, reading

    node = reading.read(notebook)
    interface = parameters.read(node, reading.language_of(node), notebook.name)
    if interface.problem and not as_json:
        raise UsageError(parameters.help_text(interface), hint=parameters.unreadable(interface))
    show(parameters.to_dict(interface), as_json=as_json, text=lambda: parameters.help_text(interface))


@params_group.command("tag")
@click.argument("notebook", type=NOTEBOOK)
@click.option("--cell", type=click.IntRange(min=1), metavar="N", help="Tag this cell, counted from 1 over all cells.")
@click.option("--write", is_flag=True, help="Change the notebook; without it the change is only shown.")
@json_option
def tag_cell(notebook: Path, cell: int | None, write: bool, as_json: bool) -> None:
    """Propose the cell of NOTEBOOK that holds its settings, or the lines of one, as its parameters cell."""
    from nbops.execution import parameters, reading

    if not reading.is_notebook(notebook):
        raise UsageError(
            f"{notebook.name} is no notebook, and only the cells of notebooks are tagged.",
            hint='In a script, write `# %% tags=["parameters"]` above the settings; in SQL, `-- NAME: TYPE = VALUE` at the top.',
        )
    node = reading.read(notebook)
    proposal = parameters.propose(node, reading.language_of(node), None if cell is None else cell - 1)
    if proposal is None:
        raise NotFound(
            f"No cell near the top of {notebook.name} sets plain values that later cells read.",
            hint="Write the settings into a cell of their own, and name it: --cell N",
        )
    if write:
        import nbformat

        from nbops.execution import saving

        saving.replace(notebook, nbformat.writes(parameters.tagged(node, proposal)).rstrip("\n") + "\n")
    document = {
        "notebook": str(notebook), "cell": proposal.cell, "names": list(proposal.names), "lines": list(proposal.lines), "written": write,
    }  # fmt: skip
    end = "Written." if write else "Nothing is written yet: --write does it."
    show(document, as_json=as_json, text=lambda: f"{_told(node, proposal)}\n{end}")


def _told(node: Any, proposal: Any) -> str:
    """The change as a diff would show it."""
    source = node.cells[proposal.cell].source.split("\n")
    number = proposal.cell + 1
    what = f"{len(proposal.names)} parameter{'s' * (len(proposal.names) != 1)}: {', '.join(proposal.names)}"
    if not proposal.lines:
        return "\n".join([f"Cell {number} gets the tag 'parameters' ({what}):", *(f"  {line}" for line in source)])
    moved = [f"+ {line}" for index, line in enumerate(source, 1) if index in proposal.lines]
    left = [f"{'-' if index in proposal.lines else ' '} {line}" for index, line in enumerate(source, 1)]
    first = f"A new cell {number} with the tag 'parameters' ({what}):"
    return "\n".join([first, *moved, f"Cell {number}, then {number + 1}:", *left])
