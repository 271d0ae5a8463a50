"""A forked kernel is a kernel like any other: what it can do, what it must not know, how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from nbops.execution.kernels import servers
from nbops.execution.kernels.manager import Kernel, PrivateFolder
from nbops.execution.kernels.process import Usage
from nbops.execution.kernels.servers import Server
from tests.conftest import wait_until
from tests.execution.kernels.conftest import ENVIRON, Answer, alive, eventually, run, session

WORK = {
    "threads": "import threading; t = threading.Thread(target=print, args=('done',)); t.start(); t.join()",
    "blas": "import numpy as np; a = np.ones((300, 300)); print('done' if (a @ a)[0, 0] == 300 else a)",
    "openmp": """
        import numpy as np; from sklearn.ensemble import HistGradientBoostingRegressor
        x = np.arange(200.0)[:, None]; HistGradientBoostingRegressor(max_iter=5).fit(x, x[:, 0]); print('done')""",
    "joblib": """
        import numpy as np; from sklearn.ensemble import RandomForestClassifier
        x = np.arange(200.0)[:, None]; RandomForestClassifier(4, n_jobs=2).fit(x, x[:, 0] > 9).predict(x); print('done')""",
    "loky": "import joblib; print('done' * (joblib.Parallel(2)(joblib.delayed(abs)(-i) for i in range(3)) == [0, 1, 2]))",
    "subprocess": "import subprocess; print(subprocess.run(['echo', 'done'], capture_output=True, text=True).stdout)",
    "fork": """
        import multiprocessing as mp, time
        p = mp.get_context('fork').Process(target=print, args=('done',)); p.start(); p.join(); time.sleep(0.2)""",
    "spawn": "import multiprocessing as mp; print('done' * (mp.get_context('spawn').Pool(1).map(abs, [-1]) == [1]))",
    "await": "import asyncio; await asyncio.sleep(0.01); print('done')",
    "shell": "!echo done",
    "bash": "%%bash\necho done",
    "duckdb": "import duckdb; print('done' * (duckdb.sql('select 42').fetchall() == [(42,)]))",
    "debugger": "import debugpy, sys; print('done' * ('debugpy' in sys.modules and bool(debugpy.__version__)))",
    "notebook": "print('done' * ('IPKernelApp' in get_ipython().config and hasattr(get_ipython(), 'kernel')))",
    "pandas": "import pandas as pd; print('done' * (pd.get_option('display.max_columns') == 20))",
    "argv": "import sys; print('done' * sys.argv[0].endswith('ipykernel_launcher.py'))",
    "path": "import sys; print('done' * ('' in sys.path))",
    "module": "import __main__; x = 1; print('done' * (__main__.x == 1))",
    "quiet": "log = get_ipython().kernel.log; print('done' * (log.isEnabledFor(30) and not log.isEnabledFor(10)))",
    "garbage": "import gc; print('done' * gc.isenabled())",
    "reset": """
        import wave; get_ipython().reset(aggressive=True)
        import sys; print('done' * ('wave' not in sys.modules and 'zmq' in sys.modules and 'logging' in sys.modules))""",
    "fresh": "import sys; print('done' * (not any(name.split('.')[0] == 'nbops' for name in sys.modules)))",
}


@pytest.mark.parametrize("cell", WORK.values(), ids=WORK)
def test_what_notebooks_do_works(server: Server, cell: str) -> None:
    lines = cell.strip("\n").split("\n")
    indent = len(lines[-1]) - len(lines[-1].lstrip())
    (answer,) = run(server, "\n".join(line[indent:] if not line[:indent].strip() else line for line in lines))
    assert answer.status == "ok", answer.error
    assert "done" in answer.printed


def test_figures_and_widgets_reach_the_notebook(server: Server) -> None:
    figure, widget = run(
        server,
        "import matplotlib.pyplot as plt; plt.plot([1, 2]);",
        "import ipywidgets; ipywidgets.IntSlider()",
    )
    assert "image/png" in figure.shown[-1]
    assert "application/vnd.jupyter.widget-view+json" in widget.shown[-1]
    assert "comm_open" in widget.kinds


def test_input_is_refused_as_in_any_headless_kernel(server: Server) -> None:
    (answer,) = run(server, "input('name? ')")
    assert answer.error == "StdinNotImplementedError"


def test_one_run_leaves_nothing_for_the_next(server: Server, tmp_path: Path) -> None:
    dirty = """
import os, sys, random, builtins, json, string, tempfile
import numpy as np
os.environ["LEFT"] = "1"; json.left = 1; builtins.left = 1; sys.modules["left"] = json; sys.path.append("/left")
import pandas as pd; pd.left = 1; pd.set_option("display.max_rows", 7); np.seterr(all="ignore")
left = open("/dev/null"); string.digits = "left"; tempfile.tempdir = "/left"
import signal; signal.signal(signal.SIGUSR1, lambda *_: None)
"""
    look = """
