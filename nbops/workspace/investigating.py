"""From an incident to a notebook that shows what is known of it: written from a template, and executed as a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nbops.errors import Conflict, ExecutionError, NbopsError, UsageError
from nbops.monitoring import incidents
from nbops.monitoring.incidents import Case
from nbops.records import at, short
from nbops.workspace import _monitoring, scaffold
from nbops.workspace._model import CHAMPION, Model, Version

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from nbops.store.client import Store

FOLDER = "investigations"


def investigate(store: Store, incident_id: str, *, execute: bool = True, path: Path | None = None) -> Path:
    """Write the notebook of an incident to `path`, else below the project's `investigations`, and execute it there.

    It opens on the last window that was wrong. Raises UsageError for an incident of no model, Conflict for a file that exists, NotFound
    for one whose windows nobody looked at, and ExecutionError when it fails.
    """
    import nbformat

    case = incidents.get(store, incident_id)
    if not case.subject.startswith("model:"):
        raise UsageError(
            f"Incident {short(incident_id)} is of {case.subject}.",
            hint="What can be investigated are incidents of models.",
        )
    path = path or place(store, case)
    if path.exists():
        raise Conflict(f"{path} exists already.", hint="Open it, or name another file with --out.")
    node = _notebook(store, case)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{nbformat.writes(node)}\n", encoding="utf-8")
    if execute:
        _execute(store, path)
    return path


def place(store: Store, case: Case) -> Path:
    """Where the notebook of an incident lies: one for each last window that was wrong."""
    return (
        store.settings.project / FOLDER / f"{case.name}-{short(case.incident_id)}-{at(case.last_window):%Y-%m-%d}.ipynb"
    )


def _notebook(store: Store, case: Case) -> NotebookNode:
    model = Model(store, case.name)
    version = model.version(case.version)
    window = _monitoring.window(store, version.record, at(case.last_window))
    holder = model.aliases.get(CHAMPION)
    return scaffold.written(
        "investigate.md.j2", incident=short(case.incident_id), model=case.name, version=version.version, cause=case.cause,
        severity=case.severity, sentence=case.text, window=at(case.last_window).isoformat(), baseline=window.report.baseline,
        champion=holder is not None and holder != version.version, reigns=holder == version.version, evaluated=_is_evaluated(version),
        complete=_is_complete(version, [*window.rows.columns]),
    )  # fmt: skip


def _is_evaluated(version: Version) -> bool:
    try:
        return version.evaluation is not None
    except NbopsError:
        return False


def _is_complete(version: Version, columns: list[str]) -> bool:
    """Whether all that the model takes was logged."""
    signature = version.manifest.signature
    return signature is not None and signature.named and {column.name for column in signature.columns} <= {*columns}


def _execute(store: Store, path: Path) -> None:
    from nbops.execution import notebook

    outcome = notebook.execute(store, path, path, cwd=store.settings.project)
    if outcome.code:
        raise ExecutionError(
            f"Run {short(outcome.run_id)} of the investigation {outcome.status}: {outcome.cause}",
            hint=f"What it came to stands in {path}.",
        )
