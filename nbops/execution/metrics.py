"""The cell tagged `metrics`: its numeric names become the run's metrics, without any import in the notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbops.execution.reading import assignments

TAG = "metrics"
# Evaluated in the kernel, on names that stand on the left of an assignment in the tagged cell.
# numpy's truth values are `bool`, once `bool_`.
_NUMBER = "repr(float({name})) if type({name}).__name__ not in ('bool', 'bool_', 'str', 'bytes') and hasattr({name}, '__float__') else None"


def asked(source: str) -> dict[str, str]:
    """The expressions that tell the numbers which a cell assigned, by their names."""
    return {name: _NUMBER.format(name=name) for name in assignments(source) if not name.startswith("_")}


def told(answers: Mapping[str, Any]) -> dict[str, float]:
    """The numbers in a kernel's answers to `asked`."""
    told = {name: answer["data"]["text/plain"] for name, answer in answers.items() if answer["status"] == "ok"}
    return {name: float(text.strip("'")) for name, text in told.items() if text != "None"}
