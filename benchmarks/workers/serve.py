"""The loop of a worker: lines of JSON come in on standard input, each is a job; its figures go out as a line of JSON."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any


def serve(packages: Iterable[str], **jobs: Callable[..., dict[str, Any]]) -> None:
    """Tell the versions of `packages`, then do jobs until the input ends.

    A job's figures are joined by `wall` and `cpu`, seconds of the whole call, the children it waited for included.
    """
    # What libraries print must not end up among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps({name: version(name) for name in packages}), file=answers, flush=True)
    for line in sys.stdin:
        arguments = json.loads(line)
        job = jobs[arguments.pop("job")]
        wall, used = time.perf_counter(), cpu()
        try:
            figures = job(**arguments)
        except Exception as error:  # noqa: BLE001 - a process border: every failure is an answer
            figures = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(
            json.dumps({"wall": time.perf_counter() - wall, "cpu": cpu() - used, **figures}), file=answers, flush=True
        )


def cpu() -> float:
    """Seconds of processor time that this process has used, and the children that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
