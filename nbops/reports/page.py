"""An executed notebook as one HTML page for people who were not there when it ran.

In flow a notebook and what the store knows about its run; out flows one text that holds no script and asks nothing of the
network: who ran what on which data and when, then the notebook's prose, tables and pictures. What the notebook wrote passes
`sanitize.clean` or the template's escaping, and nothing rewrites the page after that; a Content-Security-Policy stands behind.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.errors import NotFound, UsageError
from nbops.records import Dataset, Record, RunStatus
from nbops.reports.cells import Part, Story

if TYPE_CHECKING:
    from nbconvert.exporters import TemplateExporter
    from nbformat import NotebookNode


class Parameter(Record, frozen=True):
    """A parameter as the run saw it; `changed` when that is not the notebook's default."""

    name: str
    value: str
    changed: bool = False


class KeyMetric(Record, frozen=True):
    """One figure that the run is judged by."""

    name: str
    value: float
    unit: str | None = None


class Provenance(Record, frozen=True):
    """What the store knows about a run, as its page states it. Times are aware; they are shown in the local zone.

    `data_until` is the last moment that the data speaks of, `environment` a digest, `models` names with versions
    (`air-time/3`), `cause` why the run did not finish, `saved` when a notebook that a person executed was last saved.
    """

    run_id: str
    run_name: str | None = None
    experiment: str | None = None
    status: RunStatus | None = None
    cause: str | None = None
    actor: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    data_until: date | datetime | None = None
    inputs: tuple[Dataset, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    metrics: tuple[KeyMetric, ...] = ()
    models: tuple[str, ...] = ()
    notebook: str | None = None
    commit: str | None = None
    dirty: bool = False
    environment: str | None = None
    saved: datetime | None = None


def page(notebook: NotebookNode | Path, *, title: str | None = None, provenance: Provenance | None = None) -> str:
    """The page of an executed `notebook`, complete in itself.

    Without a `title` the heading that opens the notebook is taken, else the run's or the file's name. Cells tagged `parameters`,
    `injected-parameters`, `hide` or `remove-cell` are left out, and the outputs of those tagged `hide-output` or `remove-output`;
    what failed in them is still told. Raises NotFound when there is no such file and UsageError when it is not a notebook.
    """
    node, name = _read(notebook)
    html, _ = _exporter().from_notebook_node(node, {"title": title, "name": name, "provenance": provenance})
    return html.encode(errors="replace").decode()  # half a character, as a cut output may end in, cannot be written


def _read(notebook: NotebookNode | Path) -> tuple[NotebookNode, str]:
    """The notebook, checked against its schema, and a name for it."""
    import nbformat

    name = notebook.stem if isinstance(notebook, Path) else "Notebook"
    try:
        node = nbformat.read(notebook, as_version=4) if isinstance(notebook, Path) else notebook
        nbformat.validate(node, relax_add_props=True)
    except FileNotFoundError as error:
        raise NotFound(
            f"There is no notebook {notebook}.", hint="`nbops runs list` shows the runs that have one."
        ) from error
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
        # nbformat has no one error for a file that is no notebook.
        raise UsageError(
            f"{name} cannot be read as a notebook: {str(error).partition(chr(10))[0][:300]}",
            hint="Run it again, or open and save it in JupyterLab, which repairs small faults.",
        ) from error
    return node, name


def _exporter() -> TemplateExporter:
    from jinja2 import PackageLoader
    from nbconvert.exporters import TemplateExporter

    # HTMLExporter would send the finished page through another parser and back, behind the sanitizer; its parent does not.
    # No template path: by default nbconvert also takes templates from the current folder.
    exporter = TemplateExporter(
        file_extension=".html",
        template_file="page.html.j2",
        template_paths=[],
        extra_loaders=[PackageLoader("nbops.reports")],
        preprocessors=[_tell],
        filters={"moment": _moment, "duration": _duration, "number": _number},
    )
    exporter.environment.autoescape = True  # nbconvert trusts every text
    return exporter


def _tell(notebook: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
    """The preprocessor: puts what the template places into `resources`."""
    story = Story(notebook, resources["title"])
    run: Provenance | None = resources["provenance"]
    resources["title"] = story.title or (run and run.run_name) or resources["name"]
    resources["story"] = story
    resources["ending"] = _ending(run, story.failure)
    return notebook, resources


_ENDINGS = {
    "running": "This run had not ended when the page was made",
    "failed": "This run failed",
    "stopped": "This run was stopped",
    "lost": "This run's process died without a word",
}


def _ending(run: Provenance | None, failure: Part | None) -> str | None:
    """Why the page tells only a part, in one or two sentences; None when the run came to its end."""
    if run is None or run.status not in _ENDINGS:
        return "A step of this notebook failed." if failure else None
    cause = run.cause or (failure.body.splitlines()[0][:300] if failure else "")
    return f"{_ENDINGS[run.status]}: what follows is incomplete. {cause}".strip()


def _moment(when: date | datetime) -> str:
    """`3 Nov 2026, 14:05 (UTC+01:00)`, in the local zone; a date without a time stays a date."""
    if not isinstance(when, datetime):
        return f"{when.day} {when:%b %Y}"
    local = when.astimezone()
    return f"{local.day} {local:%b %Y, %H:%M} (UTC{local.isoformat()[-6:]})"


def _duration(span: timedelta) -> str:
    """The two units that matter: `3 min 12 s`, `2 h 5 min`, `0.8 s`."""
    seconds = span.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def _number(value: float) -> str:
    """Four digits, or the whole number where it has more."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
