"""Why a run was made, or would be made, although there are earlier ones of its notebook: in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from nbops.execution.skipping.finding import NEITHER, Kept, find, planner
from nbops.execution.skipping.keys import Parts, differences
from nbops.execution.skipping.plan import Plan
from nbops.records import Record, short
from nbops.store.client import Store
from nbops.tracking import runs


class Why(Record):
    """What speaks for a run: `because`, one clause each, since the earlier run `compared`; `never` says why later runs cannot take it.

    If `unchanged`, `run_id` is the run that is taken.
    """

    run_id: str | None
    notebook: str
    unchanged: bool = False
    compared: str | None = None
    because: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.unchanged:
            return f"{self.notebook} would not be executed: run {short(self.run_id or '')} had the same code, parameters and inputs."
        what = f"Run {short(self.run_id)} of {self.notebook} was" if self.run_id else f"{self.notebook} would be"
        lines = [f"{what} executed because:", *(f"- {clause}" for clause in self.because)] if self.because else []
        if self.compared:
            lines.append(f"It is compared with run {short(self.compared)}.")
        if self.never:
            lines += ["No later run can be skipped for it:", *(f"- {clause}" for clause in self.never)]
        elif self.run_id:
            lines.append("A later run is skipped for it if nothing changes.")
        return "\n".join(lines)


def of_run(store: Store, run_id: str) -> Why:
    """Why a run was made. Raises NotFound."""
    info = runs.info(store, run_id)
    found = store.read("select notebook, static_key, reason, parts from run_keys where run_id = ?", [run_id]).rows
    if not found:
        was = {"finished": "was not made by `nbops run`", "failed": "failed"}.get(info.status, f"was {info.status}")
        nothing = f"nothing is kept of what it depended on: it {was}"
        reason = "it is still running" if info.status == "running" else nothing
        return Why(run_id, info.source or info.experiment, never=(reason,))
    notebook, static, reason, text = found[0]
    kept = msgspec.json.decode(text, type=Kept)
    earlier = _nearest(store, notebook, static, before=info.start_time)
    because = [*(["it was forced"] if kept.forced else []), *kept.noted]
    if not kept.declares and NEITHER not in because:
        because.append(NEITHER)
    because += _since(earlier, kept.parts)
    told = [str(item) for item in kept.undeclared]
    never = _once([*([] if kept.declares else [NEITHER]), *([reason] if reason else []), *told])
    return Why(run_id, notebook, compared=earlier.run_id if earlier else None, because=_once(because), never=never)


def of_notebook(
    store: Store,
    notebook: Path,
    parameters: Mapping[str, object],
    *,
    cwd: Path | None = None,
    kernel: str | None = None,
) -> Why:
    """Why `nbops run` would make a run of it now. Raises UsageError and ParameterError as the run would."""
    return of_plan(store, planner(store, notebook, cwd=cwd, kernel=kernel)(parameters))


def of_plan(store: Store, plan: Plan, *, declared_only: bool = True) -> Why:
    """Why a run of this plan would be made now, or the run that would be taken instead."""
    found = find(store, plan, declared_only=declared_only)
    if found.run_id:
        return Why(found.run_id, plan.notebook, unchanged=True)
    earlier = _nearest(store, plan.notebook, plan.static_key)
    now = plan.parts
    if earlier:
        known = earlier.kept.parts
        now = msgspec.structs.replace(now, distributions=known.distributions, modules=known.modules)
    because = _once([*found.reasons, *_since(earlier, now)])
    return Why(None, plan.notebook, compared=earlier.run_id if earlier else None, because=because)


def last(store: Store) -> str | None:
    """The run of a notebook that began last."""
    rows = store.read(
        "select run_id::varchar from runs where not deleted and (regexp_matches(source, '[.](ipynb|sql)$')"
        " or run_id in (select run_id from run_keys)) order by start_time desc limit 1"
    ).rows
    return str(rows[0][0]) if rows else None


class _Earlier(Record):
    """A finished run of the same notebook, and why it can never be taken."""

    run_id: str
    reason: str | None
    kept: Kept


def _nearest(store: Store, notebook: str, static: str, *, before: int | None = None) -> _Earlier | None:
    """The last finished run of the notebook, rather one with the same static key."""
    rows = store.read(
        "select k.run_id::varchar, k.reason, k.parts from run_keys k join runs r using (run_id) where k.notebook = ?"
        " and r.status = 'finished' and not r.deleted and (? is null or epoch_us(r.start_time) < ?)"
        " order by k.static_key = ? desc, r.start_time desc limit 1",
        [notebook, before, before, static],
    ).rows
    return _Earlier(rows[0][0], rows[0][1], msgspec.json.decode(rows[0][2], type=Kept)) if rows else None


def _since(earlier: _Earlier | None, now: Parts) -> list[str]:
    if earlier is None:
        return ["no earlier run of this notebook finished"]
    return [*differences(earlier.kept.parts, now), *([earlier.reason] if earlier.reason else [])]


def _once(clauses: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(clauses))
