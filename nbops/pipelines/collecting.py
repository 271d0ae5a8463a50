"""A step that needs no file: it collects what the project declares under a name, and writes the last version of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbops.execution.parameters.reading import TAG

_CODE = """import nbops

collection = nbops.dataset({source!r}).collect()
collection.require()"""
_WRITE = "collection.snapshot.write({name})"


def notebook(source: str, outs: Mapping[str, str]) -> Any:
    """The notebook that does it."""
    from nbformat import v4

    lines = "\n".join(f'{name}: "out" = {path!r}' for name, path in outs.items())
    writes = "\n".join(_WRITE.format(name=name) for name in outs)
    cells = [
        v4.new_markdown_cell(f"# Collecting {source}"),
        v4.new_code_cell(lines, metadata={"tags": [TAG]}),
        v4.new_code_cell(_CODE.format(source=source)),
        *([v4.new_code_cell(writes)] if writes else []),
    ]
    for number, cell in enumerate(cells):
        # The same declaration is the same notebook.
        cell["id"] = f"collect-{number}"
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
