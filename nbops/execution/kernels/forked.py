"""A kernel in the child of a fork: what was the server's goes, what the kernel was asked with comes, then ipykernel takes over.

It differs from ipykernel's own application in this: it ends with its server without a thread that looks for that, subprocess output
comes over a socket file instead of a TCP port, and it leaves in an order that cannot lock up.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import gc
import itertools
import json
import operator
import os
import signal
import sys
import tempfile
import threading
import time
import types
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple, NoReturn

import ipykernel.debugger  # noqa: F401 - while debugpy is blocked: a kernel imports it anyway, and finds no debugger
import zmq
from ipykernel import ipkernel, kernelapp
from ipykernel.iostream import IOPubThread
from IPython.core import shellapp
from traitlets.config.loader import Config, DeferredConfigString
from zmq.eventloop.zmqstream import ZMQStream

from nbops.execution.kernels.key import from_installed, site_folders
from nbops.execution.kernels.preload import ask_ahead
from nbops.execution.skipping import watch


class Order(NamedTuple):
    """A kernel's `argv` after the interpreter's `-m`, its whole environment, its folder.

    `watch` are the folders of the project and the notebook, if what the cells read is to be noted.
    """

    argv: list[str]
    environ: dict[str, str]
    cwd: str
    watch: tuple[str, str] | None = None


class Lines(NamedTuple):
    """The child's descriptors: its standard streams, where it reports, and what breaks off when the server is gone."""

    stdio: tuple[int, int, int]
    report: int
    life: int


def prepare() -> None:
    """In the server, when everything is imported: note what kernels must not look for, because looking would copy memory.

    A page is shared with the server until a reference to an object on it is counted. Going through all modules, which lie
    everywhere, costs a kernel more than a tenth of its start.
    """
    _life["watched"] = watch.preloaded()
    _life["preloaded"] = _life["watched"][0]
    _life["modules"] = set(_life["preloaded"])
    ask_ahead()
    # Under development: a notebook that imports nbops gets what is there now, not when the server began.
    own = [name for name in sys.modules if name.partition(".")[0] == "nbops"]
    _life["outdated"] = own if not from_installed(["nbops"]) else []


def be_kernel(order: Order, lines: Lines) -> NoReturn:
    """In the child of a fork: be the kernel that was ordered, until it is asked to leave; `leave` has the last word.

    The caller has closed what was its own.
    """
    _life.update(pid=os.getpid(), report=lines.report, status=1)
    _become(order, lines)
    # Having a parent keeps it from telling a terminal how to connect.
    app = IPKernelApp.instance(parent_handle=os.getppid(), kernel_class=IPythonKernel)
    app.report = lines.report
    app.initialize(order.argv[1:])
    if not app.logging_config:
        # traitlets makes a record of every message, and drops those that are not of this level afterwards.
        app.log.setLevel(app.log_level)
    # What was made until here stays.
    gc.freeze()
    gc.enable()
    if order.watch:
        watch.watch(*order.watch, _life["watched"])
    app.start()
    _life["status"] = 0
    sys.exit()


def leave() -> None:
    """Tell what the kernel imported, and end its process without taking the interpreter apart: the last handler of atexit.

    Does nothing in the server, nor in processes that a kernel forks.
    """
    if os.getpid() != _life["pid"]:
        return
    names = from_installed(_news())
    with contextlib.suppress(OSError), open(_life["report"], "wb") as report:  # noqa: PTH123 - a descriptor has no path
        report.write(json.dumps({"imported": names}).encode() + b"\n")
    for stream in (sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()
    os._exit(_life["status"])


_life: dict[str, Any] = {"pid": 0, "preloaded": frozenset(), "modules": set(), "outdated": [], "watched": ()}
"""What a kernel's process has to know."""


def _news() -> list[str]:
    # Backwards: what was needed comes before what needed it, and what was there before the kernel comes last.
    return [*itertools.takewhile(lambda name: name not in _life["preloaded"], reversed(sys.modules))]


def _become(order: Order, lines: Lines) -> None:
    os.setsid()
    _die_with(lines.life)
    for signum in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_DFL)
    for number, stream in enumerate(lines.stdio):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(order.environ)
    time.tzset()
    os.chdir(order.cwd)
    sys.argv[:] = order.argv
    del sys.modules["debugpy"]
    for name in _life["outdated"]:
        del sys.modules[name]
    tempfile.tempdir = None
    _reseed(order.cwd)


def _die_with(life: int) -> None:
    """Let the system kill this process group when the other end of a pipe is closed."""
    fcntl.fcntl(life, F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpid())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        # It should be empty; an end means that the server went before the line above.
        os.read(life, 1)
        os._exit(1)


F_SETSIG = 10
"""As in Linux's fcntl.h; Python does not name it before 3.12."""


