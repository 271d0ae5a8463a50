"""The exporter behind every report: `jupyter nbconvert --to nbops` finds it by its entry point, `page` calls it.

Its templates come out of the package alone. nbconvert would also take some from the current folder and from Jupyter's data folders,
and with them preprocessors to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import PackageLoader
from nbconvert.exporters import TemplateExporter
from traitlets import Enum

from nbops.data import degraded
from nbops.reports.cells import Part, Story
from nbops.reports.moments import moment
from nbops.reports.provenance import Provenance, of_file

if TYPE_CHECKING:
    from jinja2 import Environment
    from nbformat import NotebookNode
    from traitlets.config import Config


class NbopsExporter(TemplateExporter):
    """A notebook as one self-contained page without scripts.

    `resources` may bring `title`, `name` and `provenance`, which else is looked for where nbconvert says the notebook lies.
    """

    # HTMLExporter would send the finished page through another parser and back, behind the sanitizer; its parent does not.
    export_from_notebook = "nbops report"
    output_mimetype = "text/html"
    code = Enum(("hidden", "folded"), "hidden", help="Leave the code out, or keep it behind a line to open.").tag(
        config=True
    )

    def __init__(self, config: Config | None = None, **options: Any) -> None:
        ours = {
            "file_extension": ".html",
            "optimistic_validation": True,  # once, not after each of a dozen preprocessors that are off
            "template_file": "page.html.j2",
            "template_paths": [],
            "extra_loaders": [PackageLoader("nbops.reports")],
            "filters": {"moment": moment, "duration": _duration, "number": _number},
        }
        super().__init__(config, **{**options, **ours})  # type: ignore[no-untyped-call]  # nbconvert is annotated in part
        self.register_preprocessor(self._tell)  # type: ignore[no-untyped-call]  # the same

    def _create_environment(self) -> Environment:
        environment: Environment = super()._create_environment()  # type: ignore[no-untyped-call]  # the same
        environment.autoescape = True  # nbconvert trusts every text
        return environment

    def _tell(self, notebook: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """The last preprocessor."""
        run = resources["provenance"] if "provenance" in resources else self._found(notebook, resources["metadata"])
        if run and run.degraded:
            # The page says so itself, on top.
            notebook.cells = [cell for cell in notebook.cells if degraded.BANNER not in cell.metadata.get("tags", [])]
        story = Story(notebook, resources.get("title") or None, folded=self.code == "folded")
        name = resources.get("name") or resources["metadata"].get("name")
        resources["title"] = story.title or (run and run.run_name) or name
        resources["provenance"] = run
        resources["story"] = story
        resources["ending"] = _ending(run, story.failure)
        resources["old"] = degraded.TITLE
        return notebook, resources

    def _found(self, notebook: NotebookNode, place: Mapping[str, str]) -> Provenance | None:
        if "path" not in place or self.config.get("ExecutePreprocessor", {}).get("enabled"):
            return None  # read from a pipe, or executed only now
        return of_file(Path(place["path"], f"{place['name']}.ipynb"), notebook)


_ENDINGS = {
    "running": "This run had not ended when the page was made",
    "failed": "This run failed",
    "stopped": "This run was stopped",
    "lost": "This run's process died without a word",
}


def _ending(run: Provenance | None, failure: Part | None) -> str | None:
    """Why the page tells only a part; None when the run came to its end."""
    if run is None or run.status not in _ENDINGS:
        return "A step of this notebook failed." if failure else None
    cause = run.cause or (failure.body.splitlines()[0][:300] if failure else "")
    return f"{_ENDINGS[run.status]}: what follows is incomplete. {cause}".strip()


def _duration(span: timedelta) -> str:
    """`3 min 12 s`, `2 h 5 min`, `0.8 s`."""
    seconds = span.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
