"""Values of parameters as text, as Python writes them: equal values of equal types come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from nbops.errors import ParameterError
from nbops.execution.parameters import Word, python, values
from nbops.execution.parameters.kinds import Aliases, Misfit
from nbops.records import Record
from nbops.render.values import shorten

_ALIAS = re.compile(r"\b_nbops_(\w+)")


class Given(Record):
    """A value as it was given: Python's text of it, or a word that somebody typed, to be read as its parameter's type."""

    text: str
    word: bool = False

    @property
    def value(self) -> object:
        """The value itself."""
        return Word(self.text) if self.word else read(self.text)


def given(value: object) -> Given:
    """A value as a record. Raises ParameterError for what no cell could hold."""
    return Given(str(value), word=True) if isinstance(value, Word) else Given(write(value))


def write(value: object) -> str:
    """The text of a value. Raises ParameterError for what no cell could hold."""
    try:
        return values.python(values.normal(value), Aliases(()))
    except Misfit as misfit:
        raise ParameterError(
            f"A value of a sweep {misfit}.",
            hint="Give numbers, text, dates, paths or containers of them; anything larger as the path of a file.",
        ) from misfit


def read(text: str) -> object:
    """The value of a text that `write` made."""
    scope: python.Scope = {f"_nbops_{name}": name for name in _ALIAS.findall(text)}
    found: object = python.literal(ast.parse(text, mode="eval").body, scope)
    return found


def label(values: Mapping[str, object]) -> str:
    """Values in a few words: `alpha=0.1 depth=3`."""
    return shorten(" ".join(f"{name}={_short(value)}" for name, value in values.items()), 200)


def _short(value: object) -> str:
    told = values.plain(values.normal(value))
    return shorten(told if isinstance(told, str) else f"{told:.6g}" if isinstance(told, float) else str(told), 40)
