"""An executing notebook on disk: each cell's text is made once, joined into whole files now and then, and journaled as it ends.

In flow a notebook and word of which cells change; out flow files that are whole at any moment, the last byte for byte what nbformat
writes. After a kill the journal gives back every finished output.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from nbops.records import Record
from nbops.store.places import make_folder

if TYPE_CHECKING:
    from nbformat import NotebookNode

INTERVAL = 1.0
"""Seconds between two writes of the file; longer when one takes more than a twentieth of it."""

SUFFIX = ".journal"
_FRAME = struct.Struct("<II")
_HEAD = '{\n "cells": ['
_ONE = f"{_HEAD}\n  "


class Document:
    """The text of a notebook while it is executed. `write` puts the whole text where it belongs, or raises OSError."""

    def __init__(
        self, notebook: NotebookNode, write: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.notebook = notebook
        self._write = write
        self._clock = clock
        self._texts: dict[int, str] = {}
        self._dirty = True
        self._next = 0.0
        self.trouble: OSError | None = None
        """Why the file could not be written last time."""

    def touch(self, cell: NotebookNode | None = None) -> None:
        """A cell changed, or something outside of cells."""
        self._dirty = True
        if cell is not None:
            self._texts.pop(id(cell), None)

    def text_of(self, cell: NotebookNode) -> str:
        """A cell's text in the file, without the indent of its first line."""
        text = self._texts.get(id(cell))
        if text is None:
            text = self._texts[id(cell)] = _cell_text(cell, self.notebook)
        return text

    def text(self) -> str:
        """The whole file, as `nbformat.writes` makes it."""
        head, tail = _frame(self.notebook)
        cells = ",\n  ".join([self.text_of(cell) for cell in self.notebook.cells])
        return f"{head}\n  {cells}\n ]{tail}" if cells else f"{head}]{tail}"

    def save(self) -> bool:
        """Write the file if something changed. False when it is too early."""
        if not self._dirty:
            return True
        if self._clock() < self._next:
            return False
        with contextlib.suppress(OSError):
            self.save_now()
        return True

    def save_now(self) -> None:
        """Write the file. Raises OSError, and leaves what was there."""
        began = self._clock()
        self._dirty = False
        try:
            self._write(self.text())
            self.trouble = None
        except OSError as error:
            self._dirty, self.trouble = True, error
            raise
        finally:
            ended = self._clock()
            self._next = ended + max(INTERVAL, 20 * (ended - began))


def _cell_text(cell: NotebookNode, notebook: NotebookNode) -> str:
    from nbformat import NotebookNode, v4

    alone = NotebookNode(
        cells=[cell], metadata=NotebookNode(), nbformat=notebook.nbformat, nbformat_minor=notebook.nbformat_minor
    )
    whole: str = v4.writes(alone)
    return whole[len(_ONE) : whole.rindex("\n ],\n")]


def _frame(notebook: NotebookNode) -> tuple[str, str]:
    from nbformat import NotebookNode, v4

    whole: str = v4.writes(NotebookNode({**notebook, "cells": []}))
    at = whole.index(_HEAD) + len(_HEAD)
    return whole[:at], whole[at + 1 :]


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all: what was there stays until the new text is on disk. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("w", encoding="utf-8", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o7777)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class Opening(Record, tag="opening"):
    """The journal's first entry: the notebook as text, and the files that show it."""

    run_id: str
    pid: int
    paths: list[str]
    notebook: str


class StartEntry(Record, tag="start"):
    """A cell began, at an ISO time."""

    index: int
    time: str


class CellEntry(Record, tag="cell"):
    """A cell's text when it ended, or was edited later."""

    index: int
    text: str


