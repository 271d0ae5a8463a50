"""Papermill's bookkeeping of an execution, made truthful: a cell is completed only when it was, and what never ran stays pending."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from nbformat import NotebookNode, from_dict, v4
from papermill.engines import NotebookExecutionManager
from papermill.log import logger

from nbops.execution.saving import Document, Journal, error_output


class Account(NotebookExecutionManager):  # type: ignore[misc]  # papermill has no types
    """Statuses and times of the notebook and its cells; each change goes to the document, which decides when to write."""

    def __init__(
        self,
        nb: NotebookNode,
        document: Document,
        *,
        progress_bar: bool | dict[str, object] = False,
        log_output: bool = False,
    ) -> None:
        super().__init__(nb, None, log_output=log_output, progress_bar=progress_bar, autosave_cell_every=0)
        self.document = document
        self.journal: Journal | None = None
        self.begins: Callable[[], None] | None = None
        self.ends: Callable[[NotebookNode], None] | None = None
        self._edited: list[NotebookNode] = []
        self.running: int | None = None
        """The index of the cell that is being executed."""

    def save(self, **_: Any) -> None:
        """Let the document write when it is time."""
        self.document.touch()
        self.document.save()

    def cell_start(self, cell: NotebookNode, cell_index: int, **_: Any) -> None:
        """A cell begins."""
        self.running = cell_index
        self.document.touch(cell)
        super().cell_start(cell, cell_index)
        if self.journal:
            self.journal.start(cell_index, cell.metadata.papermill["start_time"])
        if self.begins:
            self.begins()

    def cell_exception(self, cell: NotebookNode, **_: Any) -> None:
        """A cell raised."""
        super().cell_exception(cell)
        self.document.touch(cell)

    def cell_complete(self, cell: NotebookNode, cell_index: int, **_: Any) -> None:
        """A cell has ended, well or not: its text is journaled."""
        if self.ends:
            self.ends(cell)
        told = cell.metadata.papermill
        now = self.now()
        told["end_time"] = now.isoformat()
        if told.get("start_time"):
            told["duration"] = (now - datetime.fromisoformat(told["start_time"])).total_seconds()
        if told["status"] != self.FAILED:
            told["status"] = self.COMPLETED
        if self.log_output:
            logger.info(f"Ending Cell {cell_index + 1:-<43}")
            # What a cell printed is to stand before what comes next.
            sys.stdout.flush()
            sys.stderr.flush()
        self.running = None
        self.document.touch(cell)
        if self.journal:
            self.journal.cell(cell_index, self.document.text_of(cell))
            for index, other in enumerate(self.nb.cells if self._edited else ()):
                if any(other is edited for edited in self._edited):
                    self.journal.cell(index, self.document.text_of(other))
        self._edited = []
        self.save()
        if self.pbar:
            self.pbar.update(1)

    def edited(self, cell: NotebookNode) -> None:
        """The outputs of a cell changed, perhaps long after its end."""
        self.document.touch(cell)
        self._edited.append(cell)

    def abort(self, name: str, cause: str) -> None:
        """The execution ends for a reason that the code did not give, which is told as the running cell's error."""
        self.nb.metadata.papermill["exception"] = True
        if self.running is None:
            return
        cell, index = self.nb.cells[self.running], self.running
        if cell.cell_type == "code":
            cell.outputs.append(from_dict(error_output(name, cause)))
        self.cell_exception(cell)
        self.cell_complete(cell, index)

    def refuse(self, cause: str) -> None:
        """Every cell ended well, and what they made is not taken."""
        self.nb.metadata.papermill["exception"] = True
        cell = v4.new_markdown_cell(f"**What this notebook made is not taken.** {cause}")
        if (self.nb.nbformat, self.nb.nbformat_minor) < (4, 5):
            del cell["id"]
        self.nb.cells.append(cell)

    def notebook_complete(self, **_: Any) -> None:
        """The execution has ended, well or not: its end time is told."""
        self.end_time = self.now()
        told = self.nb.metadata.papermill
        told["end_time"] = self.end_time.isoformat()
        if told.get("start_time") and self.start_time:
            told["duration"] = (self.end_time - self.start_time).total_seconds()
        self.complete_pbar()
        self.cleanup_pbar()
        self.document.touch()
