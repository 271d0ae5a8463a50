"""However an execution shows its secret and dies with it: afterwards, and at the moment of death, no file of the workspace has it."""

from __future__ import annotations

import base64
import inspect
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from nbops.execution import notebook as execution
from nbops.execution.execution import Execution
from nbops.security.masking import MASKED
from tests.conftest import Project, wait_until

VALUES = {
    "a token": "sk-live_Ab3dE9/xYz+12==",
    "a password": "s3cr&t/\"pä\\ss'+w 😀",
    "a key": "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA+x/9Zq\nqP7wB2c1TnUoGxY/kw==\n-----END KEY-----",
}

SHOWN = """
import base64, html, json, logging, sys, time, urllib.parse
from IPython.display import HTML, JSON, Markdown, display
data = token.encode()
print(token, repr(token), [token], data, ascii(token), json.dumps({"a": json.dumps(token)}))
print(urllib.parse.quote(token), urllib.parse.quote_plus(token), html.escape(token), data.hex(), data.hex().upper())
for before in (b"", b"x", b"xy"):
    print(base64.b64encode(before + data).decode(), base64.urlsafe_b64encode(before + data + b"!").decode())
print(base64.encodebytes(data * 5).decode(), file=sys.stderr)
for line in token.splitlines():
    print(line)
logging.warning("%s", token)
first.update(JSON({"a": [token], token: 1}))
display(HTML(f"<b>{html.escape(token)}</b>"), Markdown(token), {"a": token}, metadata={"note": token})
import ipywidgets, pandas
display(ipywidgets.Text(value=token))
with ipywidgets.Output() as out:
    print(token)
display(out)
display(pandas.DataFrame({"a": [token]}), pandas.DataFrame({"a": [token]}).to_json())
import subprocess
subprocess.run(["printf", "%s", token])
token
"""

SPLIT = """
import sys, time
for at in range(1, len(token)):
    for part in (token[:at], token[at:] + "\\n"):
        print(part, end="", flush=True)
        time.sleep(0.002)
for char in repr(token) + "\\n":
    print(char, end="", flush=True)
    print("", file=sys.stderr, flush=True)
"""

UNTIL = "\nwhile True:\n    print(token, flush=True); print(token[:5], end='', flush=True); time.sleep(0.05)\n    print(token[5:])"
BEGUN = "\nopen('begun', 'w').close()\n"

CHAINED = """
try:
    {}[token]
except KeyError as error:
    raise RuntimeError(f"no {error}") from error
"""
KILLED = "\nimport os; print(token, flush=True); time.sleep(0.3); os.kill(os.getpid(), 9)"

ENDS: dict[str, tuple[str, signal.Signals | None, tuple[str, ...]]] = {
    "well": (SHOWN + SPLIT, None, ()),
    "with an error": (SHOWN + "\nraise ValueError(token, {'a': token})", None, ()),
    "with an error because of another": (CHAINED, None, ()),
    "with an error that shows variables": ("%xmode Verbose\ncopy = token\nraise ValueError(copy)", None, ()),
    "killed": (SHOWN + KILLED, None, ()),
    "in a timeout": (SHOWN + UNTIL, None, ("--execution-timeout", "3")),
    "stopped": (SHOWN + BEGUN + UNTIL, signal.SIGTERM, ()),
    "with its runner killed": (SHOWN + BEGUN + UNTIL, signal.SIGKILL, ()),
}


