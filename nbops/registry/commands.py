"""What the owner does about models and their versions."""

from __future__ import annotations

import msgspec

from nbops.errors import Conflict, NotFound, UsageError
from nbops.events import (
    ModelCreated,
    ModelDescribed,
    ModelEvaluated,
    ModelFrozen,
    ModelTrusted,
    VersionCommented,
    VersionRegistered,
    VersionRetired,
)
from nbops.registry import aliases
from nbops.registry.requests import (
    Comment,
    DescribeModel,
    Freeze,
    KeepEvaluation,
    MoveAlias,
    RegisterVersion,
    Retire,
    Rollback,
    TrustModel,
)
from nbops.store import witness
from nbops.store.commands import Transaction, command
from nbops.tracking.commands import known


@command(TrustModel)
def trust(tx: Transaction, request: TrustModel) -> None:
    """Record who answered for what."""
    tx.event(
        ModelTrusted(
            subject=f"model:{request.reference}",
            sha256=request.sha256,
            types=request.types,
            code=request.code,
            pickle=request.pickle,
        )
    )


@command(RegisterVersion)
def register(tx: Transaction, request: RegisterVersion) -> int:
    """Give the next number, which is never used again; registering the same model of the same run twice gives the same version."""
    known(tx, request.run_id)
    same = "select version from core.model_versions where model = ? and run_id = ? and artifact = ? and sha256 = ?"
    if found := tx.rows(same, request.model, request.run_id, request.artifact, request.sha256):
        return int(found[0][0])
    subject = f"model:{request.model}"
    _create(tx, request.model)
    version = int(
        tx.rows("select coalesce(max(version), 0) + 1 from core.model_versions where model = ?", request.model)[0][0]
    )
    tx.run(
        "insert into core.model_versions values (?, ?, ?, ?, ?, ?, 'registered', make_timestamp(?), ?, ?, ?)",
        request.model, version, request.run_id, request.artifact, request.manifest, request.sha256, tx.time, tx.actor.name,
        request.description, tx.next_seq(),
    )  # fmt: skip
    put = witness.rows(tx, model_versions=tx.seq)
    if request.profile is not None:
        tx.run(
            "insert into core.profiles values (?, ?, 'reference', null, null, ?, ?, ?, make_timestamp(?), ?, ?)",
            request.model, version, request.rows, request.profile, request.variation, tx.time, tx.actor.name, tx.next_seq(),
        )  # fmt: skip
    inputs = _keep_inputs(tx, request, version)
    tx.event(
        VersionRegistered(
            subject=subject, version=version, run_id=request.run_id, sha256=request.sha256, rows=put, inputs=inputs
        )
    )
    return version


