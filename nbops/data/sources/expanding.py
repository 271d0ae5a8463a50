"""Compressed files, expanded as a stream into the source's folder: never beyond a limit, and under our own name.

What an archive calls its files decides at most on their format.
"""

from __future__ import annotations

import contextlib
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from nbops.data.sources import address as addresses
from nbops.data.sources.reading import Raw, Reading
from nbops.data.sources.task import CHUNK, Task, written
from nbops.data.spans import readable
from nbops.errors import SourceError

RATIO = 200
"""How many times as large as before compressed input may become."""

# Bytes: what is this small does no harm, however well it was compressed.
_SMALL = 2**20


def expanded(task: Task, raw: Raw, number: int | None) -> Raw:
    """The file that is inside. Raises SourceError when it is too large, damaged, or not the only one."""
    limit = _limit(task, raw.path)
    with _opened(raw) as (given, form):
        path = task.staged({"excel": ".xlsx", "": ".data"}.get(form, f".{form}"), number)
        reading = Reading(raw.file.name, task.source, form)
        with written(path) as made:
            while chunk := given.read(CHUNK):
                reading.add(chunk)
                if reading.size > limit:
                    raise _bomb(raw, limit)
                made.write(chunk)
            reading.end()
    if raw.path.is_relative_to(task.folder):
        raw.path.unlink()
    return raw._replace(path=path, format=form, compression="", longest=reading.longest)


def check_workbook(task: Task, raw: Raw) -> None:
    """A workbook is an archive, too: raise SourceError before a library expands one that is too large or damaged."""
    if not zipfile.is_zipfile(raw.path):
        return
    limit = min(_limit(task, raw.path), 2 * 10**9)
    with _damaged(raw), zipfile.ZipFile(raw.path) as archive:
        count = 0
        for member in archive.infolist():
            with archive.open(member) as given:
                while chunk := given.read(CHUNK):
                    count += len(chunk)
                    if count > limit:
                        raise _bomb(raw, limit)


def _limit(task: Task, path: Path) -> int:
    return min(task.source.max_bytes, max(RATIO * path.stat().st_size, _SMALL))


def _bomb(raw: Raw, limit: int) -> SourceError:
    return SourceError(
        f"{raw.file.name} holds {readable(raw.file.size)} that expand to more than {readable(limit)}: it is refused.",
        hint=f"It may expand {RATIO} times, and to `max_bytes`. If it is what you want, expand it yourself.",
    )


@contextlib.contextmanager
def _opened(raw: Raw) -> Iterator[tuple[IO[bytes] | Any, str]]:
    """The bytes inside, and their format."""
    with _damaged(raw), contextlib.ExitStack() as opened:
        if raw.compression == "gzip":
            yield opened.enter_context(gzip.open(raw.path)), raw.format
        elif raw.compression == "zstd":
            import pyarrow as pa

            yield opened.enter_context(pa.input_stream(str(raw.path), compression="zstd")), raw.format
        else:
            archive = opened.enter_context(zipfile.ZipFile(raw.path))
            member = _only(raw, archive)
            form = raw.format or addresses.format_of(member.filename)
            yield opened.enter_context(archive.open(member)), form


@contextlib.contextmanager
def _damaged(raw: Raw) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise SourceError(
            f"{raw.file.name} is damaged or cut off: {error}.", hint="Look at it where it comes from, and fetch again."
        ) from error
    except RuntimeError as error:  # a password is wanted, or the method of packing is unknown
        raise SourceError(
            f"{raw.file.name} cannot be expanded: {error}.",
            hint="Expand it yourself; archives with a password are not read.",
        ) from error
    except OSError as error:
        # What Arrow says of a damaged stream; an error of the system itself has a number.
        if error.errno is not None:
            raise
        raise SourceError(
            f"{raw.file.name} is damaged or cut off: {error}.", hint="Look at it where it comes from, and fetch again."
        ) from error


def _only(raw: Raw, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    inside = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
    data = [one for one in inside if addresses.format_of(one.filename)] or inside
    if len(data) != 1:
        raise SourceError(
            f"{raw.file.name} holds {len(data)} files of data: one is needed.",
            hint="Expand it yourself, and name its files by a pattern.",
        )
    return data[0]
