"""What became of a collection, to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nbops.data.checking import COLUMNS
from nbops.data.requests import Collect, Status
from nbops.errors import ContractViolation
from nbops.render import html, text, values
from nbops.render.model import Html
from nbops.render.view import View

if TYPE_CHECKING:
    from nbops.data.snapshots import Snapshot


class Collection(View):
    """A collection or a repair: `rows` came, each of them is `good`, `quarantined` or `dropped`; `snapshot` is the last version then."""

    kind = "collection"

    def __init__(self, request: Collect, snapshot: Snapshot | None, reasons: Mapping[str, int] | None = None) -> None:
        self.collection_id, self.source, self.status = request.collection_id, request.source, request.status
        self.rows, self.good = request.rows, request.good
        self.quarantined, self.dropped = request.quarantined, request.dropped
        self.outcomes, self.message = tuple(request.outcomes), request.message
        self.reasons = dict(reasons or {})
        self.snapshot = snapshot
        self._how = request.how

    @property
    def ok(self) -> bool:
        """Whether the last version is what its contract asks for."""
        return self.status in {"taken", "unchanged"}

    def require(self) -> Collection:
        """Itself. Raises ContractViolation when its contract forbids what came."""
        if self.ok:
            return self
        raise ContractViolation(f"{self.source}: {self.message}", hint=self.remedy)

    @property
    def remedy(self) -> str:
        """What to do about rows that the contract forbids."""
        if self._how == "repaired":
            return "They stay in quarantine: repair them otherwise, or change the contract."
        stays = f"version {self.snapshot.version} stays" if self.snapshot else "there is no version yet"
        return f"Mend the source or its contract, and collect it again; until then {stays}."

    @property
    def summary(self) -> str:
        """What happened, in one line."""
        counts = [
            values.counted(self.rows, "row"), f"{self.good:,} good", f"{self.quarantined:,} quarantined" if self.quarantined else "",
            f"{self.dropped:,} dropped" if self.dropped else "",
        ]  # fmt: skip
        told = ", ".join(count for count in counts if count) if self.rows else ""
        ends: dict[Status, str] = {
            "taken": f"version {self.snapshot.version if self.snapshot else ''}", "unchanged": "nothing new",
            "refused": self.message or "", "failed": self.message or "",
        }  # fmt: skip
        end = ends[self.status].removesuffix(".") if told else ends[self.status]
        return f"{self.source}: {'; '.join(part for part in (end, told) if part)}"

    def to_text(self) -> str:
        """The summary, a line for each rule that does not hold, and what to do if nothing was taken."""
        lines = self._lines()
        told = text.table(COLUMNS, lines, caption=self.summary) if lines else self.summary
        return told if self.ok else f"{told.rstrip()}\n{self.remedy}"

    def to_html(self) -> Html:
        """As the text, as a table."""
        told = html.table(COLUMNS, self._lines(), caption=self.summary)
        return told if self.ok else html.stack(told, self.remedy)

    def _lines(self) -> list[list[object]]:
        return [
            [one.outcome, one.rule, one.broken or None, one.detail] for one in self.outcomes if one.outcome not in {"passed", "skipped"}
        ]  # fmt: skip
