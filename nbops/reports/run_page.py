"""A run's page: its executed notebook with what the store knows about the run on top."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from nbops.errors import NotFound
from nbops.execution.notebook import defaults, executed
from nbops.execution.reading import light_imports
from nbops.records import Record, short
from nbops.reports.page import Code, page
from nbops.reports.provenance import Provenance, of_run
from nbops.store.client import Store
from nbops.tracking import runs


class Made(Record):
    """A run's page, and what it says about the run."""

    html: str
    provenance: Provenance


def page_of(store: Store, run_id: str, *, code: Code = "hidden") -> str:
    """The page of a run's executed notebook, else of the notebook that it was made in, as that was saved.

    `code` as for `page`. Raises NotFound when the run is of no notebook.
    """
    return made(store, run_id, code=code).html


def made(store: Store, run_id: str, *, code: Code = "hidden") -> Made:
    """As `page_of`, with what the page says about the run."""
    notebook, saved = _notebook(store, run_id)
    about = msgspec.structs.replace(of_run(store, run_id, defaults(notebook)), saved=saved)
    with light_imports():
        return Made(html=page(notebook, provenance=about, code=code), provenance=about)


def _notebook(store: Store, run_id: str) -> tuple[Path, datetime | None]:
    try:
        return executed(store, run_id), None
    except NotFound:
        source = runs.info(store, run_id).source
        path = store.settings.project / (source or "")
        if path.suffix != ".ipynb" or not path.is_file():
            raise
        return path, datetime.fromtimestamp(path.stat().st_mtime, UTC)


def default_path(run_id: str) -> str:
    """The file name that a page gets when none is asked for."""
    return f"report-{short(run_id)}.html"
