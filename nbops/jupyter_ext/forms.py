"""What the routes about forms do: the parameters of a notebook or of a pipeline as fields, and what of the texts in them is refused.

As in `verbs`, a verb runs on a thread. Nothing that is typed is evaluated: it becomes a value as `nbops run -p NAME TEXT` makes one of it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nbops.errors import ParameterError, UsageError
from nbops.jupyter_ext.verbs import Asked, InProject, Order

if TYPE_CHECKING:
    from nbops.execution import parameters as typed
    from nbops.pipelines.graph import Graph
    from nbops.pipelines.schedules.spec import Timing


class PipelineOrder(InProject, kw_only=True):
    """A folder to run as a pipeline, as it is or as its current `release` has it, or a run of it to `resume`.

    Texts as `nbops run -p NAME TEXT` takes them.
    """

    values: dict[str, str] = {}
    force: bool = False
    release: bool = False
    resume: str = ""


def form(asked: Asked) -> dict[str, object]:
    """A notebook's parameters as a form."""
    from nbops.execution import parameters as typed
    from nbops.execution import reading

    path = asked.root.file(asked.body.notebook)
    if not reading.is_executable(path):
        raise UsageError(
            f"{path.name} is no step.", hint="Notebooks, percent-format .py files (`# %%`) and .sql files can be run."
        )
    node, interface = _interface(path)
    untagged = interface.cell is None and not interface.open and reading.is_notebook(path)
    proposal = typed.propose(node, interface.language, None) if untagged else None
    return {
        "notebook": path.name, "problem": interface.problem or None, "parameters": typed.fields(interface),
        "has_cell": interface.cell is not None or not reading.is_notebook(path),
        "proposal": {"cell": proposal.cell, "names": proposal.names} if proposal else None,
    }  # fmt: skip


def check(asked: Asked) -> dict[str, object]:
    """What of a form's texts is refused, field by field, and the command that does the same."""
    from nbops.execution import parameters as typed

    order: Order = asked.body
    path = asked.root.file(order.notebook)
    node, interface = _interface(path)
    first = {name: typed.Word(text) for name, text in order.values.items()}
    first |= {name: typed.Word(texts[0]) for name, texts in order.grid.items() if texts}
    found = typed.problems(interface, first)
    for name, texts in order.grid.items():
        for text in texts[1:]:
            other = typed.problems(interface, {**first, name: typed.Word(text)})
            found += [problem for problem in other if problem.parameter == name]
    refusals = told(found)
    if not refusals:
        try:
            typed.check(node, interface, typed.resolve(interface, first))
        except ParameterError as error:
            refusals = [{"name": None, "message": error.message, "hint": error.hint}]
    return {"problems": refusals, "command": _command(path, order)}


def pipeline_form(asked: Asked) -> dict[str, object]:
    """The parameters of a pipeline as a form, by the steps that have them; its current release, and what its pipeline.yaml says of when."""
    from nbops.pipelines import fields, releases

    order: PipelineOrder = asked.body
    folder = asked.root.file(order.folder)
    made = _graph(asked, folder, release=order.release)
    number, differs = None, ""
    if asked.settings.folder.is_dir() and (number := releases.current(asked.store, folder)):
        changed = releases.changed(asked.store, releases.get(asked.store, made.name, number))
        differs = releases.differs(made.name, changed)
    return {
        "notebook": made.name, "problem": None, "has_cell": True, "proposal": None,
        "parameters": [{**msgspec.to_builtins(one.field), "group": ", ".join(one.steps)} for one in fields.fields(made)],
        "release": number, "differs": differs, "timing": _timing(made.operations.schedule),
    }  # fmt: skip


def pipeline_check(asked: Asked) -> dict[str, object]:
    """As `check`, for a pipeline."""
    order: PipelineOrder = asked.body
    folder = asked.root.file(order.folder)
    words = ["nbops", "run", folder.name]
    for name, text in order.values.items():
        words += ["-p", name, text]
    words += ["--release", "current"] if order.release else []
    return {
        "problems": told(refused(asked, folder, order.values, release=order.release)),
        "command": shlex.join([*words, *(["--force"] if order.force else [])]),
    }


def refused(asked: Asked, path: Path, texts: Mapping[str, str], *, release: bool) -> list[typed.Problem]:
    """What a notebook, or a folder as a pipeline, does not take of texts for its parameters."""
    from nbops.execution import parameters as typed
    from nbops.pipelines import fields

    if path.is_dir():
        return fields.problems(_graph(asked, path, release=release), texts)
    return typed.problems(_interface(path)[1], {name: typed.Word(text) for name, text in texts.items()})


def told(problems: Sequence[typed.Problem]) -> list[dict[str, object]]:
    """Why values are refused, each beside its field."""
    return [
        {"name": problem.parameter or None, "message": problem.brief or problem.what, "hint": "" if problem.brief else problem.remedy}
        for problem in problems
    ]  # fmt: skip


def _interface(path: Path) -> tuple[Any, typed.Interface]:
    from nbops.execution import parameters as typed
    from nbops.execution import reading

    node = reading.read(path)
    return node, typed.read(node, reading.language_of(node), path.name)


def _graph(asked: Asked, folder: Path, *, release: bool) -> Graph:
    """A pipeline as its folder is, or as its current release has it. Raises NotFound, and ConfigError for what cannot run."""
    from nbops.pipelines import definition, releases

    if not release:
        return definition.load(folder)
    store = asked.store
    name = releases.of_folder(store, folder) or folder.name
    return definition.load(folder, None, releases.place(store, releases.get(store, name)))


def _timing(block: Timing | None) -> dict[str, object] | None:
    """What a pipeline.yaml says of when it runs, as a form has it; None where that is no cron expression."""
    from nbops.pipelines.schedules import rhythms

    if block is None or not block.cron:
        return None
    rhythm = rhythms.of_cron(block.cron)
    words = msgspec.to_builtins(rhythm) if rhythm else {"often": "cron"}
    return {**words, "cron": block.cron, "tz": block.tz, "missed": block.missed}


def _command(path: Path, order: Order) -> str:
    """What one types in the notebook's folder to do the same."""
    words = ["nbops", "sweep" if order.grid else "run", path.name]
    for name, texts in order.grid.items():
        words += ["--grid", name, ",".join(texts)]
    for name, text in order.values.items():
        words += ["-p", name, text]
    return shlex.join([*words, *(["--force"] if order.force else [])])
