"""All routes in one table, and what each takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from nbops.jupyter_ext import decisions, forms, piping, scheduling, verbs, watching
from nbops.jupyter_ext.verbs import InProject
from nbops.records import Record

PREFIX = "nbops/api"

Role = Literal["reader", "runner", "decider"]


class Route(NamedTuple):
    """`path` is a pattern below the prefix, whose groups come first among the verb's arguments; `body` is what a POST brings."""

    method: Literal["GET", "POST"]
    path: str
    role: Role
    verb: Callable[..., Any]
    body: type[Record] | None = None
    status: int = 200


_ID = r"([0-9a-f-]{36})"

ROUTES = (
    Route("GET", "version", "reader", verbs.version),
    Route("GET", "board", "reader", verbs.board),
    Route("GET", f"runs/{_ID}", "reader", verbs.run),
    Route("GET", f"runs/{_ID}/live", "reader", verbs.live),
    Route("GET", f"runs/{_ID}/notebook", "reader", verbs.notebook),
    Route("GET", f"runs/{_ID}/report", "reader", verbs.report),
    Route("GET", "compare", "reader", verbs.compare),
    Route("GET", "compare/cells", "reader", verbs.compare_cells),
    Route("GET", r"models/([^/]+)", "reader", verbs.model),
    Route("GET", r"models/([^/]+)/evaluation", "reader", decisions.evaluation),
    Route("GET", r"models/([^/]+)/gate", "reader", decisions.gate),
    Route("GET", r"models/([^/]+)/previous", "reader", decisions.previous),
    Route("GET", r"models/([^/]+)/monitoring", "reader", watching.monitoring),
    Route("GET", r"models/([^/]+)/monitoring/column", "reader", watching.column),
    Route("GET", f"reviews/{_ID}", "reader", decisions.review),
    Route("GET", f"incidents/{_ID}", "reader", watching.incident),
    Route("GET", r"data/([^/]+)", "reader", verbs.source),
    Route("GET", "pipeline", "reader", piping.pipeline),
    Route("GET", "pipeline/live", "reader", piping.live),
    Route("POST", "form", "reader", forms.form, verbs.Notebook),
    Route("POST", "check", "reader", forms.check, verbs.Order),
    Route("POST", "pipeline/form", "reader", forms.pipeline_form, forms.PipelineOrder),
    Route("POST", "pipeline/check", "reader", forms.pipeline_check, forms.PipelineOrder),
    Route("POST", "schedules/check", "reader", scheduling.check, scheduling.Wish),
    Route("POST", "runs", "runner", verbs.start_run, verbs.Order, 202),
    Route("POST", "sweeps", "runner", verbs.start_sweep, verbs.Order, 202),
    Route("POST", "pipeline/runs", "runner", piping.start, forms.PipelineOrder, 202),
    Route("POST", r"schedules/([^/]+)/runs", "runner", scheduling.run, InProject, 202),
    Route("POST", f"runs/{_ID}/stop", "runner", verbs.stop, verbs.Stop),
    Route("POST", f"runs/{_ID}/copy", "runner", piping.copy, InProject),
    Route("POST", f"incidents/{_ID}/investigation", "runner", watching.investigate, InProject),
    Route("POST", "schedules", "decider", scheduling.add, scheduling.Wish),
    Route("POST", r"schedules/([^/]+)/acts", "decider", scheduling.act, scheduling.Act),
    Route("POST", r"models/([^/]+)/propose", "decider", decisions.propose, decisions.Proposal),
    Route("POST", r"models/([^/]+)/rollback", "decider", decisions.roll_back, decisions.Back),
    Route("POST", f"reviews/{_ID}/acts", "decider", decisions.act, decisions.Answer),
    Route("POST", f"runs/{_ID}/decisions", "decider", piping.decide, piping.StepAnswer),
    Route("POST", f"incidents/{_ID}/acts", "decider", watching.act, watching.Response),
)
