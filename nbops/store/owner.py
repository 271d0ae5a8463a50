"""The owner: the one process that has the store's file open. HTTP over a socket flows in, commits and rows flow out.

It serves from its first moment; while the file cannot be opened it says why. It leaves when it has been idle, is asked to, or its
DuckDB instance broke; whoever needs it next starts another.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import functools
import io
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

import nbops
from nbops import duck
from nbops.config import Settings
from nbops.errors import NbopsError, StoreHeld, StoreUnavailable, UsageError
from nbops.records import Actor
from nbops.store import blobs, database, guard, marks, spool
from nbops.store.commands import PATROLS
from nbops.store.meeting import Meeting
from nbops.store.places import Places, open_file, shared, user_name
from nbops.store.sidecar import Sidecar
from nbops.store.wire import (
    ARROW,
    MAX_BODY,
    MEDIA,
    PROTOCOL,
    Control,
    Envelope,
    Hello,
    Problem,
    Read,
    Reply,
    Table,
    encode,
)
from nbops.store.writer import Job, Writer

_REOPEN_SECONDS = 0.5
_OPENING_SECONDS = 5.0
_PATROL_SECONDS = 2.0
_READERS = 4
_HOST = socket.gethostname()
_OVER_TCP = "over TCP nobody can tell which process asks for it (setting store.transport)"

log = logging.getLogger("nbops.owner")

Send = Callable[[dict[str, Any]], Any]
Receive = Callable[[], Any]


class _Peer(HttpToolsProtocol):
    """uvicorn's protocol, with the peer's uid, pid and mark as the kernel tells them in the scope's `client`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family == socket.AF_UNIX:
            peer = marks.peer(sock)
            self.client = (f"uid:{peer.uid}:{peer.impersonal}", peer.pid)


