"""Data is tested on projects of the tests' own, whose owners start quickly."""

from tests.warm import warm

__all__ = ["warm"]
