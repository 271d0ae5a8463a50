"""What a kind of value is: how one is taken, read, written in Python and told in JSON; and which kind a value has.

numpy's and pandas' scalars are known by the names of their classes: a library is imported only for its values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec


class Misfit(Exception):
    """A value is not of the type; the text continues "..., which"."""


# What a constructor or a parser of Python's, numpy's or pandas' raises for a value that it cannot take.
REFUSALS = (
    ValueError, TypeError, ArithmeticError, AttributeError, LookupError, ImportError, SyntaxError, msgspec.MsgspecError,
)  # fmt: skip

CONTAINERS: dict[str, Callable[[Iterable[Any]], Any]] = {
    "list": list, "tuple": tuple, "set": set, "frozenset": frozenset,
}  # fmt: skip

TEXT: dict[str, object] = {"type": "string"}


class Aliases:
    """The imports that a text needs, under names other than those `taken` by parameters."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = frozenset(taken)
        self._modules: dict[str, str] = {}

    def module(self, name: str) -> str:
        """What the module is called in the text."""
        alias = f"_nbops_{name}"
        while alias in self._taken:
            alias += "_"
        return self._modules.setdefault(name, alias)

    def builtin(self, name: str) -> str:
        """A builtin, also where a parameter has its name."""
        return f"{self.module('builtins')}.{name}" if name in self._taken else name

    def lines(self) -> list[str]:
        """The import statements."""
        return [f"import {name} as {alias}" for name, alias in self._modules.items()]


class Kind(NamedTuple):
    """How values of one type are taken, read, written and told; `accept` and `parse` raise Misfit or REFUSALS."""

    accept: Callable[[Any], object]
    parse: Callable[[str], object]
    write: Callable[[Any, Aliases], str]
    plain: Callable[[Any], object]
    schema: dict[str, object]


def kind_of(value: object) -> str | None:
    """The name of a value's kind or builtin container; None when it is nothing that a cell could hold."""
    for owner in type(value).__mro__:
        root = owner.__module__.partition(".")[0]
        if root == "numpy":
            if is_numpy(owner):
                return numpy_kind_name(owner)
        elif (named := _OWNERS.get(f"{root}.{owner.__name__}")) is not None:
            return named
    return None


# From the top-level package and name of a class to its kind.
_OWNERS: dict[str, str] = {
    "builtins.NoneType": "None",
    **{f"builtins.{name}": name for name in ("bool", "int", "float", "complex", "str", "bytes", "dict", *CONTAINERS)},
    "builtins.bytearray": "bytes",
    "decimal.Decimal": "Decimal",
    **{f"datetime.{name}": name for name in ("date", "datetime", "time", "timedelta")},
    "pathlib.PurePath": "Path",
    "pandas.Timestamp": "pd.Timestamp",
    "pandas.Timedelta": "pd.Timedelta",
    "pandas.NaTType": "pd.NaT",
    "pandas.NAType": "pd.NA",
}

# numpy's letter for a family of types -> the kind that a value is read as first; "m" and "M", the times, have their own ways.
FAMILIES = {
    "b": "bool", "i": "int", "u": "int", "f": "float", "c": "complex", "U": "str", "S": "bytes", "m": "", "M": "",
}  # fmt: skip


def is_numpy(owner: type) -> bool:
    """Whether a cell can write down scalars of that class."""
    import numpy as np

    is_concrete = owner in np.sctypeDict.values() and owner is not np.clongdouble
    return is_concrete and np.dtype(owner).kind in FAMILIES


def numpy_kind_name(owner: type) -> str:
    """The kind of a class of numpy scalars."""
    # numpy 1 has no other name for it.
    return "np.bool_" if owner.__name__ == "bool" else f"np.{owner.__name__}"
