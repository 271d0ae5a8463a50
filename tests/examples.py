"""How many examples a property is tried with: fewer on every day, all of them where `make faults` asks for EXAMPLES=all."""

from __future__ import annotations

import os


def some(all_of_them: int = 100) -> int:
    """A third of so many examples, and no fewer than five; all of them when the environment says so."""
    return all_of_them if os.environ.get("EXAMPLES") == "all" else max(all_of_them // 3, 5)