class Owner:
    """The ASGI application and its life. `serve` returns when the owner has left the store cleanly."""

    def __init__(self, places: Places, settings: Settings, meeting: Meeting) -> None:
        self._places = places
        self._settings = settings
        self._meeting = meeting
        self._state = "opening"
        self._problem: NbopsError = StoreUnavailable("The store is being opened.", hint="Try again in a moment.")
        self._opened: database.Opened | None = None
        self._tried = asyncio.Event()
        self._writer: Writer | None = None
        self._sidecar: Sidecar | None = None
        self._last_use = time.monotonic()
        self._folded: dict[Path, int] = {}
        self._folding = asyncio.Lock()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="nbops-reader")
        self._reader = threading.local()
        self._reading: set[Any] = set()
        self._checked: set[str] = set()
        self._fatal = False
        self._locked_out = False
        self._server = uvicorn.Server(
            uvicorn.Config(
                self, http=_Peer, ws="none", lifespan="off", loop="asyncio", interface="asgi3", log_config=None, access_log=False,
                proxy_headers=False,
                timeout_keep_alive=3600, timeout_graceful_shutdown=10, backlog=1024,
            )
        )  # fmt: skip
        self._routes: dict[tuple[str, str], Callable[[Actor, bytes, Send], Any]] = {
            ("POST", "/v1/write"): self._write,
            ("POST", "/v1/read"): self._read,
            ("GET", "/v1/hello"): self._hello,
            ("POST", "/v1/control"): self._control,
        }

    def serve(self, listener: socket.socket) -> None:
        """Answer on the listening socket until it is time to leave."""
        # uvicorn raises the signal that stopped it once more, which must not cut our own end short.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        asyncio.run(self._live(listener))

    async def _live(self, listener: socket.socket) -> None:
        opening = asyncio.create_task(self._open())
        watching = asyncio.create_task(self._watch())
        try:
            await self._server.serve(sockets=[listener])
        finally:
            self._state = "draining"
            self._meeting.leave()
            opening.cancel()
            watching.cancel()
            await asyncio.get_running_loop().run_in_executor(None, self._close)

    async def _open(self) -> None:
        """Try until the file opens: whoever holds it may close it, a full disk may get room."""
        loop, moments = asyncio.get_running_loop(), 3
        while True:
            try:
                await loop.run_in_executor(None, self._open_once)
            except (NbopsError, OSError) as error:
                if isinstance(error, StoreHeld) and moments:
                    # Perhaps by an owner that was killed and is not quite dead: no reason for alarm yet.
                    moments -= 1
                    await asyncio.sleep(0.1)
                    continue
                problem = error if isinstance(error, NbopsError) else duck.translate(error, self._places.database)
                if self._state != "blocked" or str(problem) != str(self._problem):
                    log.warning("blocked: %s", problem)
                self._state, self._problem = "blocked", problem
                self._tried.set()
                await asyncio.sleep(_REOPEN_SECONDS)
            else:
                self._tried.set()
                break
        await self._look_after()

    def _open_once(self) -> None:
        if self._sidecar is None:
            try:
                self._places.create(self._settings.store.group)
                self._sidecar = Sidecar(self._places.sidecar)
            except OSError as error:
                # A folder that cannot be written still can be read.
                if error.errno not in {errno.EROFS, errno.EACCES, errno.EPERM} or not self._places.database.exists():
                    raise
        opened = database.open_store(self._places, self._settings, self._sidecar)
        self._opened = opened
        if opened.read_only or self._sidecar is None:
            self._locked_out = not self._places.writable()
            self._state = "read-only"
            return
        self._writer = Writer(opened.connection, self._places.database, self._sidecar, on_fatal=self._break)
        self._writer.start()
        self._state = "ready"

    async def _watch(self) -> None:
        """Leave when nobody came for a while."""
        idle = self._settings.store.idle_minutes * 60
        while True:
            await asyncio.sleep(min(_PATROL_SECONDS, max(idle / 4, 0.05)))
            if time.monotonic() - self._last_use > idle and not self._server.server_state.tasks:
                self._server.should_exit = True
                return
            if self._state == "ready":
                await self._look_after()
            elif self._state == "read-only" and self._locked_out and self._places.writable():
                # The next owner opens the file for writing.
                self._server.should_exit = True
                return

    async def _look_after(self) -> None:
        """Do what nobody asks for. A round that fails, on a full disk for example, is not the owner's end."""
        try:
            # In this order: what a dead process has spooled says more about its runs than a patrol can find out.
            await self._fold()
            await self._patrol()
        except (NbopsError, OSError) as error:
            log.warning("left for the next round: %s", error)

    async def _patrol(self) -> None:
        if self._writer is None:
            return
        for look in PATROLS:
            await self._submit(patrol=lambda transaction, look=look: look(transaction, self._places))

    def _break(self) -> None:
        # Leaving at once is safe: nothing unacknowledged was promised.
        self._fatal = True
        self._state = "draining"
        os.kill(os.getpid(), signal.SIGTERM)

    def _close(self) -> None:
        if self._writer:
            self._writer.stop()
        # A long query, which the server gave up a while ago, must not keep the next owner waiting.
        self._readers.shutdown(wait=False, cancel_futures=True)
        for session in list(self._reading):
            session.interrupt()
        self._readers.shutdown(wait=True)
        if self._opened:
            try:
                if self._writer and not self._fatal:
                    self._opened.connection.execute(f"checkpoint {duck.NAME}")
                self._opened.connection.close()
            except duck.errors():
                log.exception("closing the store")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request; whatever it provokes is an answer too."""
        self._last_use = time.monotonic()
        problem: NbopsError
        try:
            actor = self._actor(scope)
            route = self._routes.get((scope["method"], scope["path"]))
            if route is None:
                raise UsageError(
                    f"There is no {scope['method']} {scope['path']}.", hint="Client and owner may differ in version."
                )
            await route(actor, await _body(scope, receive), send)
        except NbopsError as error:
            problem = error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            problem = UsageError(
                f"The request cannot be read: {error}.", hint="Client and owner may differ in version."
            )
        except Exception as error:
            log.exception("a request failed")
            problem = NbopsError(f"The owner failed: {error!r}.", hint="See .nbops/run/owner.log.")
        else:
            return
        finally:
            self._last_use = time.monotonic()
        await _answer(send, encode(Reply(problem=Problem.of(problem))), status=problem.exit.http)

    def _actor(self, scope: dict[str, Any]) -> Actor:
        who, number = scope.get("client") or ("", 0)
        headers = dict(scope["headers"])
        if who.startswith("uid:"):
            _, user, impersonal = who.split(":", 2)
            uid = int(user)
            # Whom the system lets connect in a folder for a group is a member of it.
            if uid in {os.getuid(), 0} or shared(self._places.folder):
                return Actor(name=user_name(uid), uid=uid, host=_HOST, pid=number, impersonal=impersonal)
        elif self._meeting.token_is(headers.get(b"authorization", b"").decode()):
            # Where a socket would tell, nobody gets around it by asking for another way.
            impersonal = _OVER_TCP if marks.SUPPORTED else headers.get(b"nbops-declared", b"").decode()
            return Actor(name=user_name(os.getuid()), uid=os.getuid(), host=_HOST, pid=0, impersonal=impersonal)
        raise UsageError(
            "This store belongs to another user.",
            hint="Share it with a group that both are in: `store.group` in its nbops.toml.",
            code="model.trust",
        )

    async def _hello(self, _actor: Actor, _body: bytes, send: Send) -> None:
        opened, problem = self._opened, self._problem
        blocked = self._state in {"blocked", "opening"}
        hello = Hello(
            protocol=PROTOCOL,
            nbops=nbops.__version__,
            duckdb=duck.version(),
            schema=opened.schema if opened else 0,
            store=opened.store_id if opened else "",
            state=self._state,
            code=problem.code if blocked else "",
            message=problem.message if blocked else opened.notice if opened else "",
            hint=problem.hint if blocked else opened.hint if opened else "",
            pid=os.getpid(),
            seq=self._writer.seq if self._writer else 0,
            clients=len(self._server.server_state.connections),
        )
        await _answer(send, encode(hello))

    async def _patience(self) -> None:
        """Wait for a file that is just being opened: whoever asked would ask again later than need be."""
        if not self._tried.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._tried.wait(), _OPENING_SECONDS)

    async def _write(self, actor: Actor, body: bytes, send: Send) -> None:
        await self._patience()
        reply = await self._submit(envelope=_envelope.decode(body), actor=actor)
        await _answer(send, encode(reply), status=_status(reply))

    async def _submit(self, **job: Any) -> Reply:
        writer = self._writer
        if writer is None or self._state != "ready":
            raise self._unready()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()

        def answer(reply: Reply) -> None:
            loop.call_soon_threadsafe(_settle, future, reply)

        writer.submit(Job(answer, **job))
        return await future

    def _unready(self) -> NbopsError:
        if self._state == "read-only" and self._opened:
            return StoreUnavailable(self._opened.notice, hint=self._opened.hint, code="store.unavailable.read-only")
        if self._state == "draining":
            return StoreUnavailable("The store's owner is leaving.", hint="Another one starts with the next request.")
        return self._problem

    async def _read(self, _actor: Actor, body: bytes, send: Send) -> None:
        await self._patience()
        if self._opened is None:
            raise self._unready()
        query = _read.decode(body)
        loop = asyncio.get_running_loop()
        if query.arrow:
            await loop.run_in_executor(self._readers, self._stream, query, send, loop)
        else:
            table = await loop.run_in_executor(self._readers, self._table, query)
            await _answer(send, encode(table))

    def _session(self, query: Read) -> Any:
        if not hasattr(self._reader, "session"):
            if self._opened is None:
                raise self._unready()
            self._reader.session = duck.cursor(self._opened.connection)
        session = self._reader.session
        if query.sql not in self._checked:
            guard.check(session, query.sql)
            if len(self._checked) > 500:
                self._checked.clear()
            self._checked.add(query.sql)
        return session

    def _table(self, query: Read) -> Table:
        session = self._session(query)
        with _read_only(session, query.timeout, self._reading):
            result = session.execute(query.sql, query.values)
            rows = result.fetchmany(query.limit + 1)
            columns = [column[0] for column in result.description]
        return Table(
            columns=columns, rows=[list(row) for row in rows[: query.limit]], truncated=len(rows) > query.limit
        )

    def _stream(self, query: Read, send: Send, loop: asyncio.AbstractEventLoop) -> None:
        """Send Arrow IPC batch by batch, so that memory stays flat. What goes wrong after the first follows the stream's end as a Reply."""
        import pyarrow as pa

        session = self._session(query)
        sink = io.BytesIO()
        start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", ARROW.encode())]}
        started, last = False, b""
        try:
            with _read_only(session, query.timeout, self._reading):
                left = query.limit
                # DuckDB 2 ends no transaction while a result of it is open, so the reader closes whatever happens.
                with (
                    duck.batches(session, query.sql, query.values, 100_000) as reader,
                    pa.ipc.new_stream(sink, reader.schema) as stream,
                ):
                    for batch in reader:
                        stream.write_batch(batch.slice(0, left))
                        left -= batch.num_rows
                        if not started:
                            _send_now(send, start, loop)
                            started = True
                        _send_now(
                            send, {"type": "http.response.body", "body": sink.getvalue(), "more_body": True}, loop
                        )
                        sink.seek(0)
                        sink.truncate()
                        if left <= 0:
                            break
        except NbopsError as error:
            if not started:
                raise
            last = encode(Reply(problem=Problem.of(error)))
        if not started:
            _send_now(send, start, loop)
        _send_now(send, {"type": "http.response.body", "body": sink.getvalue() + last}, loop)

    async def _control(self, _actor: Actor, body: bytes, send: Send) -> None:
        act = _control.decode(body)
        if act.action == "drain":
            self._state = "draining"
            self._server.should_exit = True
            await _answer(send, encode(Reply()))
            return
        if act.action == "fold":
            if self._state != "ready":
                raise self._unready()
            reply = Reply(problem=await self._fold())
        elif act.action == "backup":
            reply = await self._submit(call=functools.partial(_backup, self._places))
        elif act.action == "checkpoint":
            reply = await self._submit(call=_checkpoint)
        elif act.action == "prune":
            reply = await self._submit(call=functools.partial(_prune, int(act.argument)))
        else:
            raise UsageError(f"There is no act {act.action!r}.", hint="Known: drain, fold, backup, checkpoint, prune.")
        await _answer(send, encode(reply), status=_status(reply))

    async def _fold(self) -> Problem | None:
        """Bring in what was spooled. Gives what is wrong with the store, if that kept anything out."""
        problem = None
        if self._state != "ready":
            return problem
        async with self._folding:
            for path in list(spool.segments(self._places)):
                try:
                    problem = await self._fold_segment(path)
                    if problem is not None:
                        # Later segments may build on this one.
                        break
                except (OSError, msgspec.MsgspecError) as error:
                    # One that cannot be read keeps nobody else's waiting.
                    log.warning("%s waits: %s", path, error)
                    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
                        # No room for a file that it brings: later segments may build on this one too.
                        problem = Problem.of(duck.translate(error, path))
                        break
        return problem

    async def _fold_segment(self, path: Path) -> Problem | None:
        done, actor, batch = await asyncio.to_thread(self._look_into, path)
        replies = await asyncio.gather(
            *(
                self._submit(envelope=msgspec.structs.replace(envelope, resend=True), actor=actor, spooled=True)
                for _, envelope in batch
            )
        )
        for (_, envelope), reply in zip(batch, replies, strict=True):
            if reply.problem and reply.problem.code.startswith("store."):
                # The store's state refuses it, not the store's rules: it is tried again.
                return reply.problem
            if reply.problem:
                kept = spool.reject(self._places, path, envelope, reply.problem)
                log.warning("refused at the fold, kept as %s: %s", kept, reply.problem.message)
        if batch:
            self._folded[path] = batch[-1][0]
        if done:
            await asyncio.to_thread(path.unlink)
            self._folded.pop(path, None)
        return None

    def _look_into(self, path: Path) -> tuple[bool, Actor, list[tuple[int, Envelope]]]:
        """Whether a segment is finished, who wrote it, and what it holds beyond what was folded before."""
        done, status = spool.finished(path), path.stat()
        actor = Actor(name=user_name(status.st_uid), uid=status.st_uid, host=_HOST, pid=0)
        position = self._folded.get(path, 0)
        if not done and status.st_size == position:
            return done, actor, []
        for blob in list(blobs.every(path.parent / spool.BLOBS)):
            blobs.put_file(self._places.blobs, blob)
            blob.unlink()
        return done, actor, list(spool.read(path, position))


