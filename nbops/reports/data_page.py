"""The data of a project as one HTML page: how fresh each source is, what its contract found, what is set aside, its versions.

Rows of data are not on it: counts, reasons, and what the profile of the last version says of the values. It holds no script and asks
nothing of the network.
"""

from __future__ import annotations

from pathlib import Path

from nbops.data import degraded
from nbops.data.freshness import Freshness, freshness
from nbops.data.sheet import Sheet
from nbops.records import Record
from nbops.render import html
from nbops.render.model import Html
from nbops.reports.moments import moment
from nbops.store.client import Store

DEFAULT = "data.html"
"""The file name that a page gets when none is asked for."""


class _Source(Record):
    name: str
    anchor: str
    needs: str | None
    degraded: str | None
    state: Html
    facts: Html
    parts: list[tuple[str, Html]]


def page(store: Store) -> str:
    """The page of all sources of a store's project."""
    found = freshness(store)
    sources = [
        _Source(
            name=line.source, anchor=f"source-{number}", needs=line.needs, degraded=sheet.degraded, state=html.status(line.state),
            facts=html.facts(*sheet.facts), parts=[(part.title, part.html) for part in sheet.parts],
        )
        for number, line in enumerate(found.lines)
        for sheet in [Sheet(store, line)]
    ]  # fmt: skip
    return _rendered(store.settings.project.name, found, sources)


def write(store: Store, path: Path) -> Path:
    """Write the page into a file, whole or not at all; gives its path."""
    told = page(store)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(told, encoding="utf-8", errors="replace")
    temporary.replace(path)
    return path


def _rendered(project: str, found: Freshness, sources: list[_Source]) -> str:
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("nbops.reports"), autoescape=True)
    environment.filters["moment"] = moment
    return environment.get_template("data.html.j2").render(
        title=f"Data of {project}", found=found, sources=sources, old=degraded.TITLE, table=html.table(*found.table())
    )
