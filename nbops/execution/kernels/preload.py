"""Which modules a server imports ahead, learnt from what kernels imported, and the import itself, under watch.

Only installed modules are preloaded that leave nothing behind at import which a fork would share or lose: no thread, process, open
file or output, no question for the running shell. Others are dropped, by name, until the installed distributions change.
"""

from __future__ import annotations

import builtins
import contextlib
import fnmatch
import importlib
import json
import os
import sys
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from nbops.execution.kernels.key import from_installed, site_key

_RUNS = 64
_NAMES = 4000
_USUAL = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, RuntimeError,
          SyntaxError, SystemExit, TypeError, ValueError)  # fmt: skip


class Memory:
    """The modules of the last runs that needed new ones, and those not to be preloaded, in one small file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._site = site_key()
        self._runs: list[list[str]] = []
        self._dropped: dict[str, str] = {}
        self._proven: list[str] = []
        self._read()

    @property
    def names(self) -> list[str]:
        """What to preload; what is needed comes before what needs it."""
        return list(dict.fromkeys(name for run in self._runs for name in run if name not in self._dropped))

    @property
    def dropped(self) -> dict[str, str]:
        """What is not preloaded, and why."""
        return dict(self._dropped)

    @property
    def proven(self) -> bool:
        """Whether a kernel with just this preloaded is known to work."""
        return self._proven == self.names

    def prove(self) -> None:
        """A kernel worked with all of `names`."""
        if not self.proven:
            self._proven = self.names
            self._write()

    def learn(self, names: Iterable[str]) -> bool:
        """Remember what a kernel imported that was not preloaded. True when some of it is new."""
        self._read()
        known = {*self.names, *self._dropped}
        new = [name for name in names if name not in known]
        if new:
            # What falls out with an old run is learnt again when it is missed.
            self._runs = [*self._runs, new][-_RUNS:]
            while len(self._runs) > 1 and sum(map(len, self._runs)) > _NAMES:
                del self._runs[0]
            self._write()
        return bool(new)

    def drop(self, faults: dict[str, str]) -> None:
        """Do not preload these again; the values tell why."""
        self._read()
        self._dropped.update(faults)
        self._write()

    def forget(self) -> None:
        """Start over: what was learnt does not work together."""
        self._runs = []
        self._write()

    def _read(self) -> None:
        try:
            told = json.loads(self._path.read_bytes())
            runs, site, dropped, proven = told["runs"], told["site"], told["dropped"], told["proven"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        self._runs = runs
        self._dropped, self._proven = (dropped, proven) if site == self._site else ({}, [])

    def _write(self) -> None:
        text = json.dumps({"site": self._site, "runs": self._runs, "dropped": self._dropped, "proven": self._proven})
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        # A full disk costs what was to be remembered, nothing else.
        with contextlib.suppress(OSError):
            temporary.write_text(text)
            temporary.chmod(0o600)
            temporary.replace(self._path)


def preload(names: Iterable[str], memory: Memory) -> dict[str, str]:
    """Import the modules, but for dropped ones; gives those that may not be preloaded, with the reason.

    These stay imported: the process has to start over without them. One whose import raises what hardly any does is dropped at
    once, and ends the process.
    """
    faults: dict[str, str] = {}
    never = memory.dropped.keys()
    ours = set(sys.modules)
    with _shell_to_be() as shell:
        for name in names:
            if name not in sys.modules and name not in never:
                reason = _import(name, shell, memory)
                if reason:
                    faults[name] = reason
                # Often a module that this one needs has asked: that alone is to blame next time.
                faults.update(dict.fromkeys(shell.asking, reason))
                shell.asking.clear()
    grown = [name for name in sys.modules if name not in ours]
    foreign = set(grown) - set(from_installed(grown)) - _without_file(grown)
    return dict.fromkeys(sorted(foreign), "belongs to a project") | faults


def ask_ahead() -> None:
    """Ask what code asks once and remembers, if each kernel has the same answer: none has to copy memory for it."""
    # Client processes have this module, too.
    from IPython.core.completer import IPCompleter
    from IPython.core.inputtransformer2 import TransformerManager

    # The patterns that every shell compiles.
    IPCompleter(namespace={}, global_namespace={})  # type: ignore[no-untyped-call]  # IPython has no types for it
    TransformerManager().transform_cell("''\n''")  # type: ignore[no-untyped-call]  # IPython has no types for it
    fnmatch.filter((), "*.ipy")
    # Before the first line of a log: whether it is a mapping goes through all classes that are registered as one.
    values: tuple[object, ...] = (0, "", [], None)
    for value in values:
        isinstance(value, (Mapping, Awaitable))
    # scikit-learn asks narwhals whether it is given a frame, which reads the entry points of all distributions for that.
    if (narwhals := sys.modules.get("narwhals.dependencies")) is not None:
        from importlib.metadata import entry_points

        if not entry_points(group="narwhals.plugins"):
            narwhals.is_into_dataframe(None)


def tasks() -> int:
    """The threads of this process, pools of compiled libraries included."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def shake_off() -> None:
    """Fork a child that does nothing: BLAS libraries end their threads before a fork, and start them again when needed."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _without_file(names: Iterable[str]) -> set[str]:
    """Namespace packages and modules made in memory hold no code of a project."""
    specs = {name: getattr(sys.modules.get(name), "__spec__", None) for name in names}
    return {name for name, spec in specs.items() if spec is None or getattr(spec, "origin", None) is None}


def _import(name: str, shell: ZMQInteractiveShell, memory: Memory) -> str:
    """Gives why the module must not be preloaded, if so."""
    never = memory.dropped.keys() - sys.modules.keys()
    before = _footprint(shell)
    with contextlib.ExitStack() as otherwise:
        otherwise.callback(memory.drop, {name: "cannot be imported"})
        try:
            importlib.import_module(name)
        except _USUAL as error:
            otherwise.pop_all()
            return f"cannot be imported ({type(error).__name__})"
        otherwise.pop_all()
    sys.stdout.flush()
    after = _footprint(shell)
    if after.tasks > before.tasks:
        shake_off()
        after = after._replace(tasks=tasks())
    reasons = {
        "uses the running shell": bool(shell.asking) or after.shells > before.shells,
        "prints or warns when imported": after.said != before.said,
        "leaves a file open": after.files > before.files,
        "leaves a thread running": after.tasks > before.tasks,
        "leaves a process running": after.parent > before.parent,
        f"needs {min(never & sys.modules.keys(), default='')}": bool(never & sys.modules.keys()),
    }
    return next((reason for reason, found in reasons.items() if found), "")


class _Footprint(NamedTuple):
    """What an import may change: threads, open files, bytes in the log, having children, the shell's holders."""

    tasks: int
    files: int
    said: int
    parent: bool
    shells: int


