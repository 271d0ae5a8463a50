"""Execution is tested on a project that the tests of a module share."""

from tests.shared import here, nothing_left, quick, run, shared, typed
from tests.warm import proven, warm

__all__ = ["here", "nothing_left", "proven", "quick", "run", "shared", "typed", "warm"]
