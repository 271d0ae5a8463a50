"""What a notebook leaves on disk while it is executed: whole files that are nbformat's, and a journal that gives everything back."""

from __future__ import annotations

import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import v4

from nbops.execution import saving
from nbops.execution.saving import Document, Journal, Opening, entries, repair_dead

text = st.text(max_size=30)
outputs = st.one_of(
    st.builds(lambda words: v4.new_output("stream", name="stdout", text=words), text),
    st.builds(
        lambda words: v4.new_output("display_data", {"text/plain": words, "image/svg+xml": f"<svg>\n{words}"}), text
    ),
    st.builds(lambda words: v4.new_output("display_data", {"application/json": {"a": [words, None, 1.5]}}), text),
    st.builds(lambda words: v4.new_output("error", ename="E", evalue=words, traceback=words.splitlines()), text),
)
cells = st.one_of(
    st.builds(v4.new_markdown_cell, text),
    st.builds(v4.new_raw_cell, text),
    st.builds(
        lambda source, made, tags: v4.new_code_cell(source, outputs=made, metadata={"tags": tags, "trusted": True}),
        text,
        st.lists(outputs, max_size=3),
        st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True),
    ),
)


class Disk:
    """A file, and how often it was written."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.full = False
        self.now = 0.0
        self.cost = 0.0

    def write(self, words: str) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.now += self.cost
        self.texts.append(words)

    def clock(self) -> float:
        return self.now


@settings(deadline=None, max_examples=60)
@given(made=st.lists(cells, max_size=5), more=st.lists(cells, max_size=3), extra=text, data=st.data())
def test_the_file_is_what_nbformat_writes_whatever_changed_and_came_in_between(
    made: list[Any], more: list[Any], extra: str, data: Any
) -> None:
    notebook = v4.new_notebook(cells=made, metadata={"kernelspec": {"name": extra, "display_name": "x"}})
    document = Document(notebook, lambda _: None)
    assert document.text() == v4.writes(notebook)
    for cell in made:
        if data.draw(st.booleans()):
            cell.metadata["changed"] = extra
            if cell.cell_type == "code":
                cell.outputs.append(v4.new_output("stream", name="stderr", text=extra + "\n" + extra))
            document.touch(cell)
    notebook.cells[1:1] = more
    notebook.metadata["papermill"] = {"duration": 0.5, "exception": None}
    document.touch()
    assert document.text() == v4.writes(notebook)


def test_a_file_is_written_at_once_then_at_most_each_second_and_at_the_end() -> None:
    disk = Disk()
    document = Document(v4.new_notebook(cells=[v4.new_code_cell("1")]), disk.write, clock=disk.clock)
    assert document.save()
    assert document.save()
    assert len(disk.texts) == 1  # nothing had changed
    document.touch()
    assert not document.save()
    disk.now += 1.01
    assert document.save()
    assert len(disk.texts) == 2


def test_a_slow_disk_is_written_to_for_a_twentieth_of_the_time() -> None:
    disk = Disk()
    disk.cost = 0.5
    document = Document(v4.new_notebook(cells=[v4.new_code_cell("1")]), disk.write, clock=disk.clock)
    for _ in range(4000):
        document.touch()
        document.save()
        disk.now += 0.1
    assert 300 < disk.now < 700
    assert len(disk.texts) * disk.cost < 0.06 * disk.now


def test_a_full_disk_leaves_the_last_whole_file_and_is_remembered_until_it_works_again() -> None:
    disk = Disk()
    notebook = v4.new_notebook(cells=[v4.new_code_cell("1")])
    document = Document(notebook, disk.write, clock=disk.clock)
    document.save_now()
    disk.full = True
    document.touch()
    with pytest.raises(OSError, match="No space"):
        document.save_now()
    assert document.trouble
    disk.now += 10
    assert document.save()  # tried, and no reason to stop the cell
    disk.full, disk.now = False, disk.now + 10
    document.save()
    assert len(disk.texts) == 2
    assert document.trouble is None


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text("old")
    path.chmod(0o640)
    saving.replace(path, "näw")
    assert path.read_text("utf-8") == "näw"
    assert path.stat().st_mode & 0o777 == 0o640
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        saving.replace(path, "new")
    assert [item.name for item in tmp_path.iterdir()] == ["a.ipynb"]


@pytest.fixture
def dead(tmp_path: Path) -> tuple[Path, Any]:
    """A journal whose runner died while it executed the second of three cells; the file shows what that had printed."""
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source) for source in "abc"])
    for cell, status in zip(notebook.cells, ("pending",) * 3, strict=True):
        cell.metadata["papermill"] = {"status": status, "exception": None, "end_time": None}
    notebook.metadata["papermill"] = {"end_time": None, "exception": None}
    path = tmp_path / "run" / "train.ipynb"
    path.parent.mkdir()
    document = Document(notebook, lambda words: saving.replace(path, words))
    journal = Journal(
        tmp_path / "journals" / "x.journal",
        Opening(run_id="0" * 36, pid=1, paths=[str(path)], notebook=document.text()),
    )
    notebook.cells[1].metadata.papermill["status"] = "running"
    notebook.cells[1].outputs = [v4.new_output("stream", name="stdout", text="half\n")]
    document.touch(notebook.cells[1])
    document.save_now()
    notebook.cells[0].metadata.papermill.update(
        status="completed", exception=False, end_time="2026-01-01T00:00:00+00:00"
    )
    notebook.cells[0].outputs = [v4.new_output("stream", name="stdout", text="whole\n")]
    document.touch(notebook.cells[0])
    journal.start(0, "2026-01-01T00:00:00+00:00")
    journal.cell(0, document.text_of(notebook.cells[0]))
    journal.start(1, "2026-01-01T00:00:00+00:00")
    journal.close(keep=True)
    return tmp_path / "journals", path


def statuses(path: Path) -> list[str]:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return [cell.metadata.papermill.status for cell in notebook.cells]


def test_what_a_dead_runner_had_executed_is_recovered_and_what_it_was_at_is_failed(dead: tuple[Path, Path]) -> None:
    folder, path = dead
    assert repair_dead(folder) == [path]
    assert statuses(path) == ["completed", "failed", "pending"]
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[0].outputs[0].text == "whole\n"
    assert [output.get("text", output.get("evalue")) for output in notebook.cells[1].outputs] == [
        "half\n",
        "the runner of 00000000 died",
    ]
    assert notebook.metadata.papermill.exception is True
    assert notebook.metadata.papermill.end_time
    assert list(folder.iterdir()) == []
    assert repair_dead(folder) == []


def test_a_journal_cut_anywhere_gives_what_is_whole_in_it(dead: tuple[Path, Path], tmp_path: Path) -> None:
    folder, path = dead
    (journal,) = folder.iterdir()
    whole, saved = journal.read_bytes(), path.read_bytes()
    size = len(whole)
    opened = next(i for i in range(size) if _entries(tmp_path, whole[:i]) == 1)
    for cut in (*range(0, opened, 37), opened - 1, *range(opened, size, 11), size - 1, size):
        shutil.rmtree(folder)
        folder.mkdir()
        path.write_bytes(saved)
        journal.write_bytes(whole[:cut])
        repair_dead(folder)
        first = {0: "pending", 1: "pending", 2: "failed"}.get(_entries(tmp_path, whole[:cut]), "completed")
        assert statuses(path) == [first, "failed" if cut >= opened else "running", "pending"]
        assert list(folder.iterdir()) == []


def _entries(folder: Path, data: bytes) -> int:
    path = folder / "cut"
    path.write_bytes(data)
    return len(list(entries(path)))


def test_the_journal_of_a_living_runner_is_left_alone(dead: tuple[Path, Path]) -> None:
    folder, path = dead
    living = Journal(folder / "y.journal", Opening(run_id="1" * 36, pid=1, paths=[str(path)], notebook="{}"))
    assert repair_dead(folder) == [path]
    assert [item.name for item in folder.iterdir()] == ["y.journal"]
    living.close()
    assert list(folder.iterdir()) == []


def test_a_journal_without_room_stays_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "x.journal", Opening(run_id="0" * 36, pid=1, paths=[], notebook="{}"))
    journal.cell(0, "a")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size + 50, before[1]))
        journal.cell(1, "b" * 500)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    journal.cell(2, "c")
    assert [getattr(entry, "text", "") for entry in entries(journal.path)] == ["", "a", "c"]
    journal.close()
