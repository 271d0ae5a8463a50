"""A page in plain words: parts with a title each, made of sentences, facts, tables, pictures and commands.

One document is shown in four ways: a page of its own, HTML inside a notebook, Markdown, and lines in a terminal. Every text in it
is taken for somebody else's: it is escaped by whoever shows it. Only the pictures are markup, which the renderer made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from nbops.errors import UsageError
from nbops.records import Record
from nbops.render import drawing, html, text, values
from nbops.render.model import Column, Html, as_columns, element, show
from nbops.reports.moments import moment

Tone = Literal["plain", "strong", "attention", "bad", "good", "muted"]

_EDGES = {"attention": drawing.ORANGE, "bad": drawing.RED, "good": drawing.GREEN}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#|~!>])")
_BEGINNINGS = re.compile(r"^(\s*)([-+]|\d+[.)])(?=\s)")


class Words(Record):
    """A paragraph; in a tone of attention it stands out."""

    words: str
    tone: Tone = "plain"


class Points(Record):
    """Sentences below each other, each behind its `sign` where it has one."""

    lines: tuple[str, ...]
    signs: tuple[str, ...] = ()


class Facts(Record):
    """Names with what they stand for, such as who owns it."""

    pairs: tuple[tuple[str, str], ...]


class Table(Record):
    """A table of plain values; a column of the kind "prose" is not cut."""

    columns: tuple[Column | str, ...]
    rows: tuple[tuple[object, ...], ...]
    caption: str | None = None
    note: str | None = None


class Picture(Record):
    """A drawing; `says` tells the same where there are no drawings."""

    drawing: Html
    says: tuple[str, ...]


class Commands(Record):
    """Lines to type."""

    lines: tuple[str, ...]


class Link(Record):
    """A page that lies in the same folder, by its file name, and what it is called."""

    words: str
    file: str


class Banner(Record):
    """How something is: a word, which its tone colours and signs, and a sentence."""

    word: str
    sentence: str
    tone: Tone = "plain"


Block = Words | Points | Facts | Table | Picture | Commands | Link | Banner


class Part(Record):
    """A title and what stands below it; `brief` parts are shown in a notebook, too."""

    title: str
    blocks: tuple[Block, ...]
    brief: bool = True


class Document(Record):
    """A page. `lead` is what a reader in a hurry reads, as (question, answer, tone); `status` is one word for an index of pages.

    A `banner` stands above the lead, and a `glance` beside it where there is room: such a page is wider than others.
    """

    kind: str
    title: str
    made: datetime
    status: str
    lead: tuple[tuple[str, str, Tone], ...]
    parts: tuple[Part, ...]
    note: str = ""
    banner: Banner | None = None
    glance: tuple[Block, ...] = ()

    def to_html(self) -> str:
        """The whole page, complete in itself: no script, nothing from the network."""
        from jinja2 import Environment, PackageLoader

        environment = Environment(loader=PackageLoader("nbops.reports"), autoescape=True)
        environment.filters["moment"] = moment
        parts = [(f"part-{number}", part.title, _column(part.blocks)) for number, part in enumerate(self.parts, 1)]
        page = environment.get_template("document.html.j2").render(page=self, lead=self._in_short(), parts=parts)
        return page.encode(errors="replace").decode()

    def to_markdown(self) -> str:
        """The same in Markdown; pictures are told in sentences."""
        told = [f"# {_marked(self.title)}", f"{_marked(self.kind)}, made {moment(self.made)}."]
        told += [_markdown(self.banner)] if self.banner else []
        told.append("\n".join(f"- **{_marked(asked)}** {_marked(answer)}" for asked, answer, _ in self.lead))
        told += [_markdown(block) for block in self.glance]
        for part in self.parts:
            told += [f"## {_marked(part.title)}", *(_markdown(block) for block in part.blocks)]
        return "\n\n".join(filter(None, [*told, _marked(self.note)])) + "\n"

    def to_text(self) -> str:
        """The same as lines for a terminal."""
        told = [f"{values.clean(self.title)}\n{values.clean(self.kind)}, made {moment(self.made)}"]
        told += [_text(self.banner)] if self.banner else []
        told.append(_pairs([(asked, answer) for asked, answer, _ in self.lead]))
        told += [_text(block) for block in self.glance]
        told += ["\n".join([part.title, "-" * len(part.title), *map(_text, part.blocks)]) for part in self.parts]
        return "\n\n".join(filter(None, told)) + "\n"

    def save(self, path: str | Path, *, markdown: bool | None = None) -> Path:
        """Write it whole or not at all, as a page or as Markdown: what the name's ending (.md) says unless told. Gives the path.

        Raises UsageError for a folder that is not there.
        """
        path = Path(path)
        if markdown is None:
            markdown = path.suffix.lower() in {".md", ".markdown"}
        if not path.parent.is_dir():
            raise UsageError(f"There is no folder {str(path.parent)!r}.", hint="Make it first, or name another one.")
        told = self.to_markdown() if markdown else self.to_html()
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_text(told, encoding="utf-8", errors="replace")
        temporary.replace(path)
        return path

    def to_fragment(self) -> Html:
        """What a notebook shows of it: the answers, and the parts that are short."""
        parts = [html.section(part.title, _column(part.blocks)) for part in self.parts if part.brief]
        return html.section(self.title, self._in_short(), *parts, level=2)

    def _in_short(self) -> Html:
        """The banner, and below it the lead beside the glance."""
        if self.banner is None and not self.glance:
            return _lead(self.lead)
        above = [element("div", _banner(self.banner), style="margin:0 0 16px")] if self.banner else []
        left = element("div", _lead(self.lead), style="flex:2 1 22em;min-width:0")
        right = [element("div", _column(self.glance), style="flex:3 1 34em;min-width:0")] if self.glance else []
        return element("div", *above, element("div", left, *right, style="display:flex;flex-wrap:wrap;gap:12px 28px"))

    def _repr_html_(self) -> str:
        return self.to_fragment()

    def __repr__(self) -> str:
        return self.to_text()


def fragment(parts: Sequence[Part], *, title: str = "") -> Html:
    """Parts as HTML for a notebook, without a page around them."""
    return html.stack(title, *(html.section(part.title, _column(part.blocks)) for part in parts))


def lines(parts: Sequence[Part], *, title: str = "") -> str:
    """Parts as lines for a terminal."""
    told = ["\n".join([part.title, *map(_text, part.blocks)]) for part in parts]
    return "\n\n".join(filter(None, [values.clean(title), *told]))


def _column(blocks: Sequence[Block]) -> Html:
    return element("div", *(element("div", _html(block), style="margin:0 0 14px") for block in blocks))


def _html(block: Block) -> Html:  # noqa: PLR0911 - one kind of block each
    if isinstance(block, Words):
        return _paragraph(block)
    if isinstance(block, Points):
        return _points(block)
    if isinstance(block, Facts):
        return _terms(block.pairs)
    if isinstance(block, Table):
        return html.table(block.columns, block.rows, caption=block.caption, note=block.note)
    if isinstance(block, Banner):
        return _banner(block)
    if isinstance(block, Link):
        return element("p", element("a", block.words, href=_address(block)), style="margin:0")
    if isinstance(block, Commands):
        code = element("code", Html("\n".join(element("span", line) for line in block.lines)))
        return element("pre", code, style="margin:0;padding:10px 14px;overflow-x:auto")
    return element("div", block.drawing, style="overflow-x:auto")


def _address(block: Link) -> str:
    # Quoted from the folder on, so that no name can be taken for another site, nor end the address.
    return f"./{quote(block.file)}"


def _paragraph(block: Words) -> Html:
    style = "margin:0;max-width:72ch"
    if block.tone in _EDGES:
        style += f";padding:6px 12px;border-left:3px solid {_EDGES[block.tone]};background:rgba(128,128,128,.1)"
    elif block.tone == "muted":
        style += ";opacity:.75"
    inner: str = element("strong", block.words) if block.tone == "strong" else block.words
    return element("p", inner, style=style)


_SIGNS: dict[Tone, str] = {"bad": "✗", "attention": "!", "good": "✓"}
_TINTS: dict[Tone, str] = {
    "bad": "rgba(217,72,74,.16)", "attention": "rgba(213,115,26,.16)", "good": "rgba(46,148,99,.16)",
}  # fmt: skip


def _banner(block: Banner) -> Html:
    sign, edge = _SIGNS.get(block.tone, "–"), _EDGES.get(block.tone, drawing.GREY)
    word = element(
        "strong",
        element("span", sign, aria_hidden="true"),
        f" {block.word}",
        style="font-size:1.45em;white-space:nowrap",
    )
    sentence = element("span", block.sentence, style="flex:1 1 20em;max-width:92ch;overflow-wrap:anywhere")
    style = (
        f"display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 18px;margin:0;padding:9px 16px;border-left:8px solid {edge};"
        f"background:{_TINTS.get(block.tone, 'rgba(128,128,128,.12)')}"
    )
    return element("p", word, sentence, style=style)


def _points(block: Points) -> Html:
    if not block.signs:
        items = [element("li", line, style="margin:0 0 4px") for line in block.lines]
        return element("ul", *items, style="margin:0;padding-left:20px;max-width:76ch")
    items = [
        element("li", element("span", sign, aria_hidden="true", style="flex:none;width:1.2em"), element("span", line), style=_ITEM)
        for sign, line in zip(block.signs, block.lines, strict=True)
    ]  # fmt: skip
    return element("ul", *items, style="margin:0;padding:0;list-style:none;max-width:76ch")


_ITEM = "display:flex;gap:6px;margin:0 0 4px"


def _terms(pairs: Sequence[tuple[str, str]]) -> Html:
    """Names and facts beside each other, in two columns."""
    name, fact = "margin:0;opacity:.75;font-weight:400", "margin:0;max-width:66ch;overflow-wrap:anywhere"
    rows = [part for one, told in pairs for part in (element("dt", one, style=name), element("dd", told, style=fact))]
    return element(
        "dl", *rows, style="display:grid;grid-template-columns:fit-content(13em) minmax(0,1fr);gap:6px 18px;margin:0"
    )


def _lead(pairs: Sequence[tuple[str, str, Tone]]) -> Html:
    """Questions with their answers; one that asks for attention has its edge."""
    rows = [
        element(
            "div",
            element("dt", asked, style="margin:0;font-weight:600"),
            element("dd", answer, style="margin:0;max-width:76ch;overflow-wrap:anywhere"),
            style=f"margin:0 0 10px;padding-left:12px;border-left:3px solid {_EDGES.get(tone, 'rgba(128,128,128,.35)')}",
        )
        for asked, answer, tone in pairs
    ]
    return element("dl", *rows, style="margin:0")


def _signed(block: Banner) -> str:
    return f"{_SIGNS.get(block.tone, '')} {values.clean(block.word)}".strip()


def _markdown(block: Block) -> str:  # noqa: PLR0911 - one kind of block each
    if isinstance(block, Words):
        words = _marked(block.words)
        return f"**{words}**" if block.tone == "strong" else f"> {words}" if block.tone in _EDGES else words
    if isinstance(block, Banner):
        return f"> **{_marked(_signed(block))}** {_marked(block.sentence)}"
    if isinstance(block, Points):
        signs = block.signs or ("",) * len(block.lines)
        return "\n".join(
            f"- {_marked(sign)} {_marked(line)}".replace("-  ", "- ")
            for sign, line in zip(signs, block.lines, strict=True)
        )
    if isinstance(block, Facts):
        return "\n".join(f"- {_marked(name)}: {_marked(fact)}" for name, fact in block.pairs)
    if isinstance(block, Link):
        return f"[{_marked(block.words)}]({_address(block)})"
    if isinstance(block, Commands):
        return "\n".join(f"    {values.clean(line)}" for line in block.lines)
    if isinstance(block, Picture):
        return "\n".join(f"- {_marked(line)}" for line in block.says)
    return _marked_table(block)


def _marked_table(block: Table) -> str:
    heads = as_columns(block.columns, block.rows)
    labels = [f"{column.label} ({column.unit})" if column.unit else column.label for column in heads]
    rules = ["---:" if column.kind == "number" else "---" for column in heads]
    rows = [[cell.text for cell in row] for row in show(heads, block.rows)]
    told = [f"| {' | '.join(map(_marked, row))} |" for row in (labels, *rows)]
    told.insert(1, f"| {' | '.join(rules)} |")
    above = f"{_marked(block.caption)}\n\n" if block.caption else ""
    return above + "\n".join(told) + (f"\n\n{_marked(block.note)}" if block.note else "")


def _marked(words: str) -> str:
    """Text that Markdown shows as it is, and no HTML inside it either."""
    told = _MARKDOWN.sub(r"\\\1", values.clean(words).replace("&", "&amp;").replace("<", "&lt;"))
    return _BEGINNINGS.sub(r"\1\\\2", told)


def _text(block: Block) -> str:  # noqa: PLR0911 - one kind of block each
    if isinstance(block, Words):
        return values.clean(block.words)
    if isinstance(block, Banner):
        return f"{_signed(block)}: {values.clean(block.sentence)}"
    if isinstance(block, Points):
        signs = block.signs or ("-",) * len(block.lines)
        return "\n".join(f"{sign} {values.clean(line)}" for sign, line in zip(signs, block.lines, strict=True))
    if isinstance(block, Facts):
        return _pairs(block.pairs)
    if isinstance(block, Link):
        return f"{values.clean(block.words)}: {values.clean(block.file)}"
    if isinstance(block, Commands):
        return "\n".join(f"  {values.clean(line)}" for line in block.lines)
    if isinstance(block, Picture):
        return "\n".join(f"- {values.clean(line)}" for line in block.says)
    return text.table(block.columns, block.rows, caption=block.caption, note=block.note).rstrip("\n")


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"{values.clean(name)}: {values.clean(fact)}" for name, fact in pairs)
