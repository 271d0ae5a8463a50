"""One project for the tests of a module."""

from tests.shared import here, shared

__all__ = ["here", "shared"]
