"""A model as a pickle, for what no other format can hold: reading one runs whatever it says, so who may have it read is decided before."""

from __future__ import annotations

import io
import pickle
from types import BuiltinFunctionType, FunctionType
from typing import Any

from nbops.errors import ModelError

MEMBER = "model.pkl"


def write(model: object) -> tuple[bytes, list[str]]:
    """The bytes, and the full names, sorted, of the classes and functions that reading them imports. Raises ModelError."""
    buffer = io.BytesIO()
    pickler = _Pickler(buffer, protocol=5)
    try:
        pickler.dump(model)
    except _FAULTS as error:
        raise ModelError(
            f"The {type(model).__name__} cannot be pickled: {error}",
            hint="Take away what cannot be written, such as open files, locks and lambdas, and log the part that predicts.",
        ) from error
    return buffer.getvalue(), sorted(pickler.names)


def read(data: bytes) -> Any:
    """What was pickled. Runs what the bytes say; raises ModelError when they cannot be read."""
    try:
        return pickle.loads(data)  # noqa: S301 - its maker was vouched for
    except _FAULTS as error:
        raise ModelError(
            f"The pickle cannot be read: {type(error).__name__}: {error}",
            hint="Load it with the versions of the libraries that its manifest names, or train it again.",
        ) from error


_FAULTS = (
    ArithmeticError, AttributeError, EOFError, ImportError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError,
    pickle.PickleError,
)  # fmt: skip
"""What pickle, and the classes that it restores, raise on what they cannot write or read; anything else is told as it is."""


class _Pickler(pickle.Pickler):
    """Notes the name of every class and function that it writes."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.names: set[str] = set()

    def reducer_override(self, thing: object) -> Any:
        if isinstance(thing, type | FunctionType | BuiltinFunctionType):
            self.names.add(f"{thing.__module__}.{thing.__qualname__}")
        return NotImplemented
