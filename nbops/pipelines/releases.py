"""Releases: what a pipeline was at a time, file by file, kept as blobs; and the tree of files that a run of one executes.

A schedule runs the current release, whatever happens to the working tree meanwhile. Frozen is the code: all that lies in the pipeline's
folder, its contracts, and every module of Python in the project. Data is not: in the tree links lead to it.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from nbops.errors import NotFound, UsageError
from nbops.pipelines import definition, steps
from nbops.pipelines.graph import Graph
from nbops.pipelines.requests import Frozen, KeepRelease, RollBackRelease
from nbops.pipelines.steps import Tree
from nbops.records import Record, new_id
from nbops.store.client import Store
from nbops.store.places import make_folder
from nbops.tracking import provenance

_LARGEST = 10 * 2**20
_MOST = 5_000
_CODE = {".py", ".ipynb", ".sql", ".yaml", ".yml"}
_NEVER = {"__pycache__", "node_modules", "site-packages"}


class Release(Record):
    """A release: `files` by their path in the project, `digest` of all of them, times in UTC microseconds."""

    pipeline: str
    number: int
    current: bool
    folder: str
    digest: str
    files: list[Frozen]
    environment: str | None
    why: str
    created: int
    actor: str


def freeze(store: Store, folder: Path, why: str) -> Release:
    """Let the folder, as it is now, be the current release of its pipeline; gives it, or the one that is just so.

    Raises ConfigError for a pipeline that could not run, UsageError without a reason or for too many files.
    """
    made = definition.load(folder)
    project = store.settings.project
    files = [Frozen(name, *_kept(store, path)) for name, path in sorted(_code(made, project).items())]
    facts = provenance.facts(store, made.folder)
    request = KeepRelease(
        release_id=new_id(), pipeline=made.name, folder=_inside(made.folder, project), digest=_digest(files), files=files, why=why,
        environment=facts.environment, commit=facts.commit, dirty=facts.dirty,
    )  # fmt: skip
    return get(store, made.name, int(store.write(request)[0]))


def roll_back(store: Store, pipeline: str, why: str, number: int | None = None) -> Release:
    """Let an earlier release be the current one again: the one before, if none is named. Raises NotFound, Conflict."""
    found = store.write(RollBackRelease(pipeline=pipeline, why=why, number=number))[0]
    return get(store, pipeline, int(found))


def every(store: Store, pipeline: str | None = None) -> list[Release]:
    """The releases of a pipeline or of all, the newest first."""
    sql = """
        select v.pipeline, v.number, v.current, v.folder, v.digest, r.files, v.environment, v.why, epoch_us(v.created), v.actor
        from releases v join core.releases r on r.pipeline = v.pipeline and r.number = v.number
        where ? is null or v.pipeline = ? order by v.pipeline, v.number desc
    """
    rows = store.read(sql, [pipeline, pipeline]).rows
    fields = Release.__struct_fields__
    read = (dict(zip(fields, row, strict=True)) for row in rows)
    return [Release(**{**one, "files": msgspec.json.decode(one["files"], type=list[Frozen])}) for one in read]


def get(store: Store, pipeline: str, number: int | None = None) -> Release:
    """A release, the current one by default. Raises NotFound."""
    there = every(store, pipeline)
    found = next((one for one in there if (one.current if number is None else one.number == number)), None)
    if found is None:
        what = "release" if number is None else f"release {number}"
        told = ", ".join(f"{one.number} (current)" if one.current else str(one.number) for one in reversed(there))
        hint = f"Known: {told}." if told else "`nbops pipeline release FOLDER --reason …` makes one."
        raise NotFound(f"{pipeline} has no {what}.", hint=hint)
    return found


def known(store: Store, pipeline: str) -> None:
    """Raise NotFound for a pipeline that has neither run nor been released."""
    names = [
        row[0]
        for row in store.read("select pipeline from releases union select pipeline from pipeline_runs order by 1").rows
    ]
    if pipeline not in names:
        otherwise = f"There are {', '.join(names)}." if names else "`nbops run FOLDER` runs one."
        raise NotFound.of("pipeline", pipeline, names, otherwise=otherwise)


def of_folder(store: Store, folder: Path) -> str | None:
    """The pipeline whose releases come from a folder."""
    rows = store.read(
        "select pipeline from releases where folder = ? order by created desc limit 1",
        [_inside(folder.resolve(), store.settings.project)],
    ).rows
    return str(rows[0][0]) if rows else None


def current(store: Store, folder: Path) -> int | None:
    """The number of the release of a folder that its schedules run; None where there is none."""
    name = of_folder(store, folder)
    rows = store.read("select number from releases where pipeline = ? and current", [name]).rows if name else []
    return int(rows[0][0]) if rows else None


def place(store: Store, release: Release) -> Tree:
    """The tree of a release, made where it is not there yet. Raises StoreCorrupt for a file that is not what was frozen."""
    project = store.settings.project
    root = store.places.folder / "releases" / release.digest[:16]
    if not (root / ".whole").exists():
        make_folder(root.parent)
        building = root.with_name(f".{root.name}.{new_id()[-8:]}")
        make_folder(building)
        try:
            _build(store, release, building)
            with contextlib.suppress(OSError):
                building.rename(root)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    _link(project, root, {Path(one.path) for one in release.files})
    return Tree(root / release.folder, root)


def changed(store: Store, release: Release) -> list[str]:
    """What of the working tree is not as it was released: each file with a word. A folder that is no pipeline any more is told as such."""
    project = store.settings.project
    try:
        now = _code(definition.load(project / release.folder), project)
    except (UsageError, NotFound) as error:
        return [f"{release.folder} ({error.message.partition(chr(10))[0]})"]
    before = {one.path: one.sha256 for one in release.files}
    told = [f"{name} (new)" for name in sorted(now.keys() - before.keys())]
    told += [f"{name} (gone)" for name in sorted(before.keys() - now.keys())]
    return told + [
        f"{name} (changed)"
        for name in sorted(now.keys() & before.keys())
        if provenance.file_digest(now[name]) != before[name]
    ]


def differs(pipeline: str, what: Sequence[str]) -> str:
    """What is not as it was released, in a sentence; empty where nothing is."""
    return f"{pipeline} is not as it was released: {', '.join(what[:5])}" if what else ""


def _inside(path: Path, project: Path) -> str:
    if not path.is_relative_to(project):
        raise UsageError(f"{path} does not lie in the project {project}.", hint="Release a folder of the project.")
    return path.relative_to(project).as_posix()


def _kept(store: Store, path: Path) -> tuple[str, int]:
    blob = store.put_blob(path)
    return blob.sha256, blob.size


def _digest(files: Iterable[Frozen]) -> str:
    return hashlib.sha256(msgspec.json.encode([(one.path, one.sha256) for one in files])).hexdigest()


def _code(made: Graph, project: Path) -> dict[str, Path]:
    """The files of a release, by their path in the project."""
    data = {path for step in made.steps.values() for path in step.outs.values()}
    data |= {path for step in made.steps.values() for reads in step.ins for path in reads.paths}
    data |= {str(made.folder / name) for name in steps.copies(made.aside)}
    exclude = made.operations.exclude
    found = {
        path
        for path in _files(made.folder)
        if str(path) not in data and not any(fnmatch.fnmatch(path.name, pattern) for pattern in exclude)
    }
    found |= {step.path for step in made.steps.values() if step.path.is_file()}
    found |= {(made.folder / path).resolve() for path in made.operations.contracts.values()}
    found |= {path for path in _files(project) if path.suffix == ".py"}
    named = {_inside(path, project): path for path in found}
    if len(named) > _MOST:
        raise UsageError(
            f"{made.folder.name} and the project's modules are {len(named):,} files; a release has {_MOST:,} at most.",
            hint="Keep data out of the folder of the notebooks.",
        )
    large = [name for name, path in named.items() if path.stat().st_size > _LARGEST]
    if large:
        raise UsageError(
            f"{large[0]} is larger than {_LARGEST >> 20} MB, and would be part of every release.",
            hint="Keep data out of the folder of the notebooks, or name it under `exclude:` in pipeline.yaml.",
        )
    return named


def _files(folder: Path) -> Iterator[Path]:
    """The files below a folder; nothing that is hidden, a link, or an environment of packages."""
    for root, folders, names in os.walk(folder):
        here = Path(root)
        folders[:] = [name for name in folders if _is_ours(here / name)]
        whole = (here / name for name in names if not name.startswith("."))
        yield from (path for path in whole if path.is_file() and not path.is_symlink())


def _is_ours(folder: Path) -> bool:
    hidden = folder.name.startswith(".") or folder.name in _NEVER
    return not hidden and not folder.is_symlink() and not (folder / "pyvenv.cfg").exists()


def _build(store: Store, release: Release, root: Path) -> None:
    for one in release.files:
        target = root / one.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(store.whole_blob(one.sha256), target)
        target.chmod(0o400)
    (root / ".whole").touch()


def _link(project: Path, root: Path, frozen: set[Path]) -> None:
    """Links to everything else of the project, beside what is frozen; none to code that the release does not have."""
    folders = {parent for path in frozen for parent in path.parents}
    for folder in sorted(folders):
        there = project / folder
        for path in there.iterdir() if there.is_dir() else ():
            name = folder / path.name
            target = root / name
            if (
                name in folders
                or name in frozen
                or path.name.startswith(".")
                or path.suffix in _CODE
                or target.exists()
            ):
                continue
            with contextlib.suppress(FileExistsError):
                target.symlink_to(path)
