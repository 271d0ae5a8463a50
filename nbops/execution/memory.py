"""How much memory processes hold, how much the system allows here, and how often it has killed for it.

What holds for a runner holds for its kernel too, which is in its control group.
"""

from __future__ import annotations

import contextlib
import re
import resource
from pathlib import Path

from nbops.data import spans
from nbops.records import Record

_GROUPS = Path("/sys/fs/cgroup")
_SHARE = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)
_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_PAGE = resource.getpagesize()


class Allowance(Record):
    """The most bytes that a kernel may hold, with all that it starts; `by` is who says so."""

    memory: int
    by: str

    def exceeded(self, held: int) -> str:
        """That this much was held, in words."""
        return (
            f"used {spans.like(held, self.memory)} of the {spans.like(self.memory, self.memory)} that {self.by} allows"
        )


def family(pid: int) -> list[int]:
    """A process and all that it has started, as far as they live."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                with contextlib.suppress(OSError):
                    found += map(int, (task / "children").read_text().split())
    return found


def held(pid: int, most: int) -> int:
    """The bytes that a process holds with all that it has started; memory that they share counts once.

    To find out what is shared takes milliseconds, and is done only where they hold more than `most` without that. 0 where no system tells.
    """
    processes = family(pid)
    simple = sum(map(_resident, processes))
    return simple if simple <= most else sum(map(_proportional, processes))


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return 0


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError):
        found = _SHARE.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
        if found:
            return int(found[1]) * 1024
    # Somebody else's processes do not tell.
    return _resident(pid)


def kills() -> int:
    """How many processes of this control group were killed for its memory; 0 where nobody counts."""
    for file in (*_files("memory.events"), *_files("memory.oom_control")):
        with contextlib.suppress(OSError):
            found = _KILLS.search(file.read_text())
            if found:
                return int(found[1])
    return 0


def limit() -> int | None:
    """The most bytes that a process may have here, by control group or `ulimit -v`; None without a limit."""
    known = []
    for file in (*_files("memory.max"), *_files("memory.limit_in_bytes")):
        with contextlib.suppress(OSError, ValueError):
            known.append(int(file.read_text()))
    address_space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if address_space != resource.RLIM_INFINITY:
        known.append(address_space)
    # The older kind of group writes more than any machine has for "no limit".
    return min((most for most in known if most < 2**60), default=None)


def _files(name: str) -> list[Path]:
    """In the unified tree, in the one for memory, and, in a container, at the top of either."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in {"", "memory"}:
            found += [_GROUPS / controllers / path.lstrip("/") / name, _GROUPS / controllers / name]
    return found
