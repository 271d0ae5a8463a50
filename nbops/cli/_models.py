"""`nbops models …`: what models are for and which versions they have; `_versions` has what people do with these."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, records, show, table
from nbops.data import degraded
from nbops.errors import NotFound, UsageError
from nbops.records import short
from nbops.registry import models
from nbops.render import values

if TYPE_CHECKING:
    from nbops.evaluation.decision import DecisionRule
    from nbops.registry.card import Card
    from nbops.registry.evaluations import Evaluation
    from nbops.workspace._model import Model, Version
    from nbops.workspace._workspace import Workspace

_SQL_ENDS = ("<", ">", "!")
"""What stands before the first "=" of a comparison, and ends no sentence."""


@cli.group("models")
def models_group() -> None:
    """Look at registered models, make versions, evaluate, promote and verify them."""


@models_group.command("list")
@click.argument("name", required=False)
@json_option
@here
def list_models(obj: Here, name: str | None, as_json: bool) -> None:
    """List model versions, newest first."""
    found = records(obj.workspace().model_versions(name))
    rows = [
        [row["model"], row["version"], row["state"], short(row["run_id"]), str(row["created"])[:19], row["actor"]]
        for row in found
    ]
    columns = ["model", "version", "state", "run", "created", "actor"]
    show(found, as_json=as_json, text=lambda: table(columns, rows))


@models_group.command("show")
@click.argument("reference", metavar="NAME[/VERSION]")
@json_option
@here
def show_model(obj: Here, reference: str, as_json: bool) -> None:
    """Show what a model is for, its aliases and versions; of a version its facts and how it did on rows with known truth.

    NAME@ALIAS is the version that the alias stands for.
    """
    from nbops.workspace._model import Version

    workspace = obj.workspace()
    found = named(workspace, reference)
    if isinstance(found, Version):
        _show_version(workspace, found, as_json=as_json)
        return
    held, known, waiting, said = found.aliases, records(found.versions), _waiting(workspace, found.name), found.comments
    old = degraded.of_runs(obj.store(), (row["run_id"] for row in known))
    document = {
        "model": found.name, "frozen": found.frozen, "card": msgspec.to_builtins(found.card), "aliases": held,
        "versions": [{**row, "degraded": old.get(row["run_id"])} for row in known], "reviews": waiting, "comments": records(said),
    }  # fmt: skip
    names = {version: ", ".join(alias for alias in held if held[alias] == version) for version in held.values()}
    rows = [
        [row["version"], names.get(row["version"], ""), row["state"], short(row["run_id"]), str(row["created"])[:19], row["actor"]]
        for row in known
    ]  # fmt: skip
    columns = ["version", "aliases", "state", "run", "created", "actor"]
    show(
        document,
        as_json=as_json,
        text=lambda: _lines(
            _card(found), table(columns, rows), *_old(known, old), *_waits(waiting), *_said(records(said))
        ),
    )


@models_group.command("describe")
@click.argument("name")
@click.option("--purpose", metavar="TEXT", help="What it is for.")
@click.option("--decision", metavar="TEXT", help="The decision that it supports.")
@click.option("--owner", metavar="NAME", help="Who answers for the process.")
@click.option("--measure", metavar="TEXT", help="The measure of success.")
@click.option("--unit", help="The unit of the target, and so of the measure.")
@click.option("--out-of-scope", metavar="TEXT", help="What it is not to be used for.")
@click.option(
    "--consumer", "consumers", multiple=True, metavar="NAME", help="Whom to tell of promotions and rollbacks."
)
@click.option("--policy", metavar="FILE", help="A YAML file, `solo` or `four-eyes`: see docs/models.md.")
@click.option("--cases", type=click.Path(), metavar="FILE", help="Acceptance cases, as a CSV file.")
@click.option(
    "--assume",
    "assumptions",
    multiple=True,
    metavar="SENTENCE=SQL",
    help="What must hold of each row; replaces the assumptions before.",
)
@click.option("--why", metavar="TEXT", help="Why it is said anew.")
@json_option
@here
def describe(
    obj: Here, /, name: str, consumers: tuple[str, ...], assumptions: tuple[str, ...], as_json: bool, **texts: Any
) -> None:
    """Say what NAME is for and by which policy it is promoted; what is not given stays. A model that does not exist yet is made."""
    card = obj.workspace().model(name).describe(
        consumers=consumers or None, assumptions=dict(map(_assumption, assumptions)) or None, **texts
    )  # fmt: skip
    show(msgspec.to_builtins(card), as_json=as_json, text=lambda: f"described {name}")


@models_group.command("compare")
@click.argument("name")
@click.option("--all", "everything", is_flag=True, help="What is the same, too.")
@json_option
@here
def compare(obj: Here, name: str, everything: bool, as_json: bool) -> None:
    """Show the versions of NAME side by side: what differs, the best metrics marked."""
    view = obj.workspace().compare(model=name, everything=everything)
    show(view.to_dict() if as_json else None, as_json=as_json, text=view.to_text)


@models_group.command("register")
@click.argument("run")
@click.argument("name")
@click.option("--model", default="model", show_default=True, help="The name it was logged under.")
@click.option("--description", metavar="TEXT", help="What is special about this version.")
@json_option
@here
def register(obj: Here, run: str, name: str, model: str, description: str | None, as_json: bool) -> None:
    """Make a run's model the next version of NAME."""
    version = obj.workspace().register_model(run, name, model=model, description=description)
    document = {"model": version.model, "version": version.version, "run_id": version.run_id, "sha256": version.sha256}
    show(document, as_json=as_json, text=lambda: f"registered {version.reference}")


