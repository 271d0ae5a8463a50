"""Servers come when they are wanted, learn what to preload, and leave no process behind, whoever is killed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from nbops.errors import PathRefused
from nbops.execution.kernels import servers
from nbops.execution.kernels.preload import Memory
from nbops.execution.kernels.process import Usage
from nbops.execution.kernels.servers import Server
from nbops.store.places import LONGEST_ADDRESS
from tests.execution.kernels.conftest import ENVIRON, alive, eventually, run, serving, session

RUNNER = """
import asyncio, os, sys, time
from pathlib import Path
from nbops.execution.kernels.manager import Kernel
from nbops.execution.kernels.servers import Server
from tests.execution.kernels.conftest import ENVIRON, session

async def main():
    async with session(Server(Path(sys.argv[1]), ENVIRON, started=False)) as kernel:
        assert kernel.kernel.forked
        await kernel.run("import subprocess; p = subprocess.Popen(['sleep', '600'])")
        print(kernel.kernel.pid, (await kernel.run("p.pid")).value, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_runner_takes_its_kernel_and_all_its_processes_along(server: Server, signum: int) -> None:
    # With the very environment of the server: this process's may have got variables since, scikit-learn sets some.
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, server.folder], stdout=subprocess.PIPE, text=True, env=ENVIRON
    )
    assert runner.stdout is not None
    pids = [int(pid) for pid in runner.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(alive, pids))
    runner.send_signal(signum)
    runner.wait()
    runner.stdout.close()
    assert eventually(lambda: not any(map(alive, pids)))
    assert eventually(lambda: server.status() is not None and not server.status().kernels)  # type: ignore[union-attr]  # just asked


def test_a_killed_server_takes_its_kernels_along_and_the_next_request_has_another_one(tmp_path: Path) -> None:
    async def orphaned(server: Server) -> tuple[Usage | None, list[int], float]:
        async with session(server) as kernel:
            await kernel.run("import subprocess; p = subprocess.Popen(['sleep', '600'])")
            pids = [kernel.kernel.pid or 0, int((await kernel.run("p.pid")).value)]
            told = server.status()
            assert told is not None
            os.kill(told.pid, signal.SIGKILL)
            started = time.monotonic()
            usage = await asyncio.wait_for(kernel.kernel.ended(), 20)
            return usage, pids, time.monotonic() - started

    with serving(tmp_path / "k") as server:
        usage, pids, seconds = asyncio.run(orphaned(server))
        assert usage == Usage(signal=signal.SIGKILL)
        assert seconds < 10
        assert eventually(lambda: not any(map(alive, pids)))
        assert run(server, "1 + 1")[0].value == "2"
        again = servers.server_for(server.folder, start=True, idle_minutes=1, environ=ENVIRON)
        assert again is not None
        assert again.started
        assert run(again, "1 + 1")[0].value == "2"


def test_what_a_kernel_imported_is_there_in_the_next_ones_unless_it_is_a_projects_own(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "own.py").write_text("value = 1")
    look = "import sys; ['tqdm' in sys.modules, 'own' in sys.modules]"
    with serving(tmp_path / "k") as server:
        first = server.status()
        assert first is not None
        assert run(server, "import tqdm, own; own.value", cwd=project)[0].value == "1"
        assert eventually(lambda: (now := server.status()) is not None and now.pid != first.pid, 20)
        assert eventually(lambda: not alive(first.pid))
        assert run(server, look, cwd=project)[0].value == "[True, False]"
        (project / "own.py").write_text("value = 2  # longer")
        assert run(server, "import own; own.value", cwd=project)[0].value == "2"
        now = server.status()
        assert now is not None
        assert "tqdm" in now.preloaded
        assert "own" not in {*now.preloaded, *now.dropped}