import os, sys, json, builtins, string, tempfile, signal, numpy as np, pandas as pd
[hasattr(pd, "left"), pd.get_option("display.max_rows"),
 os.environ.get("LEFT"), hasattr(json, "left"), hasattr(builtins, "left"), "left" in sys.modules, "/left" in sys.path,
 np.geterr()["divide"], string.digits, tempfile.gettempdir() == "/left", signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL]
"""
    run(server, dirty)
    (answer,) = run(server, look)
    assert (
        answer.value.replace("\n", "")
        == "[False, 60, None, False, False, False, False, 'warn', '0123456789', False, True]"
    )


def test_chance_differs_between_kernels(server: Server) -> None:
    draw = """
import random, uuid, secrets, multiprocessing, tempfile, numpy as np
[random.random(), uuid.uuid4(), secrets.token_hex(), np.random.random(), np.random.default_rng().random(),
 bytes(multiprocessing.current_process().authkey), next(tempfile._get_candidate_names())]
"""
    first, second = (eval(run(server, draw)[0].value, {"UUID": str}) for _ in range(2))  # noqa: S307 - our own text
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_a_kernel_has_no_open_files_but_its_own(server: Server) -> None:
    look = "import os; sorted({os.path.realpath(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')})"

    async def both() -> tuple[Answer, Answer]:
        async with session(server) as one, session(server) as other:
            return await one.run(look), await other.run(look)

    for answer in asyncio.run(both()):
        assert ".sock" not in answer.value
        assert ".log" not in answer.value


def test_environment_folder_and_streams_are_those_of_the_request(server: Server, tmp_path: Path) -> None:
    environ = {**ENVIRON, "NBOPS_RUN": "only-mine"}
    (answer,) = run(
        server,
        "import os; [os.getcwd(), os.environ['NBOPS_RUN'], os.environ.get('NBOPS_NOT')]",
        environ=environ,
        cwd=tmp_path,
    )
    assert eval(answer.value) == [str(tmp_path), "only-mine", None]  # noqa: S307 - our own text
    assert "NBOPS_RUN" not in os.environ


def test_exit_handlers_run_and_what_they_print_is_not_lost(server: Server, tmp_path: Path) -> None:
    cell = f"import atexit, pathlib; atexit.register(lambda: (pathlib.Path({str(tmp_path)!r}, 'ran').touch(), print('farewell')))"

    async def last_words() -> str:
        async with session(server) as kernel:
            await kernel.run(cell)
            await kernel.kernel.shutdown_kernel()
            said = ""
            while message := await kernel.client.get_iopub_msg(timeout=5):
                said += str(message["content"].get("text", ""))
                if "farewell" in said:
                    return said
        return said

    assert "farewell" in asyncio.run(last_words())
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("forked", [True, False])
@pytest.mark.parametrize(
    ("cell", "end"),
    [
        ("import os; os._exit(3)", {"exit_code": 3, "signal": None}),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", {"exit_code": None, "signal": 9}),
        ("import ctypes; ctypes.string_at(0)", {"exit_code": None, "signal": 11}),
    ],
)
def test_every_death_is_told_exactly_and_at_once(
    server: Server, cell: str, end: dict[str, int | None], *, forked: bool
) -> None:
    async def die() -> tuple[Usage | None, float]:
        async with session(server if forked else None) as kernel:
            assert kernel.kernel.forked is forked
            kernel.client.execute(cell)
            started = time.monotonic()
            usage = await asyncio.wait_for(kernel.kernel.ended(), 20)
            return usage, time.monotonic() - started

    usage, seconds = asyncio.run(die())
    assert usage is not None
    assert {"exit_code": usage.exit_code, "signal": usage.signal} == end
    assert usage.peak_rss is not None
    assert usage.peak_rss > 10_000_000
    assert usage.cpu_user is not None
    assert usage.cpu_system is not None
    # Of so little, the system may count all on one side.
    assert usage.cpu_user + usage.cpu_system > 0
    assert seconds < 15


@pytest.mark.parametrize("cell", ["while True: pass", "import time; time.sleep(60)", "!sleep 60"])
def test_an_interrupt_ends_the_cell_and_not_the_kernel(server: Server, cell: str, tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    async def interrupted() -> tuple[Answer, Answer]:
        async with session(server) as kernel:
            running = asyncio.ensure_future(kernel.run(f"open({str(begun)!r}, 'w').close()\n{cell}"))
            await asyncio.to_thread(wait_until, begun.exists)
            await asyncio.sleep(0.5)
            await kernel.kernel.interrupt_kernel()
            return await asyncio.wait_for(running, 30), await kernel.run("1 + 1")

    first, second = asyncio.run(interrupted())
    assert first.error == "KeyboardInterrupt" or cell.startswith("!")
    assert second.value == "2"


def test_a_kernel_that_does_not_want_to_leave_is_gone_all_the_same(server: Server) -> None:
    async def stubborn() -> tuple[Kernel, float]:
        async with session(server) as kernel:
            kernel.kernel.shutdown_wait_time = 1
            await kernel.run(
                "import signal, atexit, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); atexit.register(time.sleep, 60)"
            )
            started = time.monotonic()
            await kernel.kernel.shutdown_kernel()
            return kernel.kernel, time.monotonic() - started

    kernel, seconds = asyncio.run(stubborn())
    assert kernel.usage is not None
    assert kernel.usage.signal == signal.SIGKILL
    assert seconds < 15


@pytest.mark.parametrize("forked", [True, False])
def test_what_a_dead_kernel_has_started_is_cleaned_up(server: Server, *, forked: bool) -> None:
    async def left() -> int:
        async with session(server if forked else None) as kernel:
            await kernel.run("import subprocess; p = subprocess.Popen(['sleep', '600']); print(p.pid)")
            pid = int((await kernel.run("p.pid")).value)
            kernel.client.execute("import os; os._exit(0)")
            await kernel.kernel.ended()
            return pid

    pid = asyncio.run(left())
    assert eventually(lambda: not alive(pid))


def test_many_kernels_in_two_threads_leave_nothing_behind(server: Server) -> None:
    before = server.status()
    failures: list[BaseException] = []

    async def lane(number: int) -> None:
        for i in range(3):
            async with session(server) as kernel:
                assert kernel.kernel.forked
                assert (await kernel.run(f"{number} * 100 + {i}")).value == str(number * 100 + i)
                assert not [c for c in psutil.Process(kernel.kernel.pid).net_connections("tcp") if c.status == "LISTEN"]

    def lanes(first: int) -> None:
        async def together() -> None:
            await asyncio.gather(*(lane(first + i) for i in range(4)))

        try:
            asyncio.run(together())
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=lanes, args=(first,)) for first in (1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = server.status()
    assert not failures
    assert before is not None
    assert after is not None
    assert not after.kernels
    assert after.rss < before.rss * 1.05 or after.pid != before.pid


def test_the_private_folder_of_a_kernel_is_removed(server: Server) -> None:
    async def folder() -> Path:
        async with session(server) as kernel:
            path = Path(kernel.kernel.connection_file).parent
            assert path.stat().st_mode & 0o777 == 0o700
            assert kernel.kernel.transport == "ipc"
            return path

    assert not asyncio.run(folder()).exists()


def test_the_folder_of_a_killed_manager_is_removed_by_the_next_and_that_of_a_living_one_is_not(server: Server) -> None:
    living = PrivateFolder()
    dead = living.path.with_name("dead")
    dead.mkdir(exist_ok=True)
    for folder in (living.path, dead):
        os.utime(folder, (0, 0))
    run(server, "1")
    assert living.path.exists()
    assert not dead.exists()
    living.remove()


def test_a_kernelspec_that_names_a_provisioner_gets_it(server: Server) -> None:
    async def named() -> tuple[bool, str]:
        kernel = Kernel(server=server, environ=ENVIRON)
        assert kernel.kernel_spec is not None
        kernel.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": "local-provisioner"}
        await kernel.start_kernel()
        found = kernel.forked, type(kernel.provisioner).__name__
        await kernel.shutdown_kernel(now=True)
        return found

    assert asyncio.run(named()) == (False, "LocalProvisioner")


def test_a_kernel_can_be_started_again(server: Server) -> None:
    async def again() -> list[str]:
        async with session(server) as kernel:
            await kernel.run("x = 1")
            # Two clients of one manager have one name: the kernel would answer either.
            kernel.client.stop_channels()
            await kernel.kernel.restart_kernel()
            kernel.client = kernel.kernel.client()
            kernel.client.start_channels()
            await kernel.client.wait_for_ready(timeout=30)
            return [(await kernel.run("x")).error]

    assert asyncio.run(again()) == ["NameError"]


def test_a_variable_that_a_preloaded_module_has_read_makes_the_kernel_ordinary(server: Server) -> None:
    async def forked(name: str) -> bool:
        async with session(server, environ={**ENVIRON, name: "1"}) as kernel:
            return kernel.kernel.forked

    assert asyncio.run(forked("MY_OWN"))
    assert not asyncio.run(forked("PYTHONWARNINGS"))
    assert not asyncio.run(forked("TORNADO_NO_EXTENSION"))
    assert servers.status(server.folder)


def test_another_interpreter_gets_an_ordinary_kernel(server: Server) -> None:
    from nbops.execution.kernels.provisioner import forkable

    usual = [sys.executable, "-m", "ipykernel_launcher", "-f", "c.json"]
    assert forkable(usual, {"env": {}})[1:] == ["-f", "c.json"]
    assert forkable([sys.executable, "-Xfrozen_modules=off", *usual[1:]], {"env": {}})
    assert not forkable([os.path.realpath(sys.executable), *usual[1:]], {"env": {}}) or Path(
        sys.executable
    ).resolve() == Path(sys.executable)
    assert not forkable(["/usr/bin/env", "python", *usual[1:]], {"env": {}})
    assert not forkable([*usual[:1], "-c", "import this"], {"env": {}})
    assert not forkable([*usual, "--debug"], {"env": {}})
    assert not forkable(usual, {"env": {}, "preexec_fn": print})
    assert not forkable(usual, {"env": {}, "independent": True})
