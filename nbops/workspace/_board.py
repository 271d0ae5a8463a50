"""The run board."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

from nbops import times
from nbops.errors import UsageError
from nbops.records import RunStatus
from nbops.render import html, text, values
from nbops.render.model import Column, Html
from nbops.render.view import View
from nbops.store.client import Store
from nbops.tracking import recording

if TYPE_CHECKING:
    import pandas as pd

    from nbops.execution.board import Row

STATES: tuple[RunStatus, ...] = get_args(RunStatus)


class RunBoard(View):
    """The latest runs of a project as they were at `as_of`, newest first, and its models; `look` looks again.

    Runs that are parts of others show up only when a `text` is looked for. Raises UsageError for a status that there is not.
    """

    kind = "board"

    def __init__(self, store: Store, *, text: str = "", status: str | None = None, limit: int = 50) -> None:
        from nbops.execution import board

        if status is not None and status not in STATES:
            raise UsageError(f"No run is ever {status!r}.", hint=f"Use one of: {', '.join(STATES)}.")
        recording.flush_all()
        self._store = store
        self._limit = limit
        self._found = board.board(store, text=text, status=status or "", limit=limit)
        self.text = text
        self.status = status
        self.as_of = datetime.now(UTC)

    @property
    def runs(self) -> pd.DataFrame:
        """One row each."""
        import msgspec
        import pandas as pd

        from nbops.execution.board import Row

        return pd.DataFrame(
            [msgspec.structs.asdict(row) for row in self._found.rows], columns=list(Row.__struct_fields__)
        )

    def look(self, *, text: str = "", status: str | None = None) -> RunBoard:
        """The board as it is now, for another `text` and `status`."""
        return RunBoard(self._store, text=text, status=status, limit=self._limit)

    def to_text(self) -> str:
        """For a terminal."""
        parts = [text.table(*self._runs(), caption=self._caption(), note=self._note())]
        if self._found.models:
            parts.append(text.table(*self._models(), caption="Models"))
        return "\n\n".join(part.rstrip() for part in parts)

    def to_html(self) -> Html:
        """HTML without scripts."""
        parts = [html.table(*self._runs(), caption=self._caption(), note=self._note())]
        if self._found.models:
            parts.append(html.table(*self._models(), caption="Models"))
        return html.stack(*parts)

    def _runs(self) -> tuple[list[Column | str], list[list[object]]]:
        rows = self._found.rows
        named, doing = any(map(_name, rows)), any(map(_doing, rows))
        columns: list[Column | str] = [Column("run", "code"), "notebook", *(["name"] if named else []), "experiment"]
        columns += [
            Column("status", "status"),
            Column("started", "time", unit=times.zone(row.start for row in rows)),
            "took",
            *(["cell or cause"] if doing else []),
        ]
        return columns, [
            [
                row.short, row.title, *([_name(row)] if named else []), row.experiment, row.status, _local(row.start),
                values.duration(row.seconds), *([_doing(row)] if doing else []),
            ]
            for row in rows
        ]  # fmt: skip

    def _models(self) -> tuple[list[Column | str], list[list[object]]]:
        columns: list[Column | str] = ["model", Column("versions", "number"), Column("latest", "number")]
        return columns, [[model.name, model.versions, model.latest] for model in self._found.models]

    def _caption(self) -> str:
        return f"Runs of {self._store.settings.project.name}, {times.minute(self.as_of)}"

    def _note(self) -> str:
        told = [f"{self._found.running} running"] if self._found.running else []
        if self._found.more:
            told.append(f"the newest {len(self._found.rows)} are shown")
        if self.text or self.status:
            told.append(f"only {' '.join(filter(None, (self.status, repr(self.text) if self.text else '')))}")
        return "; ".join(told)


def _name(row: Row) -> str:
    """A sweep's title is its name."""
    return "" if row.name == row.title else row.name


def _doing(row: Row) -> str:
    """Where it is, or what it ended by."""
    if row.cell is not None:
        return f"cell {row.cell}/{row.cells} {row.line}".rstrip()
    return row.cause or ""


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
