"""The writer: one thread that turns envelopes into committed groups.

Envelopes flow in through a queue, at most 64 are committed together, and each is answered after COMMIT and after the sequence
sidecar is on disk. A request that fails alone leaves the others of its group untouched. Nothing else writes to the database.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nbops import duck
from nbops.errors import NbopsError, StoreError, UsageError
from nbops.records import Actor
from nbops.store.commands import COMMANDS, Bulk, Transaction
from nbops.store.database import last
from nbops.store.sidecar import Sidecar
from nbops.store.wire import Envelope, Problem, Reply, Request, encode

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

log = logging.getLogger("nbops.owner")

GROUP = 64
_RESENDS = 100_000
_LEDGER = Bulk.into("core.ledger", tx="uuid", seq="bigint", time="us", result="blob")


@dataclass
class Job:
    """An envelope on its way, or a call that runs alone between two groups; `answer` is called once, on the writer's thread."""

    answer: Callable[[Reply], None]
    _: KW_ONLY
    envelope: Envelope | None = None
    actor: Actor | None = None
    spooled: bool = False
    call: Callable[[Connection], Any] | None = None
    patrol: Callable[[Transaction], None] | None = None
    reply: Reply = field(default_factory=Reply)


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
        self._commands = {name: (msgspec.msgpack.Decoder(request), run) for name, (request, run) in COMMANDS.items()}
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
            call = jobs.pop() if jobs and jobs[-1].call else None
            if jobs:
                self._commit(jobs)
            if call:
                self._call(call)

    def _commit(self, jobs: list[Job]) -> None:
        try:
            self._attempt(jobs)
        except Exception as error:  # noqa: BLE001 - the owner's border: whatever a request provokes, the others must go on
            # A commit that failed has rolled back by itself.
            with contextlib.suppress(duck.errors()):
                self.connection.execute("rollback")
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
        group = Transaction(self.connection, self.facts, self.seq, self.head)
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
                job.reply = self._run(group, envelope, spooled=job.spooled)
            except NbopsError as error:
                if not group.back_to(mark):
                    raise
                job.reply = Reply(problem=Problem.of(error))
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

    def _run(self, group: Transaction, envelope: Envelope, *, spooled: bool) -> Reply:
        results = []
        for raw in envelope.commands:
            run, request = self._decode(raw)
            if spooled and not request.spools:
                # Nobody's client spools it: whoever wrote the file wants to get around what is asked of a peer.
                raise UsageError(
                    f"{request.__struct_config__.tag!r} does not come by a spool: it is decided at once, or not at all.",
                    hint="Ask for it again while the store can be reached.",
                )
            results.append(run(group, request))
        seq = group.next_seq()
        kept = encode(results) if any(result is not None for result in results) else None
        group.add(_LEDGER, envelope.tx, seq, group.time, kept)
        return Reply(seq=seq, results=results)

    def _decode(self, raw: msgspec.Raw) -> tuple[Callable[[Transaction, Any], Any], Request]:
        try:
            tag = msgspec.msgpack.decode(raw, type=_Tagged).command
            if tag not in self._commands:
                raise UsageError(
                    f"The store's owner knows no command {tag!r}.",
                    hint="Upgrade nbops where the owner runs: `nbops db stop`.",
                )
            decoder, run = self._commands[tag]
            return run, decoder.decode(raw)
        except msgspec.ValidationError as error:
            raise UsageError(
                f"The request does not fit: {error}.",
                hint="Client and owner may differ in version: see `nbops doctor`.",
            ) from error

    def _recorded(self, group: Transaction, envelope: Envelope) -> Reply | None:
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

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        known = error if isinstance(error, NbopsError) else self._unknown(error)
        for job in jobs:
            job.answer(Reply(problem=Problem.of(known)))

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
            reply = Reply(problem=Problem.of(error if isinstance(error, NbopsError) else self._unknown(error)))
        job.answer(reply)


class _Tagged(msgspec.Struct):
    command: str
