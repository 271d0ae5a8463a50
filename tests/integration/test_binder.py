"""What repo2docker makes of `binder/`: its steps in a new environment without node and with an empty home, then JupyterLab and the tour."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nbops.jupyter_ext.verbs import PROTOCOL
from tests.conftest import wait_until

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"
NODE = {"node", "nodejs", "npm", "npx", "yarn", "jlpm", "pnpm", "corepack"}


def test_its_files_are_those_that_repo2docker_reads() -> None:
    assert sorted(path.name for path in BINDER.iterdir()) == ["postBuild", "requirements.txt", "runtime.txt"]
    assert (BINDER / "postBuild").stat().st_mode & stat.S_IXUSR
    assert re.fullmatch(r"python-3\.\d+\n", (BINDER / "runtime.txt").read_text())
    locks = re.findall(r"^-r (\S+)$", (BINDER / "requirements.txt").read_text(), re.MULTILINE)
    assert [(BINDER / lock).resolve().relative_to(ROOT).as_posix() for lock in locks] == [
        "requirements/build.txt",
        "requirements/demo.txt",
    ]
    assert not NODE & set(re.findall(r"\w+", re.sub("#.*", "", (BINDER / "postBuild").read_text())))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the repository as a clone would have it, and the environment that the steps of `binder/` have made beside it."""
    folder = tmp_path_factory.mktemp("binder")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("this is no clone of the repository: git knows no files here")
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (ROOT / name).is_file():
            (folder / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / "clone" / name)
    subprocess.run(["git", "init", "--quiet", folder / "clone"], check=True)
    yield folder / "clone"
    if (folder / "clone" / ".nbops").is_dir():
        call(folder / "clone", "nbops", "db", "stop")


def surroundings(repository: Path) -> dict[str, str]:
    """The environment with everything on the PATH but node and its kin, and with a home in which nothing is."""
    home, tools = repository.parent / "home", repository.parent / "tools"
    if not tools.exists():
        home.mkdir()
        tools.mkdir()
        for place in os.environ["PATH"].split(os.pathsep):
            for tool in Path(place).iterdir() if Path(place).is_dir() else ():
                if tool.name not in NODE and not (tools / tool.name).is_symlink():
                    (tools / tool.name).symlink_to(tool)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "NBOPS", "XDG", "PYTHON", "VIRTUAL"))
    }
    return {**kept, "HOME": str(home), "PATH": f"{repository.parent / 'env' / 'bin'}{os.pathsep}{tools}"}


def call(repository: Path, *words: str) -> str:
    """What a command prints there; it must end well."""
    done = subprocess.run(
        words, cwd=repository, env=surroundings(repository), capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return re.sub(r"\x1b\[\d*m", "", done.stdout + done.stderr)


def ask(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own server
        return json.load(answer)


@pytest.mark.long
def test_its_steps_make_an_environment_in_which_jupyterlab_has_nbops_and_the_tour_runs(repository: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", repository.parent / "env"], check=True)
    with pytest.raises(FileNotFoundError):
        call(repository, "node", "--version")
    call(repository, "python", "-m", "pip", "install", "--no-cache-dir", "-r", "binder/requirements.txt")
    call(repository, "binder/postBuild")

    if (ROOT / "nbops" / "jupyter_ext").is_dir():
        assert re.search(r"nbops\.jupyter_ext +enabled", call(repository, "jupyter", "server", "extension", "list"))
        with jupyterlab(repository) as address:
            assert ask(f"{address}/nbops/api/version?token=binder")["protocol"] == PROTOCOL
    if (ROOT / "nbops" / "labextension").is_dir():
        assert re.search(r"nbops v\S+ .*enabled.*OK", call(repository, "jupyter", "labextension", "list"))

    call(repository, "nbops", "run", "notebooks/tour.ipynb")
    models = call(repository, "nbops", "sql", "select model, version from model_versions")
    assert "tumours" in models


@contextlib.contextmanager
def jupyterlab(repository: Path) -> Iterator[str]:
    """The address of JupyterLab, started as repo2docker would start it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0",
         "--IdentityProvider.token=binder"],
        cwd=repository, env=surroundings(repository), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return "version" in ask(f"{address}/api")
        return False

    try:
        wait_until(answers, 120)
        yield address
    finally:
        server.terminate()
        server.wait(30)
