"""What the owner does about models and their versions."""

from __future__ import annotations

from nbops.events import ModelCreated, ModelTrusted, VersionRegistered
from nbops.registry.requests import RegisterVersion, TrustModel
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
    if not tx.rows("select 1 from core.models where name = ?", request.model):
        made = "insert into core.models values (?, make_timestamp(?), ?, ?)"
        tx.run(made, request.model, tx.time, tx.actor.name, tx.next_seq())
        tx.event(ModelCreated(subject=subject))
    version = int(
        tx.rows("select coalesce(max(version), 0) + 1 from core.model_versions where model = ?", request.model)[0][0]
    )
    tx.run(
        "insert into core.model_versions values (?, ?, ?, ?, ?, ?, 'registered', make_timestamp(?), ?, ?, ?)",
        request.model, version, request.run_id, request.artifact, request.manifest, request.sha256, tx.time, tx.actor.name,
        request.description, tx.next_seq(),
    )  # fmt: skip
    tx.event(VersionRegistered(subject=subject, version=version, run_id=request.run_id, sha256=request.sha256))
    return version
