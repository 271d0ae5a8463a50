"""The owner's inside without its process: a store's file, its sidecar and its writer in the test itself."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

import nbops.tracking.commands  # noqa: F401 - teaches the writer its verbs, as the owner's main does
from nbops import duck
from nbops.config import Settings
from nbops.records import Actor, new_id, now_us
from nbops.store import database, guard
from nbops.store.client import Store
from nbops.store.places import Places
from nbops.store.sidecar import Sidecar
from nbops.store.wire import Envelope, Reply, Request, Table, encode
from nbops.store.writer import Job, Writer
from nbops.tracking.requests import StartRun

ACTOR = Actor(name="ann", uid=1000, host="here", pid=1)


class Inside:
    """A store that the test itself owns."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(project=folder)
        self.places = Places(self.settings.folder)
        self.places.create()
        self._begin()

    def together(self, *envelopes: Envelope, actor: Actor = ACTOR) -> list[Reply]:
        """The answers to one's envelopes that are all in line before the writer looks, so that they form groups."""
        gate = threading.Event()
        answers: list[queue.SimpleQueue[Reply]] = [queue.SimpleQueue() for _ in envelopes]
        self.writer.submit(Job(lambda _: None, call=lambda _: gate.wait()))
        for envelope, answer in zip(envelopes, answers, strict=True):
            self.writer.submit(Job(answer.put, envelope=envelope, actor=actor))
        gate.set()
        return [answer.get(timeout=30) for answer in answers]

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What is committed."""
        return duck.rows(duck.cursor(self.opened.connection), sql, values)

    def count(self, table: str) -> int:
        """How many rows of core's table are committed."""
        return int(self.rows(f"select count(*) from core.{table}")[0][0])  # noqa: S608 - a name of the test's own

    def near(self) -> Store:
        """What reads this store as a client does, no more."""
        return cast("Store", Near(self))

    def edit(self, sql: str, *values: object) -> None:
        """Change the file behind the writer's back."""
        duck.cursor(self.opened.connection).execute(sql, list(values))

    def restart(self) -> None:
        """Leave the file and open it again, as the next owner does."""
        self.close()
        self._begin()

    def close(self) -> None:
        """Leave the file."""
        self.writer.stop()
        self.opened.connection.close()
        self.sidecar.close()

    def _begin(self) -> None:
        self.sidecar = Sidecar(self.places.sidecar)
        self.opened = database.open_store(self.places, self.settings, self.sidecar)
        self.writer = Writer(self.opened.connection, self.places.database, self.sidecar, on_fatal=lambda: None)
        self.writer.start()


class Near:
    """Reads what is committed, under the rules for SQL that the owner has."""

    def __init__(self, inside: Inside) -> None:
        self.places = inside.places
        self.settings = inside.settings
        self._inside = inside

    def read(self, sql: str, values: Sequence[object] = (), limit: int = 1_000_000) -> Table:
        """The rows of one SELECT."""
        guard.check(duck.cursor(self._inside.opened.connection), sql)
        rows = [list(row) for row in self._inside.rows(sql, *values)[:limit]]
        return Table(columns=[], rows=rows, truncated=False)


def envelope(*requests: Request, tx: str | None = None, resend: bool = False) -> Envelope:
    """The requests as a client would send them."""
    return Envelope(tx=tx or new_id(), commands=[msgspec.Raw(encode(request)) for request in requests], resend=resend)


def start(run_id: str | None = None, experiment: str = "flights") -> StartRun:
    """The beginning of a run that nobody holds."""
    return StartRun(
        run_id=run_id or new_id(), experiment=experiment, name="a run", started=now_us(), host="elsewhere", pid=1
    )
