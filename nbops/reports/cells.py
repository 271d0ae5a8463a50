"""What of a notebook a reader gets to see, in order: prose, tables, pictures, printed text, failures.

Whatever is HTML here went through `sanitize.clean`; everything else is plain text that the template escapes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import ChainMap
from collections.abc import Iterator
from html import escape, unescape
from itertools import count, groupby
from typing import TYPE_CHECKING, Any, Literal

from nbops.records import Record
from nbops.reports.sanitize import clean

if TYPE_CHECKING:
    from nbformat import NotebookNode


class Part(Record):
    """One thing to show. `body` is clean HTML for prose and html, a data: address for a picture, else plain text.

    `about` is a picture's description, a failure's traceback or "open" for code that is shown so; `width` a picture's in CSS pixels.
    """

    kind: Literal["prose", "code", "html", "picture", "text", "messages", "failure", "notice"]
    body: str
    about: str = ""
    width: int | None = None


class Heading(Record):
    """A line of the contents list."""

    level: int
    text: str
    anchor: str


class Story:
    """The notebook as its reader meets it: `cells` holds the parts of every cell that has any.

    A first-level heading that opens the notebook becomes the `title` when none is given. `failure` is the first that was not expected
    (tag `raises-exception`). Code is a part where it is tagged `show-code`, and everywhere when `folded`.
    """

    def __init__(self, notebook: NotebookNode, title: str | None, *, folded: bool = False) -> None:
        self.title = title
        self._folded = folded
        self.headings: list[Heading] = []
        self.failure: Part | None = None
        self._anchors: set[str] = set()
        self.cells = [parts for cell in notebook.cells if (parts := list(self._parts(cell)))]
        self.coded = any(part.kind == "code" for parts in self.cells for part in parts)

    def _parts(self, cell: NotebookNode) -> Iterator[Part]:
        tags = {tag.lower().replace("_", "-") for tag in cell.metadata.get("tags", [])}
        hidden = not tags.isdisjoint(_LEFT_OUT)
        if cell.cell_type == "markdown" and not hidden:
            yield from self._prose(cell.source, cell.get("attachments", {}))
        if cell.cell_type != "code":
            return
        failures = list(_failures(cell, hidden=hidden))
        if failures and "raises-exception" not in tags:
            self.failure = self.failure or failures[0]
        if not hidden:
            yield from self._code(cell.source, tags)
        if not hidden and tags.isdisjoint(_SILENT):
            yield from self._outputs(cell)
        yield from failures

    def _code(self, source: str, tags: set[str]) -> Iterator[Part]:
        shown = "show-code" in tags
        if (shown or self._folded) and tags.isdisjoint(_CLOSED) and source.strip():
            yield Part(kind="code", body=_terminal(source.strip("\n")), about="open" if shown else "")

    def _prose(self, markdown: str, attachments: dict[str, dict[str, str]]) -> Iterator[Part]:
        html = clean(_html(markdown, attachments)).strip()
        first = _HEADING.match(html)
        if first and first[1] == "1" and not self.headings and self.title in {None, _text(first[2])}:
            self.title = _text(first[2])
            html = clean(html[first.end() :]).strip()  # again, for what is left may have lost its opening tags
        if html:
            yield Part(kind="prose", body=_HEADING.sub(self._heading, html))

    def _heading(self, found: re.Match[str]) -> str:
        level, text = int(found[1]), _text(found[2])
        anchor = f"n-{text.replace(' ', '-')}"  # as Jupyter names it, so the author's own links to it work
        if anchor in self._anchors:
            anchor = f"{anchor}-{len(self._anchors)}"
        self._anchors.add(anchor)
        if text and level <= 3:
            self.headings.append(Heading(level=level, text=text, anchor=anchor))
        return f'<h{level} id="{escape(anchor)}">{found[2]}</h{level}>'

    def _outputs(self, cell: NotebookNode) -> Iterator[Part]:
        shown: list[Part] = []
        for stream, outputs in groupby(
            cell.outputs, lambda output: output.name if output.output_type == "stream" else None
        ):
            if stream:
                text = _terminal("".join(output.text for output in outputs))
                if text.strip():
                    shown.append(Part(kind="messages" if stream == "stderr" else "text", body=text))
                continue
            for output in outputs:
                part = self._display(output, cell) if output.output_type != "error" else None
                if part and not (part.kind == "notice" and part in shown):
                    shown.append(part)
        pictured = any(part.kind == "picture" for part in shown)
        return (
            part for part in shown if not (pictured and part.kind == "text" and _OBJECT.fullmatch(part.body.strip()))
        )

    def _display(self, output: NotebookNode, cell: NotebookNode) -> Part | None:
        """An output in its richest form without a script."""
        data = output.data
        plain = _terminal(data.get("text/plain", ""))
        told = bool(plain.strip()) and not _OBJECT.fullmatch(plain.strip())
        html = data.get("text/html", "")
        if body := "" if told and _STYLED.search(html) else _still(html):
            return Part(kind="html", body=body)
        for mime in _PICTURES:
            if mime in data:
                return self._picture(mime, data[mime], [output.metadata.get(mime), output.metadata, cell.metadata])
        if "text/markdown" in data:
            return next(self._prose(data["text/markdown"], {}), None)
        if any(_LIVE.match(mime) for mime in data) or ("<script" in html.lower() and not told):
            return Part(kind="notice", body="Not shown here: an interactive view, which works in the notebook only.")
        text = _terminal(data["text/latex"]) if "text/latex" in data else plain
        return Part(kind="text", body=text) if text.strip() else None

    def _picture(self, mime: str, content: str, notes: list[Any]) -> Part:
        """A picture with what `notes` say about it, the nearest first."""
        details: ChainMap[str, Any] = ChainMap(*(note for note in notes if isinstance(note, dict)))
        place = self.headings[-1].text if self.headings else self.title
        about = details.get("alt") or (f"Figure in “{place}”" if place else "Figure")
        width = details.get("width")
        body = (
            b64encode(content.encode(errors="replace")).decode()
            if mime == "image/svg+xml"
            else "".join(content.split())
        )
        return Part(
            kind="picture",
            body=f"data:{mime};base64,{body}",
            about=str(about),
            width=width if type(width) is int else None,
        )


_LEFT_OUT = frozenset(
    {"parameters", "injected-parameters", "hide", "hide-cell", "remove-cell", "papermill-error-cell-tag"}
)
_SILENT = frozenset({"hide-output", "hide-outputs", "remove-output", "remove-outputs"})
_CLOSED = frozenset({"hide-input", "remove-input", "hide-code", "remove-code"})
_PICTURES = ("image/svg+xml", "image/png", "image/jpeg", "image/webp", "image/gif")
_LIVE = re.compile(r"application/(?:javascript|vnd\.)")
# What Python prints for an object without a text of its own.
_OBJECT = re.compile(r"[\[({]*<.*>[\])}]*|Text\(.*\)", re.DOTALL)
_HEADING = re.compile(r'<h([1-6])(?: [\w-]+="[^"]*")*>(.*?)</h\1>', re.DOTALL)
_TASK = re.compile(r'<input class="task-list-item-checkbox" type="checkbox" disabled( checked)?/>')
# A style says that the HTML is a drawing (scikit-learn's estimators); pandas' is scoped and only decorates.
_STYLED = re.compile(r"<style(?!\s+scoped)", re.IGNORECASE)
_ROW = re.compile(r"<tr\b.*?</tr>", re.DOTALL)
_CELL = re.compile(r"<(t[hd])\b([^>]*)>(.*?)</\1>", re.DOTALL)
_NUMBER = re.compile(r"nan|nat|none|<na>|true|false|[-+]?inf|[-+]?[\d.]+e[-+]?\d+", re.IGNORECASE)
# Colours, cursor moves and links of a terminal, then every other control character but tab and newline.
_ESCAPES = re.compile(r"\x1b(?:\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\[[0-?]*[ -/]*[@-~])|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LONGEST = 40_000


def _terminal(text: str) -> str:
    """What a terminal would have left of `text`; the middle of a very long one is left out and counted."""
    # What a return wrote over is gone.
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    text = _ESCAPES.sub("", "\n".join(lines))
    if len(text) <= _LONGEST:
        return text
    start, end = text[: _LONGEST // 2], text[-_LONGEST // 2 :]
    return f"{start}\n\n… {len(text) - _LONGEST:,} characters are left out here; the notebook has them …\n\n{end}"


class _Pasted(dict[str, dict[str, str]]):
    """Pictures that were pasted into a cell, by name; of a lost one the description is shown."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> dict[str, str]:
        return {"": ""}


