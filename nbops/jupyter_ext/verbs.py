"""What each route does: a verb gets `Asked` and returns what becomes JSON.

It runs on a thread and may wait for the store, for seconds at most.
"""

from __future__ import annotations

import posixpath
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nbops import __version__, config
from nbops.errors import NotFound, PathRefused, UsageError
from nbops.jupyter_ext import rows
from nbops.records import Record, at, short

if TYPE_CHECKING:
    from nbops.data.freshness import Line
    from nbops.execution.board import Row
    from nbops.store.client import Store
    from nbops.tracking.compare import Comparison

PROTOCOL = 6
"""Counted up when the pages of an older version could not go on with the answers."""
# How long, in seconds, a page waits for the store before it is told that the store is busy.
_PATIENCE = 4.0
# Runs that are compared at once, and those of a model that are drawn.
_MOST = 4
_WIDEST = 50
# Rows of a quarantine that are shown.
_FIRST = 20


class Notebook(Record):
    """A notebook, as the file browser shows its path."""

    notebook: str


class Order(Record):
    """What to execute, or to check: texts as `nbops run -p NAME TEXT` takes them; a `grid` makes it a sweep."""

    notebook: str
    values: dict[str, str] = {}
    grid: dict[str, list[str]] = {}
    force: bool = False


class InProject(Record):
    """What is sent about something in the project of a folder."""

    folder: str = ""


class Stop(InProject):
    """How to stop a run: `kill` does not let the running cell end."""

    kill: bool = False


class Root:
    """The folder that a Jupyter server shows; the paths that JupyterLab shows begin there."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder).expanduser().resolve()

    def file(self, shown: str) -> Path:
        """The file or folder of a shown path. Raises PathRefused for one that leaves the root, and NotFound."""
        parts = [part for part in shown.split("/") if part not in {"", "."}]
        if ".." in parts or "\0" in shown or ":" in (parts[0] if parts else ""):
            raise PathRefused(
                f"{shown!r} is no path below the server's folder.", hint="Give it as the file browser shows it."
            )
        found = self.folder.joinpath(*parts)
        if not found.exists():
            raise NotFound(
                f"There is no {shown!r} here.", hint="It may have been moved or renamed: look in the file browser."
            )
        return found

    def shown(self, file: str | None) -> str | None:
        """The path that JupyterLab shows of a file; None for one that it does not show."""
        if file is None:
            return None
        path = Path(posixpath.normpath(file))
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else None


class Asked(Record):
    """A request; the query has all values of a name."""

    root: Root
    query: dict[str, list[str]]
    body: Any = None

    def one(self, name: str, otherwise: str = "") -> str:
        """The last value of a name in the query."""
        return self.query.get(name, [otherwise])[-1]

    def number(self, name: str, otherwise: int) -> int:
        """A whole number of the query. Raises UsageError."""
        text = self.one(name, str(otherwise))
        if not text.isdecimal():
            raise UsageError(f"{name} is {text!r}.", hint="Give a whole number.")
        return int(text)

    @property
    def everything(self) -> bool:
        """Whether what does not differ is wanted, too."""
        return self.one("everything", "0") not in {"0", "", "false"}

    @property
    def settings(self) -> config.Settings:
        """The settings of the project that the request's folder lies in."""
        folder = self.body.folder if isinstance(self.body, InProject) else self.one("folder")
        return _settings(self.root.file(folder))

    @property
    def store(self) -> Store:
        """The store of that project. Raises NotFound when nobody began one."""
        found = self.settings
        if not found.folder.is_dir():
            raise NotFound(
                f"There are no runs in {found.project.name} yet.", hint="Run a notebook, or start a run in one."
            )
        return _connect(found)

    @property
    def begun(self) -> Store:
        """The store of that project, which begins where nobody began one."""
        return _connect(self.settings)


def version(_: Asked) -> dict[str, object]:
    """Who answers."""
    return {"nbops": __version__, "protocol": PROTOCOL}


