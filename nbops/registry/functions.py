"""A plain function as a model: its module's text travels, and the function is looked up in it again."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from types import FunctionType
from typing import Any

from nbops.errors import ModelError
from nbops.registry import usercode


class FunctionModel:
    """A function with a `predict`: what is loaded where a function was logged."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def predict(self, data: Any) -> Any:
        """What the function gives for the rows."""
        return self.function(data)

    def __repr__(self) -> str:
        return f"<FunctionModel {name(self.function)}>"


def name(function: Any) -> str:
    """The name that it is imported by."""
    return f"{function.__module__}.{function.__qualname__}"


def check(function: FunctionType, modules: Collection[str]) -> None:
    """Raise ModelError unless another process can find `function` in one of the `modules` that travel, and call it with rows."""
    module, called = function.__module__, function.__qualname__
    file = usercode.file_of(module)
    if module in {"__main__", "__mp_main__"} or not called.isidentifier():
        raise ModelError(
            f"{called!r} is defined in the notebook or inside a function, where no other process finds it.",
            hint="Move it to the top of a file, say rules.py, import it from there and pass code=['rules.py'].",
        )
    if module not in modules:
        raise ModelError(
            f"The function {name(function)} needs its file, and it was not passed.",
            hint=f"Pass code=[{file or module!r}].",
        )
    if getattr(sys.modules.get(module), called, None) is not function:
        raise ModelError(
            f"{name(function)} is another function by now.", hint="Restart the notebook's kernel, and log it again."
        )
    try:
        inspect.signature(function).bind(object())
    except TypeError as error:
        raise ModelError(
            f"{name(function)} cannot be called with rows alone: {error}",
            hint="A function that is a model takes one argument, the rows, and gives one prediction for each.",
        ) from error


def find(full: str, texts: Mapping[str, str]) -> FunctionModel:
    """The function of that full name in one of the modules that travelled and are imported. Raises ModelError."""
    module, _, called = full.rpartition(".")
    function = getattr(sys.modules.get(module), called, None) if module in texts else None
    if not isinstance(function, FunctionType):
        raise ModelError(f"The model's code has no function {full}.", hint="Do not load this file.")
    return FunctionModel(function)
