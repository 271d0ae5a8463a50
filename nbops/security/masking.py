"""Secrets taken out of whatever is about to be written: text and messages go in, the same without any form of a value comes out.

One pattern knows a value as it is and as `repr`, JSON, URLs, HTML, base64 and hex write it, nested ones too, and another one how
these begin, because a kernel may send a value in two messages. Pixels are not read. Nothing here keeps, logs or shows a value.
"""

from __future__ import annotations

import bisect
import functools
import json
import os
import re
import string
from collections.abc import Iterable, Iterator, Mapping
from html.entities import codepoint2name
from pathlib import Path
from typing import Any, TypeAlias

from nbops.config import SECRETS_VARIABLE

MASKED = "•••"
SHORTEST = 4
"""The fewest characters of a value: a shorter one would be found in every other word."""

# A line of a key, or a piece of a value, that says much by itself.
_TELLING = 8

# A form is a sequence of tokens, a token has alternatives, and an alternative is a sequence of patterns for one character each.
_Alternative: TypeAlias = tuple[str, ...]
_Token: TypeAlias = tuple[_Alternative, ...]

# What is not seen on a screen: colours of a terminal, the tags of HTML.
_COLOURS = re.compile(r"\x1b(?:\[[0-9;?]*(?:[A-Za-z]|\Z)|\Z)")
_COLOURS_AND_TAGS = re.compile(rf"{_COLOURS.pattern}|</?[A-Za-z][^<>]*>")


@functools.cache
def handed() -> Mask:
    """What masks the secrets that a runner handed to this process; nothing when the runner has gone."""
    try:
        return Mask(json.loads(Path(os.environ[SECRETS_VARIABLE]).read_text()).values())
    except (KeyError, OSError, ValueError):
        return Mask()


def maskable(value: str) -> bool:
    """Whether a value is long enough to be masked without masking everything else."""
    return len(value.strip()) >= SHORTEST


class Mask:
    """Replaces every form of some values by `MASKED`. Each must be `maskable`; without any, everything stays as it is."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        # The longest first: a value may begin with another one.
        forms = sorted([form for value in values for form in _forms(value)], key=len, reverse=True)
        self._whole = _compiled(forms, begun=False)
        self._begun = _compiled(forms, begun=True)

    def __bool__(self) -> bool:
        return self._whole is not None

    def text(self, text: str) -> str:
        """The text without the values, also where colours or tags stand between their characters."""
        if self._whole is None:
            return text
        text = self._whole.sub(MASKED, text)
        # One after the other: what looks like a tag may be a part of a value that has colours.
        for sign, unseen in (("\x1b", _COLOURS), ("<", _COLOURS_AND_TAGS)):
            text = self._through(text, unseen) if sign in text else text
        return text

    def value(self, value: Any) -> Any:
        """A new object with all texts and bytes masked, keys too; images that are not SVG stay as they are."""
        if self._whole is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return self.text(bytes(value).decode(errors="surrogateescape")).encode(errors="surrogateescape")
        if isinstance(value, Mapping):
            return {self.value(key): one if _is_pixels(key) else self.value(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one) for one in value]
        return value

    def begun(self, text: str) -> int:
        """Where the end of the text may begin a value that goes on in another text; its length when it does not."""
        if self._begun is None:
            return len(text)
        plain = _Plain(text, _COLOURS)
        found = self._begun.search(plain.text)
        return plain.at(found.start()) if found and found.group() else plain.end

    def _through(self, text: str, unseen: re.Pattern[str]) -> str:
        """What is unseen between a value's characters stays: what a colour begins it must also end."""
        plain, done, parts = _Plain(text, unseen), 0, []
        for found in self._whole.finditer(plain.text) if self._whole else ():
            start, end = plain.at(found.start()), plain.at(found.end() - 1) + 1
            parts += [text[done:start], MASKED, *unseen.findall(text[start:end])]
            done = end
        return "".join([*parts, text[done:]])


