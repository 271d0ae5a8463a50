"""The writer: one thread that turns envelopes into committed groups.

Envelopes flow in through a queue, at most 64 are committed together, and each is answered after COMMIT and after the sequence
sidecar is on disk. A request that fails alone leaves the others of its group untouched. Nothing else writes to the database.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nbops import duck
from nbops.errors import NbopsError, StoreError, UsageError
from nbops.events import Event
from nbops.records import Actor, now_us
from nbops.store.chain import link
from nbops.store.commands import COMMANDS, Bulk, Command, Transaction
from nbops.store.database import last
from nbops.store.sidecar import Sidecar
from nbops.store.wire import Envelope, Problem, Reply, Request, encode

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

log = logging.getLogger("nbops.owner")

GROUP = 64
_RESENDS = 100_000
_LEDGER = Bulk.into("core.ledger", tx="uuid", seq="bigint", time="us", result="blob")
_EVENTS = Bulk.into(
    "core.events", seq="bigint", time="us", actor="varchar", verb="varchar", subject="varchar", detail="varchar",
    previous_hash="varchar", hash="varchar",
)  # fmt: skip


class Job:
    """An envelope on its way, or a call that runs alone between two groups; `answer` is called once, on the writer's thread."""

    def __init__(
        self,
        answer: Callable[[Reply], None],
        *,
        envelope: Envelope | None = None,
        actor: Actor | None = None,
        call: Callable[[Connection], Any] | None = None,
        patrol: Callable[[Transaction], None] | None = None,
    ) -> None:
        self.envelope = envelope
        self.actor = actor
        self.call = call
        self.patrol = patrol
        self.answer = answer
        self.reply = Reply()