@contextlib.contextmanager
def _read_only(session: Any, seconds: float, reading: set[Any]) -> Iterator[None]:
    """A read-only transaction that is interrupted after some seconds; DuckDB's errors leave it as ours."""
    late = False

    def interrupt() -> None:
        nonlocal late
        late = True
        session.interrupt()

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    session.execute("begin transaction read only")
    reading.add(session)
    timer.start()
    try:
        yield
    except NbopsError:
        raise
    # Behind an Arrow reader DuckDB's errors come as pyarrow's: OSError or ValueError with DuckDB's text.
    except (duck.errors(), OSError, ValueError) as error:
        raise duck.query_error(error, late=late) from error
    finally:
        timer.cancel()
        reading.discard(session)
        # A statement that failed has ended the transaction by itself.
        with contextlib.suppress(duck.errors()):
            session.execute("rollback")


def take_lock(path: Path, patience: float) -> int | None:
    """Hold the owner's lock for this process's life; None when another owner keeps it beyond `patience` seconds."""
    handle = open_file(path, os.O_RDWR | os.O_CREAT)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(handle)
                return None
            time.sleep(0.02)
        else:
            return handle


_envelope = msgspec.msgpack.Decoder(Envelope)
_read = msgspec.msgpack.Decoder(Read)
_control = msgspec.msgpack.Decoder(Control)


