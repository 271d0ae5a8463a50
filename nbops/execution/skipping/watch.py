"""What a Python kernel reads, reaches and starts while cells run.

A forked kernel has this module from its server; an ordinary one is sent the text and executes that. Nothing of nbops is imported
here, no name is left behind: the hook answers an audit event of its own. It never raises and looks at the event's name first,
because Python tells thousands of events.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import source_from_cache
from itertools import takewhile
from types import FrameType
from typing import Any
from urllib.parse import unquote

MOST = 1000
ASKED = "nbops.watched"
FIRST = "count(1)"
# A kernel brings its debugger along, unless it was forked.
OTHERS = {"nbops", "debugpy"}
FAULTS = (ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


def preloaded() -> tuple[frozenset[str], frozenset[str], tuple[str, ...]]:
    """What is imported by now: all names, the packages that are installed, and the files of what else is none of Python's own."""
    site = tuple(f"{entry}{os.sep}" for entry in sys.path if entry.endswith("-packages"))
    library = os.path.dirname(os.__file__) + os.sep
    modules = [item for item in sys.modules.items() if item[0].partition(".")[0] not in OTHERS]
    told = {name: getattr(module, "__dict__", {}).get("__file__") for name, module in modules}
    files = {name: file for name, file in told.items() if type(file) is str}
    packages = frozenset(name.partition(".")[0] for name, file in files.items() if file.startswith(site))
    rest = tuple(file for file in files.values() if not file.startswith((*site, library)))
    return frozenset(sys.modules), packages, rest


