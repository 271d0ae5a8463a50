"""Run experiment notebooks as production pipelines and operate the models that come out of them.

    import nbops

    run = nbops.start_run()
    run.log_metric("mae", 6.6)

Names are loaded when they are first used, so that importing nbops costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from nbops.data.checking import check
    from nbops.errors import NbopsError
    from nbops.evaluation.decision import Costs, DecisionRule
    from nbops.monitoring.drifting import drift
    from nbops.records import Input, Output, Secret
    from nbops.registry.formats import ModelVersionWarning
    from nbops.workspace._fluent import (
        autolog,
        board,
        choose_threshold,
        compare,
        dataset,
        define_metric,
        evaluate,
        incident,
        incidents,
        load_model,
        load_sweep,
        log_artifact,
        log_dict,
        log_figure,
        log_input,
        log_labels,
        log_metric,
        log_metrics,
        log_param,
        log_params,
        log_predictions,
        log_table,
        log_text,
        model,
        open,
        register_model,
        review,
        rollback,
        search_runs,
        set_tag,
        sql,
        start_run,
    )  # fmt: skip
    from nbops.workspace._pipeline import Pipeline, PipelinePlan, PipelineRun, pipeline
    from nbops.workspace._run import Run
    from nbops.workspace._sweep import Sweep, sweep
    from nbops.workspace._workspace import Workspace

__all__ = [
    "Costs",
    "DecisionRule",
    "Input",
    "ModelVersionWarning",
    "NbopsError",
    "Output",
    "Pipeline",
    "PipelinePlan",
    "PipelineRun",
    "Run",
    "Secret",
    "Sweep",
    "Workspace",
    "__version__",
    "autolog",
    "board",
    "check",
    "choose_threshold",
    "compare",
    "dataset",
    "define_metric",
    "drift",
    "evaluate",
    "incident",
    "incidents",
    "load_model",
    "load_sweep",
    "log_artifact",
    "log_dict",
    "log_figure",
    "log_input",
    "log_labels",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_predictions",
    "log_table",
    "log_text",
    "model",
    "open",
    "pipeline",
    "register_model",
    "review",
    "rollback",
    "search_runs",
    "set_tag",
    "sql",
    "start_run",
    "sweep",
]

_ELSEWHERE = {
    "check": "nbops.data.checking",
    "drift": "nbops.monitoring.drifting",
    "ModelVersionWarning": "nbops.registry.formats",
    "NbopsError": "nbops.errors",
    "Run": "nbops.workspace._run",
    "Workspace": "nbops.workspace._workspace",
    **dict.fromkeys(("Costs", "DecisionRule"), "nbops.evaluation.decision"),
    **dict.fromkeys(("Pipeline", "PipelinePlan", "PipelineRun", "pipeline"), "nbops.workspace._pipeline"),
    **dict.fromkeys(("Sweep", "sweep"), "nbops.workspace._sweep"),
    **dict.fromkeys(("Input", "Output", "Secret"), "nbops.records"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'nbops' has no attribute {name!r}")
    value = getattr(import_module(_ELSEWHERE.get(name, "nbops.workspace._fluent")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
