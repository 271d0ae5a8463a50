"""Rows that are no file yet, written to Parquet batch by batch: of databases, functions and workbooks."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from nbops.data import relation
from nbops.data.sources.origin import Fetched, File
from nbops.data.sources.task import Task, written
from nbops.data.spans import readable
from nbops.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa


class Writer:
    """Writes a source's rows into its folder. Where batches differ in their columns, another file begins.

    What was written is there as a whole when the block is left, and not at all when something fails in it.
    """

    def __init__(self, task: Task, number: int | None = None) -> None:
        self._task = task
        self._number = number
        self._undo = contextlib.ExitStack()
        self._open: contextlib.ExitStack | None = None
        self._schema: pa.Schema | None = None
        self._into: Any = None
        self._taken = 0
        self._hashed: list[tuple[Path, _Hashed]] = []
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._close()
        elif self._open is not None:
            # The file learns of the failure and takes itself away.
            with contextlib.suppress(kind):
                self._open.__exit__(kind, error, trace)
            for path, _ in self._hashed:
                path.unlink(missing_ok=True)

    def add(self, batch: pa.RecordBatch) -> None:
        """More rows. Raises SourceError when they are more than `max_bytes`."""
        import pyarrow as pa

        schema = _storable(batch.schema)
        if schema != self._schema:
            self._close()
            self._begin(schema)
        table = pa.Table.from_batches([batch])
        self._taken += table.nbytes
        if self._taken > self._task.source.max_bytes:
            raise SourceError(
                f"{self._task.shown} gives more than {readable(self._task.source.max_bytes)}.",
                hint="Raise `max_bytes`, or narrow what is asked for.",
            )
        self._into.write_table(table.cast(schema))
        self.rows += batch.num_rows
        self._task.told(self._taken, None)

    @property
    def paths(self) -> list[Path]:
        """The files, once the block is left."""
        return [path for path, _ in self._hashed]

    def fetched(self) -> Fetched:
        """The end of a fetch: nothing has changed if the same rows were fetched the last time, or there are none at all."""
        if not self._hashed:
            return Fetched(data=None, origin=self._task.fetched(None).origin, unchanged=True)
        files = [
            File(name=path.name, size=hashed.size, sha256=hashed.digest.hexdigest()) for path, hashed in self._hashed
        ]
        self._task.keep(self.paths)
        paths = tuple(map(str, self.paths))
        data = paths[0] if len(paths) == 1 else relation.Files(paths=paths, format="parquet")
        return self._task.fetched(data, files, self._taken)

    def _begin(self, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        number = self._number if not self._hashed else len(self._hashed) + 1
        path = self._task.staged(".parquet", number)
        with contextlib.ExitStack() as opened:
            hashed = _Hashed(opened.enter_context(written(path)))
            self._into = opened.enter_context(pq.ParquetWriter(hashed, schema, compression="zstd"))
            self._open = opened.pop_all()
        self._schema = schema
        self._hashed.append((path, hashed))

    def _close(self) -> None:
        if self._open is not None:
            opened, self._open = self._open, None
            opened.close()


class _Hashed:
    """A file that is written once, from its beginning to its end, with the digest of what went into it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0
        self.closed = False

    def write(self, data: Any) -> int:
        """As a file does."""
        self.digest.update(data)
        count = self._file.write(data)
        self.size += count
        return count

    def tell(self) -> int:
        """As a file does."""
        return self.size

    def flush(self) -> None:
        """As a file does."""

    def close(self) -> None:
        """Who opened the file closes it."""
        self.closed = True

    def readable(self) -> bool:
        """As a file does."""
        return False

    def writable(self) -> bool:
        """As a file does."""
        return True

    def seekable(self) -> bool:
        """As a file does."""
        return False


def _storable(schema: pa.Schema) -> pa.Schema:
    """Columns as Parquet and DuckDB know them: one kind of text, nothing that a library notes for itself."""
    import pyarrow as pa

    plain = {
        pa.string_view(): pa.string(), pa.large_string(): pa.string(), pa.binary_view(): pa.binary(),
        pa.large_binary(): pa.binary(), pa.null(): pa.string(),
    }  # fmt: skip
    fields = [pa.field(field.name, plain.get(field.type, field.type)) for field in schema]
    return pa.schema(fields)
