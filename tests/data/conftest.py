"""Data is tested on projects of the tests' own, whose owners start quickly."""

from tests.warm import forge, warm

__all__ = ["forge", "warm"]
