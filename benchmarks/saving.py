"""Saving a notebook while its cells are executed: nbops' account and document beside papermill's manager, in one interpreter, no kernel."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from benchmarks.measure import Figures, Party, Report, Size, environment, median, times

# Both get the same calls that an engine makes: what each does at the start, around each cell, and at the end.
_PROGRAM = """
import json, sys, time
from pathlib import Path
import nbformat
from nbformat import v4
from papermill.engines import NotebookExecutionManager
from nbops.execution.account import Account
from nbops.execution.saving import Document, Journal, Opening, replace

def notebook(cells, size):
    made = [v4.new_code_cell(f"x = {n}", metadata={"tags": []}) for n in range(cells)]
    return v4.new_notebook(cells=made, metadata={"papermill": {}})

def execute(manager, size):
    manager.notebook_start()
    for index, cell in enumerate(manager.nb.cells):
        manager.cell_start(cell, index)
        cell.execution_count = index + 1
        cell.outputs = [v4.new_output("stream", name="stdout", text="x" * size + "\\n")] if size else []
        manager.cell_complete(cell, index)
    manager.notebook_complete()

def ours(cells, size, folder):
    path = folder / "ours.ipynb"
    nb = notebook(cells, size)
    document = Document(nb, lambda text: replace(path, text))
    manager = Account(nb, document)
    manager.journal = Journal(folder / "j" / "x.journal", Opening(run_id="0" * 36, pid=1, paths=[str(path)], notebook="{}"))
    execute(manager, size)
    document.save_now()
    manager.journal.close()
    assert path.read_text("utf-8") == nbformat.writes(nb)

def papermill(cells, size, folder):
    execute(NotebookExecutionManager(notebook(cells, size), str(folder / "theirs.ipynb"), progress_bar=False), size)

way, cells, size, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
folder.mkdir(exist_ok=True)
{"ours": ours, "papermill": papermill}[way](2, 0, folder)
used, began = time.process_time(), time.perf_counter()
{"ours": ours, "papermill": papermill}[way](cells, size, folder)
print(json.dumps({"cpu": time.process_time() - used, "wall": time.perf_counter() - began}))
"""


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """The cpu of saving notebooks of several sizes, interleaved; papermill is left out where it would take minutes."""
    folder.mkdir(parents=True)
    report = Report(["cells x output", "nbops cpu ms", "papermill cpu ms", "papermill / nbops", "nbops wall ms"])
    for cells, output, both in (
        (50, 0, True), (100, 0, True), (400, 0, not size.quick), (1_000, 0, False), (50, 100_000, True),
    ):  # fmt: skip
        found: dict[str, list[Figures]] = {"ours": [], "papermill": []}
        for _ in range(size.of(1, 3, 5)):
            for way in ("ours", "papermill") if both else ("ours",):
                found[way].append(_run(parties[0], way, cells, output, folder / "saving"))
        ours, theirs = (median([one["cpu"] for one in found[way]]) if found[way] else 0.0 for way in found)
        wall = median([one["wall"] for one in found["ours"]])
        report.rows.append(
            [
                f"{cells:,} x {output // 1000} kB", f"{1000 * ours:.1f}", f"{1000 * theirs:,.0f}" if both else "–",
                times(theirs / ours) if both else "–", f"{1000 * wall:.1f}",
            ]
        )  # fmt: skip
        report.raw[f"{cells} x {output}"] = found
    report.notes.append("nbops' figures include its journal and the comparison of its file with nbformat's own text")
    return report


def _run(party: Party, way: str, cells: int, output: int, folder: Path) -> Figures:
    command = [str(party.python), "-c", _PROGRAM, way, str(cells), str(output), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    told: Figures = json.loads(done.stdout)
    return told