def board(asked: Asked) -> dict[str, object]:
    """The sidebar."""
    from nbops.data import freshness
    from nbops.execution import board as boards
    from nbops.monitoring import overview as wrong
    from nbops.monitoring import status
    from nbops.promotion import overview

    found, now = asked.settings, datetime.now(UTC)
    has_store = found.folder.is_dir()
    seen = boards.Board(rows=[], more=False, attention=[], running=0, models=[])
    reviews: list[overview.Line] = []
    approvals: list[dict[str, object]] = []
    pipelines: dict[str, str] = {}
    piped: dict[str, object] = {}
    incidents: list[wrong.Line] = []
    health: dict[str, status.Word] = {}
    if has_store:
        store = _connect(found)
        seen = boards.board(store, text=asked.one("text"), limit=asked.number("limit", 50))
        reviews, incidents, health = overview.waiting(store), wrong.waiting(store, now), status.words(store)
        approvals, pipelines, piped = rows.pipelines(asked.root, store, [*seen.rows, *seen.attention])
        data = freshness.freshness(store)
    else:
        data = freshness.uncollected(found.project)
    return {
        "project": found.project.name, "has_store": has_store, "as_of": now, "more": seen.more, "running": seen.running,
        "needs": [{"kind": "run", "when": row.start, **_row(asked.root, row), "pipeline": piped.get(row.run_id)} for row in seen.attention],
        "reviews": reviews, "approvals": approvals, "incidents": incidents,
        "runs": [{**_row(asked.root, row), "pipeline": piped.get(row.run_id)} for row in seen.rows],
        "pipelines": [{"name": name, "folder": folder} for folder, name in pipelines.items()],
        "models": [msgspec.structs.replace(model, health=health.get(model.name)) for model in seen.models],
        "data": [_source(line) for line in data.lines],
    }  # fmt: skip


def run(asked: Asked, run_id: str) -> dict[str, object]:
    """All that is known of a run."""
    from nbops.execution import board as boards
    from nbops.tracking import show

    store = asked.store
    sheet = boards.sheet(store, run_id)
    info = sheet.info
    return {
        **_row(asked.root, sheet.row), "pipeline": rows.pipelines(asked.root, store, [sheet.row])[2].get(run_id),
        "exit_status": sheet.exit_status, "actor": info.actor, "host": info.host,
        "end": at(info.end_time) if info.end_time else None, "commit": info.commit, "dirty": info.dirty,
        "source": info.source, "peak_memory": sheet.peak_memory, "cpu_seconds": sheet.cpu_seconds, "executed": sheet.executed is not None,
        "failed_cell": sheet.failed_cell, "live": sheet.live, "params": sheet.params, "metrics": sheet.metrics, "tags": sheet.tags,
        "files": [{"path": path, "size": size} for path, size in sheet.files],
        "inputs": [dict(zip(("name", "digest", "source", "rows"), item, strict=True)) for item in sheet.inputs],
        "models": [{"name": name, "version": number} for name, number in sheet.models],
        "children": [{**_row(asked.root, part.row), "metrics": part.metrics} for part in sheet.children],
        "better": sheet.better, "grid": sheet.grid, "can_stop": sheet.can_stop,
        "plots": str(show.curves(store, run_id)),
    }  # fmt: skip


def live(asked: Asked, run_id: str) -> dict[str, object]:
    """What a run does right now."""
    from nbops.execution import board as boards
    from nbops.tracking import runs

    store = asked.store
    return {"status": runs.info(store, run_id).status, "live": boards.now(store, run_id)}


def notebook(asked: Asked, run_id: str) -> dict[str, object]:
    """The executed notebook of a run."""
    from nbops.execution.notebook import executed

    path = executed(asked.store, run_id)
    content = msgspec.json.decode(path.read_bytes())
    return {"name": path.name, "content": content, "last_modified": datetime.fromtimestamp(path.stat().st_mtime, UTC)}


def report(asked: Asked, run_id: str) -> dict[str, object]:
    """The page of a run, complete in itself."""
    from nbops.reports import run_page

    return {"name": run_page.default_path(run_id), "html": run_page.page_of(asked.store, run_id)}


def compare(asked: Asked) -> dict[str, object]:
    """Runs side by side."""
    store, chosen = _chosen(asked)
    found = _comparison(store, chosen, everything=asked.everything)
    sql = "select run_id::varchar, status from runs where run_id in (select unnest(?::uuid[]))"
    states = dict(store.read(sql, [chosen]).rows)
    return {
        "runs": [
            {"id": run_id, "short": short(run_id), "label": label, "status": states.get(run_id)}
            for run_id, label in zip(chosen, found.runs, strict=True)
        ],
        "rows": _rows(found), "hidden": len(found.rows) - len(found.shown), "note": found.note, "plot": str(found.plot()),
    }  # fmt: skip


def compare_cells(asked: Asked) -> object:
    """Executed notebooks side by side."""
    from nbops.execution import alongside

    store, chosen = _chosen(asked)
    return alongside.cells(store, chosen, everything=asked.everything)