def test_modules_that_leave_something_behind_are_not_preloaded(tmp_path: Path) -> None:
    modules = {
        "thread": "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "file": "handle = open('/dev/null')",
        "process": "import subprocess; child = subprocess.Popen(['sleep', '1'])",
        "prints": "print('Hello from me')",
        "warns": "import warnings; warnings.warn('old', stacklevel=1)",
        "broken": "1 / 0",
        "registers": "from IPython import get_ipython; get_ipython().events.register('post_execute', print)",
        "keeps": "from IPython import get_ipython; shell = get_ipython()",
        "needs": "import m_blocked",
        "blocked": "",
        "asks": "from IPython import get_ipython; notebook = 'IPKernelApp' in get_ipython().config",
        "looks": "notebook = hasattr(get_ipython(), 'kernel')",
        "innocent": "x = 1",
    }
    for name, text in modules.items():
        (tmp_path / f"m_{name}.py").write_text(text)
    code = (
        "import json, pathlib, sys; from nbops.execution.kernels.preload import Memory, preload\n"
        "memory = Memory(pathlib.Path(sys.argv[2] + '.memory')); memory.drop({'m_blocked': 'for a reason'})\n"
        "faults = preload(['m_' + name for name in json.loads(sys.argv[1])], memory)\n"
        "import m_asks, m_looks; assert m_asks.notebook and m_looks.notebook\n"
        "from IPython import get_ipython; assert get_ipython() is None\n"
        "pathlib.Path(sys.argv[2]).write_text(json.dumps(faults))"
    )
    with (tmp_path / "log").open("w") as log:
        subprocess.run(
            [sys.executable, "-c", code, json.dumps([name for name in modules if name != "blocked"]), str(tmp_path / "faults")],
            env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "always"}, stdout=log, stderr=log, check=True,
        )  # fmt: skip
    faults = json.loads((tmp_path / "faults").read_text())
    foreign = "belongs to a project"
    assert {name: faults[f"m_{name}"] for name in modules} == {
        "thread": "leaves a thread running",
        "file": "leaves a file open",
        "process": "leaves a process running",
        "prints": "prints or warns when imported",
        "warns": "prints or warns when imported",
        "broken": "cannot be imported (ZeroDivisionError)",
        "registers": "cannot be imported (AttributeError)",
        "keeps": "uses the running shell",
        "needs": "needs m_blocked",
        "blocked": foreign,
        "asks": foreign,
        "looks": foreign,
        "innocent": foreign,
    }