def _reseed(cwd: str) -> None:
    """Draw anew what the server drew from chance; `random` sees to that itself."""
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
    if "multiprocessing.process" in sys.modules:
        process = sys.modules["multiprocessing.process"]
        process.current_process().authkey = os.urandom(32)
        process.ORIGINAL_DIR = cwd  # type: ignore[attr-defined]  # where spawned processes look for the main module


class IPKernelApp(kernelapp.IPKernelApp):
    """ipykernel's application, which tells when its sockets are bound, and closes in an order that cannot lock up.

    Libraries tell a notebook from a terminal by its name, as a section of the configuration.
    """

    report = -1

    def parse_command_line(self, argv: Any = None) -> None:
        """Kernels are forked for these arguments alone: see `provisioner.forkable`."""
        config = Config()
        config.IPKernelApp.connection_file = argv[1]
        for argument in argv[2:]:
            name, _, value = argument.removeprefix("--").partition("=")
            *sections, trait = name.split(".")
            functools.reduce(operator.getitem, sections, config)[trait] = DeferredConfigString(value)
        self.cli_config = config
        self.update_config(config)

    def init_poller(self) -> None:
        """Nothing: see `_die_with`."""

    def init_iopub(self, context: Any) -> None:
        """As ipykernel does, but for the output of subprocesses."""
        if self.transport == "ipc":
            _FilePipe.path = f"{self.ip}-p"
            kernelapp.IOPubThread = _FilePipe  # type: ignore[attr-defined]  # what `init_iopub` makes, under its only name
        super().init_iopub(context)

    def init_sockets(self) -> None:
        """As ipykernel does; nothing but `close` may stop the thread that publishes."""
        super().init_sockets()
        atexit.unregister(self.iopub_thread.stop)

    def init_heartbeat(self) -> None:
        """After this last socket a client may connect."""
        super().init_heartbeat()
        os.write(self.report, b'{"bound": true}\n')

    def init_path(self) -> None:
        """As ipykernel does without the server's `-P`: the kernel's folder comes after Python's own."""
        super().init_path()
        if "" not in sys.path and not self.ignore_cwd and not os.environ.get("PYTHONSAFEPATH"):
            own = [index for index, path in enumerate(sys.path) if path in site_folders()]
            sys.path.insert(min(own, default=len(sys.path)), "")

    def init_code(self) -> None:
        """As ipykernel does, but for how the modules are listed that `%reset -f` leaves."""
        with _no_modules(shellapp):
            super().init_code()
        _life["modules"].update(_news())
        shell: Any = self.shell
        shell._sys_modules_keys = _life["modules"]  # noqa: SLF001 - IPython has no other name for it

    def close(self) -> None:
        """Bring out what was printed, then end the threads, the publishing one last.

        ipykernel ends it first, and joins for ever a thread that waits for its output to be published.
        """
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        self.reset_io()
        for thread in (self.control_thread, self.shell_channel_thread):
            if thread and thread.is_alive():
                thread.stop()
                thread.join(1)
        self.iopub_thread.stop()
        # Whatever still holds a socket keeps this waiting; the messages have long gone.
        end = threading.Thread(target=self._end_context, daemon=True)
        end.start()
        end.join(1)

    def _end_context(self) -> None:
        self.iopub_thread.close()
        for name in ("shell", "control", "stdin", "debugpy", "debug_shell"):
            getattr(self, f"{name}_socket").close()
        if self.context is not None:
            self.context.term()


@contextlib.contextmanager
def _no_modules(importer: Any) -> Iterator[None]:
    """Let the `sys` that a module has imported list no modules: see `prepare`."""
    importer.sys = types.SimpleNamespace(**{**vars(sys), "modules": {}})
    try:
        yield
    finally:
        importer.sys = sys


class IPythonKernel(ipkernel.IPythonKernel):
    """ipykernel's kernel, under its name; what it leaves running is the server's to end.

    ipykernel would try for many seconds to end the resource tracker of multiprocessing and joblib, which ignores signals and ends
    with the kernel.
    """

    def __init__(self, **options: Any) -> None:
        # ipykernel would list every module for a debugger that there is not.
        with _no_modules(ipkernel):
            super().__init__(**options)

    async def _progressively_terminate_all_children(self) -> None:
        pass


class _FilePipe(IOPubThread):
    """Output of processes that a kernel forks comes over a socket file: a TCP port would listen to everybody here."""

    path: ClassVar[str] = ""

    def _setup_pipe_in(self) -> None:
        self._pipe_uuid = os.urandom(16)
        pipe = self.socket.context.socket(zmq.PULL)
        pipe.linger = 0
        pipe.bind(f"ipc://{self.path}")
        self._pipe_in = ZMQStream(pipe, self.io_loop)
        self._pipe_in.on_recv(self._handle_pipe_msg)

    def _setup_pipe_out(self) -> tuple[zmq.Context[Any], zmq.Socket[Any]]:
        context: zmq.Context[Any] = zmq.Context()
        pipe = context.socket(zmq.PUSH)
        pipe.linger = 3000
        pipe.connect(f"ipc://{self.path}")
        return context, pipe