class _Group:
    """The transaction of one group, as commands see it."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._pending: dict[Bulk, tuple[list[Any], ...]] = {}
        self.seq = writer.seq
        self.head = writer.head
        self.facts: dict[tuple[str, str], Any] = {}
        self.direct = 0
        self.actor = Actor(name="nbops", uid=os.getuid(), host="", pid=os.getpid())
        self.time = now_us()

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def next_seqs(self, count: int) -> int:
        first, self.seq = self.seq + 1, self.seq + count
        return first

    def add(self, bulk: Bulk, *row: object) -> None:
        columns = self._columns(bulk)
        for column, value in zip(columns, row, strict=True):
            column.append(value)

    def add_columns(self, bulk: Bulk, rows: int, *columns: object) -> None:
        for column, values in zip(self._columns(bulk), columns, strict=True):
            column.extend(values if isinstance(values, (list, range)) else [values] * rows)

    def load(self, sql: str, values: Sequence[object], rows: int, **columns: tuple[str, bytes]) -> None:
        self.flush()
        self.direct += 1
        duck.load(self._writer.connection, sql, values, rows, columns)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        self.flush()
        return duck.rows(self._writer.connection, sql, values)

    def run(self, sql: str, *values: object) -> None:
        self.flush()
        self.direct += 1
        self._writer.connection.execute(sql, list(values))

    def event(self, event: Event) -> None:
        seq = self.next_seq()
        detail = msgspec.json.encode(event).decode()
        verb = str(event.__struct_config__.tag)
        before, self.head = self.head, link(self.head, seq, self.time, self.actor.name, verb, event.subject, detail)
        self.add(_EVENTS, seq, self.time, self.actor.name, verb, event.subject, detail, before, self.head)

    def cached(self, kind: str, key: str, load: Callable[[], Any]) -> Any:
        for facts in (self.facts, self._writer.facts):
            if (kind, key) in facts:
                return facts[kind, key]
        value = load()
        if value is not None:
            self.facts[kind, key] = value
        return value

    def remember(self, kind: str, key: str, value: object) -> None:
        self.facts[kind, key] = value

    def flush(self) -> None:
        # Bulks run in the order in which the domains declared them: a run is inserted before its end updates it.
        for bulk in sorted(self._pending, key=lambda b: b.order):
            columns = self._pending.pop(bulk)
            if columns[0]:
                self.direct += 1
                self._writer.connection.execute(bulk.statement, list(columns))

    def mark(self) -> tuple[Any, ...]:
        lengths = {bulk: len(columns[0]) for bulk, columns in self._pending.items()}
        return lengths, self.seq, self.head, dict(self.facts), self.direct

    def back_to(self, mark: tuple[Any, ...]) -> bool:
        """Undo what was put since a mark; False when a statement has reached the database since, so that only a rollback helps."""
        lengths, self.seq, self.head, self.facts, direct = mark
        if direct != self.direct:
            return False
        for bulk, columns in self._pending.items():
            for column in columns:
                del column[lengths.get(bulk, 0) :]
        return True

    def _columns(self, bulk: Bulk) -> tuple[list[Any], ...]:
        if bulk not in self._pending:
            self._pending[bulk] = tuple([] for _ in bulk.columns)
        return self._pending[bulk]


class Writer:
    """Owns the connection that writes. `submit` may be called from any thread."""

    def __init__(self, connection: Connection, path: Path, sidecar: Sidecar, *, on_fatal: Callable[[], None]) -> None:
        self.connection = connection
        self._path = path
        self.facts: dict[tuple[str, str], Any] = {}
        self._resent: set[str] = set()
        self._sidecar = sidecar
        self._on_fatal = on_fatal
        self.seq, self.head = last(connection)
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._by_tag = {c.name: c for c in COMMANDS.values()}
        self._parse = {c.name: msgspec.msgpack.Decoder(c.request) for c in COMMANDS.values()}
        self._thread = threading.Thread(target=self._work, name="nbops-writer", daemon=True)

    def start(self) -> None:
        """Begin to work on the queue."""
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job; its answer comes later, on the writer's thread."""
        self._queue.put(job)

    def stop(self) -> None:
        """Finish what is queued and end the thread."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        stopping = False
        while not stopping:
            jobs: list[Job] = []
            job = self._queue.get()
            while True:
                if job is None:
                    stopping = True
                    break
                jobs.append(job)
                if job.call or len(jobs) == GROUP:
                    break
                try:
                    job = self._queue.get_nowait()
                except queue.Empty:
                    break
            calls = [j for j in jobs if j.call]
            envelopes = [j for j in jobs if not j.call]
            if envelopes:
                self._commit(envelopes)
            for job in calls:
                self._call(job)

    def _commit(self, jobs: list[Job]) -> None:
        try:
            self._attempt(jobs)
        except Exception as error:  # noqa: BLE001 - the owner's border: whatever a request provokes, the others must go on
            self._roll_back()
            if duck.is_fatal(error):
                self._fail(jobs, error)
                self._on_fatal()
            elif len(jobs) == 1:
                self._fail(jobs, error)
            else:
                # DuckDB has no savepoints: one poisoned request is found by trying each alone.
                for job in jobs:
                    self._commit([job])
            return
        for job in jobs:
            job.answer(job.reply)

    def _attempt(self, jobs: list[Job]) -> None:
        group = _Group(self)
        self.connection.execute("begin transaction")
        done: dict[str, Reply] = {}
        for job in jobs:
            group.actor = job.actor or group.actor
            if job.patrol:
                job.patrol(group)
            envelope = job.envelope
            if envelope is None:
                continue
            known = done.get(envelope.tx) or self._recorded(group, envelope)
            if known:
                job.reply = known
                continue
            mark = group.mark()
            try:
                job.reply = self._run(group, envelope)
            except NbopsError as error:
                if not group.back_to(mark):
                    raise
                job.reply = Reply(problem=_problem(error))
                continue
            done[envelope.tx] = job.reply
        group.flush()
        self.connection.execute("commit")
        # From here on nothing may fail the group: it is committed, and a retry would write it twice.
        self._remember_resends(jobs)
        self.facts.update(group.facts)
        if group.seq > self.seq:
            self.seq, self.head = group.seq, group.head
            try:
                self._sidecar.promise(group.seq, group.head)
            except OSError:
                log.exception("the sequence could not be put beside the store")

    def _run(self, group: _Group, envelope: Envelope) -> Reply:
        results = []
        for raw in envelope.commands:
            found, request = self._decode(raw)
            results.append(found.run(group, request))
        seq = group.next_seq()
        kept = encode(results) if any(result is not None for result in results) else None
        group.add(_LEDGER, envelope.tx, seq, group.time, kept)
        return Reply(seq=seq, results=results)

    def _decode(self, raw: msgspec.Raw) -> tuple[Command, Request]:
        try:
            tag = msgspec.msgpack.decode(raw, type=_Tagged).command
            found = self._by_tag.get(tag)
            if found is None:
                raise UsageError(
                    f"The store's owner knows no command {tag!r}.",
                    hint="Upgrade nbops where the owner runs: `nbops db stop`.",
                )
            return found, self._parse[tag].decode(raw)
        except msgspec.ValidationError as error:
            raise UsageError(
                f"The request does not fit: {error}.",
                hint="Client and owner may differ in version: see `nbops doctor`.",
            ) from error

    def _recorded(self, group: _Group, envelope: Envelope) -> Reply | None:
        if not (envelope.resend or envelope.tx in self._resent):
            return None
        found = group.rows("select seq, result from core.ledger where tx = ?", envelope.tx)
        if not found:
            return None
        seq, result = found[0]
        return Reply(
            seq=seq, results=msgspec.msgpack.decode(result) if result is not None else [None] * len(envelope.commands)
        )

    def _remember_resends(self, jobs: list[Job]) -> None:
        """The first sending may still lie in a connection that its sender gave up; only this process can come to read it."""
        if len(self._resent) > _RESENDS:
            self._resent.clear()
        self._resent.update(job.envelope.tx for job in jobs if job.envelope and job.envelope.resend)

    def _roll_back(self) -> None:
        try:
            self.connection.execute("rollback")
        except duck.errors():
            # A commit that failed has rolled back by itself.
            pass

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        known = error if isinstance(error, NbopsError) else self._unknown(error)
        for job in jobs:
            job.answer(Reply(problem=_problem(known)))

    def _unknown(self, error: Exception) -> NbopsError:
        log.error("a request failed", exc_info=error)
        if isinstance(error, (duck.errors(), OSError)):
            # Its class first: a value that stands in the text of the error could read like any fault of the file.
            return duck.values_fault(error) or duck.translate(error, self._path)
        return StoreError(f"The owner failed on this request: {error!r}.", hint="Report it with .nbops/run/owner.log.")

    def _call(self, job: Job) -> None:
        if job.call is None:
            return
        try:
            reply = Reply(seq=self.seq, results=[job.call(self.connection)])
        except Exception as error:  # noqa: BLE001 - the owner's border: a failing backup must not end the writer
            reply = Reply(problem=_problem(error if isinstance(error, NbopsError) else self._unknown(error)))
        job.answer(reply)


class _Tagged(msgspec.Struct):
    command: str


def _problem(error: NbopsError) -> Problem:
    return Problem(code=error.code, message=error.message, hint=error.hint)
