"""Weeks of models in use as monitoring keeps them, made up: one that gets worse, one that does well, one without labels, one unwatched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

from nbops import times
from nbops.data import profiling
from nbops.evaluation.bootstrap import Interval
from nbops.evaluation.calibration import calibrate_regression
from nbops.evaluation.telling import Estimate
from nbops.monitoring import baseline, flat, judging
from nbops.monitoring.baseline import Baseline
from nbops.monitoring.causes import Causes, Moved, Slice
from nbops.monitoring.coverage import Coverage
from nbops.monitoring.drift import ColumnDrift, Drift, Evidence
from nbops.monitoring.estimation import Estimated, Estimation
from nbops.monitoring.kept import ActOnRetrain, AskRetrain, Check, DayProfile, KeepWindow
from nbops.monitoring.performance import Bound, Performance, Standing, Where
from nbops.monitoring.policy import MonitorPolicy
from nbops.monitoring.requests import Change
from nbops.monitoring.results import WindowReport
from nbops.monitoring.value import Value
from nbops.promotion import reviews
from nbops.promotion.retrain import Verdicts
from nbops.records import new_id
from nbops.store.client import Store
from nbops.workspace._model import Version
from nbops.workspace._workspace import Workspace

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
LABORATORY = 8.0
RANDOM = np.random.default_rng(5)
ROWS = 400
FRAME = pd.DataFrame({"distance": RANDOM.uniform(100, 2500, ROWS).round(), "wind": RANDOM.normal(2, 1, ROWS).round(2)})
FRAME["minutes"] = FRAME["distance"] / 8 + 12 * FRAME["wind"] + RANDOM.normal(0, 10, ROWS)
FRAME["day"] = pd.date_range("2025-10-01", periods=ROWS, freq="3h")
EVIL = "<b>on it</b> <script>alert(1)</script>"


class Week(NamedTuple):
    """How a week went: its error (None without labels), whether wind moved, and what its assumption came to."""

    error: float | None
    moved: bool = False
    broken: bool = False


def week(number: int) -> tuple[int, int]:
    """The ends of a week as the store keeps them."""
    begin = FIRST + timedelta(weeks=number)
    return times.microseconds(begin), times.microseconds(begin + timedelta(weeks=1))


def report(model: str, version: int, number: int, told: Week, *, valued: bool = False) -> WindowReport:
    """A week with everything that is found in one."""
    start, until = week(number)
    labelled = 0 if told.error is None else 980
    found = WindowReport(
        model=model, version=version, every="week", start=start, until=until, rows=1000, labelled=labelled, baseline="reference",
        drift=(Drift(400, 1000, 4, (_column("wind", moved=told.moved), _column("distance"), _column("_prediction"))),),
        performance=_performance(told.error, labelled, valued=valued),
        estimation=Estimation("regression", "error model", 1000, 2000, 0.95, (Estimated("mae", 8.4, 7.0, 9.8, 2.0),)),
        checks=(_check(broken=told.broken),), causes=_causes() if told.error is not None and told.error > 10 else None,
        notes=("Not logged, and not looked at: tail.",),
    )  # fmt: skip
    return msgspec.structs.replace(found, signals=judging.signals(found, MonitorPolicy()))


def keep(store: Store, found: WindowReport, days: list[DayProfile] | None = None) -> list[Change]:
    """Keep a week as `nbops monitor run` does."""
    kept = store.put_blob(msgspec.msgpack.encode(found))
    request = KeepWindow(
        window_id=new_id(), model=found.model, version=found.version, every=found.every, start=found.start, until=found.until,
        rows=found.rows, labelled=found.labelled, baseline=found.baseline, report_sha256=kept.sha256, days=days or [], place=0,
        drift=flat.drift_rows(found), performance=flat.performance_rows(found), checks=list(found.checks), signals=list(found.signals),
    )  # fmt: skip
    return msgspec.convert(store.write(request)[0], list[Change])


def decayed(here: Workspace) -> tuple[Version, Version]:
    """The model air-time: fine for 5 weeks and bad for 5, acknowledged, trained anew and proposed."""
    here.model("air-time").describe(
        purpose="How many minutes a flight is in the air", unit="min", measure="mean error",
        policy={"metric": "mae", "min_rows": 100, "assumptions": False}, assumptions={"The wind is known": "wind <> 0"},
    )  # fmt: skip
    one = _version(here, ["distance"])
    one.propose(reason="the first one").approve(reason="better than the rule of thumb")
    store = here.store
    reference = profiling.profile(FRAME[["distance", "wind"]])
    baseline.keep(store, "air-time", 1, Baseline(reference))
    for number, error in enumerate([8.2, 7.9, 8.4, 8.1, 8.6, 15.2, 15.6, 16.1, 15.4, 17.0]):
        bad = error > 10
        shifted = FRAME[["distance", "wind"]].assign(wind=FRAME["wind"] + 3 * bad)
        start, _ = week(number)
        day = DayProfile(
            start, start + 86_400_000_000, ROWS, profiling.profile(shifted, like=reference).to_json().decode()
        )
        changes = keep(store, report("air-time", 1, number, Week(error, moved=bad)), [day])
        for change in changes:
            if change.act == "opened" and change.severity == "page":
                here.incident(change.incident_id).ack(EVIL)
    two = _version(here, ["distance", "wind"])
    review = two.propose(reason="trained anew")
    _retrained(here, review.id, two)
    return one, two


def predicted(here: Workspace, number: int) -> None:
    """What air-time/1 said of a few rows of a week, which an investigation opens."""
    every = timedelta(hours=3)
    rows = FRAME[["distance"]].head(50)
    said = rows.assign(
        id=[f"{number}/{place}" for place in range(len(rows))], prediction=rows["distance"] / 8,
        time=[FIRST + timedelta(weeks=number) + place * every for place in range(len(rows))],
    )  # fmt: skip
    here.log_predictions("air-time/1", said, id="id", time="time", prediction="prediction", features=["distance"])


def well(here: Workspace, run: Any) -> None:
    """The model ferry, which does well and whose errors have a price; the last assumption held."""
    here.register_model(run, "ferry")
    for number, error in enumerate([8.1, 8.3, 7.9, 8.2]):
        keep(here.store, report("ferry", 1, number, Week(error), valued=True))


def unlabelled(here: Workspace, run: Any) -> None:
    """The model tram, of which nobody has said what came true."""
    here.register_model(run, "tram")
    for number in range(4):
        keep(here.store, report("tram", 1, number, Week(None)))


def _version(here: Workspace, columns: list[str]) -> Version:
    fitted = LinearRegression().fit(FRAME[columns], FRAME["minutes"])
    with here.start_run("air-time") as run:
        run.log_model(fitted, reference=FRAME[[*columns, "minutes"]], target="minutes")
        run.evaluate(FRAME, time="day", unit="min")
    return here.register_model(run, "air-time")


def _retrained(here: Workspace, review: str, version: Version) -> None:
    store, wish = here.store, new_id()
    case = reviews.get(store, reviews.find(store, review))
    months = times.microseconds(datetime(2025, 12, 1, tzinfo=UTC)), times.microseconds(datetime(2026, 2, 1, tzinfo=UTC))
    store.write(
        AskRetrain(
            request_id=wish,
            model="air-time",
            cause="person",
            reason="it got <i>worse</i>",
            data_from=months[0],
            data_until=months[1],
        )
    )
    verdict = msgspec.json.encode(Verdicts(case.inquiry)).decode()
    store.write(
        ActOnRetrain(request_id=wish, expected="requested", act="started", message="Passed."),
        ActOnRetrain(
            request_id=wish, expected="started", act="proposed", message="Passed.", version=version.version,
            review_id=case.review_id, verdict=verdict,
        ),
    )  # fmt: skip


def _column(name: str, *, moved: bool = False) -> ColumnDrift:
    effect = 0.8 if moved else 0.01
    evidence = Evidence(effect, 0.1, 0.02, 1e-9 if moved else 0.5, None, 1e-9 if moved else 1.0, moved)
    said = f"{name} has moved: PSI 0.80." if moved else f"{name} is as it was: PSI 0.01."
    return ColumnDrift(
        name, "differs" if moved else "same", said, "number", values_then=400, values_now=1000, moved=evidence, nulls_then=0.0,
        nulls_now=0.0,
    )  # fmt: skip


def _check(*, broken: bool) -> Check:
    told = "The wind is known: 4 of 1,000 rows break it." if broken else "The wind is known: it held in all 1,000 rows."
    return Check(
        "assumption", "The wind is known", "broken" if broken else "passed", 4 * broken, 1000, told, "Carla Weiss"
    )


def _performance(error: float | None, labelled: int, *, valued: bool) -> Performance:
    said = "980 of 1,000 rows (98 %) have a label." if labelled else "None of 1,000 rows has a label yet."
    covered = Coverage(1000, labelled, (), 0.0, 0.0, "whole" if labelled else "none", said)
    bound = Bound("mae", worse_than=1.25)
    if error is None:
        nothing = Estimate(None, None, None)
        stands = Standing("mae", bound, None, LABORATORY, nothing, nothing, "unknown", said)
        return Performance("regression", "min", 1000, 0, covered, standings=(stands,))
    where: Where = "beyond" if error > 10 else "within"
    ratio = error / LABORATORY
    stands = Standing(
        "mae", bound, error, LABORATORY, Estimate(error - LABORATORY, 0.0, 9.0), Estimate(ratio, ratio - 0.1, ratio + 0.1), where,
        f"MAE {error} min: {where} the bound.",
    )  # fmt: skip
    truth = np.linspace(50, 300, 200)
    spread = np.tile([3.0, -3.0], 100)
    cost = Value(
        980, Estimate(4900.0, 4500.0, 5300.0), Estimate(5.0, 4.6, 5.4), "always 190", 9800.0, 10.0, Estimate(5.0, 4.0, 6.0), 0, "EUR",
        "The decisions on 980 rows cost 4,900 EUR.",
    )  # fmt: skip
    return Performance(
        "regression", "min", 1000, labelled, covered, (Interval("mae", error, error - 0.7, error + 0.7, 0.95, labelled, 7),), (stands,),
        regression=calibrate_regression(truth, truth + spread + (12 if error > 10 else 0)), value=cost if valued else None,
    )  # fmt: skip


def _causes() -> Causes:
    return Causes(
        (Moved("wind", 0.8, 1.5, "median 2 to 5"), Moved("distance", 0.1, -0.2, "median 1,300 to 1,310")),
        (Slice("distance", "above 1,900", 120, 21.04, 9.03, 1440.0, 0.61),),
        "What moved most of what the model relies on: wind (median 2 to 5).",
    )
