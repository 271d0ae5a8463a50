"""Files of object stores and other file systems that fsspec knows: S3, Google Cloud, Azure, SFTP, memory."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from nbops.data.sources import address as addresses
from nbops.data.sources import preparing
from nbops.data.sources.download import Reply, Resume, Validators, download
from nbops.data.sources.origin import Fetched
from nbops.data.sources.reading import Raw
from nbops.data.sources.retrying import Transient
from nbops.data.sources.task import CHUNK, Task
from nbops.data.spans import readable
from nbops.errors import SourceError, nearest

# What each system needs beside fsspec, by the scheme of its addresses.
_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
    "sftp": "paramiko",
}

_NETWORK = "Look at the address, and whether the network and the store are up."


def fetch(task: Task) -> Fetched:
    """Raises SourceError."""
    system, path = task.attempts.run(task.shown, lambda: _system(task))
    found = task.attempts.run(task.shown, lambda: _found(task, system, path))
    if task.source.sha256 and len(found) != 1:
        raise SourceError(
            f"{task.shown} stands for {len(found)} files, but there is one `sha256`.",
            hint="Name one file, or leave it out.",
        )
    if _is_seen(task, system, found):
        assert task.seen is not None  # noqa: S101 - it was compared
        return task.fetched(None, task.seen.files)
    size = sum(one.get("size") or 0 for one in found)
    if size > task.source.max_bytes:
        raise SourceError(
            f"{task.shown} is {readable(size)}, more than {readable(task.source.max_bytes)}.",
            hint="Raise `max_bytes` if that is right.",
        )
    raws = [_downloaded(task, system, one, None if len(found) == 1 else number) for number, one in enumerate(found, 1)]
    files = [raw.file for raw in raws]
    data = None if task.is_seen(files) else preparing.prepared(task, raws)
    return task.fetched(data, files, sum(file.size for file in files))


def _system(task: Task) -> tuple[Any, str]:
    scheme = task.source.address.partition("://")[0].lower()
    package = _PACKAGES.get(scheme, "")
    try:
        import fsspec
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise SourceError(
            f"Addresses that begin with {scheme}:// need fsspec.",
            hint=f"pip install 'nbops[objects]' {package}".rstrip(),
        ) from error
    known = {*fsspec.available_protocols(), *fsspec.registry}
    if scheme not in known:
        near = nearest(scheme, known)
        raise SourceError(
            f"Nothing is known that reads addresses that begin with {scheme}://.",
            hint=f"Did you mean {near}://?" if near else "Look at `from`.",
        )
    try:
        with _failing(task):  # some connect at once
            system, path = url_to_fs(addresses.filled(task.source.address, os.environ))
    except ImportError as error:
        raise SourceError(
            f"Addresses that begin with {scheme}:// need a package that is not there: {error}.",
            hint=f"pip install 'nbops[objects]' {package}".rstrip(),
        ) from error
    # What it remembers of its folders may be old.
    system.invalidate_cache()
    return system, str(path)


def _found(task: Task, system: Any, path: str) -> list[dict[str, Any]]:
    """What is known of each file."""
    with _failing(task):
        paths = sorted(system.glob(path)) if set("*?[") & set(path) else [path]
        found = [one for one in (system.info(each) for each in paths) if one.get("type") != "directory"]
    if not found:
        raise SourceError(
            f"There is no file {task.shown!r}.",
            hint="Look at the address; `*` stands for any part of a name, a folder is no file.",
        )
    return found


def _name(task: Task, system: Any, info: dict[str, Any]) -> str:
    told = addresses.shown(str(system.unstrip_protocol(info["name"])))
    return addresses.unsaid(told, addresses.filled(task.source.address, os.environ), (), {})


def _validators(info: dict[str, Any]) -> Validators:
    """By the names that the file systems use for it."""
    etag = next(
        (str(info[key]) for key in ("ETag", "etag", "md5Hash", "content_md5", "generation") if info.get(key)), ""
    )
    modified = next(
        (str(info[key]) for key in ("LastModified", "last_modified", "updated", "mtime", "created") if info.get(key)),
        "",
    )
    return Validators(etag=etag.strip('"'), modified=modified, is_strong=bool(etag or modified))


def _is_seen(task: Task, system: Any, found: list[dict[str, Any]]) -> bool:
    if task.seen is None:
        return False
    # Times alone do not tell: two changes may share one.
    now = [(_name(task, system, one), one.get("size"), _validators(one).etag) for one in found]
    return all(etag for _, _, etag in now) and now == [(file.name, file.size, file.etag) for file in task.seen.files]


def _downloaded(task: Task, system: Any, info: dict[str, Any], number: int | None) -> Raw:
    name = _name(task, system, info)

    @contextlib.contextmanager
    def opened(resume: Resume | None) -> Iterator[Reply]:
        with _failing(task):
            now = system.info(info["name"])
            validators = _validators(now)
            start = resume.offset if resume is not None and resume.validators == validators else 0
            with system.open(info["name"], "rb") as file:
                file.seek(start)
                yield Reply(
                    chunks=chunks(file, validators),
                    start=start,
                    total=now.get("size"),
                    validators=validators,
                    format=_format(task, name),
                )

    def chunks(file: Any, before: Validators) -> Iterator[bytes]:
        while chunk := file.read(CHUNK):
            yield chunk
        # Each block is a request of its own: the file may have been another one in between.
        if _validators(system.info(info["name"])) != before:
            raise Transient("it was changed while it was read", hint="Fetch again when nobody writes there.")

    return task.attempts.run(name, lambda: download(task, name, opened, number))


def _format(task: Task, name: str) -> str:
    found = addresses.format_of(name, task.source.format_)
    if not found:
        raise SourceError(
            f"It cannot be told from its name how {name} is read.", hint="Say `format: csv`, or parquet, json, excel."
        )
    return found


@contextlib.contextmanager
def _failing(task: Task) -> Iterator[None]:
    # What the libraries of Amazon raise when they have no key, or no region, is no OSError.
    botocore = sys.modules.get("botocore.exceptions")
    theirs: tuple[type[Exception], ...] = (botocore.BotoCoreError,) if botocore else ()
    passing: tuple[type[Exception], ...] = (botocore.HTTPClientError, botocore.ConnectionError) if botocore else ()
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"There is no file {task.shown!r}.", hint="Look at bucket and path.") from error
    except PermissionError as error:
        raise SourceError(
            f"{task.shown} may not be read by you.",
            hint="Look at the keys that its file system takes from the environment.",
        ) from error
    except passing as error:
        raise Transient(f"it cannot be asked ({type(error).__name__})", hint=_NETWORK) from error
    except theirs as error:
        raise SourceError(
            f"{task.shown} cannot be asked: {type(error).__name__}.",
            hint="Look at the keys and the region in the environment.",
        ) from error
    except OSError as error:
        if error.errno in {28, 122}:
            raise
        raise Transient(
            f"it cannot be read ({type(error).__name__})", hint="Look whether network and store are up."
        ) from error
