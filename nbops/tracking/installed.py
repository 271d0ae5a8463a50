"""What is installed beside this interpreter, as its folders tell without being read; and what was found out, in a small file."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

_scanned: dict[str, tuple[int, list[tuple[str, int]]]] = {}


def installed(folder: str) -> list[tuple[str, int]]:
    """Names and times of what pip writes beside the packages; read anew when something was added or removed."""
    try:
        changed = Path(folder).stat().st_mtime_ns
        known = _scanned.get(folder)
        if known is None or known[0] != changed:
            with os.scandir(folder) as entries:
                told = [
                    (entry.name, entry.stat().st_mtime_ns)
                    for entry in entries
                    if entry.name.endswith((".dist-info", ".egg-info", ".egg-link", ".pth"))
                ]
            _scanned[folder] = known = (changed, sorted(told))
    except OSError:
        return []
    return known[1]


def remember(path: Path, told: Mapping[str, object], most: int) -> None:
    """Write the last `most` entries, whole or not at all; a full disk costs what was to be remembered, nothing else."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        temporary.write_text(json.dumps(dict(list(told.items())[-most:])))
        temporary.chmod(0o600)
        temporary.replace(path)
