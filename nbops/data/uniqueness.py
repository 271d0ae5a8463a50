"""Which keys occur more than once: exact, in one pass over the keys, in bounded memory.

The hashes of all keys are sorted and looked through for neighbours that are equal; only the keys of such hashes are compared themselves.
Sorting numbers is several times faster than grouping rows, and what does not fit is sorted range by range, from files.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops import duck
from nbops.data.compiling import Compiled
from nbops.duck import name

if TYPE_CHECKING:
    import numpy as np

    Hashes = np.ndarray[Any, np.dtype[np.uint64]]

_BATCH = 1_000_000
# 160 MB of hashes at a time.
_MOST = 20_000_000
_RANGES = 64


def find(con: Any, compiled: Compiled) -> None:
    """Make the tables of repeated keys that the compiled contract reads; rules that no row breaks are taken out of it."""
    for number, rule in compiled.unique_rules():
        keys = ", ".join(map(name, rule.columns))
        there = " and ".join(f"{name(column)} is not null" for column in rule.columns)
        rows = f"select {keys} from ({compiled.keys_of(rule)}) where {there}"
        candidates = _repeated(
            batch.column(0).to_numpy() for batch in duck.batches(con, f"select hash({keys}) from ({rows})", (), _BATCH)
        )
        known = compiled.known_for(rule)
        if not len(candidates) and not known:
            compiled.holds(number)
            continue
        table = compiled.repeated(number)
        con.register("candidates", _table(candidates))
        twice = f"select {keys} from ({rows}) where hash({keys}) in (select hash from candidates) group by {keys} having count(*) > 1"
        if known:
            twice += f" union select {keys} from ({rows}) semi join (select {keys} from {known}) using ({keys})"
        con.execute(f"create temp table {table} as {twice}")
        con.unregister("candidates")


def _repeated(batches: Iterable[Hashes]) -> Hashes:
    import numpy as np

    held: list[Hashes] = []
    with tempfile.TemporaryDirectory(prefix="nbops-keys-") as folder:
        files = [Path(folder, str(number)) for number in range(_RANGES)]
        for batch in batches:
            held.append(batch)
            if sum(map(len, held)) >= _MOST:
                _put(held, files)
                held = []
        if not any(file.exists() for file in files):
            return _neighbours(held)
        _put(held, files)
        found = [_neighbours([np.fromfile(file, np.uint64)]) for file in files if file.exists()]
        return np.concatenate(found)


def _put(held: list[Hashes], files: list[Path]) -> None:
    """Add hashes to the files of their ranges."""
    import numpy as np

    ends = np.array([(number << 64) // _RANGES for number in range(1, _RANGES)], dtype=np.uint64)
    for some in held:
        ordered = np.sort(some)
        for part, file in zip(np.split(ordered, np.searchsorted(ordered, ends)), files, strict=True):
            if len(part):
                with file.open("ab") as writer:
                    writer.write(part.tobytes())


def _neighbours(held: list[Hashes]) -> Hashes:
    import numpy as np

    ordered = np.concatenate(held) if held else np.empty(0, np.uint64)
    ordered.sort()
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _table(hashes: Hashes) -> Any:
    import pyarrow as pa

    return pa.table({"hash": hashes})
