"""The parameters of a pipeline as one form: those of its steps that are neither read nor written, each once, by the steps that have it.

The text of a field becomes a value as with `nbops run FOLDER -p NAME TEXT`, for all steps that have a parameter of that name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from nbops.execution import parameters as typed
from nbops.execution.parameters import Problem, Word
from nbops.execution.parameters.form import Field, as_typed
from nbops.pipelines.graph import Graph
from nbops.pipelines.steps import Step
from nbops.records import Record


class Shared(Record):
    """A field with the names of the steps that have its parameter."""

    steps: tuple[str, ...]
    field: Field


def fields(made: Graph) -> list[Shared]:
    """The fields, those of the same steps side by side, in the order of the steps; what pipeline.yaml varies has none."""
    found: dict[str, list[tuple[str, Field]]] = {}
    for step in made.steps.values():
        for field in _of(step):
            found.setdefault(field.name, []).append((step.name, field))
    shared = [Shared(tuple(step for step, _ in several), _one(several)) for several in found.values()]
    order = list(dict.fromkeys(one.steps for one in shared))
    return sorted(shared, key=lambda one: order.index(one.steps))


def problems(made: Graph, texts: Mapping[str, str]) -> list[Problem]:
    """What of the texts no step takes, or one of them refuses."""
    found: dict[tuple[str, str], Problem] = {}
    for name, text in texts.items():
        takes = [step for step in made.steps.values() if step.interface.get(name) is not None or step.interface.open]
        if not takes:
            found[name, ""] = Problem(name, f"No step has a parameter {name!r}.", "Leave it out.")
        for step in takes:
            for one in typed.problems(step.interface, {name: Word(text)}):
                if one.parameter == name:
                    found[name, one.what] = one
    return list(found.values())


def _of(step: Step) -> Iterator[Field]:
    for field in typed.fields(step.interface):
        if field.direction in {"in", "out"} or field.name in step.swept:
            continue
        given = step.values.get(field.name)
        yield field if given is None else msgspec.structs.replace(field, default=as_typed(given), required=False)


def _one(several: list[tuple[str, Field]]) -> Field:
    """The field of a parameter that several steps have; where their own values differ, it is empty until somebody says one for all."""
    (_, first), *_ = several
    if all(field.default == first.default for _, field in several):
        return first
    each = ", ".join(f"{step} {field.default}" for step, field in several)
    widget = "text" if first.widget in {"checkbox", "select"} else first.widget
    return msgspec.structs.replace(
        first, default="", required=False, widget=widget, help=f"{first.help} for all; now {each}".strip()
    )
