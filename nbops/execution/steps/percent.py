"""Scripts in the percent format: `# %%` begins a cell. A script's text goes in, its notebook comes out; nothing of it is executed.

Titles, kinds, metadata, the header and commented magics are read as Jupytext writes them (see docs/decisions/0014).
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from nbops.errors import UsageError
from nbops.execution.steps.making import KERNEL, Cell, notebook, text_of

_MARK = re.compile(r"#\s*%%%*(?:\s(.*))?$")
_KINDS = {"[markdown]": "markdown", "[md]": "markdown", "[raw]": "raw", "[code]": "code"}
_KIND = re.compile(r"(?<!\S)\[(?:markdown|md|raw|code)\](?!\S)")
_KEY = re.compile(r"(?<!\S)([A-Za-z_][\w.-]*)=")
_RULE = re.compile(r"#\s*---\s*$")
_FIRST = re.compile(r"#!|#.*?coding[:=]")
# IPython's own lines behind a comment sign: a magic, a help or shell command, an assignment of either.
_MAGIC = re.compile(
    r"(\s*)# ?((?:# ?)*(?:%{1,3}[A-Za-z]|[?!]\s*[A-Za-z.~$\\/{}]|[A-Za-z_]\w*\s*=\s*(?:%{1,3}|!)[A-Za-z]).*)$"
)
_COMMENT = re.compile(r"\s*# ?")


class _Head(NamedTuple):
    """What stands behind a cell's mark."""

    kind: str = "code"
    metadata: dict[str, Any] = {}


def read(path: Path) -> Any:
    """The notebook of a script. Raises UsageError for one without a cell, or whose header cannot be read."""
    lines = text_of(path).split("\n")
    within = _within_strings(lines)
    marks = [number for number, line in enumerate(lines) if number not in within and _MARK.match(line)]
    if not marks:
        raise UsageError(
            f"{path} has no cell: no line of it begins with `# %%`.",
            hint='Put a line `# %%` above each part, and `# %% tags=["parameters"]` above its settings.',
        )
    first, metadata = _header(path, lines[: marks[0]])
    heads = [_Head(), *(_head(lines[mark]) for mark in marks)]
    bounds = zip(heads, [first, *(mark + 1 for mark in marks)], [*marks, len(lines)], strict=True)
    cells = [_cell(head, lines, within, *_trimmed(lines, begin, end)) for head, begin, end in bounds]
    return notebook([cell for cell in cells if cell.source.strip()], metadata)


def _trimmed(lines: list[str], begin: int, end: int) -> tuple[int, int]:
    """The bounds without the empty lines at either end."""
    full = [number for number in range(begin, end) if lines[number].strip()]
    return (full[0], full[-1] + 1) if full else (begin, begin)


def _cell(head: _Head, every: list[str], within: set[int], begin: int, end: int) -> Cell:
    lines = every[begin:end]
    if head.kind != "code":
        return Cell(head.kind, _prose(lines), begin + 1, head.metadata)
    told = dict(head.metadata)
    active = str(told.get("active", ""))
    if "py" in active.split(",") and "ipynb" not in active:
        # Such a cell is for the script alone.
        return Cell("raw", "\n".join(lines), begin + 1, told)
    language = told.pop("language", None)
    asleep = active == "ipynb" or "active-ipynb" in told.get("tags", [])
    if isinstance(language, str) and language != "python":
        magic = f"%%{language} {told.pop('magic_args', '')}".rstrip()
        return Cell("code", "\n".join([magic, *map(_bare, lines)]), begin, told)
    if asleep:
        return Cell("code", "\n".join(map(_bare, lines)), begin + 1, told)
    texts = {number - begin for number in range(begin, end) if number in within}
    return Cell("code", "\n".join(_awake(lines, texts)), begin + 1, told)


def _awake(lines: list[str], within: set[int]) -> Iterator[str]:
    """The lines of a cell with IPython's own out of their comments, with those that they go on in."""
    goes_on = False
    for number, line in enumerate(lines):
        magic = None if number in within else _MAGIC.match(line)
        if magic:
            line = magic[1] + magic[2]  # noqa: PLW2901 - what is yielded is the line
        elif goes_on:
            line = _bare(line)  # noqa: PLW2901 - what is yielded is the line
        goes_on = bool(magic or goes_on) and line.endswith("\\")
        yield line


