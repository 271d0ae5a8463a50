"""Files of web servers. Redirects are followed by hand, so that none leads out of bounds or takes a secret along."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import requests
import urllib3

from nbops.data.sources import address as addresses
from nbops.data.sources import network, preparing
from nbops.data.sources.download import Reply, Resume, Validators, download
from nbops.data.sources.network import Border, Watch
from nbops.data.sources.origin import Fetched
from nbops.data.sources.retrying import Transient
from nbops.data.sources.task import Task
from nbops.errors import SourceError

# Bytes that have to come within the time-out.
_PIECE = 2**16
_REDIRECTS = 10
_FORMATS = {
    "text/csv": "csv", "text/tab-separated-values": "csv", "application/json": "json", "application/x-ndjson": "json",
    "application/jsonl": "json", "application/vnd.apache.parquet": "parquet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "excel", "application/vnd.ms-excel": "excel",
}  # fmt: skip
_HASHES = {"sha-256": "sha256", "sha-512": "sha512", "md5": "md5"}


class _Unchanged(Exception):
    """The server says that nothing has changed."""


def fetch(task: Task) -> Fetched:
    """Raises SourceError."""
    request = _Request(task)
    try:
        raw = task.attempts.run(task.shown, lambda: download(task, task.shown, request.opened))
    except _Unchanged:
        assert task.seen is not None  # noqa: S101 - the server was told what was seen
        return task.fetched(None, task.seen.files)
    unchanged = task.is_seen([raw.file])
    return task.fetched(None if unchanged else preparing.prepared(task, [raw]), [raw.file], raw.file.size)


class _Request:
    """Asks for the file of a source, with the secrets that it names."""

    def __init__(self, task: Task) -> None:
        self._task = task
        url = addresses.filled(task.source.address, os.environ, url=True)
        parts = urlsplit(url)
        user, password = parts.username, parts.password
        self._auth = (unquote(user or ""), unquote(password or "")) if user or password else None
        self._url = _without_user(url)
        self._headers = {name: addresses.filled(value, os.environ) for name, value in task.source.headers.items()}
        for name, value in self._headers.items():
            if not value.isprintable():
                raise SourceError(
                    f"The header {name} has a line break in it.", hint="Look at the variable that it names."
                )
        self._declared = network.declared_reach(parts.hostname or "")

    @contextlib.contextmanager
    def opened(self, resume: Resume | None) -> Iterator[Reply]:
        """The answer to one request, behind all redirects. Raises Transient and SourceError."""
        task = self._task
        border = Border(self._declared, allow_private=task.source.allow_private)
        with _failing(task) as state, Watch(border) as watch, network.session(border) as session:
            state.watch = watch
            response = self._followed(session, border, watch, resume)
            with contextlib.closing(response):
                self._judged(response)
                yield self._reply(response, watch, resume)

    def _followed(
        self, session: requests.Session, border: Border, watch: Watch, resume: Resume | None
    ) -> requests.Response:
        url = self._url
        for _ in range(_REDIRECTS + 1):
            same = _origin(url) == _origin(self._url)
            headers = {"Accept-Encoding": "identity", "User-Agent": "nbops", **self._conditions(resume)}
            self._task.attempts.check()
            seconds = min(self._task.source.timeout, self._task.attempts.left)
            watch.expect(2 * seconds)
            proxies: Any = requests.utils.get_environ_proxies(url, no_proxy=None)
            if requests.utils.select_proxy(url, proxies):
                self._looked_at(url, border)
            response = session.get(
                url,
                headers={**headers, **(self._headers if same else {})},
                auth=self._auth if same and self._auth else _no_auth,
                allow_redirects=False,
                stream=True,
                timeout=seconds,
                proxies=proxies,
                verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True,
            )
            if response.status_code not in {301, 302, 303, 307, 308} or "location" not in response.headers:
                return response
            response.close()
            url = self._next(url, response.headers["location"])
        raise SourceError(
            f"{self._task.shown} redirects more than {_REDIRECTS} times.",
            hint="Open it in a browser, and declare where it ends.",
        )

    def _next(self, url: str, location: str) -> str:
        try:
            found = _without_user(urljoin(url, location))
            parts, scheme = urlsplit(found), _origin(found)[0]
        except ValueError:
            raise SourceError(f"{self._task.shown} redirects to what is no address.", hint="Ask its owner.") from None
        if scheme not in {"http", "https"} or not parts.hostname:
            raise SourceError(
                f"{self._task.shown} redirects to an address that begins with {scheme}:, which is not followed.",
                hint="Redirects lead to http:// or https:// only.",
            )
        if urlsplit(url).scheme == "https" and parts.scheme == "http":
            raise SourceError(
                f"{self._task.shown} redirects from https to http://{addresses.host_of(found)}, which everybody in between can change.",
                hint="Ask its owner, or declare the address itself if you trust the network.",
            )
        return found

    def _looked_at(self, url: str, border: Border) -> None:
        """Behind a proxy it is the proxy that connects; what the name means here is the best that can be known."""
        host = urlsplit(url).hostname or ""
        with contextlib.suppress(OSError):
            for found in network.addresses(host, urlsplit(url).port or 80):
                border.check(found[4][0], host)

    def _conditions(self, resume: Resume | None) -> dict[str, str]:
        if resume is not None:
            valid = resume.validators
            return {"Range": f"bytes={resume.offset}-", "If-Range": valid.etag or valid.modified}
        source, seen = self._task.source, self._task.seen
        file = seen.files[0] if seen is not None and len(seen.files) == 1 else None
        if file is None or (source.sha256 and source.sha256 != file.sha256):
            return {}
        told = {"If-None-Match": file.etag, "If-Modified-Since": file.modified}
        # A server heeds the date only if there is no tag.
        return {name: value for name, value in told.items() if value}

    def _judged(self, response: requests.Response) -> None:
        """Raise what an answer without data means."""
        status = response.status_code
        if status == 304 and self._task.seen is not None:
            raise _Unchanged
        if status in {200, 206}:
            return
        name = self._task.shown
        told = f"{name} answers {status} {response.reason or ''}".rstrip()
        if status in {408, 425, 429} or status >= 500:
            raise Transient(
                f"it answers {status} {response.reason or ''}".rstrip(),
                hint="The server has a problem or too much to do: try later.",
                after=_after(response.headers.get("retry-after", "")),
            )
        if status == 416:
            raise Transient("the rest of it is not there any more", hint="It is being replaced: try later.")
        raise SourceError(f"{told}.", hint=self._remedy(status))

    def _remedy(self, status: int) -> str:
        if status in {401, 403, 407}:
            named = ", ".join(sorted(set(re.findall(r"\$\{?\w+\}?", " ".join(self._task.source.headers.values())))))
            if self._headers or self._auth:
                return f"Who asks is not let in: look at the secret in {named or 'the address'}, and at what its owner may read."
            return (
                "It wants to know who asks: `headers: {Authorization: Bearer $TOKEN}`, with TOKEN in the environment."
            )
        if status in {404, 410}:
            return "Look at `from`: there is nothing at that address."
        return "Look at the address, and at what its server expects."

    def _reply(self, response: requests.Response, watch: Watch, resume: Resume | None) -> Reply:
        headers = response.headers
        encoding = headers.get("content-encoding", "identity").lower()
        if encoding not in {"identity", "gzip", "x-gzip"}:
            raise SourceError(
                f"{self._task.shown} is sent as {encoding!r}, which was not asked for.",
                hint="Ask its owner for the plain file.",
            )
        length = _number(headers.get("content-length", ""))
        start, total = 0, length
        if response.status_code == 206:
            found = re.fullmatch(
                r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18}|\*)", headers.get("content-range", "").strip()
            )
            if found is None or resume is None:
                raise Transient(
                    "it sends a part that nobody asked for", hint="The server, or a proxy, is out of order."
                )
            start = int(found[1])
            total = int(found[2]) if found[2] != "*" else None if length is None else start + length
        return Reply(
            chunks=self._chunks(response, watch),
            start=start,
            total=total,
            validators=_validators(headers),
            format=self._format(headers),
            digests=_digests(headers, whole=response.status_code == 200),
        )

    def _format(self, headers: Mapping[str, str]) -> str:
        source = self._task.source
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        # The name that the server gives the file decides on its format, and on nothing else.
        named = re.search(r'filename\*?="?([^";]+)', headers.get("content-disposition", ""))
        found = (
            addresses.format_of(source.address, source.format_)
            or (addresses.format_of(named[1].strip()) if named else "")
            or _FORMATS.get(kind, "")
        )
        if not found and kind != "text/html":
            raise SourceError(
                f"Neither its name nor its server tells how {self._task.shown} is read ({kind or 'no content type'}).",
                hint="Say `format: csv`, or parquet, json, excel.",
            )
        return found

    def _chunks(self, response: requests.Response, watch: Watch) -> Iterator[bytes]:
        while True:
            watch.expect(min(self._task.source.timeout, max(self._task.attempts.left, 0.01)))
            chunk = response.raw.read(_PIECE, decode_content=False)
            if watch.is_late:
                raise _late(self._task)
            if not chunk:
                return
            yield chunk


class _State:
    watch: Watch | None = None


@contextlib.contextmanager
def _failing(task: Task) -> Iterator[_State]:
    """What goes wrong on the way, as what another attempt may heal or not. No message of a library is told: it holds the address."""
    state = _State()
    try:
        yield state
    except requests.exceptions.SSLError:
        raise SourceError(
            f"{task.shown}: its server cannot prove who it is.",
            hint="Its certificate is expired, foreign, or for another name.",
        ) from None
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
        raise _late(task) from None
    except (
        requests.exceptions.ConnectionError,
        urllib3.exceptions.HTTPError,
        requests.exceptions.ChunkedEncodingError,
    ) as error:
        if state.watch is not None and state.watch.is_late:
            raise _late(task) from None
        raise Transient(
            _reason(error), hint="Look at the address, and whether the network and the server are up."
        ) from None
    except requests.exceptions.RequestException:
        raise SourceError(f"{task.shown} is no address that can be asked.", hint="Look at `from`.") from None


def _reason(error: Exception) -> str:
    text = repr(error)
    if network.UNKNOWN in text:
        return network.UNKNOWN
    if "refused" in text:
        return "nobody answers there"
    return "the connection broke off"


def _late(task: Task) -> Transient:
    try:
        task.attempts.check()
    except Transient as over:
        return over
    return Transient(
        f"it sends less than {_PIECE // 1000} kB in {task.source.timeout:g} seconds",
        hint="Raise `timeout` if it is always that slow.",
    )


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """In place of what requests would look up by itself."""
    return request


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def _after(text: str) -> float | None:
    """The seconds that Retry-After asks for."""
    if (seconds := _number(text)) is not None:
        return float(seconds)
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    return None


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text.strip()) else None


def _validators(headers: Mapping[str, str]) -> Validators:
    etag, modified = headers.get("etag", "").strip(), headers.get("last-modified", "").strip()
    if etag:
        return Validators(etag=etag, modified=modified, is_strong=etag.startswith('"'))
    try:
        changed = parsedate_to_datetime(modified).timestamp()
        now = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        changed, now = 0.0, time.time() if modified else 0.0
    # A file may change twice in a second.
    return Validators(modified=modified, is_strong=bool(modified) and now - changed > 1)


def _digests(headers: Mapping[str, str], *, whole: bool) -> dict[str, bytes]:
    """What the server promises of the file; some headers are of the body, which may be a part of it."""
    found: dict[str, bytes] = {}
    told = headers.get("repr-digest", "") + ", " + (headers.get("content-digest", "") if whole else "")
    for kind, value in re.findall(r"([a-z0-9-]+)=:([A-Za-z0-9+/=]*):", told):
        _put(found, kind, value)
    for kind, value in re.findall(r"([A-Za-z0-9-]+)=([A-Za-z0-9+/=]+)", headers.get("digest", "")):
        _put(found, kind, value)
    if whole:
        _put(found, "md5", headers.get("content-md5", ""))
        _put(found, "sha-256", headers.get("x-amz-checksum-sha256", ""))
    return found


def _put(found: dict[str, bytes], kind: str, value: str) -> None:
    name = _HASHES.get(kind.lower())
    if name and value:
        with contextlib.suppress(ValueError):
            found[name] = base64.b64decode(value, validate=True)
