"""What processes ask the owner to record about models."""

from __future__ import annotations

from nbops.store.wire import Request


class TrustModel(Request, tag="model.trust"):
    """The caller answers for what a model brings and is about to load it; `reference` is what was asked for."""

    reference: str
    sha256: str
    types: list[str]
    code: list[str]
    pickle: bool


class RegisterVersion(Request, tag="version.register"):
    """A run's logged model becomes the next version of `model`, which is made if it is new. Answers with the number."""

    model: str
    run_id: str
    artifact: str
    sha256: str
    manifest: str
    description: str | None = None
