"""YAML with the line of everything in it, and the mistakes that are found in a pipeline, told all at once."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nbops.errors import ConfigError, nearest
from nbops.records import Record

Place = tuple[str | int, ...]
"""Where something stands in YAML: keys and numbers, from the top."""


class Mistake(Record):
    """What is wrong where: `line` counts from 1, 0 where there is none, and `where` is words for a place within it."""

    file: str
    line: int
    what: str
    remedy: str
    where: str = ""

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line else ""
        return f"{self.file}{line}{f', {self.where}' if self.where else ''}: {self.what}"

    @classmethod
    def read(cls, text: str, remedy: str) -> Mistake:
        """A mistake that was told as text."""
        file, line, what = re.match(r"(?:([^\s,:]+)(?:, line (\d+))?: )?(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]  # matches all
        return cls(file or "", int(line or 0), what, remedy)


def refuse(mistakes: Iterable[Mistake]) -> None:
    """Raise ConfigError with all of them, if there are any."""
    found = sorted(mistakes, key=lambda one: (one.file, one.line))
    if not found:
        return
    if len(found) == 1:
        raise ConfigError(str(found[0]), hint=found[0].remedy)
    lines = "".join(f"\n- {one} {one.remedy}" for one in found)
    raise ConfigError(
        f"{len(found)} mistakes keep this pipeline from running:{lines}",
        hint="Nothing has run. `nbops pipeline plan` looks again.",
    )


class Marked:
    """What a YAML file says: `value` as plain Python, and the line of each place."""

    def __init__(self, file: str, value: Any, lines: Mapping[Place, int], mistakes: tuple[Mistake, ...] = ()) -> None:
        self.file = file
        self.value = value
        self.lines = lines
        self.mistakes = mistakes

    def line(self, *place: str | int) -> int:
        """The line of a place, or of the nearest around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def mistake(self, place: Place, what: str, remedy: str) -> Mistake:
        """A mistake at a place."""
        return Mistake(self.file, self.line(*place), what, remedy)

    def unknown(self, place: Place, known: Iterable[str], kind: str = "a key") -> Iterator[Mistake]:
        """A mistake for each key of the mapping there that is not known; classes are listed even if one is near."""
        value = self.value
        for key in place:
            value = value[key]
        known = list(known)
        for key in value:
            if key not in known:
                near, every = nearest(str(key), known), f"Known: {', '.join(known)}."
                remedy = f"Did you mean {near!r}?" if near else every
                if near and kind != "a key":
                    remedy = f"{remedy} {every}"
                yield self.mistake((*place, key), f"{key!r} is no {kind.removeprefix('a ')} here.", remedy)


def read(path: Path, name: str) -> Marked:
    """A YAML file, called `name` in messages. Raises ConfigError for what is no YAML."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{name} cannot be read: {error}.", hint="It is YAML in UTF-8.") from error
    return parse(text, name)


def parse(text: str, name: str) -> Marked:
    """As `read`, from text."""
    import yaml

    loader = _loader()(text)
    lines: dict[Place, int] = {(): 1}
    mistakes: list[Mistake] = []
    try:
        node = loader.get_single_node()
        if node is not None:
            _mark(node, (), lines, mistakes, name)
        value = loader.construct_document(node) if node is not None else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        told = getattr(error, "problem", None) or str(error).partition("\n")[0]
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{name}{line}: {told}.", hint="It is YAML: docs/pipelines.md shows one.") from error
    finally:
        loader.dispose()
    return Marked(name, value, lines, tuple(mistakes))


@functools.cache
def _loader() -> Any:
    """PyYAML's safe one, to which only `true` and `false` are truth values, as to editors: `on:` is a key, `no` a country."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
        yaml_implicit_resolvers = {
            first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
            for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
    )
    return Loader


def _mark(node: Any, place: Place, lines: dict[Place, int], mistakes: list[Mistake], name: str) -> None:
    """Note the lines below a node; a key that stands twice would silently win."""
    if node.id == "mapping":
        for key, value in node.value:
            here = (*place, str(key.value))
            line = key.start_mark.line + 1
            if here in lines:
                first = lines[here]
                what = f"{key.value!r} stands here again; it is also on line {first}."
                mistakes.append(Mistake(name, line, what, "Keep one of them."))
            lines[here] = line
            _mark(value, here, lines, mistakes, name)
    elif node.id == "sequence":
        for number, item in enumerate(node.value):
            lines[*place, number] = item.start_mark.line + 1
            _mark(item, (*place, number), lines, mistakes, name)