def model(asked: Asked, name: str) -> dict[str, object]:
    """A model with its versions and reviews, newest first, and the parts of its page."""
    from nbops.execution import board as boards
    from nbops.monitoring import status
    from nbops.promotion import overview

    store = asked.store
    found = boards.model(store, name)
    made = [
        {**msgspec.to_builtins(version, builtin_types=(datetime,)), "notebook": asked.root.shown(version.notebook)}
        for version in found.versions
    ]
    plot = ""
    if len(ids := list(dict.fromkeys(version.run for version in found.versions))) > 2:
        plot = str(_comparison(store, ids[:_WIDEST]).plot())
    return {
        "name": found.name, "health": status.words(store).get(name), "aliases": found.aliases, "versions": made, "metrics": found.metrics,
        "plot": plot, "reviews": overview.of_model(store, name),
        "parts": [{"key": part.key, "title": part.title, "html": str(part.html)} for part in overview.parts(store, name)],
    }  # fmt: skip


def source(asked: Asked, name: str) -> dict[str, object]:
    """A source of data: how fresh it is, and the parts of its page with the first rows of its quarantine."""
    from nbops.data import sheet as sheets
    from nbops.render import html

    if not asked.settings.folder.is_dir():
        raise NotFound(f"{name} was never collected.", hint=f"`nbops data collect {shlex.quote(name)}` does so.")
    found = sheets.sheet(asked.store, name, rows=_FIRST)
    return {
        **_source(found.line), "facts": str(html.facts(*found.facts)),
        "parts": [{"key": part.key, "title": part.title, "html": str(part.html)} for part in found.parts],
    }  # fmt: skip


def start_run(asked: Asked) -> dict[str, object]:
    """Begin a run."""
    return _launched(asked, msgspec.structs.replace(asked.body, grid={}))


def start_sweep(asked: Asked) -> dict[str, object]:
    """Begin a sweep over a grid."""
    if not asked.body.grid:
        raise UsageError("A sweep needs a parameter with several values.", hint="Give at least one a list of values.")
    return _launched(asked, asked.body)


def stop(asked: Asked, run_id: str) -> dict[str, object]:
    """Ask a run's runner to stop it."""
    from nbops.execution import live as lives

    lives.stop(asked.store, run_id, kill=asked.body.kill)
    return {}


def _settings(start: Path) -> config.Settings:
    found = config.settings(start=start if start.is_dir() else start.parent)
    return msgspec.structs.replace(found, store=msgspec.structs.replace(found.store, timeout=_PATIENCE))


def _connect(settings: config.Settings) -> Store:
    from nbops.store.client import connect

    return connect(settings)


def _row(root: Root, row: Row) -> dict[str, object]:
    fields = {name: getattr(row, name) for name in row.__struct_fields__ if name not in {"run_id", "notebook"}}
    return {"id": row.run_id, **fields, "notebook": root.shown(row.notebook)}


def _source(line: Line) -> dict[str, object]:
    fields = {name: getattr(line, name) for name in line.__struct_fields__ if name != "source"}
    return {"name": line.source, **fields, "interval": line.interval}


def _chosen(asked: Asked) -> tuple[Store, list[str]]:
    chosen = list(dict.fromkeys(asked.query.get("run", [])))
    if not 2 <= len(chosen) <= _MOST:
        raise UsageError(f"{len(chosen)} runs were chosen.", hint=f"Choose 2 to {_MOST}.")
    return asked.store, chosen


def _comparison(store: Store, chosen: list[str], *, everything: bool = False) -> Comparison:
    from nbops.tracking import compare as comparing

    return comparing.compare(store, chosen, everything=everything)


def _rows(found: Comparison) -> list[dict[str, object]]:
    from nbops.render.model import best

    return [
        {
            "kind": row.place, "name": row.key, "better": row.better, "unit": row.unit, "same": row.same,
            "values": [value if isinstance(value, int | float | str | None) else str(value) for value in row.cells],
            "best": best(row.cells, row.better) if row.better else [],
        }
        for row in found.shown
    ]  # fmt: skip


def _launched(asked: Asked, order: Order) -> dict[str, object]:
    from nbops.execution import launching

    path = asked.root.file(order.notebook)
    project = _settings(path).project
    begun = launching.launch(
        launching.Order(
            project=str(project), notebook=str(path), values=order.values, grid=order.grid, force=order.force
        )
    )
    return {"id": begun.run_id, "unchanged": begun.unchanged}