@command(KeepEvaluation)
def evaluate(tx: Transaction, request: KeepEvaluation) -> None:
    """Keep how a run's model did."""
    known(tx, request.run_id)
    tx.run(
        "insert into core.evaluations values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, make_timestamp(?), ?, ?)",
        request.evaluation_id, request.run_id, request.sha256, request.target, request.task, request.metric, request.unit,
        request.rows, request.blocks, request.data_name, request.data_digest, request.rows_sha256, request.report_sha256, tx.time,
        tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    put = witness.rows(tx, evaluations=tx.seq)
    for one in request.metrics:
        tx.run(
            "insert into core.evaluation_metrics values (?, ?, ?, ?, ?, ?)",
            request.evaluation_id, one.metric, one.value, one.low, one.high, one.unit,
        )  # fmt: skip
    event = ModelEvaluated(
        subject=f"run:{request.run_id}", evaluation_id=request.evaluation_id, sha256=request.sha256,
        rows_sha256=request.rows_sha256, report_sha256=request.report_sha256, rows=put,
    )  # fmt: skip
    tx.event(event)


@command(DescribeModel)
def describe(tx: Transaction, request: DescribeModel) -> None:
    """Keep what is said of a model, which is made if it is new."""
    policy, known = request.card.policy, aliases.card(tx, request.model)
    if (policy, request.card.gate) != (known.policy, known.gate):
        tx.personal(f"To change the policy of {request.model}")
    _create(tx, request.model)
    if policy.approvers < 1 or policy.open_for < 1:
        raise UsageError(
            "A policy needs at least one approver and some time.",
            hint="`approvers: 1` and `open_for: 14d` are the defaults.",
        )
    for alias in policy.protected:
        held = aliases.holder(tx, request.model, aliases.named(alias))
        if held is not None and held not in aliases.approved(tx, request.model, alias):
            raise Conflict(
                f"{request.model}@{alias} stands for version {held}, which nobody approved, and cannot become protected.",
                hint="Remove the alias first, then propose the version for it.",
            )
    text = msgspec.json.encode(request.card).decode()
    before = tx.rows("select card from core.model_cards where model = ? order by seq desc limit 1", request.model)
    if before and before[0][0] == text:
        return
    tx.run(
        "insert into core.model_cards values (?, ?, ?, make_timestamp(?), ?, ?)",
        request.model, text, request.why, tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    put = witness.rows(tx, model_cards=tx.seq)
    tx.event(ModelDescribed(subject=f"model:{request.model}", card=text, why=request.why, rows=put))


@command(Comment)
def comment(tx: Transaction, request: Comment) -> None:
    """Keep what was said."""
    aliases.known_model(tx, request.model)
    if request.version is not None:
        aliases.known_version(tx, request.model, request.version)
    tx.run(
        "insert into core.comments values (?, ?, ?, make_timestamp(?), ?, ?)",
        request.model, request.version, request.text, tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    put = witness.rows(tx, comments=tx.seq)
    tx.event(VersionCommented(subject=f"model:{request.model}", version=request.version, text=request.text, rows=put))


@command(MoveAlias)
def move_alias(tx: Transaction, request: MoveAlias) -> int | None:
    """Move an alias that needs no review. Answers with the version it stood for."""
    model, alias = request.model, aliases.named(request.alias)
    aliases.known_model(tx, model)
    authors = {tx.actor.name}
    if request.version is not None:
        if aliases.known_version(tx, model, request.version) == "retired":
            raise Conflict(f"{model}/{request.version} is retired.", hint="Take another version.")
        authors |= aliases.authors(tx, model, request.version)
    if alias in aliases.policy_for(tx, model, authors).protected:
        raise Conflict(
            f"{model}@{alias} is protected: it moves by an approved review only.",
            hint=f"Propose the version: `nbops models propose {model}/{request.version or 'VERSION'} --reason …`; or roll back.",
        )
    before = aliases.expected(tx, model, alias, request.expected)
    kind = "removed" if request.version is None else "set"
    aliases.move(tx, model, alias, request.version, kind, why=request.why)
    return before


@command(Rollback)
def rollback(tx: Transaction, request: Rollback) -> int:
    """Move an alias back; a frozen model may be rolled back, too."""
    tx.personal(f"To roll back {request.model}@{request.alias}")
    model, alias = request.model, aliases.named(request.alias)
    aliases.known_model(tx, model)
    now = aliases.expected(tx, model, alias, request.expected)
    if now is None:
        raise NotFound(
            f"{model}@{alias} stands for no version.", hint=f"`nbops models show {model}` lists its aliases."
        )
    protected = alias in aliases.policy_for(tx, model, {tx.actor.name}).protected
    found = aliases.fit_to_return(tx, model, alias, protected=protected)
    if found is None:
        raise Conflict(
            f"There is no version that {model}@{alias} could go back to from version {now}.",
            hint="Those that held it before were rolled back from, retired or frozen: propose another one.",
        )
    aliases.move(tx, model, alias, found, "rolled back", why=request.why)
    return found


@command(Freeze)
def freeze(tx: Transaction, request: Freeze) -> None:
    """Forbid promotions, or allow them again."""
    if not request.frozen:
        tx.personal(f"To allow promotions of {request.model} again")
    aliases.known_model(tx, request.model)
    if request.version is not None:
        aliases.known_version(tx, request.model, request.version)
    sql = "select frozen from core.freezes where model = ? and version is not distinct from ? order by seq desc limit 1"
    found = tx.rows(sql, request.model, request.version)
    if bool(found and found[0][0]) == request.frozen:
        return
    tx.run(
        "insert into core.freezes values (?, ?, ?, ?, make_timestamp(?), ?, ?)",
        request.model, request.version, request.frozen, request.why, tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    put = witness.rows(tx, freezes=tx.seq)
    event = ModelFrozen(
        subject=f"model:{request.model}", version=request.version, frozen=request.frozen, why=request.why, rows=put
    )
    tx.event(event)


@command(Retire)
def retire(tx: Transaction, request: Retire) -> None:
    """A version under an alias stays in use."""
    if aliases.known_version(tx, request.model, request.version) == "retired":
        return
    held = tx.rows(
        """
        select alias from (
            select alias, after from core.alias_moves where model = ?
            qualify row_number() over (partition by alias order by seq desc) = 1
        ) where after = ?
        """,
        request.model, request.version,
    )  # fmt: skip
    if held:
        raise Conflict(
            f"{request.model}@{held[0][0]} stands for version {request.version}.",
            hint="Move the alias first: roll it back, or let another version take its place.",
        )
    tx.run(
        "update core.model_versions set state = 'retired' where model = ? and version = ?",
        request.model,
        request.version,
    )
    tx.event(VersionRetired(subject=f"model:{request.model}", version=request.version, why=request.why))


def _keep_inputs(tx: Transaction, request: RegisterVersion, version: int) -> dict[str, str]:
    """Copy what the run has read until now: whatever it reads later, no model of before was made of."""
    sql = "select name, digest, source, rows from main.run_inputs where run_id = ? order by name"
    found = tx.rows(sql, request.run_id)
    for row in found:
        insert = "insert into core.version_inputs values (?, ?, ?, ?, ?, ?, ?)"
        tx.run(insert, request.model, version, *row, tx.next_seq())
    return {name: digest for name, digest, *_ in found}


def _create(tx: Transaction, model: str) -> None:
    if tx.rows("select 1 from core.models where name = ?", model):
        return
    made = "insert into core.models values (?, make_timestamp(?), ?, ?)"
    tx.run(made, model, tx.time, tx.actor.name, tx.next_seq())
    tx.event(ModelCreated(subject=f"model:{model}", rows=witness.rows(tx, models=tx.seq)))
