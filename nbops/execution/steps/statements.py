"""The statements of a SQL text: where each begins and ends, and the comments above it. DuckDB's own parser has the last word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_NEXT = re.compile(r"--|/\*|(?<!\w)[eE]'|'|\"|(?<![\w$])\$(?:[^\W\d]\w*)?\$|;")
_ENDS = {
    "--": re.compile(r"\n|\Z"),
    "'": re.compile(r"(?:[^']|'')*+'"),
    '"': re.compile(r'(?:[^"]|"")*+"'),
    "e'": re.compile(r"(?:[^'\\]|\\.|'')*+'", re.DOTALL),
}
_BLOCK = re.compile(r"/\*|\*/")


class Statement(NamedTuple):
    """A statement without its semicolon; `line` is that of its first word, from 1, and `above` are the lines of comments above it."""

    text: str
    line: int
    above: tuple[tuple[int, str], ...]


def split(text: str) -> list[Statement]:
    """The statements of a text, with what stands above each."""
    found = []
    begin, line = 0, 1
    for end in _ends(text):
        start = _behind_comments(text, begin, end)
        above = text[begin:start]
        first = line + above.count("\n")
        if start < end:
            comments = [(line + number, told.strip()) for number, told in enumerate(above.split("\n"))]
            found.append(Statement(text[start:end].rstrip(), first, tuple(one for one in comments if one[1])))
        line = first + text.count("\n", start, end)
        begin = end + 1
    return found


def comments(text: str) -> list[tuple[int, str]]:
    """The lines of comments above the first statement, or all there are where none follows."""
    end = next(_ends(text))
    start = _behind_comments(text, 0, end)
    lines = text[:start].split("\n")
    return [(number, told.strip()) for number, told in enumerate(lines, 1) if told.strip()]


def _ends(text: str) -> Iterator[int]:
    """Where statements end: at each semicolon that is no part of a string or comment, and at the end."""
    place = 0
    while found := _NEXT.search(text, place):
        if found[0] == ";":
            yield found.start()
            place = found.end()
        else:
            place = _over(text, found)
    yield len(text)


def _over(text: str, opening: re.Match[str]) -> int:
    """The place behind what begins here; what is never closed takes the rest."""
    sign = opening[0].lower()
    if sign == "/*":
        depth, place = 1, opening.end()
        while depth and (found := _BLOCK.search(text, place)):
            depth += 1 if found[0] == "/*" else -1
            place = found.end()
        return len(text) if depth else place
    if sign.startswith("$"):
        end = text.find(opening[0], opening.end())
        return len(text) if end < 0 else end + len(opening[0])
    closing = _ENDS[sign].match(text, opening.end()) if sign != "--" else _ENDS[sign].search(text, opening.end())
    return closing.end() if closing else len(text)


def _behind_comments(text: str, begin: int, end: int) -> int:
    """Where the first word stands, from `begin` on; `end` when there is none."""
    place = begin
    while place < end:
        if text[place].isspace():
            place += 1
            continue
        found = _NEXT.match(text, place)
        if found is None or found[0] not in {"--", "/*"}:
            return place
        behind = _over(text, found)
        if found[0] == "/*" and not text.startswith("*/", behind - 2):
            # It is never closed: DuckDB says so.
            return place
        place = min(behind, end)
    return end
