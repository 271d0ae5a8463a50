"""Models in use whose weeks are made up: one says numbers, one decides between two classes at a cost, one tells three classes apart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from nbops.evaluation.decision import Costs, DecisionRule
from nbops.monitoring import running
from nbops.monitoring.running import Monitored
from nbops.promotion.requests import Act, Judgement, Propose
from nbops.records import new_id
from nbops.registry import baselines
from nbops.registry.card import Card, Policy
from nbops.registry.requests import DescribeModel, RegisterVersion
from nbops.workspace._model import Version
from nbops.workspace._workspace import Workspace

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday: the model is used from then on."""
ROWS = 300
FEATURES = ["a", "b", "carrier"]
COSTS = Costs(false_positive=1, false_negative=8, unit="EUR")
READY: dict[str, Any] = {"warmup": {"windows": 0}}
"""Judged from the first window on."""


def later(rows: pd.DataFrame, minutes: float) -> pd.DataFrame:
    """Rows that came out so much later than any model could know."""
    return rows.assign(minutes=rows["minutes"] + minutes)


def begin(week: int) -> datetime:
    """When a week begins; those before 0 are the laboratory's."""
    return FIRST + timedelta(weeks=week)


def week(number: int, rows: int = ROWS) -> pd.DataFrame:
    """The rows of a week, spread over its days, with the truth of each model."""
    random = np.random.default_rng(1000 + number)
    every = timedelta(weeks=1) / rows
    frame = pd.DataFrame({
        "id": [f"{number}/{place}" for place in range(rows)],
        "time": [begin(number) + place * every for place in range(rows)],
        "a": random.normal(size=rows).round(4),
        "b": random.normal(size=rows).round(4),
        "carrier": random.choice(["9E", "AA", "UA"], rows),
    })  # fmt: skip
    minutes = 2 * frame["a"] + (frame["carrier"] == "UA") + random.normal(scale=0.5, size=rows).round(4)
    return frame.assign(
        minutes=minutes,
        late=minutes > 0.5,
        number=(minutes > 0.5).astype(int),
        arrives=np.select([minutes < -1, minutes > 1], ["early", "late"], "in time"),
    )


def register(
    here: Workspace, target: str, rows: int = ROWS, *, bare: bool = False, slices: Sequence[str] = ()
) -> Version:
    """A version that says `target`: trained on four weeks, held against the next four, right before it is used, also by `slices`.

    A `bare` one brings no reference, and was never evaluated.
    """
    train, test = (
        pd.concat([week(number, rows) for number in some], ignore_index=True) for some in (range(-8, -4), range(-4, 0))
    )
    first = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["carrier"]), remainder="passthrough")
    model: Any = LinearRegression() if target == "minutes" else LogisticRegression()
    rule = DecisionRule(positive=True, threshold=0.2, costs=COSTS) if target == "late" else None
    known, name = ["time", *FEATURES, target], f"{target} bare" if bare else target
    fitted = make_pipeline(first, model).fit(train[FEATURES], train[target])
    with here.start_run(name) as run:
        if bare:
            run.log_model(fitted, input_example=train[FEATURES].head())
        else:
            run.log_model(fitted, reference=train[known], time="time", target=target, rule=rule)
            unit = "min" if target == "minutes" else ""
            run.evaluate(test[known], target=target, time="time", unit=unit, slices=slices)
    return here.register_model(run, name)


class Watched:
    """A model of its own in use, whose one version is a copy of another one's."""

    def __init__(self, here: Workspace, version: Version, name: str, **policy: Any) -> None:
        self.here, self.name, self.version = here, name, version
        self.target = version.manifest.output.name or "minutes"
        self._estimator = version.load().estimator
        reference = baselines.reference(here.store, version.run_id, version.sha256, version.manifest)
        made = RegisterVersion(
            model=name, run_id=version.run_id, artifact=version.artifact, sha256=version.sha256,
            manifest=msgspec.json.encode(version.manifest).decode(),
            **({} if reference is None else msgspec.structs.asdict(reference)),
        )  # fmt: skip
        here.store.write(made)
        self.policy(**policy)

    def policy(self, **policy: Any) -> None:
        """Watch it by another policy from now on."""
        self.here.model(self.name).set_monitor_policy({**READY, **policy})

    def reign(self, version: int = 1, **gate: Any) -> None:
        """Let a version be the champion: proposed and approved by its author, whom the model's card allows to."""
        card = Card(policy=Policy(author_may_approve=True), gate=gate, unit="min" if self.target == "minutes" else "")
        review, judged = new_id(), Judgement(holder=None, passed=True, verdict="{}")
        self.here.store.write(
            DescribeModel(model=self.name, card=card),
            Propose(
                review_id=review,
                model=self.name,
                version=version,
                alias="champion",
                reason="the first",
                judgement=judged,
            ),
            Act(review_id=review, act="approve", reason="the first", judgement=judged),
        )

    def says(self, rows: pd.DataFrame) -> pd.DataFrame:
        """What it says of rows, as columns of their own."""
        said: dict[str, Any] = {"prediction": self._estimator.predict(rows[FEATURES])}
        if self.target == "minutes":
            return rows[["id", "time", *FEATURES]].assign(**said)
        shares = self._estimator.predict_proba(rows[FEATURES])
        said |= {f"p {label}": shares[:, place] for place, label in enumerate(self._estimator.classes_)}
        if self.target == "late":
            said["decision"] = [str(bool(share >= 0.2)) for share in shares[:, 1]]
        return rows[["id", "time", *FEATURES]].assign(**said)

    def predict(self, rows: pd.DataFrame, features: Sequence[str] = FEATURES) -> None:
        """Log what it says of rows, with these columns of them."""
        told = self.says(rows)
        classes = [] if self.target == "minutes" else list(self._estimator.classes_)
        self.here.log_predictions(
            f"{self.name}/1", told, id="id", time="time", prediction="prediction", features=features,
            probabilities={label: f"p {label}" for label in classes} or None,
            decision="decision" if "decision" in told else None,
        )  # fmt: skip

    def tell(self, rows: pd.DataFrame, observed: str | None = None) -> None:
        """Log what turned out to be true of them."""
        self.here.log_labels(self.name, rows, id="id", label=self.target, observed=observed)

    def use(self, *rows: pd.DataFrame) -> None:
        """Predict rows and tell the truth, at once."""
        every = pd.concat(rows, ignore_index=True)
        self.predict(every)
        self.tell(every)

    def look(self, weeks: int = 52, **more: Any) -> Monitored:
        """Look at what was complete when so many weeks were over."""
        return running.monitor(self.here.store, self.name, until=begin(weeks), **more)

    def rows(self, view: str, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
        """Of a view, the rows of this model, in order."""
        sql = f"select {columns} from {view} where model = ? and {where} order by all"  # noqa: S608 - our own
        return [tuple(row) for row in self.here.store.read(sql, [self.name]).rows]
