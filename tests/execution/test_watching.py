"""What a notebook reads, reaches and starts without declaring it is seen, and what is none of that is not."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import pytest
from nbformat import v4

from nbops.execution import notebook as execution
from nbops.execution.notebook import Outcome
from nbops.execution.skipping import seen
from nbops.execution.skipping.finding import Kept
from nbops.workspace._workspace import Workspace
from tests.conftest import Project

pytestmark = pytest.mark.usefixtures("quick")

FILES = {
    "data.csv": "a\n1\n", "more.csv": "a\n2\n", "settings.json": "{}", "tool.py": "import inner\n", "inner.py": "", "script.py": "x = 1\n",
    "table.parquet": "x", "unused.csv": "",
}  # fmt: skip


@pytest.fixture
def folder(shared: Project, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of the project with some files."""
    (shared.folder / "nbops.toml").touch()
    made = shared.folder / request.node.name
    made.mkdir()
    for name, text in FILES.items():
        (made / name).write_text(text)
    yield made
    shutil.rmtree(made)


def run(here: Workspace, folder: Path, *sources: str, **metadata: Any) -> Outcome:
    cells = [v4.new_code_cell(textwrap.dedent(source).strip()) for source in sources]
    cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(v4.new_notebook(cells=cells, metadata=metadata), folder / "notebook.ipynb")
    return execution.execute(here.store, folder / "notebook.ipynb")


def told(outcome: Outcome, folder: Path) -> list[tuple[str, str, int | None]]:
    """What was not declared, with names as the notebook has them."""
    assert outcome.status == "finished", outcome.cause
    return [(item.kind, item.name.removeprefix(f"{folder.name}/"), item.cell) for item in outcome.undeclared]


def kept(here: Workspace, outcome: Outcome) -> Kept:
    rows = here.store.read("select parts from run_keys where run_id = ?", [outcome.run_id]).rows
    return msgspec.json.decode(rows[0][0], type=Kept)


DECLARED = 'data: "in" = "data.csv"\nout: "out" = "out.csv"'


def test_undeclared_files_are_told_with_their_cells(here: Workspace, folder: Path) -> None:
    outcome = run(
        here, folder, DECLARED,
        "import pandas as pd\nrows = pd.read_csv(data), pd.read_csv('more.csv')",
        "import json, pathlib\njson.load(open('settings.json'))\npathlib.Path('script.py').read_text()",
    )  # fmt: skip
    assert sorted(told(outcome, folder)) == [
        ("read", "more.csv", 2),
        ("read", "script.py", 3),
        ("read", "settings.json", 3),
    ]


def test_what_is_declared_or_its_own_or_code_is_not_told(here: Workspace, folder: Path) -> None:
    outcome = run(
        here, folder, DECLARED,
        """
        import pandas as pd
        import tool
        frame = pd.read_csv(data)
        frame.to_csv(out)
        pd.read_csv(out)
        """,
        """
        import os, tempfile, zoneinfo, mimetypes
        name = "".join(["mi", "ne.csv"])
        open(name, "w").write("1")
        open(name).read()
        zoneinfo.ZoneInfo("Europe/Berlin"), mimetypes.guess_type("a.csv")
        with tempfile.NamedTemporaryFile("w+") as file:
            open(file.name).read()
        open("/etc/hostname").read(), os.path.exists("unused.csv"), os.listdir(".")
        try:
            open("no such.csv")
        except FileNotFoundError:
            pass
        """,
        "import matplotlib.pyplot as plt\nplt.plot([1])\nplt.savefig('figure.png')\nopen('figure.png', 'rb').read()\nNone",
    )  # fmt: skip
    assert [item for item in told(outcome, folder) if item[1] != "unused.csv"] == []
    assert set(kept(here, outcome).parts.modules) == {f"{folder.name}/tool.py", f"{folder.name}/inner.py"}
    assert {"pandas", "numpy", "matplotlib", "python-dateutil"} <= set(kept(here, outcome).parts.distributions)


def test_strings_that_name_a_file_are_told_where_python_does_not_open_it(here: Workspace, folder: Path) -> None:
    outcome = run(
        here, folder, DECLARED,
        "sql = '''\nselect * from read_parquet('table.parquet')\n'''",
        "%time x = 1\n'settings.json', 'data.csv', 'out.csv', 'nothing.csv', 'https://example.org/more.csv', '*.py'",
    )  # fmt: skip
    assert sorted(told(outcome, folder)) == [
        ("read", "inner.py", 3), ("read", "settings.json", 3), ("read", "table.parquet", 2),
    ]  # fmt: skip


def test_a_named_file_that_the_run_writes_is_no_input(here: Workspace, folder: Path) -> None:
    write = (
        "import os\nfd = os.open('table.parquet', os.O_WRONLY | os.O_TRUNC)\nos.write(fd, os.urandom(9))\nos.close(fd)"
    )
    assert told(run(here, folder, DECLARED, write), folder) == []


