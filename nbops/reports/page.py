"""An executed notebook as one HTML page for people who were not there when it ran.

It holds no script and asks nothing of the network: who ran what on which data and when, then the notebook's prose, tables and
pictures. What the notebook wrote passes `sanitize.clean` or the template's escaping, and nothing rewrites the page after that.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nbops.errors import NotFound, UsageError
from nbops.reports.provenance import Provenance

if TYPE_CHECKING:
    from nbformat import NotebookNode

Code = Literal["hidden", "folded"]
"""Whether the code of cells is left out or kept behind a line to open."""


def page(
    notebook: NotebookNode | Path,
    *,
    title: str | None = None,
    provenance: Provenance | None = None,
    code: Code = "hidden",
) -> str:
    """The page of an executed `notebook`, complete in itself.

    Without a `title` the heading that opens the notebook is taken, else the run's or the file's name. Cells tagged `parameters`,
    `injected-parameters`, `hide` or `remove-cell` are left out, and the outputs of those tagged `hide-output` or `remove-output`;
    what failed in them is still told. A cell's code is shown where it is tagged `show-code`, and never where it is tagged `hide-input`
    or `remove-input`. Raises NotFound when there is no such file and UsageError when it is not a notebook.
    """
    node, name = _read(notebook)
    from nbops.reports.exporter import NbopsExporter

    told = {"title": title, "name": name, "provenance": provenance}
    html, _ = NbopsExporter(code=code).from_notebook_node(node, told)
    return html.encode(errors="replace").decode()  # half a character, as a cut output may end in, cannot be written


def _read(notebook: NotebookNode | Path) -> tuple[NotebookNode, str]:
    """The notebook, checked against its schema, and a name for it."""
    import nbformat

    name = notebook.stem if isinstance(notebook, Path) else "Notebook"
    try:
        node = nbformat.read(notebook, as_version=4) if isinstance(notebook, Path) else notebook
        nbformat.validate(node, relax_add_props=True)
    except FileNotFoundError as error:
        raise NotFound(
            f"There is no notebook {notebook}.", hint="`nbops runs list` shows the runs that have one."
        ) from error
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
        # nbformat has no one error for a file that is no notebook.
        raise UsageError(
            f"{name} cannot be read as a notebook: {str(error).partition(chr(10))[0][:300]}",
            hint="Run it again, or open and save it in JupyterLab, which repairs small faults.",
        ) from error
    return node, name
