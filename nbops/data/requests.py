"""What processes ask the owner to record about data."""

from __future__ import annotations

from typing import Any, Literal

from nbops.records import Record
from nbops.store.wire import Request

Status = Literal["taken", "unchanged", "refused", "failed"]
"""How a collection ended: there is a new snapshot; there is nothing new; a contract forbids it; it could not be read."""


class Declare(Request, tag="data.declare"):
    """A source as it is declared now, by a file of the project or only by who collects it. The same again is not recorded.

    `every` in seconds.
    """

    name: str
    address: str
    declaration: str
    in_file: bool
    every: float | None = None
    owner: str | None = None
    licence: str | None = None
    purpose: str | None = None


class Part(Record):
    """A Parquet file of a snapshot: a blob, with the sum of its rows' hashes as two words in hex, and the ends of its watermark."""

    sha256: str
    bytes: int
    rows: int
    low: str
    high: str
    first: Any = None
    last: Any = None


class NewSnapshot(Record):
    """A version of data; `parent` is the version it was made on, which has to be the last one still."""

    content_hash: str
    rows: int
    columns: dict[str, str]
    parts: list[Part]
    parent: int | None = None
    profile: str | None = None
    watermark: str | None = None
    inputs: dict[str, int] = {}


class NewBatch(Record):
    """Rows that were set aside: a blob of Parquet, and how many there are for each reason."""

    sha256: str
    rows: int
    whole: bool
    reasons: dict[str, int]


class Settled(Record):
    """A row of a batch that is dealt with, by its hash; `rows` of them were equal, `sha256` holds what they became."""

    hash: str
    batch_id: str
    rows: int
    act: Literal["readmitted", "discarded"]
    sha256: str | None = None


class Outcome(Record):
    """What a contract's rule found."""

    rule: str
    severity: str
    outcome: str
    broken: int
    detail: str


class Collect(Request, tag="data.collect"):
    """A collection or a repair with all that came of it, at once. Times in UTC microseconds. Answers with the snapshot's version.

    Raises Conflict when another one came first, or a row is dealt with already.
    """

    collection_id: str
    source: str
    status: Status
    started: int
    ended: int
    how: Literal["collected", "repaired"] = "collected"
    rows: int = 0
    good: int = 0
    quarantined: int = 0
    dropped: int = 0
    scanned: bool = True
    contract_name: str | None = None
    contract: str | None = None
    outcomes: list[Outcome] = []
    origin: str | None = None
    message: str | None = None
    why: str | None = None
    run_id: str | None = None
    snapshot: NewSnapshot | None = None
    batch: NewBatch | None = None
    settled: list[Settled] = []


class Prune(Request, tag="data.prune"):
    """Give up versions of a source. Those that a model's version needs, and the last one, stay. Answers with the versions that went."""

    source: str
    versions: list[int]
