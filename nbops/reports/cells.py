"""What of a notebook a reader gets to see, in order: prose, tables, pictures, printed text, failures.

In flow cells as nbformat has them; out flow parts that a template only has to place. Code is never a part, a failure always is.
Whatever is HTML here went through `sanitize.clean`; everything else is plain text that the template escapes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from html import escape, unescape
from typing import TYPE_CHECKING, Any, Literal

from nbops.records import Record
from nbops.reports.sanitize import clean

if TYPE_CHECKING:
    from nbformat import NotebookNode


class Part(Record):
    """One thing to show. `body` is clean HTML for prose and html, a data: address for a picture, else plain text.

    `about` is a picture's description or a failure's traceback, `width` a picture's in CSS pixels.
    """

    kind: Literal["prose", "html", "picture", "text", "messages", "failure", "notice"]
    body: str
    about: str = ""
    width: int | None = None


class Heading(Record):
    """A line of the contents list; `anchor` is the id of its place."""

    level: int
    text: str
    anchor: str


class Story:
    """The notebook as its reader meets it: `cells` holds the parts of every cell that has any.

    A first-level heading that opens the notebook becomes the `title` when none is given. `failure` is the first that nobody
    expected (tag `raises-exception`).
    """

    def __init__(self, notebook: NotebookNode, title: str | None) -> None:
        self.title = title
        self.headings: list[Heading] = []
        self.failure: Part | None = None
        self.cells = [parts for cell in notebook.cells if (parts := list(self._parts(cell)))]

    def _parts(self, cell: NotebookNode) -> Iterator[Part]:
        tags = {tag.lower().replace("_", "-") for tag in cell.metadata.get("tags", [])}
        hidden = not tags.isdisjoint(_LEFT_OUT)
        if cell.cell_type == "markdown" and not hidden:
            yield self._prose(cell.source, cell.get("attachments", {}))
        if cell.cell_type != "code":
            return
        failures = list(_failures(cell, hidden=hidden))
        if failures and "raises-exception" not in tags:
            self.failure = self.failure or failures[0]
        if not hidden and tags.isdisjoint(_SILENT):
            yield from self._outputs(cell)
        yield from failures

    def _prose(self, markdown: str, attachments: dict[str, dict[str, str]]) -> Part:
        html = clean(_html(markdown, attachments))
        first = _HEADING.match(html)
        if first and first[1] == "1" and not self.headings and self.title in {None, _text(first[2])}:
            self.title = _text(first[2])
            html = clean(html[first.end() :])  # again, for what is left may have lost its opening tags
        return Part(kind="prose", body=_HEADING.sub(self._heading, html))

    def _heading(self, found: re.Match[str]) -> str:
        level, text = int(found[1]), _text(found[2])
        anchor = f"n-{text.replace(' ', '-')}"  # as Jupyter names it, so the author's own links to it work
        if any(heading.anchor == anchor for heading in self.headings):
            anchor = f"{anchor}-{len(self.headings)}"
        if text and level <= 3:
            self.headings.append(Heading(level=level, text=text, anchor=anchor))
        return f'<h{level} id="{escape(anchor)}">{found[2]}</h{level}>'

    def _outputs(self, cell: NotebookNode) -> Iterator[Part]:
        shown: list[Part] = []
        for output in cell.outputs:
            if output.output_type == "stream":
                text = terminal_text(output.text)
                part = Part(kind="messages" if output.name == "stderr" else "text", body=text) if text.strip() else None
            elif output.output_type == "error":
                continue
            else:
                part = self._display(output, cell)
            if part and not (part.kind == "notice" and part in shown):
                shown.append(part)
        pictured = any(part.kind == "picture" for part in shown)
        return (part for part in shown if not (pictured and part.kind == "text" and _OBJECT.fullmatch(part.body.strip())))

    def _display(self, output: NotebookNode, cell: NotebookNode) -> Part | None:
        """The richest form of an output that needs no script."""
        data = {mime: "".join(value) if isinstance(value, list) else value for mime, value in output.data.items()}
        plain = terminal_text(data.get("text/plain", ""))
        html = _still(data.get("text/html", ""), plain)
        if html:
            return Part(kind="html", body=html)
        for mime in _PICTURES:
            if mime in data:
                details = {**cell.metadata, **output.metadata, **output.metadata.get(mime, {})}
                return self._picture(mime, data[mime], details)
        if "text/markdown" in data:
            return self._prose(data["text/markdown"], {})
        if "<script" in data.get("text/html", "").lower() or any(_LIVE.match(mime) for mime in data):
            return Part(kind="notice", body="An interactive view stood here. It lives in the notebook; this page shows what stands still.")
        text = data.get("text/latex") or plain
        return Part(kind="text", body=terminal_text(text)) if text.strip() else None

    def _picture(self, mime: str, content: str, details: dict[str, Any]) -> Part:
        body = b64encode(content.encode()).decode() if mime == "image/svg+xml" else "".join(content.split())
        place = self.headings[-1].text if self.headings else self.title
        about = details.get("alt") or (f"Figure in “{place}”" if place else "Figure")
        width = details.get("width")
        return Part(kind="picture", body=f"data:{mime};base64,{body}", about=str(about), width=width if isinstance(width, int) else None)


_LEFT_OUT = frozenset({"parameters", "injected-parameters", "hide", "hide-cell", "remove-cell", "papermill-error-cell-tag"})
_SILENT = frozenset({"hide-output", "hide-outputs", "remove-output", "remove-outputs"})
_PICTURES = ("image/svg+xml", "image/png", "image/jpeg", "image/webp", "image/gif")
_LIVE = re.compile(r"application/(?:javascript|vnd\.)")
# What Python prints for an object without a text of its own; beside its picture it tells nothing.
_OBJECT = re.compile(r"[\[({]*<.*>[\])}]*|Text\(.*\)", re.DOTALL)
_HEADING = re.compile(r'\s*<h([1-6])(?: [\w-]+="[^"]*")*>(.*?)</h\1>', re.DOTALL)
_TASK = re.compile(r'<input class="task-list-item-checkbox" type="checkbox" disabled( checked)?/>')
# Colours, cursor moves and links of a terminal, then every other control character but tab and newline.
_ESCAPES = re.compile(r"\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)?|\[[0-?]*[ -/]*[@-~])|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LONGEST = 40_000


def terminal_text(text: str) -> str:
    """What a terminal would have left of `text`, as plain characters; the middle of a very long one is left out and counted."""
    text = _ESCAPES.sub("", text)
    if len(text) <= _LONGEST:
        return text
    start, end = text[: _LONGEST // 2], text[-_LONGEST // 2 :]
    return f"{start}\n\n… {len(text) - _LONGEST:,} characters are left out here; the notebook has them …\n\n{end}"


def _html(markdown: str, attachments: dict[str, dict[str, str]]) -> str:
    from nbconvert.filters.markdown_mistune import InvalidNotebook, IPythonRenderer, MarkdownWithMath

    reader = MarkdownWithMath(IPythonRenderer(escape=False, attachments=attachments, exclude_anchor_links=True))
    try:
        html = reader.render(markdown)
    except InvalidNotebook:  # a picture that was pasted and lost: its description is shown instead
        html = reader.render(markdown.replace("attachment:", "lost:"))
    return _TASK.sub(lambda box: "☑ " if box[1] else "☐ ", html)


def _still(html: str, plain: str) -> str:
    """What of an output's HTML makes sense without its styles and scripts; empty when `plain` or a picture says more."""
    body = clean(html).replace("<th></th>", "<td></td>")  # pandas' corner is no heading
    if re.search(r"<(?:table|svg|img)\b", body):
        return body
    styled = "<style" in html.lower() and plain.strip() and not _OBJECT.fullmatch(plain.strip())
    return "" if styled or not _text(body) else body


def _failures(cell: NotebookNode, *, hidden: bool) -> Iterator[Part]:
    """What went wrong in a cell; of a hidden one without the traceback, which quotes its code."""
    errors = [output for output in cell.outputs if output.output_type == "error"]
    for error in errors:
        if error.ename == "SystemExit" and error.evalue in {"", "0"}:
            continue  # a notebook that ends itself early has not failed
        traceback = "" if hidden else terminal_text("\n".join(error.traceback))
        yield Part(kind="failure", body=terminal_text(f"{error.ename}: {error.evalue}").strip(": \n"), about=traceback)
    if not errors and cell.metadata.get("papermill", {}).get("exception") is True:
        yield Part(kind="failure", body="The run stopped here and left no message.")


def _text(html: str) -> str:
    """The characters of clean HTML, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())
