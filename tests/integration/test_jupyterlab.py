"""Notebooks that read what lies around them give the same in JupyterLab and headless: what each cell prints and returns."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import websocket
from nbformat import v4

from tests.conftest import Project, wait_until

TOKEN = "relative-reads"  # noqa: S105 - of a server that lives for a test
# By notebook: where it lies in the project, and its cells. Each ends with what is compared.
NOTEBOOKS: dict[str, list[str]] = {
    "notebooks/a file beside.ipynb": ["open('beside.txt').read()"],
    "notebooks/a-file-above.ipynb": ["open('../data/table.csv').read()"],
    "notebooks/pandas_csv.ipynb": ["import pandas as pd", "pd.read_csv('../data/table.csv').sum().to_dict()"],
    "notebooks/pandas_parquet.ipynb": ["import pandas as pd", "pd.read_parquet('../data/table.parquet').to_dict('list')"],
    "notebooks/duckdb_file.ipynb": ["import duckdb", "duckdb.sql(\"select sum(a) from '../data/table.parquet'\").fetchall()"],
    "notebooks/duckdb_glob.ipynb": ["import duckdb", "duckdb.sql(\"select count(*) from '../data/t*.csv'\").fetchall()"],
    "notebooks/where.ipynb": ["import os\nos.getcwd()", "from pathlib import Path\nPath().resolve().name"],
    "notebooks/glob.ipynb": ["from pathlib import Path", "sorted(path.name for path in Path('../data').glob('*'))"],
    "notebooks/module.ipynb": ["import beside", "beside.VALUE, beside.read()"],
    "notebooks/package.ipynb": ["import sys; sys.path.insert(0, '..')", "from src.tools import double\ndouble(21)"],
    "notebooks/run_magic.ipynb": ["%run beside.py", "VALUE"],
    "notebooks/shell.ipynb": ["!cat beside.txt", "lines = !ls ../data\nlist(lines)"],
    "notebooks/bash.ipynb": ["%%bash\npwd | xargs basename\nwc -l < ../data/table.csv"],
    "notebooks/subprocess.ipynb": ["import subprocess", "subprocess.check_output(['cat', 'beside.txt'], text=True)"],
    "notebooks/sqlite.ipynb": ["import sqlite3", "sqlite3.connect('../data/rows.db').execute('select sum(n) from rows').fetchall()"],
    "notebooks/numpy.ipynb": ["import numpy as np", "np.load('../data/array.npy').tolist()"],
    "notebooks/deep/er/climbs.ipynb": ["import json", "json.load(open('../../../data/settings.json'))"],
    "notebooks/mit Umlaut ü/täglich.ipynb": ["open('../beside.txt').read()", "import os; os.path.basename(os.getcwd())"],
    "notebooks/linked.ipynb": ["open('../data/linked.csv').read()"],
    "notebooks/changes.ipynb": ["import os; os.chdir('../data')", "open('table.csv').readline()"],
    "at-the-top.ipynb": ["open('data/table.csv').read()", "open('notebooks/beside.txt').read()"],
    "notebooks/parameters.ipynb": ['data: "in" = "../data/table.csv"', "open(data).read()"],
}  # fmt: skip


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with data, modules and the notebooks."""
    import duckdb
    import numpy as np

    made = Project(tmp_path_factory.mktemp("lab") / "project")
    (made.folder / "nbops.toml").write_text("[execution]\nfork_server = true\n")
    for folder in ("data", "src", "notebooks"):
        (made.folder / folder).mkdir()
    data, beside = made.folder / "data", made.folder / "notebooks"
    (data / "table.csv").write_text("a,b\n1,2\n3,4\n")
    (data / "settings.json").write_text('{"depth": 3}')
    (data / "linked.csv").symlink_to("table.csv")
    duckdb.sql(f"copy (select 1 as a union all select 2) to '{data / 'table.parquet'}'")
    np.save(data / "array.npy", np.arange(4))
    with contextlib.closing(sqlite3.connect(data / "rows.db")) as rows:
        rows.execute("create table rows as select 7 as n")
    (beside / "beside.txt").write_text("one line\n")
    (beside / "beside.py").write_text("VALUE = 42\ndef read():\n    return open('../data/settings.json').read()\n")
    (made.folder / "src" / "tools.py").write_text("def double(n):\n    return 2 * n\n")
    for name, cells in NOTEBOOKS.items():
        path = made.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        code = [v4.new_code_cell(cell) for cell in cells]
        if '"in"' in cells[0]:
            code[0].metadata["tags"] = ["parameters"]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(v4.new_notebook(cells=code, metadata={"kernelspec": kernel}), path)
    yield made
    subprocess.run([sys.executable, "-m", "nbops", "kernels", "stop"], cwd=made.folder, check=True, capture_output=True)
    made.close()


