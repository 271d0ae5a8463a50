"""A notebook as its file says it, for who only looks at it: nbformat, which is slow to import and checks against a schema, is not asked.

What is not plainly a notebook of today's format is read by nbformat, which upgrades it or says what is wrong.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nbops.execution import reading

_KINDS = ("code", "markdown", "raw")


class _Node(dict[str, Any]):
    """A mapping whose keys are attributes too, as nbformat has it."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def glance(notebook: Path) -> Any:
    """As `reading.read`; what is given is a notebook to everybody who looks at it, and to nbformat after `nbformat.from_dict`."""
    if reading.is_notebook(notebook):
        try:
            found = json.loads(notebook.read_bytes(), object_hook=_Node)
        except ValueError:
            return reading.read(notebook)
        if _is_plain(found):
            for cell in found.cells:
                if not isinstance(cell.source, str):
                    cell["source"] = "".join(cell.source)
            return found
    return reading.read(notebook)


def _is_plain(found: Any) -> bool:
    """Whether it has all that is looked at, in the form that nbformat 4.5 gave it."""
    if not isinstance(found, _Node) or found.get("nbformat") != 4 or found.get("nbformat_minor") != 5:
        return False
    cells = found.get("cells")
    if not isinstance(found.get("metadata"), _Node) or not isinstance(cells, list):
        return False
    return all(map(_is_cell, cells)) and len({cell.id for cell in cells}) == len(cells)


def _is_cell(cell: Any) -> bool:
    if (
        not isinstance(cell, _Node)
        or cell.get("cell_type") not in _KINDS
        or not isinstance(cell.get("metadata"), _Node)
    ):
        return False
    source = cell.get("source")
    lines = source if isinstance(source, list) else [source]
    whole = cell["cell_type"] != "code" or (isinstance(cell.get("outputs"), list) and "execution_count" in cell)
    return (
        bool(cell.get("id")) and isinstance(cell["id"], str) and all(isinstance(line, str) for line in lines) and whole
    )