@models_group.command("verify")
@click.argument("model", metavar="NAME[/VERSION]", required=False)
@click.option("--all", "everything", is_flag=True, help="Every version, and every model that a run keeps.")
@click.option("--load", is_flag=True, help="Prove each load in a fresh process, too.")
@json_option
@here
def verify(obj: Here, model: str | None, everything: bool, load: bool, as_json: bool) -> int:
    """Check the bytes, manifest, signature and types of models. Exit status 40 if any is damaged, 30 if one is not to be trusted.

    With --load it is 26 if one does not load.
    """
    from nbops.registry import verifying

    if (model is None) is not everything:
        raise UsageError("Name a model, or say --all.", hint="nbops models verify NAME, NAME/3 or --all")
    findings = verifying.verify(obj.store(), model, load=load)
    rows = [["✗" if found.problem else "✓", found.what, found.problem or found.told] for found in findings]
    show(
        msgspec.to_builtins(findings),
        as_json=as_json,
        text=lambda: table(["", "model", "found"], rows) if rows else "No model is kept yet.",
    )
    return verifying.worst(findings)


def named(workspace: Workspace, reference: str) -> Model | Version:
    """The model that "NAME" means, or the version that "NAME/3" or "NAME@ALIAS" does. Raises NotFound."""
    name, number, alias = models.parsed(reference)
    models.known(workspace.store, name)
    return workspace.model(name) if number is None and alias is None else workspace.version(reference)


def numbered(workspace: Workspace, reference: str) -> Version:
    """The version that "NAME/3" or "NAME@ALIAS" means; which one is meant by a name alone changes. Raises UsageError, NotFound."""
    found = workspace.version(reference)
    name, number, alias = models.parsed(reference)
    if number is None and alias is None:
        raise UsageError(f"{name!r} names no version.", hint=f"The latest one is {found.reference}.")
    return found


def _old(versions: Sequence[dict[str, Any]], old: Mapping[str, str]) -> list[str]:
    """A line for each version that rests on old data."""
    return [
        f"Version {row['version']} rests on old data: {old[row['run_id']]}" for row in versions if row["run_id"] in old
    ]