class Lab:
    """JupyterLab's server, which starts kernels for sessions as its page asks it to."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={self._port}", "--ServerApp.port_retries=0",
             f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"],
            cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"},
        )  # fmt: skip
        wait_until(self._answers, 60)

    def execute(self, notebook: str, cells: list[str]) -> list[str]:
        """Open a session for the notebook and execute the cells in it: what each prints and returns."""
        asked = {"path": notebook, "name": Path(notebook).name, "type": "notebook", "kernel": {"name": "python3"}}
        session = self._ask("POST", "/api/sessions", asked)
        address = f"ws://127.0.0.1:{self._port}/api/kernels/{session['kernel']['id']}/channels?token={TOKEN}"
        line = websocket.create_connection(address, timeout=60)
        try:
            return [self._cell(line, cell) for cell in cells]
        finally:
            line.close()
            self._ask("DELETE", f"/api/sessions/{session['id']}")

    def close(self) -> None:
        """End the server and its kernels."""
        self._process.terminate()
        self._process.wait(30)

    def _cell(self, line: websocket.WebSocket, code: str) -> str:
        asked = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "username": "",
            "session": "s",
            "version": "5.3",
            "date": "",
        }
        line.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": asked, "channel": "shell"}))  # fmt: skip
        told = ""
        while True:
            message: dict[str, Any] = json.loads(line.recv())
            if message["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "stream":
                told += content["text"]
            elif kind == "execute_result":
                told += content["data"]["text/plain"]
            elif kind == "error":
                told += f"{content['ename']}: {content['evalue']}"
            elif kind == "status" and content["execution_state"] == "idle":
                return told

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            return "version" in self._ask("GET", "/api")
        return False

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request(method, path, json.dumps(body), {"Authorization": f"token {TOKEN}"})
        text = connection.getresponse().read()
        return json.loads(text) if text else None


# From a folder that none of them lies in.
RUNS = """
import sys, nbops
from pathlib import Path
from nbops.execution import notebook
folder = Path(sys.argv[1])
store = nbops.open(folder).store
for name in sys.argv[2:]:
    outcome = notebook.execute(store, folder / name)
    assert outcome.status == "finished", (name, outcome)
    print(outcome.notebook)
"""


def headless(project: Project, names: list[str]) -> dict[str, list[str]]:
    """What the cells of each notebook print and return when it is run from elsewhere."""
    done = subprocess.run(
        [sys.executable, "-c", RUNS, str(project.folder), *names], cwd="/", check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    executed = [nbformat.read(path, as_version=4).cells for path in done.stdout.splitlines()]
    return {
        name: ["".join(map(_shown, cell.outputs)) for cell in cells if "injected-parameters" not in str(cell.metadata)]
        for name, cells in zip(names, executed, strict=True)
    }


def _shown(output: Any) -> str:
    return str(output.text if output.output_type == "stream" else output.data["text/plain"])


@pytest.mark.parametrize("each", [5, pytest.param(1, marks=pytest.mark.long)])
def test_notebooks_with_relative_reads_give_the_same_in_jupyterlab_and_headless(there: Project, each: int) -> None:
    """All twenty of them, or one in so many."""
    assert len(NOTEBOOKS) >= 20
    names = [*NOTEBOOKS][::each]
    lab = Lab(there.folder)
    try:
        shown = {name: lab.execute(name, NOTEBOOKS[name]) for name in names}
    finally:
        lab.close()
    assert {name: told for name, told in shown.items() if "Error" in "".join(told) or not told[-1]} == {}
    assert headless(there, names) == shown
