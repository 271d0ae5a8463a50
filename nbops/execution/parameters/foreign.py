"""Inputs and outputs of a parameters cell in a language that is not read here: a name, a text and a comment in one line.

`flights="../data/f.csv"  # in`, `model <- "m.rds"  # out`, `const x = "a.csv" // in`: the rest of the cell is the language's own affair.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from nbops.execution.parameters.interface import Direction, Expression, Parameter
from nbops.execution.parameters.typed import Type

_BEFORE = r"(?:(?:const|let|var|val|my|our|local|export|readonly|declare|def|auto|set|string)\s+)*"
_TEXT = r"(?P<quoted>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')|(?P<bare>[^\s\"'#;]+)"
_LINE = re.compile(
    rf"\s*{_BEFORE}[$@]?(?P<name>[^\W\d]\w*)\s*(?::\s*\w+\s*)?(?:=|:=|<-|<<-|\s)\s*(?:{_TEXT})\s*;?"
    r"\s*(?:#|//|--|%)+\s*(?P<direction>in|out)\b[\s:,;-]*(?P<help>.*)$"
)
# A text without quotes is one in these; elsewhere it is a name or an expression.
_SHELLS = {"bash", "sh", "zsh", "shell", "fish", "ksh"}
# What stands in a text for something else, in one language or another; in single quotes only a few do it.
_FILLED = re.compile(r"[$`~]|#\{")
_ESCAPED = re.compile(r"\\([\\'\"/ ])")


def read(source: str, language: str) -> Iterator[Parameter]:
    """The inputs and outputs of a cell; of a name that is set twice the last line counts."""
    found: dict[str, Parameter] = {}
    for number, line in enumerate(source.splitlines(), 1):
        told = _LINE.match(line)
        if told:
            found[told["name"]] = Parameter(
                told["name"], Type("str"), number, default=_text(told, language.lower()), help=told["help"].strip(),
                direction=cast("Direction", told["direction"]),
            )  # fmt: skip
    yield from found.values()


def _text(told: re.Match[str], language: str) -> Any:
    """The text that the language makes of it; an expression where only the language knows."""
    bare, quoted = told["bare"], told["quoted"]
    if bare is not None:
        return bare if language in _SHELLS and not re.search(r"[$`~\\*?()\[\]{}<>&|]", bare) else Expression(bare)
    inside = quoted[1:-1]
    if (quoted[0] == '"' and _FILLED.search(inside)) or re.search(r"\\(?![\\'\"/ ])", inside):
        return Expression(quoted)
    return inside if language in _SHELLS and quoted[0] == "'" else _ESCAPED.sub(r"\1", inside)