def forms(value: str) -> dict[str, bytes]:
    """What must not be found."""
    data = value.encode()
    texts = {
        "raw": value,
        "repr": repr(value)[1:-1],
        "JSON": json.dumps(value)[1:-1],
        "JSON in Unicode": json.dumps(value, ensure_ascii=False)[1:-1],
        "JSON twice": json.dumps(json.dumps(value))[3:-3],
        "URL": urllib.parse.quote(value),
        "URL, all of it": urllib.parse.quote(value, safe=""),
        "form": urllib.parse.quote_plus(value),
        "hex": data.hex(),
        "HEX": data.hex().upper(),
    }
    for before in range(3):
        core = base64.b64encode(b"x" * before + data).decode()[-(-8 * before // 6) : 8 * (before + len(data)) // 6]
        texts |= {
            f"base64 at {before}": core,
            f"base64 for URLs at {before}": core.translate(str.maketrans("+/", "-_")),
        }
    texts |= {f"line {n}": line for n, line in enumerate(value.splitlines()) if len(line) >= 8}
    return {name: text.encode() for name, text in texts.items()}


def hits(folder: Path, value: str) -> list[str]:
    """The files that have a form of the value, and which."""
    found = []
    for path in folder.rglob("*"):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except OSError:
            continue
        found += [f"{path.relative_to(folder)}: {name}" for name, form in forms(value).items() if form in content]
    return found


class Watch:
    """Looks for hits all the time, too: a file may be there for a moment only."""

    def __init__(self, folder: Path, value: str) -> None:
        self.found: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, args=(folder, value))
        self._thread.start()

    def _look(self, folder: Path, value: str) -> None:
        while not self._over.wait(0.1):
            self.found |= set(hits(folder, value))

    def close(self) -> set[str]:
        self._over.set()
        self._thread.join()
        return self.found


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Project]:
    """A project whose notebook may ask."""
    made = Project(tmp_path / "project")
    (made.folder / "nbops.toml").write_text('[secrets.allow]\n"tells.ipynb" = ["crew-db"]\n')
    yield made
    made.close()


def tells(folder: Path, code: str) -> Path:
    cells = [
        v4.new_code_cell('token: "secret" = "secret://crew-db"', metadata={"tags": ["parameters"]}),
        v4.new_code_cell("import time; first = display('first', display_id=True)\nassert '://' not in token"),
        v4.new_code_cell(code),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / "tells.ipynb")
    return folder / "tells.ipynb"


NBOPS = [sys.executable, "-m", "nbops"]
PAPERMILL = """
import logging, sys, papermill
logging.basicConfig(level=logging.DEBUG)
papermill.execute_notebook(sys.argv[1], sys.argv[2], engine_name="nbops", log_output=True)
"""
RUNNERS: dict[str, Callable[[Path], list[str]]] = {
    "nbops run": lambda path: [*NBOPS, "run", str(path), str(path.parent / "out.ipynb"), "--json"],
    "papermill": lambda path: [sys.executable, "-c", PAPERMILL, str(path), str(path.parent / "out.ipynb")],
}


@pytest.mark.long
@pytest.mark.skipif(
    "secrets" not in inspect.signature(Execution.__init__).parameters, reason="executions do not take secrets yet"
)
@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", VALUES)
def test_no_file_of_the_workspace_has_a_secret_that_was_shown(there: Project, name: str, end: str, runner: str) -> None:
    value, (code, kill, options) = VALUES[name], ENDS[end]
    if options and runner != "nbops run":
        pytest.skip("papermill's call takes its timeout as an argument")
    path = tells(there.folder, code)
    watch = Watch(there.folder, value)
    # With it ipykernel does not capture what processes print.
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    with (there.folder / "runner.log").open("wb") as log:
        process = subprocess.Popen(
            [*RUNNERS[runner](path), *options], cwd=there.folder, stdout=log, stderr=log,
            env={**environ, **there.environ, "NBOPS_SECRET_CREW_DB": value},
        )  # fmt: skip
        if kill:
            wait_until((there.folder / "begun").exists, 120)
            time.sleep(1.5)
            process.send_signal(kill)
        process.wait(180)
    found = watch.close() | set(hits(there.folder, value))
    store = there.store()
    run_id = store.read("select run_id::varchar from runs").rows[0][0]
    kept = execution.executed(store, run_id)
    found |= set(hits(there.folder, value))
    told = str([store.read(query).rows for query in ("from runs", "from params", "from tags")])
    found |= {f"store: {name}" for name, form in forms(value).items() if form.decode() in told}
    assert found == set()
    # It was shown, and the reference is what tells of it.
    assert MASKED in kept.read_text()
    assert "secret://crew-db" in str(store.read("select value from params").rows)