def _html(markdown: str, attachments: dict[str, dict[str, str]]) -> str:
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    pasted = _Pasted({name: files for name, files in attachments.items() if files})
    renderer = IPythonRenderer(escape=False, attachments=pasted, exclude_anchor_links=True)
    html = MarkdownWithMath(renderer).render(markdown)
    return _TASK.sub(lambda box: "☑ " if box[1] else "☐ ", html)


def _still(html: str) -> str:
    body = clean(html)
    if re.search(r"<(?:table|svg|img)\b", body):
        return _aligned(body.replace("<th></th>", "<td></td>"))  # pandas' corner is no heading
    return body if _text(body) else ""


def _aligned(html: str) -> str:
    """A plain table with the columns of words set to the left; pandas sets everything to the right."""
    if html.count("<table") != 1 or "span=" in html:
        return html
    rows = [_CELL.findall(row) for row in _ROW.findall(html.partition("<tbody>")[2])]
    words = {at for row in rows for at, cell in enumerate(row) if cell[0] == "td" and _wordy(_text(cell[2]))}

    def row(found: re.Match[str]) -> str:
        position = count()
        return _CELL.sub(lambda cell: _left(cell) if next(position) in words else cell[0], found[0])

    return _ROW.sub(row, html)


def _left(cell: re.Match[str]) -> str:
    tag, attributes, content = cell.groups()
    return cell[0] if "style=" in attributes else f'<{tag}{attributes} style="text-align: left;">{content}</{tag}>'


def _wordy(cell: str) -> bool:
    return any(map(str.isalpha, cell)) and not _NUMBER.fullmatch(cell)


def _failures(cell: NotebookNode, *, hidden: bool) -> Iterator[Part]:
    """What went wrong in a cell; the traceback of a `hidden` one would quote its code."""
    errors = [output for output in cell.outputs if output.output_type == "error"]
    for error in errors:
        if error.ename == "SystemExit" and error.evalue in {"", "0"}:
            continue  # a notebook that ends itself early has not failed
        traceback = "" if hidden else _terminal("\n".join(error.traceback))
        message = _terminal(f"{error.ename}: {error.evalue}").strip(": \n")[:2000]
        yield Part(kind="failure", body=message or "It left no message.", about=traceback)
    note = cell.metadata.get("papermill")
    if not errors and isinstance(note, dict) and note.get("exception") is True:
        yield Part(kind="failure", body="The run stopped here and left no message.")


def _text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())