def watch(  # noqa: C901, PLR0915 - all in one closure, so that no name is left in the kernel
    project: str,
    cwd: str,
    before: tuple[frozenset[str], frozenset[str], tuple[str, ...]] = (frozenset(), frozenset(), ()),
) -> None:
    """Note from now on; `project` and `cwd` are the folders whose files matter wherever they lie.

    `before` is what `preloaded` told in the server of a forked kernel: to look at those modules again would copy their memory.
    """
    here = globals()
    began = time.time()
    home = os.path.expanduser("~")
    real = os.path.realpath
    # A sitecustomize or a notebook may add folders of packages: these are where packages lie now.
    site = tuple({f"{p}{os.sep}" for e in sys.path if e.endswith("-packages") for p in (e, real(e))})
    python = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, os.path.dirname(os.__file__)}
    prefixes = {*python, *map(real, python)}
    caches = (
        ".cache",
        ".config",
        ".ipython",
        ".jupyter",
        ".matplotlib",
        ".fonts",
        ".local/share/jupyter",
        ".local/share/fonts",
    )
    system = {
        "/proc",
        "/sys",
        "/dev",
        "/etc",
        "/usr/share",
        "/usr/lib",
        "/usr/local/share",
        "/var/cache",
        tempfile.gettempdir(),
    }
    own = tuple({f"{p}{os.sep}" for e in (project, cwd) for p in (e, real(e))})
    # A virtual environment in the project is none of the project's files.
    ignored = tuple(f"{p}{os.sep}" for p in prefixes if f"{p}{os.sep}".startswith(own)) + site
    ignored += tuple(f"{p}{name}{os.sep}" for p in own for name in (".nbops", ".git"))
    elsewhere = tuple(f"{p}{os.sep}" for p in (*prefixes, *system, *(os.path.join(home, name) for name in caches)))
    compiled = (".pyc", ".so")
    # What nbops itself looks into: settings, and the notebook that it keeps the digest of, whose code is part of the key.
    looked_into = ("nbops.toml", "pyproject.toml", ".ipynb")
    reads: dict[str, Any] = {}
    hosts: dict[str, Any] = {}
    processes: dict[str, Any] = {}
    uses: dict[str, Any] = {}
    written: set[str] = set()
    imported: set[str] = set()
    resolved: set[Any] = set()

    def note(where: dict[str, Any], name: str) -> None:
        if len(where) < MOST:
            # A name that is no text is told as near as text comes to it.
            where.setdefault(name.encode("utf-8", "replace").decode(), time.time())

    def workers() -> Any:
        # multiprocessing and joblib number the processes that they make.
        return getattr(sys.modules.get("multiprocessing.process"), "_process_counter", FIRST)

    def is_tracking() -> bool:
        # Below the cell's own code lies IPython; in a kernel that was forked, nbops lies below that.
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            name = "" if frame.f_globals is here else str(frame.f_globals.get("__name__", ""))
            if name.startswith("IPython.core."):
                return False
            if name.partition(".")[0] == "nbops":
                return True
            frame = frame.f_back
        return False

    def is_ours(path: str) -> bool:
        return path.startswith(own) and not path.startswith(ignored)

    def is_code(path: str) -> bool:
        return is_ours(path) or not path.startswith(elsewhere)

    def opened(given: Any, mode: Any, flags: int) -> None:
        # What imports open comes first, by its name alone: there are thousands.
        if type(given) is str and given.endswith(compiled):
            if "__pycache__" in given and not given.startswith(ignored) and len(imported) < MOST:
                # Byte code is looked for before the source is, and a module may be gone from `sys.modules` in the end.
                imported.add(source_from_cache(os.path.abspath(given)))
            return
        if isinstance(given, int):
            return
        path = os.fsdecode(given)
        if path.startswith(ignored):
            return
        path = os.path.abspath(path)
        if path in reads or path.startswith(ignored) or (not path.startswith(own) and path.startswith(elsewhere)):
            return
        changes = flags & (os.O_WRONLY | os.O_RDWR)
        if flags & os.O_TRUNC or flags & os.O_EXCL or (flags & os.O_CREAT and not os.path.exists(path)):
            if len(written) < MOST:
                written.add(path)
        elif changes != os.O_WRONLY and path not in written:
            # `os.open` has no mode, and may be given a folder that the name lies in.
            read(path, within=mode is None and not os.fsdecode(given).startswith(os.sep))

    def read(path: str, *, within: bool) -> None:
        try:
            status = os.stat(path)
        except OSError:
            # What the standard library looks into while it walks is no file.
            if within and sys._getframe(3).f_globals.get("__name__") not in {"shutil", "os"}:
                note(reads, path)
            return
        if not stat.S_ISREG(status.st_mode):
            return
        # What nbops keeps of a run was often written by the run itself, past Python.
        by_tracking = path.endswith(looked_into) or status.st_mtime >= began
        if not (by_tracking and is_tracking()):
            note(reads, path)

    def renamed(source: Any, target: Any, *_: Any) -> None:
        source, target = (os.path.abspath(os.fsdecode(name)) for name in (source, target))
        if source in written and len(written) < MOST:
            written.add(target)

    def database(given: Any, *_: Any) -> None:
        name = os.fsdecode(given)
        if name.startswith("file:"):
            name = unquote(name.removeprefix("file:").partition("?")[0])
        if name not in {"", ":memory:"}:
            opened(name, None, os.O_RDWR | os.O_CREAT)

    def library(given: Any, *_: Any) -> None:
        path = os.path.abspath(os.fsdecode(given)) if given else ""
        if is_ours(path) and os.path.exists(path):
            note(reads, path)

    def connected(_socket: Any, address: Any) -> None:
        if isinstance(address, tuple) and address[1] not in resolved and not is_tracking():
            note(hosts, f"{address[0]}:{address[1]}")

    def looked_up(host: Any, port: Any = None, *_: Any) -> None:
        name = os.fsdecode(host) if host else ""
        if name in {"", "localhost"} or ":" in name or name.replace(".", "").isdigit() or is_tracking():
            return
        resolved.add(port)
        note(hosts, f"{name}:{port}" if port else name)

    def started(program: Any, *_: Any) -> None:
        if not is_tracking():
            name = os.path.basename(os.fsdecode(program))
            # It is asked how many cores there are, by joblib and others.
            if name not in {"lscpu", "uname"}:
                note(processes, name)

    def popened(program: Any, arguments: Any, *_: Any) -> None:
        first = arguments if isinstance(arguments, (str, bytes)) else next(iter(arguments), program)
        started(program or first)

    def commanded(_command: Any) -> None:
        # The command itself may contain anything, a password too.
        started("sh")

    def forked(*_: Any) -> None:
        if not is_tracking():
            note(processes, "a fork of itself")

    def used(what: str) -> None:
        note(uses, what)

    def told(box: list[str]) -> None:
        known, packages, others = before[0], set(before[1]), before[2]
        modules = {path for path in (*imported, *others) if is_code(path)}
        for name in list(takewhile(lambda name: name not in known, reversed(sys.modules))):
            file = getattr(sys.modules.get(name), "__dict__", {}).get("__file__")
            top = name.partition(".")[0]
            if type(file) is not str or top in OTHERS:
                continue
            if file.startswith(site):
                packages.add(top)
            elif is_code(file):
                modules.add(file)
        if str(workers()) != workers_before:
            # These start in ways that no event tells.
            note(processes, "worker processes")
        answer = {
            "reads": reads, "hosts": hosts, "processes": processes, "uses": uses,
            "packages": sorted(packages), "modules": sorted(modules), "site": [e for e in sys.path if e.endswith("-packages")],
            "full": len(reads) >= MOST,
        }  # fmt: skip
        box.append(json.dumps(answer))

    handlers: dict[str, Callable[..., None]] = {
        "open": opened, "socket.connect": connected, "socket.getaddrinfo": looked_up, "socket.gethostbyname": looked_up,
        "subprocess.Popen": popened, "os.system": commanded, "os.rename": renamed, "sqlite3.connect": database,
        "ctypes.dlopen": library, "os.posix_spawn": started, "os.exec": started, "os.fork": forked,
        "os.forkpty": forked, "nbops.uses": used, ASKED: told,
    }  # fmt: skip
    find = handlers.get
    workers_before = str(workers())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        handler = find(event)
        if handler is not None:
            try:
                handler(*arguments)
            except FAULTS:
                # The notebook's own call goes on.
                note(uses, f"something that was not understood ({event})")

    sys.addaudithook(hook)
