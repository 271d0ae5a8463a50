"""Executed notebooks side by side, cell by cell: which cells belong together, and which differ."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from nbops.errors import NbopsError
from nbops.execution import reading
from nbops.execution.notebook import executed
from nbops.execution.parameters.writing import INJECTED_TAG, is_injected
from nbops.records import Record
from nbops.store.client import Store


class Across(Record):
    """A cell across notebooks: for each its source and its outputs (as nbformat has them), None where it has no such cell."""

    kind: str
    sources: list[str | None]
    outputs: list[list[Any] | None]
    source_same: bool
    outputs_same: bool


class Alongside(Record):
    """The cells in order; `hidden` ones are the same everywhere and left out, `missing` are runs without an executed notebook."""

    cells: list[Across]
    hidden: int
    missing: list[str]


def cells(store: Store, run_ids: Sequence[str], *, everything: bool = False) -> Alongside:
    """The executed notebooks of runs, in that order."""
    notebooks: list[list[Any]] = []
    missing = []
    for run_id in run_ids:
        try:
            notebooks.append(list(reading.read(executed(store, run_id)).cells))
        except NbopsError:
            notebooks.append([])
            missing.append(run_id)
    whole = [_across([column[i] if i is not None else None for column, i in zip(notebooks, row, strict=True)])
             for row in _aligned([[_key(cell) for cell in column] for column in notebooks])]  # fmt: skip
    shown = [cell for cell in whole if everything or not (cell.source_same and cell.outputs_same)]
    return Alongside(cells=shown, hidden=len(whole) - len(shown), missing=missing)


def _key(cell: Any) -> str:
    """What a cell is recognised by: its id, or its text where ids are made anew at each reading."""
    if is_injected(cell):
        return INJECTED_TAG
    return str(cell.get("id") or cell.source)


def _aligned(columns: list[list[str]]) -> list[list[int | None]]:
    """Rows of places in the columns: each column's order is kept, and the same keys share a row where they can."""
    keys: list[str] = []
    rows: list[list[int | None]] = []
    for number, column in enumerate(columns):
        made_keys: list[str] = []
        made: list[list[int | None]] = []
        for _, a, b, c, d in SequenceMatcher(None, keys, column, autojunk=False).get_opcodes():
            # What replaces something stands beside it, as far as both go.
            for step in range(max(b - a, d - c)):
                before = rows[a + step] if a + step < b else [None] * number
                made.append([*before, c + step if c + step < d else None])
                made_keys.append(keys[a + step] if a + step < b else column[c + step])
        keys, rows = made_keys, made
    return rows


def _across(row: list[Any]) -> Across:
    there = [cell for cell in row if cell is not None]
    sources = [None if cell is None else str(cell.source) for cell in row]
    outputs = [None if cell is None else list(cell.get("outputs", [])) for cell in row]
    return Across(
        kind=there[0].cell_type, sources=sources, outputs=outputs, source_same=len(set(sources)) == 1,
        outputs_same=all(told == _told(outputs[0]) for told in map(_told, outputs)),
    )  # fmt: skip


def _told(outputs: list[Any] | None) -> Any:
    """What of outputs is compared: not how often a cell ran, nor in how many pieces its text came."""
    if outputs is None:
        return None
    told: list[dict[str, Any]] = []
    for output in outputs:
        made = {name: value for name, value in output.items() if name not in {"execution_count", "metadata"}}
        if told and made["output_type"] == told[-1]["output_type"] == "stream" and made["name"] == told[-1]["name"]:
            told[-1]["text"] += made["text"]
        else:
            told.append(made)
    return told
