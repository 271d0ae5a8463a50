"""Fetching: a source goes in, files that `nbops.data.relation` can scan come out, or the news that nothing has changed.

What comes over a network is written to a staging folder, never half; local files are read once, for their digest, and stay where
they are. No store is touched.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbops.data.sources import files
from nbops.data.sources.address import Kind
from nbops.data.sources.declaration import Source
from nbops.data.sources.origin import Fetched, Origin, Progress
from nbops.data.sources.task import Task

# Each is imported when it is needed: they bring libraries of their own.
_MODULES: dict[Kind, str] = {
    "file": "files", "http": "web", "object": "objects", "sqlite": "sqlite", "postgres": "postgres", "python": "functions",
}  # fmt: skip


def fetch(
    source: Source,
    staging: Path,
    *,
    project: Path,
    since: Any = None,
    seen: Origin | None = None,
    sleep: Callable[[float], None] = time.sleep,
    progress: Progress | None = None,
) -> Fetched:
    """Bring a source's data into `staging`, or find that it is what was `seen`, the origin of an earlier fetch.

    `since` is the newest value of the column `append.by` that is there already; tables and functions give only what is beyond it, less
    `append.look_back`.
    `sleep` waits between attempts. Two fetches of one source at a time need two staging folders. Raises SourceError.
    """
    task = Task(source, staging, project=project, since=since, seen=seen, sleep=sleep, progress=progress)
    if source.kind == "frame":
        return task.fetched(source.given)
    module = importlib.import_module(f"nbops.data.sources.{_MODULES[source.kind]}")
    fetched: Fetched = module.fetch(task)
    return fetched


def confirm(origin: Origin, *, project: Path) -> None:
    """Raise SourceError if a local file is not what it was when it was fetched: to be asked after a scan of it."""
    files.confirm(origin, project=project)
