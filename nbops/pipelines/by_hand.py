"""A run brought up for a person, who goes on with it by hand: a copy of its executed notebook beside the notebook itself.

The copy has the run's parameters, its outputs, and at its top what it is of. What the run wrote under temporary names has its own
names there. No file that is there already is ever written over.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nbops.errors import NotFound
from nbops.execution import notebook, reading
from nbops.execution.parameters.writing import is_injected
from nbops.pipelines import settling, sheet
from nbops.pipelines.steps import COPY
from nbops.records import Record, short
from nbops.store.client import Store
from nbops.tracking import runs

if TYPE_CHECKING:
    from nbformat import NotebookNode

_BANNERS = "papermill-error-cell-tag"


class Copy(Record):
    """The copy of a run: where it lies, whether it is new, and the place of its failed cell."""

    run_id: str
    path: Path
    made: bool
    cell: int | None = None


def choose(store: Store, run_id: str, step: str | None = None) -> str:
    """The run to bring up: that of a step, where `run_id` is of a pipeline, the first failed one if none is named.

    Raises NotFound for a step that did not run.
    """
    line = sheet.of_runs(store, [run_id]).get(run_id)
    if line is None:
        if step:
            raise NotFound(f"Run {short(run_id)} is none of a pipeline.", hint="Leave out the step.")
        return run_id
    ran = {one.task: one.run_id for one in line.tasks if one.run_id}
    if step:
        # A name is enough where the step ran at one point only.
        names = [one.task for one in line.tasks if one.run_id and step in {one.task, one.step}]
        if len(names) != 1:
            raise NotFound(
                f"Run {line.short} executed no one step {step!r}.",
                hint=f"It executed {', '.join(ran) or 'none'}: name one.",
            )
        return ran[names[0]] or ""
    failed = next((one.run_id for one in line.tasks if one.status in {"failed", "lost"} and one.run_id), None)
    if failed is None:
        hint = f"These ran: {', '.join(ran)}; name one." if ran else "None of its steps began."
        raise NotFound(f"No step of run {line.short} failed.", hint=hint)
    return failed


def bring_up(store: Store, run_id: str) -> Copy:
    """Write the copy, unless it is there. Raises NotFound where there is no executed notebook, or no folder for it any more."""
    import nbformat

    info = runs.info(store, run_id)
    executed = notebook.executed(store, run_id)
    source = store.settings.project / (info.source or executed.name)
    if not source.parent.is_dir():
        raise NotFound(
            f"The folder {source.parent} is gone, beside whose notebook the copy would lie.",
            hint=f"The executed notebook is {executed}.",
        )
    made, cell = _made(store, run_id, executed, source)
    text = nbformat.writes(made) + "\n"
    for path in _names(source, run_id):
        if not path.exists():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            return Copy(run_id, path, made=True, cell=cell)
        if _is_copy(path, run_id):
            # Somebody may have begun to mend it.
            return Copy(run_id, path, made=False, cell=cell)
    raise AssertionError("there is always another name")


def _names(source: Path, run_id: str) -> Iterator[Path]:
    stem = f"{source.stem}-{short(run_id)}"
    yield source.with_name(f"{stem}.ipynb")
    yield from (source.with_name(f"{stem}-{number}.ipynb") for number in itertools.count(2))


def _is_copy(path: Path, run_id: str) -> bool:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return bool(found["metadata"]["nbops"][COPY] == run_id)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _made(store: Store, run_id: str, executed: Path, source: Path) -> tuple[NotebookNode, int | None]:
    node = reading.read(executed)
    node.cells = [cell for cell in node.cells if _BANNERS not in cell.metadata.get("tags", [])]
    failed = next(
        (cell for cell in node.cells if (cell.metadata.get("papermill") or {}).get("exception") is True), None
    )
    for cell in node.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if is_injected(cell):
            cell.source = cell.source.replace(f"{settling.PREFIX}{short(run_id)}/", "")
    node.metadata.pop("papermill", None)
    node.metadata["nbops"] = {COPY: run_id}
    node.cells.insert(0, _head(node, _told(store, run_id, source)))
    return node, node.cells.index(failed) if failed is not None else None


def _head(node: NotebookNode, text: str) -> NotebookNode:
    from nbformat import v4

    cell: NotebookNode = v4.new_markdown_cell(text)
    # The same text each time: an id by chance would make another file of it.
    cell["id"] = "nbops-copy"
    if (node.nbformat, node.nbformat_minor) < (4, 5):
        del cell["id"]
    return cell


def _told(store: Store, run_id: str, source: Path) -> str:
    """What the copy is of, and how one goes on."""
    info = runs.info(store, run_id)
    of = f"run `{short(run_id)}` of {source.name}"
    parent = sheet.of_runs(store, [info.parent_run_id]).get(info.parent_run_id) if info.parent_run_id else None
    if parent is not None:
        of += f", a step of run `{parent.short}` of the pipeline {parent.pipeline}"
    lines = [f"**This is {of}.** Its parameters and outputs are those of the run; it reads and writes the real files."]
    if info.cause:
        quoted = info.cause.replace("`", "'")
        lines.append(
            f"It {info.status}: `{quoted}`" if info.status == "failed" else f"It was {info.status}: `{quoted}`"
        )
    again = (
        f"`nbops pipeline resume {parent.short}` goes on."
        if parent is not None
        else f"`nbops run {source.name}` runs it again."
    )
    lines.append(
        f"What you find out belongs into {source.name}; then {again} This copy can be thrown away, and is no step of a pipeline."
    )
    return "\n\n".join(lines)