def _bare(line: str) -> str:
    """The line without its comment sign."""
    return _COMMENT.sub("", line, count=1) if line.lstrip().startswith("#") else line


def _prose(lines: list[str]) -> str:
    """Text stands in comments, or in one string of several lines."""
    text = "\n".join(lines)
    for quotes in ('"""', "'''"):
        opening = re.match(rf"[rR]?{quotes}", text)
        if opening and text.endswith(quotes) and len(text) >= opening.end() + 3:
            return text[opening.end() : -3].strip("\n")
    return "\n".join(map(_bare, lines))


def _head(line: str) -> _Head:
    """The kind and metadata behind a mark; what is neither is the cell's title."""
    found = _MARK.match(line)
    rest = ((found[1] if found else None) or "").strip()
    metadata: dict[str, Any] = {}
    title = rest
    for start in [place.start() for place in _KEY.finditer(rest)] + ([rest.index("{")] if "{" in rest else []):
        told = _pairs(rest[start:])
        if told is not None:
            title, metadata = rest[:start], told
            break
    kinds = _KIND.findall(title)
    title = " ".join(_KIND.sub("", title).split())
    tags = metadata.get("tags")
    if isinstance(tags, str):
        metadata["tags"] = [tag for tag in re.split(r"[\s,]+", tags) if tag]
    return _Head(_KINDS[kinds[0]] if kinds else "code", {**({"title": title} if title else {}), **metadata})


def _pairs(text: str) -> dict[str, Any] | None:
    """The metadata of `key=value key=value`, or of a JSON object; None for what is neither."""
    if text.startswith("{"):
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return told if isinstance(told, dict) else None
    found: dict[str, Any] = {}
    rest = text.strip()
    while rest:
        key = _KEY.match(rest)
        value = _value(rest[key.end() :]) if key else None
        if key is None or value is None:
            return None
        found[key[1]] = value[0]
        rest = rest[key.end() + value[1] :].strip()
    return found


def _value(text: str) -> tuple[Any, int] | None:
    """The value that a text begins with, as JSON or Python writes it, and its length."""
    try:
        return json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        pass
    ends = [place.start() for place in re.finditer(r"(?<=['\"\])\w])(?=\s|$)", text)]
    for end in ends:
        try:
            return ast.literal_eval(text[:end]), end
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return None


def _header(path: Path, lines: list[str]) -> tuple[int, dict[str, Any]]:
    """The line behind the header, and what of it a notebook keeps: its kernel."""
    begin = next((number for number, line in enumerate(lines) if line.strip() and not _FIRST.match(line)), 0)
    if begin >= len(lines) or not _RULE.match(lines[begin]):
        return 0, KERNEL
    end = next((number for number in range(begin + 1, len(lines)) if _RULE.match(lines[number])), None)
    if end is None:
        return 0, KERNEL

    import yaml

    try:
        told = yaml.safe_load("\n".join(map(_bare, lines[begin + 1 : end])))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = begin + 2 + (mark.line if mark else 0)
        raise UsageError(
            f"{path}, line {line}: the header between the lines `# ---` is not YAML.",
            hint="Mend it, or take it away: without one the kernel is python3.",
        ) from error
    jupyter = told.get("jupyter") if isinstance(told, dict) else None
    spec = jupyter.get("kernelspec") if isinstance(jupyter, dict) else None
    if not isinstance(spec, dict) or not isinstance(spec.get("name"), str):
        return end + 1, KERNEL
    return end + 1, {"kernelspec": {"display_name": spec["name"], **spec}}


def _within_strings(lines: list[str]) -> set[int]:
    """The lines, from 0, that begin within a string."""
    text = "\n".join(lines)
    if '"""' not in text and "'''" not in text:
        return set()
    found: set[int] = set()
    opened: list[int] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            kind = tokenize.tok_name[token.type]
            if kind == "STRING":
                found.update(range(token.start[0], token.end[0]))
            elif kind in {"FSTRING_START", "TSTRING_START"}:
                opened.append(token.start[0])
            elif kind in {"FSTRING_END", "TSTRING_END"} and opened:
                found.update(range(opened.pop(), token.end[0]))
    except (tokenize.TokenError, SyntaxError):
        # What is wrong is said when the cell runs.
        pass
    return found
