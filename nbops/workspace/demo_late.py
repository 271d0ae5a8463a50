"""The demo's second model: will a flight arrive late? Classes and likelihoods, and a threshold that goes by what being wrong costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nbops.errors import ExecutionError
from nbops.execution import notebook as execution
from nbops.records import short
from nbops.workspace._model import CHAMPION, Version
from nbops.workspace._workspace import Workspace
from nbops.workspace.demo_months import Months, Watched, watch
from nbops.workspace.demo_review import Step, judged
from nbops.workspace.demo_review import step as step_of

MODEL = "late-arrival"
NOTEBOOK = Path("notebooks", "late.ipynb")
_WATCHED = Watched(
    model=MODEL,
    label="arrival",
    features=(
        "carrier", "origin", "dest", "engine", "distance", "weekday", "hour", "minute", "seats", "age", "wind_speed", "wind_gust",
        "precip", "visib", "humid",
    ),
    policy={
        "performance": {"metric": "brier", "worse_than": 1.15},
        "retrain": {"notebook": NOTEBOOK.as_posix(), "start": "train_from", "last": "train_to"},
        "notify": {"warn": ["log"], "page": ["log"]},
    },
    told="with a Brier score of {:.3f}",
)  # fmt: skip


def go_through(workspace: Workspace, notebook: Path, data: Path, tell: Callable[[Step], None]) -> Months:
    """Train it, make it champion where it is the first, and let it predict to the end of the year. Raises ExecutionError."""
    version = _trained(workspace, notebook, tell)
    _promote(workspace, version, data, tell)
    workspace.model(MODEL).set_monitor_policy(_WATCHED.policy, why="the demo")
    return watch(workspace, _WATCHED, data, tell)


def _trained(workspace: Workspace, notebook: Path, tell: Callable[[Step], None]) -> Version:
    with step_of(tell, notebook.name) as step:
        outcome = execution.execute(workspace.store, notebook, force=True)
        if outcome.code:
            raise ExecutionError(
                f"Run {short(outcome.run_id)} of {notebook} {outcome.status}: {outcome.cause}.",
                hint=f"The executed notebook shows the cell: {outcome.notebook}",
                code=outcome.code,
            )
        version = workspace.register_model(outcome.run_id, MODEL)
        step(f"{notebook.name}: registered {version.reference}, whether a flight comes more than 15 minutes late")
    return version


def _promote(workspace: Workspace, version: Version, data: Path, tell: Callable[[Step], None]) -> None:
    model = workspace.model(MODEL)
    if not model.card.purpose:
        model.describe(
            purpose="Says how likely a flight out of New York comes over 15 minutes late, with nothing but what is known before.",
            decision="Whether a passenger with a connection is offered the flight before.",
            owner="connections desk",
            measure="Brier score: the mean squared distance between what was said to be likely and what came",
            out_of_scope="Flights that are cancelled or diverted.",
            consumers=("connections desk",),
            policy={"metric": "brier", "margin": 0.002, "latency_ms": 500, "min_blocks": 10},
            why="the demo",
        )
    with step_of(tell, f"holding {version.reference} against weeks that it has not seen") as said:
        found = version.evaluate(judged(data), slices=["origin", "carrier"], time="date").result
        score = found.of("brier")
        if score is not None:
            said(f"held {version.reference} against {found.rows:,} unseen flights: a Brier score of {score.value:.3f}")
    with step_of(tell, f"asking the gate about {version.reference}") as said:
        review = version.propose(CHAMPION, reason="trained on the winter's flights")
        said(f"asked the gate about {version.reference}. {review.verdict.sentence}")
    if CHAMPION not in model.aliases and review.verdict.passed:
        with step_of(tell, f"approving review {review.id}") as said:
            review.approve(reason="The demo's first champion: nobody holds its place yet.")
            said(f"approved review {review.id}: {version.reference} is the champion")
