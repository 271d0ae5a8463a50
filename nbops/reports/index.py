"""A page that lists the reports lying in a folder, made from what each says of itself in its head.

Any file may lie there: nothing of one is copied as markup, and none is read further than its head.
"""

from __future__ import annotations

from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

from nbops.errors import Conflict, NotFound
from nbops.records import Record
from nbops.render import values
from nbops.reports.moments import moment

GENERATOR = "nbops"
NAME = "index.html"
_HEAD = 65_536


class Listed(Record):
    """A report in a folder. `when` is the end of its run, else when the file was written; `size` counts bytes."""

    address: str
    title: str
    run: str | None
    status: str | None
    when: datetime
    size: int


def write(folder: Path) -> tuple[Path, int]:
    """Write `index.html` over the reports in a folder, newest first; gives its path and how many there are.

    Raises NotFound when there is no such folder and Conflict when a page of somebody else's has that name.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", hint="Name the one that the reports lie in.")
    output = folder / NAME
    if output.exists() and _head(output).meta.get("generator") != GENERATOR:
        raise Conflict(
            f"{output} is not an index that nbops made.", hint="Move it away, or keep reports in another folder."
        )
    found = listed(folder)
    temporary = output.with_name(f".{NAME}.new")
    temporary.write_text(_page(folder.resolve().name, found), encoding="utf-8")
    temporary.replace(output)
    return output, len(found)


def listed(folder: Path) -> list[Listed]:
    """The reports in a folder, newest first."""
    found = []
    for path in folder.glob("*.html"):
        told = _head(path) if path.name != NAME and path.is_file() else None
        if told and told.meta.get("generator") == GENERATOR:
            stat = path.stat()
            found.append(
                Listed(
                    address=quote(f"./{path.name}"),
                    title=" ".join(told.title.split()) or path.name,
                    run=told.meta.get("nbops-run"),
                    status=told.meta.get("nbops-status"),
                    when=_moment(told.meta.get("nbops-ended")) or datetime.fromtimestamp(stat.st_mtime).astimezone(),
                    size=stat.st_size,
                )
            )
    return sorted(found, key=lambda item: (item.when, item.address), reverse=True)


class Head(HTMLParser):
    """The title and the named metas before the body."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.meta: dict[str, str] = {}
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a meta, until the body begins."""
        told = dict(attrs)
        if tag == "meta" and self._in != "body" and told.get("name"):
            self.meta.setdefault(str(told["name"]), told.get("content") or "")
        self._in = self._in if self._in == "body" else tag

    def handle_data(self, data: str) -> None:
        """Collect the title."""
        if self._in == "title":
            self.title += data

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the base class names it
        """End the title."""
        self._in = self._in if self._in == "body" else ""


def head(html: str) -> Head:
    """The head of a page."""
    found = Head()
    found.feed(html[:_HEAD])
    return found


def _head(path: Path) -> Head:
    with path.open(encoding="utf-8", errors="replace") as file:
        return head(file.read(_HEAD))


def _moment(told: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(told or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _page(name: str, found: list[Listed]) -> str:
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("nbops.reports"), autoescape=True)
    environment.filters |= {"moment": moment, "size": values.size}
    return environment.get_template("index.html.j2").render(
        title=f"Reports in {name}" if name else "Reports", reports=found
    )
