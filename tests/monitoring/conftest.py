"""Incidents are tried on a project that the tests of a module share."""

from tests.shared import here, nothing_left, quick, shared, typed

__all__ = ["here", "nothing_left", "quick", "shared", "typed"]
