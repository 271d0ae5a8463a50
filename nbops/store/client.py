"""The store as a process sees it: requests flow to the owner, which is started if nobody is there, and come back answered.

Every write carries an id made here, so that it can be sent again after any fault and counts once. While nobody can be reached,
requests that may wait go to the spool. Nothing here opens the database.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import itertools
import os
import random
import socket
import subprocess
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import nbops
from nbops.config import Settings
from nbops.errors import NbopsError, StoreCorrupt, StoreError, StoreFull, StoreUnavailable, StoreVersion, from_wire
from nbops.records import Blob, new_id
from nbops.store import blobs, marks
from nbops.store.meeting import BUSY, Meeting
from nbops.store.places import Places, open_file, refuse_network
from nbops.store.spool import BLOBS, Spool
from nbops.store.wire import ARROW, MEDIA, PROTOCOL, Control, Envelope, Hello, Read, Reply, Request, Table, encode

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# The owner inherits what finds Python and its files, nothing that steers imports or holds secrets.
_INHERIT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_STATE_HOME",
    "XDG_RUNTIME_DIR",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
)
_PROBE_SECONDS = (1.0, 30.0)
# Waiting will not help soon: what can be spooled is spooled at once.
_HOPELESS = ("store.unavailable.held", "store.unavailable.read-only", "store.full", "store.corrupt", "store.version")


class StoreWarning(UserWarning):
    """Something about the store that its user should know, while work goes on."""


class Store:
    """One project's store. May be used from any thread; after a fork the child starts afresh."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.places = Places(settings.folder)
        self.host = socket.gethostname()
        self._meeting = Meeting(self.places, transport=settings.store.transport)
        self._told: set[str] = set()
        self._reset()
        _stores.add(self)

    def _reset(self) -> None:
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()
        self._hello: Hello | None = None
        self._writer = new_id()
        self._spool: Spool | None = None
        self.spooling = ""
        """Why writes go to the spool at the moment; empty when they do not."""
        self._next_probe = 0.0
        self._pause = _PROBE_SECONDS[0]

    @property
    def reached(self) -> bool:
        """Whether an owner has answered this process and was not lost since."""
        return self._hello is not None

    def hello(self) -> Hello:
        """Who owns the store and how it is; starts an owner if need be. Raises StoreUnavailable or StoreVersion."""
        deadline = time.monotonic() + self.settings.store.timeout
        return msgspec.msgpack.decode(self._ask("GET", "/v1/hello", b"", deadline), type=Hello)

    def ready(self) -> Hello:
        """As `hello`, once the file is open. Raises what keeps it from opening."""
        deadline = time.monotonic() + self.settings.store.timeout
        while True:
            hello = self.hello()
            if hello.state in {"ready", "read-only"}:
                return hello
            if hello.code in _HOPELESS or time.monotonic() > deadline:
                raise from_wire(
                    hello.code or "store.unavailable", hello.message or "The store does not open.", hello.hint
                )
            time.sleep(0.01)

    def write(self, *requests: Request, tx: str | None = None, resend: bool = False) -> list[Any]:
        """Commit the requests together, durable on return; gives one result each, None of what was spooled because nobody was reached.

        With a `tx` of one's own the same requests can be sent again after a try that broke off (`resend`): they count once.
        Raises what the commands raise; StoreUnavailable when they may not wait.
        """
        commands = [msgspec.Raw(encode(request)) for request in requests]
        envelope = Envelope(tx=tx or new_id(), commands=commands, resend=resend)
        may_wait = all(request.spools for request in requests)
        if self.spooling and may_wait and not self._recovered() and self._put_aside(envelope):
            return [None] * len(requests)
        deadline = time.monotonic() + self.settings.store.timeout
        try:
            return _reply(self._ask("POST", "/v1/write", encode(envelope), deadline, resend=envelope)).results
        except StoreError as error:
            if not may_wait or error.code not in {"store.unavailable", "store", *_HOPELESS}:
                raise
            self._say(f"{error.message} {error.hint}")
            self._put_aside(msgspec.structs.replace(envelope, resend=True), error.message)
            return [None] * len(requests)

    def read(
        self, sql: str, values: Sequence[object] = (), *, limit: int | None = None, timeout: float | None = None
    ) -> Table:
        """The rows of one SELECT. Raises QueryError, QueryTimeout or StoreUnavailable."""
        return msgspec.msgpack.decode(self._read(sql, values, limit, timeout, arrow=False), type=Table)

    def arrow(
        self, sql: str, values: Sequence[object] = (), *, limit: int | None = None, timeout: float | None = None
    ) -> pa.Table:
        """As `read`, as an Arrow table."""
        import pyarrow as pa

        body = pa.BufferReader(self._read(sql, values, limit, timeout, arrow=True))
        table = pa.ipc.open_stream(body).read_all()
        _whole(body.read())
        return table

    def frame(self, sql: str, values: Sequence[object] = ()) -> pd.DataFrame:
        """As `read`, as a DataFrame."""
        made: pd.DataFrame = self.arrow(sql, values).to_pandas()
        return made

    @contextlib.contextmanager
    def batches(self, sql: str, values: Sequence[object] = ()) -> Iterator[Batches]:
        """As `arrow`, as a stream of batches, for what is too large to hold."""
        import pyarrow as pa

        self.hello()
        connection = _Connection(self._meeting)
        try:
            connection.ready(self.settings.store.timeout)
            query = Read(sql=sql, values=list(values), limit=2**62, timeout=3600, arrow=True)
            connection.request("POST", "/v1/read", encode(query), {"content-type": MEDIA, **connection.extra})
            response = connection.getresponse()
            if response.status != 200:
                raise _problem(response.read())
            with pa.ipc.open_stream(response) as reader:
                yield Batches(reader, response)
        except (ConnectionError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def control(self, action: str, argument: str = "", *, timeout: float = 600) -> Any:
        """Ask for an act on the store as a whole and give its answer."""
        deadline = time.monotonic() + max(self.settings.store.timeout, timeout)
        body = self._ask("POST", "/v1/control", encode(Control(action=action, argument=argument)), deadline)
        reply = _reply(body)
        return reply.results[0] if reply.results else None

    def stop_owner(self) -> bool:
        """Ask the owner to finish and leave, and wait until it has. False when there was none."""
        # A connection from before may lead to an owner that is no more.
        self._drop_connections()
        owner = self._meeting.page()
        try:
            status, answer = self._exchange("POST", "/v1/control", encode(Control(action="drain")), 10)
        except _NoAnswer:
            return False
        if status != 200:
            raise _problem(answer)
        self._drop_connections()
        deadline = time.monotonic() + self.settings.store.timeout
        while self._meeting.owned() and self._meeting.page() == owner:
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    "The store's owner does not leave.", hint="Wait for what it is writing, then try again."
                )
            time.sleep(0.01)
        return True

    def put_blob(self, data: bytes | Path) -> Blob:
        """Keep bytes or a file's bytes, on disk on return. Raises StoreFull when no place takes them, UsageError for an unreadable file."""
        problem: OSError | None = None
        for folder in self._blob_folders():
            try:
                return blobs.put_file(folder, data) if isinstance(data, Path) else blobs.put(folder, data)
            except OSError as error:
                problem = error
        raise StoreFull(f"The file cannot be kept: {problem}.", hint=f"Free some space under {self.places.folder}.")

    def get_blob(self, sha256: str) -> bytes:
        """The bytes of a blob, verified. Raises NotFound or StoreCorrupt."""
        return blobs.get(self._blob_folders(), sha256)

    def blob_path(self, sha256: str) -> Path:
        """The file of a blob, not verified. Raises NotFound."""
        return blobs.find(self._blob_folders(), sha256)

    def whole_blob(self, sha256: str) -> Path:
        """The file of a blob, whose bytes this process has verified. Raises NotFound or StoreCorrupt."""
        path = self.blob_path(sha256)
        if not blobs.is_whole(path, sha256):
            raise StoreCorrupt(
                f"The stored file {sha256[:12]}… has changed since it was kept.",
                hint=f"Put it back from a backup of {path}, or log it again.",
            )
        return path

    def _blob_folders(self) -> tuple[Path, ...]:
        return (self.places.blobs, *(folder / BLOBS for folder in self.places.spools()))

    def _read(
        self, sql: str, values: Sequence[object], limit: int | None, timeout: float | None, *, arrow: bool
    ) -> bytes:
        bounds = self.settings.sql
        timeout = timeout or bounds.timeout
        query = Read(sql=sql, values=list(values), limit=limit or bounds.max_rows, timeout=timeout, arrow=arrow)
        deadline = time.monotonic() + timeout + self.settings.store.timeout
        return self._ask("POST", "/v1/read", encode(query), deadline)

    def _ask(self, method: str, path: str, body: bytes, deadline: float, *, resend: Envelope | None = None) -> bytes:
        """Send until answered or the deadline; an answer that says the owner is opening or leaving is not one."""
        pause = 0.01
        while True:
            problem: NbopsError
            try:
                if self._hello is None:
                    self._greet(deadline)
                status, answer = self._exchange(method, path, body, max(deadline - time.monotonic(), 1))
                if status == 200:
                    return answer
                problem = _problem(answer)
                if status != 503 or problem.code in _HOPELESS:
                    raise problem
            except _NoAnswer as error:
                problem = self._unreachable(error)
                self._hello = None
                if resend is not None:
                    # It may have been committed before the answer was lost.
                    body = encode(msgspec.structs.replace(resend, resend=True))
            if time.monotonic() + pause > deadline:
                raise problem
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries, guards nothing
            pause = min(pause * 1.6, 0.5)

    def _exchange(self, method: str, path: str, body: bytes, timeout: float) -> tuple[int, bytes]:
        """One request and its answer. Raises _NoAnswer when there is none, whatever the reason."""
        with self._lock:
            connection = self._idle.pop() if self._idle else _Connection(self._meeting)
        answer: tuple[int, bytes] | None = None
        try:
            connection.ready(timeout)
            connection.request(method, path, body, {"content-type": MEDIA, **connection.extra})
            response = connection.getresponse()
            if response.headers.get("content-type") not in {MEDIA, ARROW}:
                raise http.client.HTTPException("another program answers in the owner's place")
            answer = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise _NoAnswer(str(error) or type(error).__name__) from error
        finally:
            # After half an exchange this connection's next answer would belong to another request.
            if answer is None:
                connection.close()
        with self._lock:
            self._idle.append(connection)
        return answer

    def _drop_connections(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        self._hello = None

    def _greet(self, deadline: float) -> None:
        while True:
            hello = self._reach(deadline)
            if hello.protocol > PROTOCOL or _release(hello.nbops) >= _release(nbops.__version__):
                break
            # An owner of an older nbops finishes what it has and makes room.
            self.stop_owner()
        if hello.protocol != PROTOCOL:
            raise StoreVersion(
                f"The store's owner is nbops {hello.nbops}, which speaks protocol {hello.protocol}; this is nbops {nbops.__version__}.",
                hint="Upgrade here: pip install -U nbops.",
            )
        self._hello = hello
        if hello.message and not hello.code:
            self._say(f"{hello.message} {hello.hint}")

    def _reach(self, deadline: float) -> Hello:
        try:
            return self._ping(deadline)
        except _NoAnswer:
            self._drop_connections()
        self._prepare()
        try:
            turn = os.fdopen(open_file(self._meeting.starting, os.O_RDWR | os.O_CREAT), "w")
        except OSError as error:
            raise StoreUnavailable(
                f"No owner of the store can be started: {error}.", hint="`nbops doctor` looks for the cause."
            ) from error
        with turn:
            while True:
                try:
                    fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise StoreUnavailable(
                            "Another process is starting the store's owner, without success.",
                            hint="`nbops doctor` looks for the cause.",
                        ) from None
                    time.sleep(0.01)
                    try:
                        return self._ping(deadline)
                    except _NoAnswer:
                        continue
            try:
                return self._ping(deadline)
            except _NoAnswer:
                return self._start(deadline)

    def _ping(self, deadline: float) -> Hello:
        status, answer = self._exchange("GET", "/v1/hello", b"", min(max(deadline - time.monotonic(), 0.2), 10))
        if status != 200:
            raise _problem(answer)
        return msgspec.msgpack.decode(answer, type=Hello)

    def _prepare(self) -> None:
        if not self.settings.store.allow_network_fs:
            refuse_network(self.settings.project)
        try:
            new = self.places.create(self.settings.store.group)
        except OSError:
            return
        if new:
            self._say(f"nbops keeps this project's runs and models in {self.places.folder}", to_stderr=True)

    def _start(self, deadline: float) -> Hello:
        """The caller holds the right to start one."""
        environ = {
            name: value
            for name, value in os.environ.items()
            if name in _INHERIT or name.startswith("NBOPS_STORE") or name == "NBOPS_TRANSPORT"
        }
        environ["PYTHONDONTWRITEBYTECODE"] = os.environ.get("PYTHONDONTWRITEBYTECODE", "")
        try:
            with _log(self.places.log) as log:
                process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
                    [sys.executable, "-P", "-m", "nbops._owner", str(self.places.folder)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environ,
                    cwd=self.places.folder if self.places.folder.is_dir() else self.settings.project,
                )  # fmt: skip
        except OSError as error:
            raise StoreUnavailable(
                f"The store's owner cannot be started: {error}.",
                hint=f"See that {sys.executable} is there and that you may start processes.",
            ) from error
        while True:
            try:
                return self._ping(deadline)
            except _NoAnswer:
                pass
            if process.poll() is not None:
                if process.returncode < 0 or process.returncode == BUSY:
                    # Killed, or another one owns the store: the next try may fare better.
                    raise _NoAnswer(f"it ended with status {process.returncode}")
                raise StoreUnavailable(
                    f"The store's owner ended at once (status {process.returncode}).",
                    hint=f"`nbops doctor` looks for the cause; {self.places.log} has the details.",
                )
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"The store's owner did not answer within {self.settings.store.timeout:.0f} s.",
                    hint=f"`nbops doctor` looks for the cause; {self.places.log} has the details.",
                )
            time.sleep(0.005)

    def _unreachable(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(
            f"The store's owner cannot be reached ({error}).",
            hint=f"`nbops doctor` looks for the cause; {self.places.log} has the details.",
        )

    def _recovered(self) -> bool:
        """Whether the owner can be written to again; asked the more seldom, the longer the fault lasts."""
        if time.monotonic() < self._next_probe:
            return False
        recovered = self._probe()
        self._pause = _PROBE_SECONDS[0] if recovered else min(self._pause * 2, _PROBE_SECONDS[1])
        self._next_probe = time.monotonic() + self._pause
        return recovered

    def _probe(self) -> bool:
        """What was spooled is folded in first, so that order is kept."""
        try:
            hello = self._reach(time.monotonic() + 2)
        except (_NoAnswer, StoreError):
            self._hello = None
            return False
        if hello.state != "ready":
            return False
        with self._lock:
            if self._spool:
                self._spool.seal()
        try:
            self.control("fold", timeout=self.settings.store.timeout)
        except StoreError:
            return False
        with self._lock:
            if self._spool and self._spool.waits():
                # Another thread has put more aside meanwhile, or a segment cannot be read: what follows may build on it.
                return False
            self.spooling = ""
        self._told.clear()
        return True

    def _put_aside(self, envelope: Envelope, why: str = "") -> bool:
        """Spool it. False where that is over: another thread has found the owner meanwhile, unless one knows `why` now."""
        with self._lock:
            if not (why or self.spooling):
                return False
            self.spooling = why or self.spooling
            if self._spool is None:
                self._spool = Spool(
                    self.places, store=self._hello.store if self._hello else "", writer=self._writer, host=self.host
                )
            self._spool.append(envelope)
        return True

    def _say(self, sentence: str, *, to_stderr: bool = False) -> None:
        if sentence in self._told:
            return
        self._told.add(sentence)
        if to_stderr:
            sys.stderr.write(sentence + "\n")
        else:
            warnings.warn(sentence, StoreWarning, stacklevel=2)


class Batches:
    """Arrow batches as they come in, once; whoever reads to the end knows that they are all."""

    def __init__(self, reader: pa.RecordBatchReader, response: http.client.HTTPResponse) -> None:
        self.schema = reader.schema
        self._reader = reader
        self._response = response

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from self._reader
        _whole(self._response.read())


class _NoAnswer(Exception):
    """The owner is not there, is dying, or takes too long."""


class _Connection(http.client.HTTPConnection):
    """HTTP over whatever the meeting point offers."""

    def __init__(self, meeting: Meeting) -> None:
        super().__init__("nbops")
        self._meeting = meeting
        self.extra: dict[str, str] = {}

    def ready(self, timeout: float) -> None:
        """Connect if need be and let the next exchange take that long."""
        if self.sock is None:
            self.sock, token = self._meeting.connect(timeout)
            self.extra = {"authorization": f"Bearer {token}", "nbops-declared": marks.declared()} if token else {}
        self.sock.settimeout(timeout)


@contextlib.contextmanager
def _log(path: Path) -> Iterator[int]:
    """The owner's log opened for appending; the null device where it cannot be. Begun anew when it has grown large."""
    try:
        fresh = path.exists() and path.stat().st_size > 2**20
        file = open_file(path, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if fresh else os.O_APPEND))
    except OSError:
        file = os.open(os.devnull, os.O_WRONLY)
    try:
        yield file
    finally:
        os.close(file)