class Filter:
    """What one kernel publishes, without the values: a message goes in, those that are to be processed in its place come out.

    Of a stream's text, the end is held back while it may begin a value, until more of the stream or the end of the cell comes.
    Messages are Jupyter's, as dicts; they are not changed.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._held: dict[str, dict[str, str]] = {}

    def __call__(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        """The messages to process, in order; none while everything is held back."""
        if not self._mask:
            return [message]
        kind, content = message["msg_type"], message["content"]
        cell = message["parent_header"].get("msg_id", "")
        if kind == "stream":
            text = self._stream(cell, content["name"], content["text"])
            return [_stream_message(message, content["name"], text)] if text else []
        before = []
        if kind == "clear_output":
            self._held.pop(cell, None)
        elif kind == "status" and content["execution_state"] == "idle":
            held = self._held.pop(cell, {})
            before = [_stream_message(message, name, self._rest(text)) for name, text in held.items() if text]
        masked = {"content": self._mask.value(content), "buffers": self._mask.value(message.get("buffers", []))}
        return [*before, {**message, **masked}]

    def _stream(self, cell: str, name: str, more: str) -> str:
        held = self._held.setdefault(cell, {})
        text = self._mask.text(held.get(name, "") + more)
        at = self._mask.begun(text)
        held[name] = text[at:]
        return text[:at]

    def _rest(self, text: str) -> str:
        """When more was held back than chance lets be, the value was cut short: it is masked as well."""
        return MASKED if len(text) >= _TELLING else text


def _stream_message(message: dict[str, Any], name: str, text: str) -> dict[str, Any]:
    """A stream's message in the place of another one."""
    header = {**message["header"], "msg_type": "stream"}
    return {**message, "header": header, "msg_type": "stream", "content": {"name": name, "text": text}}


class _Plain:
    """A text without what is not seen in it, and where its characters stood."""

    def __init__(self, text: str, unseen: re.Pattern[str]) -> None:
        parts, self._here, self._there = [], [0], [0]
        length = done = 0
        for found in unseen.finditer(text):
            parts.append(text[done : found.start()])
            length, done = length + found.start() - done, found.end()
            self._here.append(length)
            self._there.append(done)
        self.text = "".join([*parts, text[done:]])
        self.end = len(text)

    def at(self, index: int) -> int:
        """Where the character with this index stood."""
        piece = bisect.bisect_right(self._here, index) - 1
        return self._there[piece] + index - self._here[piece]


def _is_pixels(key: object) -> bool:
    return isinstance(key, str) and key.startswith("image/") and key != "image/svg+xml"


def _forms(value: str) -> Iterator[list[_Token]]:
    """All ways to write a value, and the parts that tell much of it by themselves: the lines of a key."""
    whole = value.strip()
    data = whole.encode(errors="surrogatepass")
    yield list(_written(whole))
    yield from (list(_base64(data, before)) for before in range(3))
    yield [(_hex(byte),) for byte in data]
    for line in whole.splitlines():
        if _TELLING <= len(line.strip()) < len(whole):
            yield list(_written(line.strip()))


def _compiled(forms: list[list[_Token]], *, begun: bool) -> re.Pattern[str] | None:
    """With `begun` the pattern of what begins a form and then ends with the text."""
    patterns = dict.fromkeys(_form(form, begun=begun) for form in forms)
    return re.compile("|".join(patterns)) if patterns else None


def _form(form: list[_Token], *, begun: bool) -> str:
    first, *others = form
    return _token(first, 1 if begun else None) + "".join([_token(token, 0 if begun else None) for token in others])


def _token(token: _Token, sure: int | None) -> str:
    """The pattern of a token. Unless `sure` is None, the text may end everywhere but in the first `sure` of its characters."""
    told = [
        "".join([unit if sure is None or at < sure else rf"(?:{unit}|\Z)" for at, unit in enumerate(alternative)])
        for alternative in token
    ]
    return told[0] if len(told) == 1 else f"(?:{'|'.join(told)})"


# Text. All characters but letters and digits have many spellings. A text within a text doubles its backslashes, here at most four
# times. Possessive, so that long rows of them cost nothing.

