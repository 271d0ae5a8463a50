"""What a model takes when it is loaded: cpu seconds and memory, measured in a Python that has just started.

Run as a module, this file is the other process. The two talk by pickle, which only the parent writes and only its own child reads; the
answer comes back as JSON. Memory is what the kernel counts as resident, its peak the high-water mark of /proc, so only Linux tells it.
"""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from nbops.errors import ModelError
from nbops.records import Record

SECONDS = 300.0
"""How long the other process may take; it mostly imports scikit-learn."""

_KEPT = {
    "PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TEMP", "TMP",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
}  # fmt: skip
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Footprint(Record):
    """Bytes that stay resident, and cpu and wall seconds of loading, in a fresh process with one thread.

    `base` is Python with numpy, pandas and scikit-learn. `model` comes on top by loading and answering for one row, modules that this
    imports included. `batch` is the peak on top of both while `rows` rows are answered, the rows themselves included; None where the
    kernel does not tell.
    """

    load_cpu: float
    load_wall: float
    base: int
    model: int
    rows: int
    batch: int | None

    @property
    def total(self) -> int:
        """What a process needs that holds the model and answers for such a batch."""
        return self.base + self.model + (self.batch or 0)


def footprint(load: Callable[[], Callable[[Any], object]], one: object, batch: object, rows: int) -> Footprint:
    """Load a model in a fresh process and have it answer for `one` row and for a `batch` of `rows` rows.

    `load` takes nothing and gives the function that predicts; it and the rows are pickled. Takes seconds. Raises ModelError when `load`
    cannot be sent or does not work there.
    """
    try:
        question = b"".join(map(pickle.dumps, (load, one, (batch, rows))))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ModelError(
            f"The function that loads the model cannot be sent to another process: {error}",
            hint="Give a function of a module, or functools.partial of one; no lambda and nothing that holds an open file.",
        ) from error
    with tempfile.TemporaryDirectory(prefix="nbops-footprint-") as folder:
        answer, empty = Path(folder, "answer"), Path(folder, "empty")
        empty.mkdir()
        environment = {name: value for name, value in os.environ.items() if name in _KEPT} | dict.fromkeys(
            _THREADS, "1"
        )
        try:
            done = subprocess.run(  # noqa: S603 - this interpreter, no shell
                [sys.executable, "-P", "-m", "nbops.evaluation.footprint", str(answer)],
                input=question, cwd=empty, env=environment, capture_output=True, timeout=SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise _failed(f"no answer after {SECONDS:.0f} s") from error
        if not answer.exists():
            raise _failed(
                done.stderr.decode(errors="replace").strip().rpartition("\n")[2] or f"status {done.returncode}"
            )
        return msgspec.json.decode(answer.read_bytes(), type=Footprint)


def _failed(why: str) -> ModelError:
    return ModelError(
        f"The model does not load and answer in a fresh process: {why}",
        hint="Look at what it needs there: `nbops models verify`.",
    )


def _measured(stream: BinaryIO) -> Footprint:
    import pandas as pd  # noqa: F401 - the base that every model stands on
    import sklearn.pipeline  # noqa: F401 - the same

    base = _resident()
    load = pickle.load(stream)  # noqa: S301 - written by our own parent
    one = pickle.load(stream)  # noqa: S301 - the same
    wall, cpu = time.perf_counter(), time.process_time()
    predict = load()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    predict(one)
    del load
    gc.collect()
    held = _resident()
    batch, rows = pickle.load(stream)  # noqa: S301 - the same
    told = _forget_peak()
    predict(batch)
    peak = _status("VmHWM") if told else None
    return Footprint(cpu, wall, base, max(held - base, 0), rows, None if peak is None else max(peak - held, 0))


def _resident() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def _forget_peak() -> bool:
    """Have the kernel count the peak from here on; False where it cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        return False
    return _status("VmHWM") is not None


def _status(name: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(msgspec.json.encode(_measured(sys.stdin.buffer)))
