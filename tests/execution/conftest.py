"""Execution is tested on a project that the tests of a module share."""

from tests.shared import here, nothing_left, quick, run, shared, typed

__all__ = ["here", "nothing_left", "quick", "run", "shared", "typed"]
