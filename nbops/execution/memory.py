"""How much memory the system allows here, and how often it has killed for it: for a kernel too, which is in its runner's control group."""

from __future__ import annotations

import contextlib
import re
import resource
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


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
