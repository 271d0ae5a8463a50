"""A contract as people read it: a sentence for each rule, what follows when it is broken, and what its columns are."""

from __future__ import annotations

from nbops.data.contract import Contract
from nbops.data.meaning import sentence
from nbops.render import html, text
from nbops.render.model import Column, Html
from nbops.render.view import View

_RULES = (Column("rule"), Column("broken rows"), Column("up to a share of", kind="number"))
_COLUMNS = (Column("column"), Column("type"), Column("class"), Column("has to be there"))
_FOLLOWS = {"stop": "nothing is taken", "quarantine": "are set aside", "warn": "are told"}


class ContractView(View):
    """A contract that shows itself; `contract` is the record."""

    kind = "contract"

    def __init__(self, contract: Contract) -> None:
        self.contract = contract

    def to_text(self) -> str:
        """The rules, then the columns."""
        rules = text.table(_RULES, self._rules(), caption=self._caption)
        return f"{rules}\n{text.table(_COLUMNS, self._columns())}" if self.contract.columns else rules

    def to_html(self) -> Html:
        """As the text."""
        rules = html.table(_RULES, self._rules(), caption=self._caption)
        return Html(rules + html.table(_COLUMNS, self._columns())) if self.contract.columns else rules

    @property
    def _caption(self) -> str:
        return f"{self.contract.name}: {self.contract.description}" if self.contract.description else self.contract.name

    def _rules(self) -> list[list[object]]:
        return [[sentence(rule), _FOLLOWS[rule.severity], rule.limit] for rule in self.contract.rules]

    def _columns(self) -> list[list[object]]:
        return [
            [name, column.kind or "any", column.sensitivity, "yes" if column.required else "no"]
            for name, column in self.contract.columns.items()
        ]