def test_networks_and_processes_are_told(here: Workspace, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        outcome = run(
            here, folder, DECLARED,
            f"import socket\nsocket.create_connection(('127.0.0.1', {port})).close()",
            "try:\n    socket.getaddrinfo('nowhere.invalid', 443)\nexcept OSError:\n    pass",
            "import os, subprocess\nsubprocess.run(['true'])\nsubprocess.run('echo secret-word', shell=True)\nos.system('true')",
            "import multiprocessing\np = multiprocessing.get_context('fork').Process(target=print)\np.start()\np.join()",
        )  # fmt: skip
    found = told(outcome, folder)
    assert ("host", f"127.0.0.1:{port}", 2) in found
    assert ("host", "nowhere.invalid:443", 3) in found
    assert {name for kind, name, _ in found if kind == "process"} >= {"true", "a fork of itself"}
    assert "secret-word" not in str(found)


def test_processes_that_no_event_tells_are_told(here: Workspace, folder: Path) -> None:
    quiet = run(here, folder, DECLARED, "import multiprocessing.pool\nmultiprocessing.pool.ThreadPool(1).map(abs, [1])")
    assert told(quiet, folder) == []
    outcome = run(
        here, folder, DECLARED, "from joblib import Parallel, delayed\nParallel(n_jobs=2)([delayed(abs)(1)] * 2)"
    )
    assert ("process", "worker processes", None) in told(outcome, folder)


def test_a_command_is_told_without_its_words(here: Workspace, folder: Path) -> None:
    outcome = run(here, folder, DECLARED, "import os\nos.system('TOKEN=abc true')")
    assert told(outcome, folder) == [("process", "sh", 2)]


@pytest.mark.parametrize(
    "use", ["import sys\ndel sys.modules['inner'], sys.modules['tool']", "import runpy\nrunpy.run_module('inner')"]
)
def test_code_that_is_no_module_in_the_end_is_code_too(use: str, here: Workspace, folder: Path) -> None:
    # The second time the source is not opened: its byte code is there.
    for _ in range(2):
        outcome = run(here, folder, DECLARED, f"import tool\n{use}")
        assert told(outcome, folder) == []
        assert set(kept(here, outcome).parts.modules) >= {f"{folder.name}/inner.py"}


def test_databases_and_libraries_are_files_too(here: Workspace, folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "rows.db")) as con:
        con.execute("create table t (a int)")
    (folder / "lib.so").touch()
    outcome = run(
        here, folder, DECLARED,
        "import sqlite3\nfor uri in ('file:' + 'rows.db?mode=ro', 'file::memory:'): sqlite3.connect(uri, uri=True).close()",
        "for _ in range(2): sqlite3.connect('own' + '.db').execute('create table if not exists t (a int)')",
        "import ctypes\ntry: ctypes.CDLL('./li' + 'b.so')\nexcept OSError: pass",
    )  # fmt: skip
    assert sorted(told(outcome, folder)) == [("read", "lib.so", 4), ("read", "rows.db", 2)]


def test_a_file_that_the_run_wrote_under_another_name_is_its_own(here: Workspace, folder: Path) -> None:
    write = "import os\nopen('a.tmp', 'w').write('1')\nos.replace('a.tmp', 'own' + '.csv')\nopen('own' + '.csv').read()"
    assert told(run(here, folder, DECLARED, write), folder) == []


def test_tracking_is_none_of_it(here: Workspace, folder: Path) -> None:
    outcome = run(
        here, folder, DECLARED,
        """
        import nbops
        run = nbops.start_run()
        run.log_params({"a": 1})
        run.log_metric("mae", 1.0)
        run.log_text("x", "note.txt")
        run.log_table({"a": [1]}, "t")
        """,
        "run.end()",
    )  # fmt: skip
    assert told(outcome, folder) == []


def test_what_comes_out_of_the_store_is_told(here: Workspace, folder: Path) -> None:
    outcome = run(here, folder, DECLARED, "import nbops\nnbops.sql('select 1')")
    assert told(outcome, folder) == [("use", "the store of nbops", 2)]


def test_no_name_is_left_in_the_notebook(here: Workspace, folder: Path) -> None:
    outcome = run(
        here, folder, DECLARED,
        """
        import sys
        left = [n for n in dir() if "watch" in n or "hook" in n] + [n for n in sys.modules if n == "watch"]
        assert left == [], left
        assert In[1:2] == ['data: "in" = "data.csv"\\nout: "out" = "out.csv"'], In
        """,
    )  # fmt: skip
    assert told(outcome, folder) == []
    node = nbformat.read(outcome.notebook, as_version=4)
    assert [cell.execution_count for cell in node.cells] == [1, 2]