def _footprint(shell: ZMQInteractiveShell) -> _Footprint:
    files = sum(1 for _ in Path("/proc/self/fd").iterdir())
    return _Footprint(tasks(), files, os.fstat(1).st_size, _has_children(), sys.getrefcount(shell))


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


class _Untouched:
    """That it is there may be asked for, nothing else."""

    def __init__(self, asking: set[str]) -> None:
        self.asking = asking

    def __getattr__(self, name: str) -> object:
        # To blame is the module that is being imported, whosever function it has called.
        frame = sys._getframe(1)  # noqa: SLF001 - the documented way to see the caller
        while frame.f_back and frame.f_code.co_name != "<module>":
            frame = frame.f_back
        self.asking.add(frame.f_globals.get("__name__", ""))
        raise AttributeError(name)


class ZMQInteractiveShell(_Untouched):
    """Stands in for the shell that there will be, under its name.

    Many modules ask it at import whether they are in a notebook; whoever wants more of it, or keeps it, needs the real one.
    """

    config: ClassVar[dict[str, object]] = {"IPKernelApp": {}}

    def __init__(self) -> None:
        super().__init__(set())
        self.kernel = _Untouched(self.asking)


@contextlib.contextmanager
def _shell_to_be() -> Iterator[ZMQInteractiveShell]:
    """Meanwhile `get_ipython` answers as it will in the kernel."""
    from IPython.core.getipython import get_ipython
    from IPython.core.interactiveshell import InteractiveShell

    shell = ZMQInteractiveShell()
    # In place of what is inherited, which is back when these are deleted.
    replaced: Any = InteractiveShell
    replaced.initialized = lambda: True
    replaced.instance = lambda: shell
    builtins.get_ipython = get_ipython  # type: ignore[attr-defined]  # the shell puts it there, and modules look there
    try:
        yield shell
    finally:
        del replaced.initialized, replaced.instance
        del builtins.get_ipython  # type: ignore[attr-defined]  # as above
