"""A pipeline's run in a line: while it goes on, and when it has ended."""

from __future__ import annotations

from nbops.pipelines.course import Ended, Progress
from nbops.records import short


def progress(at: Progress) -> str:
    """How many steps are done, and which run."""
    done = at.count("finished", "unchanged", "degraded", "excluded")
    now = ", ".join(key for key, one in at.tasks.items() if one.status == "running")
    return f"{done} of {len(at.tasks)} steps done{f'; {now}' if now else ''}"


def summary(ended: Ended) -> str:
    """The outcome, and why."""
    return f"{ended.outcome} {short(ended.run_id)} {ended.pipeline} in {ended.seconds:.1f} s: {ended.sentence}"