def test_a_module_that_raises_what_nobody_expects_stands_in_the_way_only_once(tmp_path: Path) -> None:
    (tmp_path / "m_odd.py").write_text("class Odd(BaseException): pass\nraise Odd")
    code = (
        "import pathlib, sys; from nbops.execution.kernels.preload import Memory, preload\n"
        "preload(['m_odd'], Memory(pathlib.Path(sys.argv[1])))"
    )
    ends = [
        subprocess.run(
            [sys.executable, "-c", code, tmp_path / "memory"],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode
        for _ in range(2)
    ]
    assert ends == [1, 0]


def test_what_is_learnt_is_bounded_and_survives_a_torn_file(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "memory")
    assert memory.learn(["base"])
    assert not memory.learn(["base"])
    for number in range(100):
        assert memory.learn([f"run{number}.module{i}" for i in range(100)])
    again = Memory(tmp_path / "memory")
    assert again.names == memory.names
    assert len(again.names) <= 4000
    assert "base" not in again.names
    assert "run99.module0" in again.names
    again.drop({"run99.module0": "a reason"})
    assert "run99.module0" not in Memory(tmp_path / "memory").names
    (tmp_path / "memory").write_text('{"runs": [["a"')
    assert Memory(tmp_path / "memory").names == []


def test_only_what_was_rehearsed_need_not_be_rehearsed_again(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "memory")
    memory.learn(["base"])
    assert not memory.proven
    memory.prove()
    assert Memory(tmp_path / "memory").proven
    memory.learn(["more"])
    assert not Memory(tmp_path / "memory").proven
    memory.prove()
    memory.drop({"more": "a reason"})
    assert not Memory(tmp_path / "memory").proven


def test_two_who_start_a_server_at_once_share_it(tmp_path: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from nbops.execution.kernels import servers\n"
        "server = servers.server_for(Path(sys.argv[1]), start=True, idle_minutes=0.05); print(server.status().pid)"
    )
    folder = tmp_path / "k"
    folder.mkdir(mode=0o700)
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    pids = {int(process.communicate()[0]) for process in both}
    assert len(pids) == 1
    # And it leaves by itself when nobody comes.
    assert eventually(lambda: not any(map(alive, pids)), 10)
    assert not list(folder.glob("*.sock"))


def test_nothing_is_started_unless_asked_for(tmp_path: Path) -> None:
    assert servers.server_for(tmp_path, start=False) is None
    assert servers.status(tmp_path) == []
    assert servers.stop(tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_a_folder_that_others_can_reach_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(PathRefused, match="chmod 700"):
        servers.server_for(tmp_path, start=True)


def test_a_path_too_long_for_a_socket_does_not_matter(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    assert len(str(folder)) > LONGEST_ADDRESS
    with serving(folder) as server:
        assert [told.pid for told in servers.status(folder)]

        async def forked() -> bool:
            async with session(server) as kernel:
                return kernel.kernel.forked

        assert asyncio.run(forked())


@pytest.mark.long
def test_a_server_whose_folder_is_removed_leaves(tmp_path: Path) -> None:
    with serving(tmp_path / "k") as server:
        told = server.status()
        assert told is not None
        shutil.rmtree(tmp_path / "k")
        assert eventually(lambda: not alive(told.pid), 20)


def test_another_thread_count_is_another_server(server: Server) -> None:
    environ = {**ENVIRON, "OMP_NUM_THREADS": "1"}
    assert servers.socket_for(server.folder, environ) != servers.socket_for(server.folder, ENVIRON)
    assert servers.server_for(server.folder, start=False, environ=environ) is None
    assert run(server, "import os; os.environ['OMP_NUM_THREADS']", environ=environ)[0].value == "'1'"


def test_what_scikit_learn_sets_for_openmp_in_the_runner_does_not_matter(server: Server) -> None:
    environ = {**ENVIRON, "KMP_DUPLICATE_LIB_OK": "True", "KMP_INIT_AT_FORK": "FALSE"}
    assert servers.socket_for(server.folder, environ) == servers.socket_for(server.folder, ENVIRON)
    assert servers.socket_for(server.folder, {**environ, "KMP_BLOCKTIME": "0"}) != servers.socket_for(
        server.folder, ENVIRON
    )


def test_stopping_waits_for_kernels_that_run(tmp_path: Path) -> None:
    async def stopped_meanwhile(server: Server) -> str:
        async with session(server) as kernel:
            servers.stop(server.folder)
            assert servers.status(server.folder) == []
            return (await kernel.run("6 * 7")).value

    with serving(tmp_path / "k") as server:
        assert asyncio.run(stopped_meanwhile(server)) == "42"


def test_the_command_line_tells_of_servers_and_stops_them(tmp_path: Path) -> None:
    from nbops.cli import _kernels  # noqa: F401 - adds its commands
    from nbops.cli._base import cli

    (tmp_path / ".nbops").mkdir(mode=0o700)
    (tmp_path / ".nbops" / "run").mkdir(mode=0o700)
    folder = tmp_path / ".nbops" / "run" / "kernels"
    call = CliRunner().invoke
    assert json.loads(call(cli, ["-C", str(tmp_path), "kernels", "status", "--json"]).output) == []
    with serving(folder) as server:
        told = server.status()
        assert told is not None
        (shown,) = json.loads(call(cli, ["-C", str(tmp_path), "kernel", "status", "--json"]).output)
        assert shown["pid"] == told.pid
        assert str(told.pid) in call(cli, ["-C", str(tmp_path), "kernels", "status"]).output
        assert "1 server" in call(cli, ["-C", str(tmp_path), "kernels", "stop"]).output
        assert eventually(lambda: not alive(told.pid))
