"""A run's page: its executed notebook with what the store knows about the run on top."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from nbops.errors import NotFound
from nbops.execution.notebook import defaults, executed
from nbops.execution.reading import light_imports
from nbops.records import short
from nbops.reports import provenance
from nbops.reports.page import Code, page
from nbops.store.client import Store
from nbops.tracking import runs


def page_of(store: Store, run_id: str, *, code: Code = "hidden") -> str:
    """The page of a run, complete in itself: of its executed notebook, else of the notebook that it was made in, as that was saved.

    `code` as for `page`. Raises NotFound when the run is of no notebook.
    """
    notebook, saved = _notebook(store, run_id)
    about = msgspec.structs.replace(provenance.of_run(store, run_id, defaults(notebook)), saved=saved)
    with light_imports():
        return page(notebook, provenance=about, code=code)


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
