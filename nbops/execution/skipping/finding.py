"""An earlier run that can be taken instead of a new one, and what is kept of a finished run for that.

It has the same run key, read nothing but what is declared, and every output is as it left it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nbops.errors import StoreError
from nbops.execution import parameters as typed
from nbops.execution import reading
from nbops.execution.parameters.reading import is_python
from nbops.execution.skipping import packages, seen
from nbops.execution.skipping.digests import MISSING, Digests
from nbops.execution.skipping.keys import Input, Parts, imported, run_key
from nbops.execution.skipping.plan import Plan, as_input, by_hand, code_cells, memory, plan, stamp
from nbops.execution.skipping.seen import Seen, Undeclared
from nbops.records import Record, short
from nbops.store.client import Store
from nbops.tracking.requests import KeepKey, OutputRow

if TYPE_CHECKING:
    from nbformat import NotebookNode

_CANDIDATES = 5
NEITHER = "it declares neither inputs nor outputs"


class Kept(Record):
    """What is kept of a finished run beside its key: `site` are the kernel's folders of packages.

    `declares` tells whether it declared anything, `noted` what was said about earlier runs when it began.
    """

    parts: Parts
    outputs: dict[str, Input] = {}
    site: list[str] = []
    undeclared: tuple[Undeclared, ...] = ()
    declares: bool = False
    forced: bool = False
    noted: tuple[str, ...] = ()


class Found(Record):
    """The run that can be taken, with the time it began at (UTC microseconds); or why none can, a clause for each reason."""

    run_id: str | None = None
    started: int = 0
    reasons: tuple[str, ...] = ()


class Standing:
    """How an execution stands to earlier ones: its plan, and what its kernel tells in the end."""

    def __init__(
        self, made: Plan, *, forced: bool = False, noted: tuple[str, ...] = (), written: frozenset[str] = frozenset()
    ) -> None:
        """`written` are the real paths of what it writes beside what it declares."""
        self.plan = made
        self.forced = forced
        self.written = written
        self.noted = noted
        self.seen: Seen | None = None
        self.undeclared: tuple[Undeclared, ...] = ()


Row = tuple[str, int, bool, str | None, str]
"""An earlier run: its id, when it began, whether it can be taken, why not, and what it depended on."""


def earlier(store: Store, plans: Iterable[Plan]) -> dict[tuple[str, str], list[Row]]:
    """The newest finished runs that runs of these plans might repeat, by static key and notebook. Raises StoreError."""
    keys = list({made.static_key for made in plans})
    if not keys:
        return {}
    found: dict[tuple[str, str], list[Row]] = {}
    sql = """
        select k.static_key, k.notebook, k.run_id::varchar, epoch_us(r.start_time), k.skippable, k.reason, k.parts
        from run_keys k join runs r using (run_id)
        where k.static_key in (select unnest(?::varchar[])) and r.status = 'finished' and not r.deleted
        qualify row_number() over (partition by k.static_key, k.notebook order by r.start_time desc) <= ?
        order by r.start_time desc
    """
    for key, notebook, *row in store.read(sql, [keys, _CANDIDATES]).rows:
        found.setdefault((key, notebook), []).append(tuple(row))
    return found


def find(
    store: Store,
    made: Plan,
    *,
    declared_only: bool = True,
    known: Sequence[Row] | None = None,
    digests: Digests | None = None,
) -> Found:
    """The newest run that a run of this plan would repeat; among those that are `known`, if somebody has asked for them.

    `declared_only`: only if the notebook declares an input or an output; else it is enough that nothing undeclared was used.
    """
    unknown = [*([NEITHER] if declared_only and not made.declares else []), *made.unknown()]
    if unknown:
        return Found(reasons=tuple(unknown))
    try:
        rows = known if known is not None else earlier(store, [made]).get((made.static_key, made.notebook), [])
    except StoreError as error:
        return Found(reasons=(f"the store could not be asked: {error.message}",))
    digests = digests or memory(store)
    reasons: list[str] = []
    for run_id, started, skippable, reason, text in rows:
        kept = msgspec.json.decode(text, type=Kept)
        against = [reason or ""] if not skippable else _against(store, made, kept, digests)
        if not against:
            digests.save()
            return Found(run_id, started)
        # Those of the newest are told: it is the one that people compare with.
        reasons = reasons or against
    return Found(reasons=tuple(reasons))


def finder(
    store: Store, notebook: Path, *, cwd: Path | None = None, kernel: str | None = None, declared_only: bool = True
) -> Callable[[Mapping[str, object]], str | None]:
    """A function from parameters to the id of a run that can be taken, or None; it may raise ParameterError.

    The notebook is read once. Raises UsageError for what is no notebook.
    """
    planned = planner(store, notebook, cwd=cwd, kernel=kernel)
    return lambda values: find(store, planned(values), declared_only=declared_only).run_id


def planner(
    store: Store, notebook: Path, *, cwd: Path | None = None, kernel: str | None = None
) -> Callable[[Mapping[str, object]], Plan]:
    """A function from parameters to the plan of such a run. Raises as `finder`."""
    path = notebook.expanduser().resolve()
    node = reading.read(path)
    interface = typed.read(node, reading.language_of(node), path.name)
    name = kernel or node.metadata.get("kernelspec", {}).get("name") or "python3"
    folder = (cwd or path.parent).resolve()

    def planned(values: Mapping[str, object]) -> Plan:
        resolved = typed.resolve(interface, values)
        return plan(store, node, interface, resolved, notebook=str(path), cwd=folder, kernel=name)

    return planned


def kept(store: Store, run_id: str, standing: Standing, node: NotebookNode) -> KeepKey:
    """What to keep of a run that finished; sets the undeclared reads of `standing`. `node` is the executed notebook."""
    made, told = standing.plan, standing.seen
    digests = memory(store)
    reasons = made.unknown()
    parts = made.parts
    if by_hand(node) != made.by_hand:
        # Papermill has read it once more.
        reasons.append("its notebook was saved as the run began")
    if told is None and is_python(parts.language):
        reasons.append("what it read is not known: its kernel did not tell")
    elif told is None:
        # Of another language nobody hears what it reads: one that says what it makes is believed.
        reasons += [] if made.outputs else [f"what it read is not known: its language is {parts.language}"]
    else:
        installed = packages.versions(told.site)
        owners = packages.distributions(told.packages, told.site, store.places.run / "packages.json")
        modules = {made.called(path): digests.file_or_missing(path) for path in told.modules}
        parts = msgspec.structs.replace(
            parts, distributions={name: installed[name] for name in sorted(owners & installed.keys())}, modules=modules
        )
        reasons += [f"{name} was written while it ran" for name in modules if _written_since(made, name)]
        standing.undeclared = _undeclared(store, standing, told, node)
        reasons += map(str, standing.undeclared)
    reasons += _changed(made, digests)
    outputs = {name: _output(paths, made.folder, digests) for name, paths in made.outputs.items()}
    digests.save()
    about = Kept(
        parts, outputs, told.site if told else [], standing.undeclared, made.declares, standing.forced, standing.noted
    )
    return KeepKey(
        run_id=run_id, notebook=made.notebook, static_key=made.static_key, key=run_key(parts), skippable=not reasons,
        reason=reasons[0] if reasons else None, parts=msgspec.json.encode(about).decode(),
        outputs=[
            OutputRow(name=name, path=_place(made, item.path), digest=item.digest)
            for name, item in outputs.items() if item.digest not in {None, MISSING}
        ],
    )  # fmt: skip


def _against(store: Store, made: Plan, earlier: Kept, digests: Digests) -> list[str]:
    """Why a run of the same code, parameters and inputs cannot be taken."""
    installed = packages.versions(earlier.site)
    versions = {name: installed[name] for name in earlier.parts.distributions if name in installed}
    modules = {name: digests.file_or_missing(made.code(name)) for name in earlier.parts.modules}
    modules = {name: digest for name, digest in modules.items() if digest != MISSING}
    against = imported(earlier.parts, versions, modules)
    for name, item in earlier.outputs.items():
        now = _output(made.outputs.get(name), made.folder, digests)
        if MISSING in (item.digest or "").split():
            against.append(f"output {item.path} was not written")
        elif MISSING in (now.digest or "").split():
            against.append(f"output {item.path} is gone")
        elif now.digest != item.digest:
            against.append(f"output {item.path} was overwritten{_by(store, made, now)}")
    return against


def _by(store: Store, made: Plan, now: Input) -> str:
    with contextlib.suppress(StoreError):
        rows = store.read(
            "select run_id::varchar from run_outputs where path = ? and digest = ? order by run_id desc limit 1",
            [_place(made, now.path), now.digest],
        ).rows
        return f" by run {short(rows[0][0])}" if rows else ""
    return ""


def _undeclared(store: Store, standing: Standing, told: Seen, node: NotebookNode) -> tuple[Undeclared, ...]:
    made = standing.plan
    # What the run itself wrote is none of what it depends on.
    own = {os.path.realpath(path) for path in (made.project / made.notebook, made.code(made.notebook))}
    same = {path: cell for path, (cell, before) in made.mentioned.items() if stamp(path) == before}
    return seen.undeclared(
        told, declared=made.declared_files() | standing.written | own, called=made.called, mentioned=same,
        allowed=store.settings.execution.undeclared_reads, cell_at=_clock(node),
    )  # fmt: skip


def _clock(node: NotebookNode) -> Callable[[float], int | None]:
    spans = []
    for number, cell in enumerate(code_cells(node, injected=False), 1):
        told = cell.metadata.get("papermill", {})
        if told.get("start_time") and told.get("end_time"):
            began, ended = (datetime.fromisoformat(told[name]).timestamp() for name in ("start_time", "end_time"))
            spans.append((began, ended, number))
    return lambda time: next((number for began, ended, number in spans if began <= time <= ended), None)


def _changed(made: Plan, digests: Digests) -> list[str]:
    """Inputs that are not what they were when the run began: it may have read either."""
    return [
        f"input {text} changed while it ran"
        for name, paths in made.inputs.items()
        for text, before in zip(paths or (), made.contents[name], strict=True)
        if before.digest is not None and digests.content(text, made.folder) != before
    ] + [
        f"the contract of {name} changed while it ran"
        for name, path in made.contracts.items()
        if digests.file_or_missing(path) != made.parts.contracts[name]
    ]


def _output(paths: list[str] | None, folder: Path, digests: Digests) -> Input:
    return as_input(paths, [digests.content(text, folder) for text in paths or ()])


def _place(made: Plan, path: str) -> str:
    return seen.inside(os.path.normpath(made.folder / path), made.project)


def _written_since(made: Plan, name: str) -> bool:
    found = stamp(made.code(name))
    return found is None or found[1] >= made.began
