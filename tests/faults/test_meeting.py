"""Any number of processes meet a store that does not exist yet: each of them succeeds, and there is one store and one owner."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import DUCKDBS, Project, finish

MEET = """
import os, sys
import nbops
workspace = nbops.open()
print("here", flush=True)
sys.stdin.readline()
if sys.argv[1] == "hello":
    print(workspace.store.hello().pid)
else:
    run = workspace.start_run("sweep")
    run.log_metric("score", 1.0)
    run.end()
    print(os.getpid())
"""


def meet(project: Project, count: int, what: str) -> list[str]:
    """What that many processes print who meet the store at one moment."""
    processes = [project.start(MEET, what) for _ in range(count)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [finish(process).strip() for process in processes]


def test_eight_processes_that_meet_a_store_which_does_not_exist_all_succeed(project: Project) -> None:
    assert len(set(meet(project, 8, "run"))) == 8
    store = project.store()
    assert store.read("select experiment, status, count(*) from runs group by all").rows == [["sweep", "finished", 8]]
    assert store.read("select (select count(*) from metrics), (select count(*) from experiments)").rows == [[8, 1]]


def test_eight_first_hellos_find_one_owner(project: Project) -> None:
    assert set(meet(project, 8, "hello")) == {str(project.owners()[0])}
    assert len(project.owners()) == 1


@pytest.mark.long
@pytest.mark.parametrize("python", DUCKDBS.values(), ids=DUCKDBS)
@pytest.mark.parametrize("processes", [8, 16])
@pytest.mark.parametrize("what", ["run", "hello"])
def test_twenty_times_all_of_many_processes_succeed_in_a_folder_without_a_store(
    tmp_path: Path, python: str, processes: int, what: str
) -> None:
    for turn in range(20):
        project = Project(tmp_path / str(turn))
        project.python = python
        try:
            assert len(meet(project, processes, what)) == processes
            assert len(project.owners()) == 1
            if what == "run":
                assert project.store().read("select status, count(*) from runs group by all").rows == [
                    ["finished", processes]
                ]
        finally:
            project.close()