def _show_version(workspace: Workspace, version: Version, *, as_json: bool) -> None:
    manifest, said = version.manifest, records(version.comments)
    waiting = [one for one in _waiting(workspace, version.model) if one["version"] == version.version]
    facts: dict[str, object] = {
        "state": version.state,
        "aliases": ", ".join(version.aliases),
        "frozen": version.frozen,
        "rests on old data": version.degraded,
        "registered by": version.actor,
        "description": version.description,
        "run": short(version.run_id),
        "estimator": manifest.estimator,
        "format": manifest.format,
        "size": values.size(manifest.size),
        "predicts": manifest.output.name,
        "classes": ", ".join(map(str, manifest.output.classes or ())),
        "columns": ", ".join(column.name for column in manifest.signature.columns) if manifest.signature else None,
        "decision rule": _rule(version.rule),
    }
    try:
        evaluation = version.evaluation
        judged, told = evaluated(evaluation.stored), evaluation.to_text()
    except NotFound as error:
        judged, told = None, error.message
    document = {
        "model": version.model, "version": version.version, "state": version.state, "aliases": version.aliases,
        "frozen": version.frozen, "degraded": version.degraded, "actor": version.actor, "description": version.description,
        "run_id": version.run_id,
        "sha256": version.sha256, "manifest": msgspec.to_builtins(manifest), "evaluation": judged, "reviews": waiting,
        "comments": said,
    }  # fmt: skip
    parts = [version.reference, _facts(facts), told, *_waits(waiting), *_said(said)]
    show(document, as_json=as_json, text=lambda: _lines(*parts))


def evaluated(found: Evaluation) -> dict[str, Any]:
    """An evaluation for JSON, without the rows that were answered worst, which are the data's own."""
    told = msgspec.to_builtins(found.assessment)
    return {
        "evaluation_id": found.evaluation_id, "reference": found.reference, "data": found.data_name,
        "data_digest": found.data_digest, **{key: value for key, value in told.items() if key != "worst_rows"},
    }  # fmt: skip


def _assumption(text: str) -> tuple[str, str]:
    sentence, equals, sql = (part.strip() for part in text.partition("="))
    if not equals or not sentence or not sql or sentence.endswith(_SQL_ENDS) or sql.startswith("="):
        raise UsageError(
            f"{text!r} is no assumption.",
            hint='Give a sentence, "=" and SQL over a row: --assume "flights take less than a day=air_time < 1440".',
        )
    return sentence, sql


def _card(model: Model) -> str:
    import yaml

    card: Card = model.card
    policy = card.policy
    facts: dict[str, object] = {
        "purpose": card.purpose,
        "decision": card.decision,
        "owner": card.owner,
        "measure": " in ".join(filter(None, (card.measure, card.unit))),
        "out of scope": card.out_of_scope,
        "consumers": ", ".join(card.consumers),
        "frozen": model.frozen,
        "protected": ", ".join(policy.protected),
        "approvals": f"{policy.approvers}, {'also' if policy.author_may_approve else 'not'} by authors",
        "gate": card.gate
        and yaml.safe_dump(card.gate, default_flow_style=True, sort_keys=False, width=math.inf).strip()[1:-1],
        "assumptions": "; ".join(one.sentence for one in card.assumptions),
        "cases": card.cases and f"a CSV file, {card.cases[:12]}",
        "aliases": ", ".join(f"{alias} = {version}" for alias, version in model.aliases.items()),
    }
    return _lines(model.name, _facts(facts))


def _rule(rule: DecisionRule | None) -> str:
    if rule is None:
        return ""
    if rule.positive is None:
        return f"the most probable class{f', from {values.number(rule.least)} on' if rule.least is not None else ''}"
    low, high = rule.reject or (rule.threshold, rule.threshold)
    band = f", a person from {values.number(low)} on" if low < high else ""
    return f"{rule.positive} from {values.number(high)} on{band}{f': {rule.why}' if rule.why else ''}"


def _facts(facts: dict[str, object]) -> str:
    from nbops.render import text

    there = {name: str(value) for name, value in facts.items() if value}
    return text.facts(list(there), list(there.values()))


def _waiting(workspace: Workspace, model: str) -> list[dict[str, Any]]:
    return records(workspace.reviews(model))


def _waits(reviews: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"Review {short(one['review_id'])} of {one['model']}/{one['version']} for {one['alias']} is {one['status']}: {one['reason']}"
        for one in reviews
    ]


def _said(comments: Sequence[dict[str, Any]]) -> list[str]:
    return [f"{str(one['time'])[:16]} {one['actor']}: {one['text']}" for one in comments]


def _lines(*parts: str) -> str:
    return "\n".join(part.rstrip("\n") for part in parts if part)