_PLAIN = frozenset(string.ascii_letters + string.digits)
_SHORT = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\a": "a", "\v": "v", "\0": "0"}


def _written(text: str) -> Iterator[_Token]:
    """A text as it is or escaped, in any mixture."""
    behind = False
    for found in re.finditer(r"\\+|[^\\]", text):
        part = found.group()
        row = part.startswith("\\")
        yield _row(len(part)) if row else ((part,),) if part in _PLAIN else _spellings(part, behind)
        behind = row


def _row(count: int) -> _Token:
    """So many backslashes."""
    return (*[r"\\"] * count, rf"\\{{0,{15 * count}}}+"), *(one * count for one in (*_in_urls(b"\\"), *_in_html("\\")))


@functools.cache
def _spellings(char: str, behind: bool) -> _Token:  # noqa: FBT001 - of a cached function, all by position
    """The ways to write a character; `behind` a backslash, whose own row takes those of its escape too."""
    data, wide = char.encode(errors="surrogatepass"), char.encode("utf-16-be", errors="surrogatepass")
    escape = r"\\{0,15}+" if behind else r"\\{1,15}+"
    found: list[_Alternative] = [(r"\\{0,15}+", re.escape(char))]
    if char in _SHORT:
        found.append((escape, _SHORT[char]))
    if ord(char) < 256:
        found.append((escape, "x", *_hex(ord(char))))
    found.append(tuple(unit for byte in data for unit in (escape, "x", *_hex(byte))))
    found.append(
        tuple(unit for at in range(0, len(wide), 2) for unit in (escape, "u", *map(_any_case, wide[at : at + 2].hex())))
    )
    found.append((escape, "U", *map(_any_case, f"{ord(char):08x}")))
    return (*found, *_in_urls(data), *([(r"\+",)] if char == " " else []), *_in_html(char))


def _in_urls(data: bytes) -> list[_Alternative]:
    """Encoded once and twice."""
    return [tuple(unit for byte in data for unit in (*sign, *_hex(byte))) for sign in ("%", "%25")]


def _in_html(char: str) -> list[_Alternative]:
    """By name and by number, encoded once and twice."""
    number = ord(char)
    name = {39: "apos"}.get(number) or codepoint2name.get(number, "")
    told = [("#", "0{0,4}", *str(number), ";"), ("#", "[xX]", "0{0,4}", *map(_any_case, f"{number:x}"), ";")]
    if name:
        told.append((*name, ";"))
    return [(*sign, *one) for one in told for sign in ("&", "&amp;")]


def _hex(byte: int) -> _Alternative:
    return tuple(map(_any_case, f"{byte:02x}"))


def _any_case(digit: str) -> str:
    return f"[{digit}{digit.upper()}]" if digit.isalpha() else digit


# What base64 makes of a value depends on where among three bytes it begins. The last character may hold bits of what follows; a
# first one that holds bits of what comes before is left out. Lines are broken between fours.

_ALPHABET = (*string.ascii_uppercase, *string.ascii_lowercase, *string.digits, "+-", "/_")
_BREAK = r"(?:\\{1,15}+(?:[rn]|\Z)|\s){0,2}+"


def _base64(data: bytes, before: int) -> Iterator[_Token]:
    """Some bytes behind `before` others, in either alphabet."""
    bits = "." * (8 * before) + "".join([f"{byte:08b}" for byte in data])
    bits += "." * (-len(bits) % 6)
    first = -(-8 * before // 6)
    for at in range(first, len(bits) // 6):
        unit = _sextet(bits[6 * at : 6 * at + 6])
        yield ((_BREAK, unit) if at % 4 == 0 and at > first else (unit,),)


@functools.cache
def _sextet(bits: str) -> str:
    """The characters for six bits, those unknown as dots."""
    found = "".join([chars for at, chars in enumerate(_ALPHABET) if re.fullmatch(bits, f"{at:06b}")])
    return found if len(found) == 1 else f"[{re.escape(found)}]"
