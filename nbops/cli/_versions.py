"""`nbops models …`: what people do with versions: evaluate, propose, move aliases, roll back, freeze, retire, comment, measure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from nbops.cli._base import Here, here, json_option, show
from nbops.cli._models import evaluated, models_group, named, numbered
from nbops.cli._reviews import REFUSED, WAITING, detailed_option, document, reason_option, trust_option, trusted
from nbops.errors import NotFound, UsageError
from nbops.records import short
from nbops.store.client import Store

if TYPE_CHECKING:
    from nbops.workspace._model import Model, Version

alias_option = click.option("--alias", default="champion", show_default=True, help="The alias that it is about.")


@models_group.command("evaluate")
@click.argument("reference", metavar="NAME[/VERSION]|RUN")
@click.argument("data")
@click.option("--target", metavar="COLUMN", help="The column of truth, if the model does not remember it.")
@click.option("--slice", "slices", multiple=True, metavar="COLUMN", help="Look at each of its values apart.")
@click.option(
    "--protected",
    multiple=True,
    metavar="COLUMN[,COLUMN]",
    help="Its groups must be treated alike; two columns together.",
)
@click.option("--time", metavar="COLUMN", help="Rows of one day depend on each other.")
@click.option("--groups", metavar="COLUMN", help="Rows of one group depend on each other.")
@click.option("--metric", metavar="NAME", help="The metric to go by.")
@click.option("--unit", default="", help="The unit of the target.")
@click.option("--sizing", is_flag=True, help="Measure processor and memory, too.")
@trust_option
@json_option
@here
def evaluate(
    obj: Here,
    /,
    reference: str,
    data: str,
    slices: tuple[str, ...],
    protected: tuple[str, ...],
    trust: tuple[str, ...],
    as_json: bool,
    **asked: Any,
) -> None:
    """Hold a model against DATA, rows with known truth, and keep the result with the rows.

    DATA is a CSV or Parquet file, or a version of data such as flights, flights/3, flights@2026-01-31.
    """
    workspace = obj.workspace()
    found = workspace.evaluate(
        reference, _rows(workspace.store, data), slices=slices, protected=[*map(_pair, protected)], trust=trusted(trust), **asked
    )  # fmt: skip
    outcome = f"Evaluation {short(found.id)} of {found.stored.reference} is kept."
    show(evaluated(found.stored) if as_json else None, as_json=as_json, text=lambda: f"{found.to_text()}\n{outcome}")


@models_group.command("propose")
@click.argument("reference", metavar="NAME/VERSION")
@alias_option
@reason_option("What gets better with it.")
@click.option("--waiver", default="", metavar="TEXT", help="Why a version of a failed run may pass.")
@click.option("--evaluation", metavar="ID", help="Judge it on the rows of this evaluation (default: its last one).")
@trust_option
@detailed_option
@json_option
@here
def propose(
    obj: Here,
    reference: str,
    alias: str,
    reason: str,
    waiver: str,
    evaluation: str | None,
    trust: tuple[str, ...],
    detailed: bool,
    as_json: bool,
) -> int:
    """Ask for an alias to stand for a version: the gate holds it against today's holder on the same rows, then a person decides.

    Exit status 30 when the gate does not let it pass; the review is kept, for people to look at.
    """
    version = numbered(obj.workspace(), reference)
    review = version.propose(alias, reason=reason, waiver=waiver, evaluation=evaluation, trust=trusted(trust))
    passed = review.verdict.passed
    waits = f"waits for approval: nbops reviews approve {review.id} --reason …"
    outcome = f"Review {review.id} of {version.reference} for {alias} {waits if passed else 'was refused by the gate.'}"
    show(document(review) if as_json else None, as_json=as_json, text=lambda: f"{review.to_text()}\n{outcome}")
    if not passed:
        return REFUSED
    return WAITING if detailed else 0


@models_group.command("alias")
@click.argument("name")
@click.argument("alias")
@click.argument("version", type=int, required=False)
@click.option("--remove", is_flag=True, help="Let it stand for nothing.")
@click.option("--reason", metavar="TEXT", help="The reason, which is kept.")
@json_option
@here
def set_alias(
    obj: Here, name: str, alias: str, version: int | None, remove: bool, reason: str | None, as_json: bool
) -> None:
    """Let an alias that is not protected stand for a version of NAME. A protected one moves by an approved review."""
    if (version is None) is not remove:
        raise UsageError("Name a version, or say --remove.", hint=f"nbops models alias {name} {alias} 3")
    model = obj.workspace().model(name)
    if version is None:
        model.remove_alias(alias, reason=reason)
    else:
        model.set_alias(alias, version, reason=reason)
    told = f"{name}@{alias} stands for {'nothing' if version is None else f'version {version}'}."
    show({"model": name, "alias": alias, "version": version}, as_json=as_json, text=lambda: told)


@models_group.command("rollback")
@click.argument("name")
@alias_option
@reason_option("What went wrong.")
@json_option
@here
def rollback(obj: Here, name: str, alias: str, reason: str, as_json: bool) -> None:
    """Let an alias of NAME stand again for the last version that held it and is fit to; needs no approval."""
    version = obj.workspace().rollback(name, alias, reason=reason)
    told = f"{name}@{alias} stands for version {version.version} again."
    show({"model": name, "alias": alias, "version": version.version}, as_json=as_json, text=lambda: told)


@models_group.command("freeze")
@click.argument("reference", metavar="NAME[/VERSION]")
@reason_option("Why nothing is to be promoted.")
@json_option
@here
def freeze(obj: Here, reference: str, reason: str, as_json: bool) -> None:
    """Forbid promotions of a model, or of one version, until it is thawed; rollback stays possible."""
    found = named(obj.workspace(), reference)
    found.freeze(reason=reason)
    show(_frozen(found), as_json=as_json, text=lambda: f"{_called(found)} is frozen: {found.frozen}")


@models_group.command("thaw")
@click.argument("reference", metavar="NAME[/VERSION]")
@reason_option("Why promotions are allowed again.")
@json_option
@here
def thaw(obj: Here, reference: str, reason: str, as_json: bool) -> None:
    """Allow promotions of a model, or of one version, again."""
    found = named(obj.workspace(), reference)
    found.thaw(reason=reason)
    show(_frozen(found), as_json=as_json, text=lambda: f"{_called(found)} is not frozen.")


@models_group.command("retire")
@click.argument("reference", metavar="NAME/VERSION")
@reason_option("Why it is not to be used any more.")
@json_option
@here
def retire(obj: Here, reference: str, reason: str, as_json: bool) -> None:
    """Say that a version is not to be used any more. It stays, and can be neither proposed nor rolled back to."""
    version = numbered(obj.workspace(), reference)
    version.retire(reason=reason)
    told = {"model": version.model, "version": version.version, "state": "retired"}
    show(told, as_json=as_json, text=lambda: f"{version.reference} is retired.")


@models_group.command("comment")
@click.argument("reference", metavar="NAME[/VERSION]")
@click.argument("text")
@json_option
@here
def comment(obj: Here, reference: str, text: str, as_json: bool) -> None:
    """Say something about a model, or about a version of it."""
    found = named(obj.workspace(), reference)
    found.comment(text)
    show({"about": _called(found), "text": text}, as_json=as_json, text=lambda: f"commented on {_called(found)}")


@models_group.command("benchmark")
@click.argument("reference", metavar="NAME[/VERSION]")
@click.option("--data", metavar="DATA", help="Rows to measure with (default: those of its last evaluation).")
@trust_option
@json_option
@here
def benchmark(obj: Here, reference: str, data: str | None, trust: tuple[str, ...], as_json: bool) -> None:
    """Measure what a version, by default the latest, needs of processor and memory, on a machine that does nothing else."""
    workspace = obj.workspace()
    version = workspace.version(reference)
    rows = None if data is None else _rows(workspace.store, data)
    sizing = version.benchmark(rows, trust=trusted(trust))
    document = {
        "model": version.model,
        "version": version.version,
        **msgspec.to_builtins(sizing),
        "sentences": sizing.sentences,
    }
    show(document, as_json=as_json, text=lambda: "\n".join([version.reference, *sizing.sentences]))


def _rows(store: Store, data: str) -> Any:
    """A file, or the version of data that is meant. Raises NotFound."""
    from nbops.data import snapshots

    path = Path(data)
    if path.is_file():
        return path
    if path.suffix in {".csv", ".tsv", ".txt", ".parquet"}:
        raise NotFound(f"There is no file {data!r}.", hint=f"The current folder is {Path.cwd()}.")
    return snapshots.resolve(store, data)


def _pair(columns: str) -> str | tuple[str, str]:
    one, comma, other = columns.partition(",")
    return (one, other) if comma else one


def _called(found: Model | Version) -> str:
    return getattr(found, "reference", "") or getattr(found, "name", "")


def _frozen(found: Model | Version) -> dict[str, object]:
    return {"about": _called(found), "frozen": found.frozen}
