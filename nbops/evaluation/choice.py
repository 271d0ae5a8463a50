"""A chosen decision rule as it is shown: what it reaches, in words, and the curve it was chosen from."""

from __future__ import annotations

from typing import Literal

from nbops.evaluation.decision import DecisionRule
from nbops.evaluation.telling import Estimate
from nbops.evaluation.thresholds import Point
from nbops.records import Record
from nbops.render import html, svg, text
from nbops.render.model import Column, Html

Criterion = Literal["costs", "precision", "recall", "capacity"]

_LINES = 9
"""So many points of the curve are told in a terminal, beside the chosen one."""


class Choice(Record):
    """The rule that was chosen, what it reaches on these rows, and the curve; `sentences` say it in words. It shows itself.

    `flagged` is the share of rows decided positive and `abstained` the share left to a person; `cost` is per row.
    """

    rule: DecisionRule
    criterion: Criterion
    asked: float | None
    rows: int
    positives: int
    precision: Estimate
    recall: Estimate
    flagged: Estimate
    cost: Estimate | None
    abstained: Estimate | None
    curve: tuple[Point, ...]
    sentences: tuple[str, ...]

    def to_text(self) -> str:
        """The sentences, and some points of the curve."""
        columns: list[Column | str] = [
            Column("threshold", "number"),
            "",
            *(Column(name, "number") for name in self._names),
        ]
        chosen, mark = self._chosen, "chosen" if self.rule.reject is None else "with no look"
        step = max(1, len(self.curve) // _LINES)
        told = [point for place, point in enumerate(self.curve) if place % step == 0 or point is chosen]
        rows = [
            [point.threshold, mark if point is chosen else "", *(getattr(point, name) for name in self._names)] for point in told
        ]  # fmt: skip
        return "\n".join([self.title, text.table(columns, rows).rstrip("\n"), *self.sentences])

    def to_html(self) -> Html:
        """The sentences and the whole curve, drawn."""
        shares = [name for name in self._names if name != "cost"]
        pictures = [self._picture(shares, "share", 0.0, 1.0)]
        costs = [point.cost for point in self.curve if point.cost is not None]
        if costs:
            pictures.append(self._picture(["cost"], f"{self._unit} a row".strip(), min(costs), max(costs)))
        return html.stack(self.title, html.beside(*pictures), *self.sentences)

    @property
    def title(self) -> str:
        """What was chosen, and by which wish."""
        return f"The threshold of {self.rule.positive!r}: {self.rule.why}"

    def _repr_html_(self) -> str:
        return self.to_html()

    def __repr__(self) -> str:
        return self.to_text()

    @property
    def _names(self) -> list[str]:
        return ["precision", "recall", "flagged", *(["cost"] if self.cost is not None else [])]

    @property
    def _unit(self) -> str:
        return self.rule.costs.unit if self.rule.costs is not None else ""

    @property
    def _chosen(self) -> Point:
        return next(point for point in self.curve if point.threshold == self.rule.threshold)

    def _picture(self, names: list[str], y_label: str, low: float, high: float) -> Html:
        """Courses by threshold, with an upright line at each bound of the rule."""
        steps = [point.threshold for point in self.curve]
        lines = [svg.Line(name, [getattr(point, name) for point in self.curve], steps) for name in names]
        bounds = dict(zip(("a person", "positive"), self.rule.reject, strict=True)) if self.rule.reject else None
        for name, bound in (bounds or {"chosen": self.rule.threshold}).items():
            lines.append(svg.Line(name, [low, high], [bound, bound]))
        return svg.line(lines, x_label="threshold", y_label=y_label)
