"""Whether a packed model works where nothing of this process is: loaded and tried in a fresh Python.

Run as a module, this file is the other process. The two talk by pickle, which only the parent writes and only its own child reads;
the answer comes back as text.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.errors import ModelError, TrustRefused
from nbops.registry.formats import Vouching, build, look
from nbops.registry.natives import predicting

if TYPE_CHECKING:
    import numpy as np

SECONDS = 300.0
"""How long the other process may take; it mostly imports scikit-learn."""

_ENVIRONMENT = {
    "PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TEMP", "TMP",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
}  # fmt: skip


_REFUSED = "refused: "
_EVERYTHING = Vouching(code=True, pickle=True)
_proven: set[bytes] = set()
"""What this process had proven already, by hash: the same bytes and rows, under the same names."""


def prove(data: bytes, vouched: Vouching = _EVERYTHING, *, example: object = None) -> None:
    """Load a blob in a fresh process and hold what it answers to the rows of `example` against the answers here.

    The process starts in an empty folder and with little of this one's environment. Takes seconds, and runs the code in the blob in
    both processes, as far as it is vouched for. Raises ModelError saying what failed, and TrustRefused. What was proven is
    not asked again.
    """
    expected = None if example is None else _answers(build(look(data), vouched).estimator, example)
    question = pickle.dumps((data, vouched, example, expected))
    digest = hashlib.sha256(question).digest()
    if digest in _proven:
        return
    with tempfile.TemporaryDirectory(prefix="nbops-prove-") as folder:
        verdict, empty = Path(folder, "verdict"), Path(folder, "empty")
        empty.mkdir()
        why = _ask(question, verdict, empty)
    if why.startswith(_REFUSED):
        raise TrustRefused(
            why.removeprefix(_REFUSED),
            hint="If you know who made it and what it does, pass trust=True, or acknowledge the maker's key: nbops keys trust.",
        )
    if why:
        raise ModelError(
            f"The model does not work in a fresh process: {why}",
            hint="Put what it needs into files, pass them all as code=[...], and log the model again.",
        )
    _proven.add(digest)


def _ask(question: bytes, verdict: Path, folder: Path) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, no shell
            [sys.executable, "-P", "-m", "nbops.registry.proof", str(verdict)],
            input=question,
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name in _ENVIRONMENT},
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer after {SECONDS:.0f} s."
    if verdict.exists():
        return verdict.read_text("utf-8")
    last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return f"it ended with status {done.returncode}. {last}"


def _main() -> None:
    data, vouched, example, expected = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - written by our own parent
    try:
        estimator = build(look(data), vouched).estimator
        why = "" if expected is None else _difference(expected, _answers(estimator, example))
    except TrustRefused as error:
        why = f"{_REFUSED}{error.message}"
    except Exception as error:  # noqa: BLE001 - a process border: the parent says it
        why = error.message if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
    Path(sys.argv[1]).write_text(why, "utf-8")


def _answers(model: Any, example: object) -> dict[str, list[np.ndarray[Any, Any]]]:
    methods = [method for method in ("predict", "predict_proba", "transform") if hasattr(model, method)]
    rows = predicting(model, example)
    return {method: [*_arrays(getattr(model, method)(rows))] for method in methods}


def _arrays(answer: Any) -> Iterator[np.ndarray[Any, Any]]:
    import numpy as np

    if isinstance(answer, list):  # the probabilities of several targets
        for part in answer:
            yield from _arrays(part)
    else:
        yield np.asarray(answer.toarray() if hasattr(answer, "toarray") else answer)


def _difference(expected: Mapping[str, list[Any]], found: Mapping[str, list[Any]]) -> str:
    """The first method that answers otherwise."""
    for method, arrays in expected.items():
        others = found.get(method, [])
        if len(arrays) != len(others) or not all(map(_alike, arrays, others)):
            return f"{method} gives other values there than here for the example rows."
    return ""


def _alike(here: np.ndarray[Any, Any], there: np.ndarray[Any, Any]) -> bool:
    import numpy as np

    if here.shape != there.shape:
        return False
    if here.dtype.kind == there.dtype.kind == "f":  # threads add up in any order
        return np.allclose(here, there, rtol=1e-6, atol=1e-12, equal_nan=True)
    return bool(np.all((here == there) | ((here != here) & (there != there))))  # noqa: PLR0124 - only NaN is not itself


if __name__ == "__main__":
    _main()
