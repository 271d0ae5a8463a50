"""The command line is tested on a project that the tests of a module share."""

from tests.shared import here, nothing_left, run, shared, typed
from tests.warm import proven, warm

__all__ = ["here", "nothing_left", "proven", "run", "shared", "typed", "warm"]
