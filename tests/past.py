"""A project's data as it will be some time from now: what its store knows of collections is moved into the past."""

from __future__ import annotations

import duckdb

from tests.conftest import Project

_TIMES = {"collections": ("started", "ended"), "snapshots": ("created",)}


def let_pass(project: Project, days: float) -> None:
    """Have so many days gone by since all that was collected."""
    project.kill_owner()
    with duckdb.connect(str(project.places.database)) as con:
        for table, columns in _TIMES.items():
            moved = ", ".join(f"{column} = {column} - to_seconds(?)" for column in columns)
            con.execute(f"update core.{table} set {moved}", [days * 86_400] * len(columns))  # noqa: S608 - names of above
