"""A run's page: its executed notebook with what the store knows about the run on top; of a pipeline's run how its steps were."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from nbops.errors import NotFound, UsageError
from nbops.execution.notebook import defaults, executed
from nbops.execution.reading import light_imports
from nbops.records import Record, short
from nbops.reports import pipeline_page
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
    if (found := of_pipeline(store, run_id)) is not None:
        return found
    notebook, saved = _notebook(store, run_id)
    about = msgspec.structs.replace(of_run(store, run_id, defaults(notebook)), saved=saved)
    with light_imports():
        return Made(html=page(notebook, provenance=about, code=code), provenance=about)


def of_pipeline(store: Store, run_id: str, beside: Mapping[str, str] | None = None) -> Made | None:
    """The page of a pipeline's run, None of another; `beside` as for `pipeline_page.page`."""
    drawn = pipeline_page.page(store, run_id, beside=beside)
    if drawn is None:
        return None
    about = msgspec.structs.replace(of_run(store, run_id, {}), pipeline=drawn.title, notebook=None, degraded=None)
    return Made(html=drawn.to_html(), provenance=about)


def write_steps(
    store: Store, run_id: str, folder: Path, *, code: Code = "hidden", tell: Callable[[str], None] = lambda _: None
) -> dict[str, str]:
    """Write the pages of the steps of a pipeline's run into a folder; gives their file names by task, where they have one."""
    made = dict[str, str]()
    for task, step_run in pipeline_page.executed(store, run_id).items():
        tell(task)
        try:
            told = page_of(store, step_run, code=code)
        except (NotFound, UsageError):
            # It was killed before there was anything to show, or what is there cannot be read.
            continue
        made[task] = default_path(step_run)
        (folder / made[task]).write_text(told, encoding="utf-8")
    return made


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
