"""What a step makes, from a temporary name to its own: it is written beside, held against its contract, and renamed when all of it is good.

Whoever reads a product reads a whole one, of a step that ended well.
"""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nbops import duck, failures
from nbops.errors import NbopsError
from nbops.execution.execution import Ending, failed
from nbops.pipelines.graph import Task
from nbops.records import Record, short
from nbops.store.client import Store

if TYPE_CHECKING:
    from nbops.data.collection import Collection

PREFIX = ".nbops-"
"""Begins the name of a folder, beside a product, in which it is written."""
_YOUNG_SECONDS = 2.0


class Counted(Record):
    """How many rows of a product came, and what became of each of them."""

    product: str
    rows: int
    good: int
    quarantined: int
    dropped: int

    def __str__(self) -> str:
        aside = [
            f"{self.quarantined:,} set aside" if self.quarantined else "",
            f"{self.dropped:,} dropped" if self.dropped else "",
        ]
        return (
            f"{self.product}: {self.rows:,} rows, {', '.join(part for part in (f'{self.good:,} good', *aside) if part)}"
        )


class Products:
    """The products of one execution of a task."""

    def __init__(self, store: Store, task: Task, run_id: str) -> None:
        self._store = store
        self._task = task
        self._run_id = run_id
        self._places = {name: Path(path) for name, path in task.outs.items() if "://" not in path}
        self._before = {name: _stamp(path) for name, path in self._places.items()}
        self.counted: list[Counted] = []
        self.stand = False
        """Whether those of a source were there already as they were written now."""

    @property
    def instead(self) -> dict[str, object]:
        """Where the notebook writes, by parameter, as seen from its folder; the folders are there."""
        made: dict[str, object] = {}
        for name, path in self._places.items():
            self._beside(path).parent.mkdir(parents=True, exist_ok=True)
            beside = self._beside(path)
            made[name] = str(beside) if self._task.step.released else os.path.relpath(beside, self._task.step.folder)
        return made

    def settle(self) -> Ending | None:
        """Bring all products to their places, or none of them: then it is told how the run ended."""
        try:
            written = {name: path for name, path in self._places.items() if os.path.lexists(self._beside(path))}
            missing = [
                name
                for name, path in self._places.items()
                if name not in written and _stamp(path) == self._before[name]
            ]
            if missing:
                cause = f"it did not write {' and '.join(repr(name) for name in missing)}, which it declares"
                return Ending(
                    status="failed",
                    cause=cause,
                    code="execution",
                    failure_class="code_bug",
                    exit=25,
                    rule="product.missing",
                )
            for name in self._task.contracts.keys() & self._places.keys():
                self._judge(name, self._beside(self._places[name]) if name in written else self._places[name])
            if self._task.step.operation.source:
                # It is asked each time, and writes what it wrote before where it had nothing new.
                written = {name: path for name, path in written.items() if not _same(self._beside(path), path)}
                self.stand = not written
            moves = [(str(self._beside(path)), str(path)) for path in written.values()]
            # Whoever dies from here on has done its work: what is left is done by the driver.
            _put(_marker(self._store, self._run_id), msgspec.json.encode(moves))
            _carry_out(moves)
        except (NbopsError, OSError, duck.errors()) as error:
            told = error.message if isinstance(error, NbopsError) else f"{type(error).__name__}: {error}"
            code = error.code if isinstance(error, NbopsError) else "execution"
            return failed(told, code, failures.evidence_from_error(error))
        finally:
            self.clear()
        return None

    def clear(self) -> None:
        """Take away what was written beside."""
        for path in self._places.values():
            shutil.rmtree(self._beside(path).parent, ignore_errors=True)

    def _judge(self, name: str, written: Path) -> None:
        """Hold a product against its contract: what is good becomes a version of data, and stays in the file alone.

        Raises ContractViolation, and what reading it raises.
        """
        from nbops.data import collecting
        from nbops.data.sources import declaration

        source = declaration.read({"source": name, "from": str(written), "contract": self._task.contracts[name]})
        made = collecting.collect(self._store, source, run_id=self._run_id, why=f"made by {self._task.key}")
        self.counted.append(_counted(name, made))
        made.require()
        if made.snapshot is not None and (made.quarantined or made.dropped):
            if written.suffix == ".csv":
                _as_csv(made.snapshot.sql(), written)
            else:
                made.snapshot.write(written)

    def _beside(self, path: Path) -> Path:
        return path.with_name(f"{PREFIX}{short(self._run_id)}") / path.name


def finished(store: Store, run_id: str) -> bool:
    """Whether an execution that died had made all its products; those that were not in their places yet are now."""
    try:
        moves = msgspec.json.decode(_marker(store, run_id).read_bytes(), type=list[tuple[str, str]])
        _carry_out(moves)
    except (OSError, msgspec.DecodeError):
        return False
    for beside, _ in moves:
        shutil.rmtree(Path(beside).parent, ignore_errors=True)
    return True


def _marker(store: Store, run_id: str) -> Path:
    return store.places.runs / run_id / "settled.json"


def _put(path: Path, data: bytes) -> None:
    """A file, whole or not at all, on disk on return."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _carry_out(moves: list[tuple[str, str]]) -> None:
    """Move what is not moved yet."""
    for beside, path in moves:
        if os.path.lexists(beside):
            _move(Path(beside), Path(path))


def forget(task: Task, run_id: str) -> None:
    """Take away what an execution of a task wrote beside, which died."""
    for path in task.outs.values():
        shutil.rmtree(Path(path).with_name(f"{PREFIX}{short(run_id)}"), ignore_errors=True)


def sweep_up(folders: set[Path], living: set[str], *, now: float) -> None:
    """Take away what executions wrote that died; `living` are short ids of those that go on.

    What is younger than some seconds, seen from `now`, may be of one that has not begun to say that it lives.
    """
    for folder in folders:
        with contextlib.suppress(OSError):
            for path in folder.glob(f"{PREFIX}*"):
                dead = path.name.removeprefix(PREFIX) not in living and now - path.stat().st_mtime > _YOUNG_SECONDS
                if path.is_dir() and dead:
                    shutil.rmtree(path, ignore_errors=True)


def _counted(name: str, made: Collection) -> Counted:
    return Counted(name, made.rows, made.good, made.quarantined, made.dropped)


def _as_csv(rows: str, path: Path) -> None:
    con = duck.scratch()
    try:
        con.execute(f"copy (select * from {rows}) to {_text(path)} (format csv, header)")  # noqa: S608 - our own blobs, a quoted path
    finally:
        con.close()


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _same(one: Path, other: Path) -> bool:
    """Whether two files hold the same bytes."""
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def _move(source: Path, target: Path) -> None:
    """Rename a file or folder to its place; a folder that is there goes away first, which takes a moment."""
    if source.is_dir() and target.is_dir():
        old = source.with_name(f"{target.name}.old")
        target.rename(old)
        source.rename(target)
        shutil.rmtree(old, ignore_errors=True)
        return
    with source.open("rb") if source.is_file() else contextlib.nullcontext() as file:
        if file is not None:
            os.fsync(file.fileno())
    source.replace(target)
