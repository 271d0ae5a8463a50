"""What processes ask the owner to record about models."""

from __future__ import annotations

from nbops.records import Record
from nbops.registry.card import Card
from nbops.store.wire import Request


class TrustModel(Request, tag="model.trust"):
    """The caller answers for what a model brings and is about to load it; `reference` is what was asked for."""

    reference: str
    sha256: str
    types: list[str]
    code: list[str]
    pickle: bool


class RegisterVersion(Request, tag="version.register"):
    """A run's logged model becomes the next version of `model`, which is made if it is new. Answers with the number.

    `profile` is that of its reference with `rows`, and `variation` how much its days differ, both as JSON.
    """

    model: str
    run_id: str
    artifact: str
    sha256: str
    manifest: str
    description: str | None = None
    rows: int = 0
    profile: str | None = None
    variation: str | None = None


class DescribeModel(Request, tag="model.describe"):
    """Say what a model is for and how it is promoted."""

    model: str
    card: Card
    why: str | None = None


class Measured(Record):
    """A metric with its interval, as it is kept for queries."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    unit: str


class KeepEvaluation(Request, tag="model.evaluate"):
    """How a run's model did; the rows and the report are kept as blobs already."""

    evaluation_id: str
    run_id: str
    sha256: str
    target: str
    task: str
    metric: str
    unit: str
    rows: int
    blocks: int | None
    data_name: str
    data_digest: str
    rows_sha256: str
    report_sha256: str
    metrics: list[Measured]


class Comment(Request, tag="version.comment"):
    """Say something about a version, or about the model."""

    model: str
    text: str
    version: int | None = None


class MoveAlias(Request, tag="alias.move"):
    """Let an alias that is not protected stand for a version, for none to remove it.

    `expected` is the version that it stands for until now, 0 for none; without it whatever it stands for.
    """

    model: str
    alias: str
    version: int | None
    expected: int | None = None
    why: str | None = None


class Rollback(Request, tag="alias.rollback"):
    """Let an alias stand again for the last version that held it and is fit to. Answers with that version."""

    model: str
    alias: str
    why: str
    expected: int | None = None


class Freeze(Request, tag="model.freeze"):
    """Forbid promotions of a model, or of a version of it, or allow them again."""

    model: str
    frozen: bool
    why: str
    version: int | None = None


class Retire(Request, tag="version.retire"):
    """A version that holds no alias is not to be used any more."""

    model: str
    version: int
    why: str
