"""What `evaluate` gives: figures that show themselves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from nbops.errors import UsageError
from nbops.evaluation.assessing import Asked
from nbops.evaluation.assessment import Assessment
from nbops.registry import evaluations
from nbops.render import text
from nbops.render.model import Column, Html
from nbops.render.view import View

if TYPE_CHECKING:
    import pandas as pd

    from nbops.store.client import Store


class Evaluation(View):
    """How a model did; `result` has every figure. It shows itself."""

    kind = "evaluation"

    def __init__(self, stored: evaluations.Evaluation) -> None:
        self.stored = stored

    @property
    def id(self) -> str:
        """The full id."""
        return self.stored.evaluation_id

    @property
    def result(self) -> Assessment:
        """Every figure."""
        return self.stored.assessment

    @property
    def metrics(self) -> pd.DataFrame:
        """The metrics with their intervals: value, low, high."""
        import pandas as pd

        found = [(one.metric, one.value, one.low, one.high) for one in self.result.metrics]
        return pd.DataFrame(found, columns=["metric", "value", "low", "high"]).set_index("metric")

    def to_text(self) -> str:
        """The metrics, then what stands out."""
        columns, rows, caption = self._table()
        return "\n".join([text.table(columns, rows, caption=caption), *self._sentences()])

    def to_html(self) -> Html:
        """How good it is, for whom worse, whether its answers mean what they say and what it goes by, with pictures."""
        from nbops.reports import document, findings

        _, _, caption = self._table()
        return document.fragment(findings.in_short(self.result), title=caption)

    def _table(self) -> tuple[list[Column | str], list[list[object]], str]:
        found = self.result
        in_blocks = f" in {found.blocks:,} blocks by {found.by}" if found.blocks is not None else ""
        caption = f"{self.stored.reference} on {found.rows:,} rows{in_blocks}"
        columns: list[Column | str] = [
            "metric",
            Column("value", "number"),
            Column("from", "number"),
            Column("to", "number"),
        ]
        return columns, [[one.metric, one.value, one.low, one.high] for one in found.metrics], caption

    def _sentences(self) -> list[str]:
        found = self.result
        worst = [one.sentence for one in found.worst if one.confirmed][:3]
        broken = [one.told for one in found.assumptions if not one.holds]
        cases = [one.sentence for one in found.cases if not one.passed]
        return [*worst, *cases, *broken, *found.notes]


def evaluate(  # noqa: PLR0913 - what may be looked at
    store: Store,
    reference: str,
    data: Any,
    *,
    target: str | None,
    slices: Sequence[str],
    protected: Sequence[str | tuple[str, str]],
    time: str | None,
    groups: str | None,
    metric: str | None,
    unit: str,
    sizing: bool,
    trust: Collection[str] | bool,
    logged: str = "model",
) -> Evaluation:
    """See `nbops.evaluate`."""
    from nbops.render.progress import told

    if time is not None and groups is not None:
        raise UsageError("Rows depend on each other by `time` or by `groups`, not by both.", hint="Leave one out.")
    asked = Asked(
        target=target or "", slices=tuple(slices), protected=tuple(protected), time=time, groups=groups, metric=metric, unit=unit
    )  # fmt: skip
    with told("evaluating"):
        found = evaluations.evaluate(store, reference, data, asked, logged=logged, sizing=sizing, trust=trust)
    return Evaluation(found)
