"""The rules that nbops brings along, as data: by name and number first, by the words of a message last.

A rule is made for a kind of failure that many libraries share, not for one message. What might make a code bug transient is narrow.
"""

from __future__ import annotations

from nbops.failures.known.limits import LIMITS, RESOURCES
from nbops.failures.known.ours import FETCHED, OURS
from nbops.failures.known.slips import SLIPS
from nbops.failures.known.sources import SOURCES
from nbops.failures.known.surroundings import SURROUNDINGS
from nbops.failures.known.tables import SHAPES, VALUES
from nbops.failures.known.told import WORDS
from nbops.failures.rule import Rule

OTHERWISE = Rule("code.other", "code_bug", "Nothing but the code itself explains it.")

RULES: tuple[Rule, ...] = (
    *LIMITS,
    *OURS,
    *FETCHED,
    *SURROUNDINGS,
    *SLIPS,
    *RESOURCES,
    *SOURCES,
    *SHAPES,
    *VALUES,
    *WORDS,
    OTHERWISE,
)
"""The built-in rules in the order in which they are tried; the last one takes what no other fits."""