class Journal:
    """What happens, appended as it does; survives this process, not a power cut. Locked while the runner lives."""

    def __init__(self, path: Path, opening: Opening) -> None:
        self.path = path
        make_folder(path.parent)
        # Locked before it bears its name: a journal without a lock is a dead runner's, and is taken.
        begun = path.with_suffix(".new")
        self._file: BinaryIO | None = begun.open("xb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._append(opening)
        begun.rename(path)

    def start(self, index: int, time: str) -> None:
        """Keep that a cell began."""
        self._append(StartEntry(index=index, time=time))

    def cell(self, index: int, text: str) -> None:
        """Keep a cell's text, unless the disk is full: the file and the store tell of that."""
        self._append(CellEntry(index=index, text=text))

    def close(self, *, keep: bool = False) -> None:
        """Give it up, and remove it unless it is to be kept."""
        if self._file is None:
            return
        if not keep:
            self.path.unlink(missing_ok=True)
        self._file.close()
        self._file = None

    def _append(self, entry: Record) -> None:
        if self._file is None:
            return
        body = msgspec.msgpack.encode(entry)
        frame = _FRAME.pack(len(body), zlib.crc32(body)) + body
        at = self._file.tell()
        try:
            if self._file.write(frame) != len(frame):
                raise OSError("the disk took only a part of it")
        except OSError:
            with contextlib.suppress(OSError):
                # Half an entry would hide the ones after it.
                self._file.truncate(at)
                self._file.seek(at)


def entries(path: Path) -> Iterator[Opening | StartEntry | CellEntry]:
    """What a journal holds; a torn end is left out. Raises OSError."""
    decoder = msgspec.msgpack.Decoder(Opening | StartEntry | CellEntry)
    with path.open("rb") as file:
        while len(frame := file.read(_FRAME.size)) == _FRAME.size:
            size, checksum = _FRAME.unpack(frame)
            body = file.read(size)
            if len(body) < size or zlib.crc32(body) != checksum:
                return
            yield decoder.decode(body)


def runner(path: Path) -> int | None:
    """The process that writes a journal; None when there is no journal, or its runner is dead."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            first = next(entries(path), None)
            return first.pid if isinstance(first, Opening) else None
    return None


def repair_dead(folder: Path) -> list[Path]:
    """Finish the notebooks whose runners died, from their journals in `folder`. Gives the files.

    The cell that was running is failed, with an error output that says so; what had not begun stays pending. A journal whose files
    cannot be written stays for the next time.
    """
    repaired: list[Path] = []
    for path in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ():
        with contextlib.suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have finished it while we waited for nothing.
            if path.exists():
                ended = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()
                repaired += _repair(path, ended)
    return repaired


def _repair(path: Path, ended: str) -> list[Path]:
    found = list(entries(path))
    if not found or not isinstance(found[0], Opening):
        path.unlink()
        return []
    opening = found[0]
    notebook = json.loads(opening.notebook)
    began = {entry.index: entry.time for entry in found[1:] if isinstance(entry, StartEntry)}
    told = {entry.index: json.loads(entry.text) for entry in found[1:] if isinstance(entry, CellEntry)}
    # Of a cell that did not end the file has the newest outputs.
    for index, cell in enumerate(_saved(opening.paths) or notebook["cells"]):
        notebook["cells"][index] = told.get(index, cell)
        if index in began and index not in told:
            cell["metadata"]["papermill"].update(status="running", start_time=began[index])
    _conclude(notebook, f"the runner of {opening.run_id[-8:]} died", ended)
    text = json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False, separators=(",", ": "))
    files = [Path(target) for target in opening.paths]
    for target in files:
        replace(target, text)
    path.unlink()
    return files


def _saved(paths: list[str]) -> list[dict[str, Any]] | None:
    for path in map(Path, paths):
        with contextlib.suppress(OSError, ValueError, KeyError):
            cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
            return cells
    return None


def _conclude(notebook: dict[str, Any], cause: str, now: str) -> None:
    for cell in notebook["cells"]:
        told = cell["metadata"].get("papermill", {})
        if told.get("status") == "running":
            told.update(status="failed", exception=True, end_time=now)
            if cell["cell_type"] == "code":
                cell["outputs"].append(error_output("RunLost", cause))
    told = notebook["metadata"].get("papermill", {})
    if told.get("end_time") is None:
        told.update(exception=True, end_time=now)


def error_output(name: str, cause: str) -> dict[str, Any]:
    """An error output by which the runner tells what happened to a cell."""
    return {"output_type": "error", "ename": name, "evalue": cause, "traceback": [f"{name}: {cause}"]}
