"""Fetching in the folder of a test, and the rows that come of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nbops import duck
from nbops.data import relation
from nbops.data.sources.declaration import read
from nbops.data.sources.fetching import fetch
from nbops.data.sources.origin import Fetched, Origin
from nbops.errors import SourceError


class Fetching:
    """Fetches the source `flights` into the folder of a test, which is its project; what would be waited for is noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.waits: list[float] = []

    def __call__(self, given: object, *, seen: Origin | None = None, since: Any = None, **fields: Any) -> Fetched:
        source = read({"from": given, "timeout": 5, **fields}, name="flights")
        staging = self.folder / "staging"
        return fetch(source, staging, project=self.folder, since=since, seen=seen, sleep=self.waits.append)

    def refused(self, given: object, **fields: Any) -> str:
        before = self.left()
        with pytest.raises(SourceError) as caught:
            self(given, **fields)
        assert self.left() == before
        return str(caught.value)

    def left(self) -> list[str]:
        """What is in staging, but for parts that are gone on with."""
        folder = self.folder / "staging" / "flights"
        return sorted(path.name for path in folder.glob("*") if ".part" not in path.name)


def rows(fetched: Fetched) -> list[tuple[Any, ...]]:
    """All rows, in order."""
    with relation.opened(fetched.data) as there:
        return duck.rows(there.connection, f"from {there.sql} order by all")


def columns(fetched: Fetched) -> dict[str, str]:
    """The columns, with their types."""
    with relation.opened(fetched.data) as there:
        return there.columns