async def _body(scope: dict[str, Any], receive: Receive) -> bytes:
    declared = int(dict(scope["headers"]).get(b"content-length", b"0"))
    parts, size = [], 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if max(size, declared) > MAX_BODY:
            raise UsageError(
                f"The request is larger than {MAX_BODY >> 20} MiB.", hint="Log it in several calls, or as an artifact."
            )
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send, body: bytes, *, status: int = 200) -> None:
    headers = [(b"content-type", MEDIA.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _send_now(send: Send, message: dict[str, Any], loop: asyncio.AbstractEventLoop) -> None:
    asyncio.run_coroutine_threadsafe(send(message), loop).result()


def _settle(future: asyncio.Future[Reply], reply: Reply) -> None:
    if not future.done():
        future.set_result(reply)


def _status(reply: Reply) -> int:
    return 200 if reply.problem is None else 409


def _checkpoint(connection: Any) -> None:
    connection.execute(f"checkpoint {duck.NAME}")


def _backup(places: Places, connection: Any) -> str:
    target = database.backup_path(places, database.last(connection)[0])
    database.copy_to(connection, target)
    return target.name


def _prune(days: int, connection: Any) -> None:
    # Only a spool that nobody folded for that long could repeat an older one. The last row stays.
    connection.execute(
        "delete from core.ledger where time < now()::timestamp - to_days(?::integer) and seq < (select max(seq) from core.ledger)",
        [days],
    )