HOSTILE = {
    "forgets modules": "import sys\nfor name in list(sys.modules):\n    if name in {'json', 'os', 'stat'}: del sys.modules[name]",
    "patches open": "import builtins\nreal = open\nbuiltins.open = lambda *a, **k: real(*a, **k)\nopen('more.csv').read()",
    "odd names": "open(b'more.csv').read()\ntry: open('a\\0b')\nexcept ValueError: pass\ntry: open(10**6)\nexcept OSError: pass",
    "a name that is no text": "import os\nos.rename('more.csv', b'\\xff.csv')\nopen(b'\\xff.csv').read()",
    "odd globals": "import types\nexec(\"open('more.csv').read()\", {'__name__': 3})",
    "many files": "for i in range(1500):\n    open(f'f{i}', 'w').close()\nfor i in range(1500):\n    open(f'f{i}').close()",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_that_a_notebook_does_breaks_its_run(what: str, here: Workspace, folder: Path) -> None:
    outcome = run(here, folder, DECLARED, HOSTILE[what])
    assert outcome.status == "finished", outcome.cause
    if "more.csv" in HOSTILE[what]:
        assert ("read", "?.csv" if "text" in what else "more.csv", 2) in told(outcome, folder)


WAYS = {
    "sqlite": "import sqlite3\nsqlite3.connect('kept' + '.db').execute('select 1')",
    "folder first": "import os\nfolder = os.open('deep', os.O_RDONLY)\nos.read(os.open('in' + '.csv', os.O_RDONLY, dir_fd=folder), 9)",
    "spawned": "import tool2, multiprocessing\nwith multiprocessing.get_context('spawn').Pool(1) as p: p.map(len, ['a'])",
    "joblib": "from joblib import Parallel, delayed\nParallel(n_jobs=2)(delayed(len)('a') for _ in range(2))",
    "thread": "import threading\nt = threading.Thread(target=lambda: open('more' + '.csv').read())\nt.start()\nt.join()",
    "shell": "!true",
    "read and write": "open('more' + '.csv', 'r+').read()",
    "a link": "import os\nos.link('more' + '.csv', 'own.csv')\nopen('own' + '.csv').read()",
    "run": "%run script.py",
}


@pytest.mark.parametrize("what", WAYS)
def test_there_is_no_way_around(what: str, here: Workspace, folder: Path) -> None:
    (folder / "kept.db").write_text("")
    (folder / "deep").mkdir()
    (folder / "deep" / "in.csv").write_text("1")
    (folder / "tool2.py").write_text("")
    found = told(run(here, folder, DECLARED, WAYS[what]), folder)
    # When workers were started is not told.
    assert {cell for _, _, cell in found} == ({None} if what in {"spawned", "joblib"} else {2})


def test_what_is_written_beside_and_moved_is_its_own(here: Workspace, folder: Path) -> None:
    code = "import os\nopen('t.tmp', 'w').write('1')\nos.replace('t.tmp', 'fin' + '.csv')\nopen('fin' + '.csv').read()"
    clean = "import tempfile, os\nwith tempfile.TemporaryDirectory() as d: os.mkdir(d + '/x')"
    assert told(run(here, folder, DECLARED, code, clean), folder) == []


@pytest.mark.parametrize(
    "code", ["import tool, sys\ndel sys.modules['tool']", "import runpy\nrunpy.run_module('tool')"]
)
def test_code_counts_although_the_notebook_forgets_it(code: str, here: Workspace, folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "compileall", "-q", folder], check=True)
    outcome = run(here, folder, DECLARED, code)
    assert {f"{folder.name}/tool.py", f"{folder.name}/inner.py"} <= set(kept(here, outcome).parts.modules)


def test_a_kernel_that_does_not_answer_is_not_believed(here: Workspace, folder: Path) -> None:
    outcome = run(here, folder, DECLARED, "import sys\nget_ipython().user_expressions = lambda asked: {}")
    rows = here.store.read("select skippable, reason from run_keys where run_id = ?", [outcome.run_id]).rows
    assert rows == [[False, "what it read is not known: its kernel did not tell"]]


def test_a_forked_kernel_tells_the_same(project: Project) -> None:
    (project.folder / "nbops.toml").write_text("[execution]\nfork_server = true\n")
    (project.folder / "more.csv").write_text("a\n1\n")
    path = project.folder / "notebook.ipynb"
    code = "import pandas as pd, subprocess\npd.read_csv('more.csv')\nsubprocess.run(['true'])"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(code)]), path)
    found = []
    try:
        for _ in range(3):
            outcome = execution.execute(project.store(), path)
            found.append([(item.kind, item.name, item.cell) for item in outcome.undeclared])
    finally:
        subprocess.run([sys.executable, "-m", "nbops", "-C", project.folder, "kernels", "stop"], check=True, timeout=60)
    assert found == [[("read", "more.csv", 1), ("process", "true", 1)]] * 3


def test_the_hook_costs_next_to_nothing() -> None:
    # A thousand times the bound that is aimed at: this finds a hook that does its work for every event.
    code = f"{seen.request(Path('/project'), Path('/project'))}\n" + textwrap.dedent(
        """
        import time, sys
        began = time.process_time()
        for _ in range(100_000):
            sys.audit("nothing.of.interest", 1)
        assert time.process_time() - began < 2
        """
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
