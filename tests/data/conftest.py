"""Data is tested on projects of the tests' own, whose owners start quickly."""

from tests.warm import proven, warm

__all__ = ["proven", "warm"]