def connect(settings: Settings) -> Store:
    """This process's store for a project; the same object for the same folder and settings."""
    # Tables and lists have no hash.
    key = (settings.folder, settings.store, settings.sql, repr((settings.execution, settings.secrets)))
    with _opening:
        if key not in _open:
            _open[key] = Store(settings)
        return _open[key]


_stores: weakref.WeakSet[Store] = weakref.WeakSet()
_open: dict[tuple[object, ...], Store] = {}
_opening = threading.Lock()


def _after_fork() -> None:
    global _opening  # noqa: PLW0603 - another thread of the parent may have held it
    _opening = threading.Lock()
    for store in _stores:
        # The parent's connections and segment are the parent's, where their descriptors stay open. Kept open here too,
        # the segment's lock would outlive the parent.
        if store._spool:  # noqa: SLF001 - same module
            store._spool.seal()  # noqa: SLF001 - same module
        store._reset()  # noqa: SLF001 - same module


os.register_at_fork(after_in_child=_after_fork)


def _reply(body: bytes) -> Reply:
    reply = msgspec.msgpack.decode(body, type=Reply)
    if reply.problem:
        raise from_wire(reply.problem.code, reply.problem.message, reply.problem.hint)
    return reply


def _whole(rest: bytes) -> None:
    """Raise what kept a stream of rows from its end, which is told behind it."""
    if rest:
        _reply(rest)


def _problem(body: bytes) -> NbopsError:
    problem = msgspec.msgpack.decode(body, type=Reply).problem
    if problem is None:
        return StoreError("The owner refused without a reason.", hint="See .nbops/run/owner.log.")
    return from_wire(problem.code, problem.message, problem.hint)


def _release(version: str) -> tuple[int, ...]:
    return tuple(map(int, itertools.takewhile(str.isdigit, version.split("."))))
