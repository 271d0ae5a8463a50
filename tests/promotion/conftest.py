"""Reviews and retrainings are tried on a project that the tests of a module share."""

from tests.shared import here, nothing_left, quick, shared, typed
from tests.warm import proven, warm

__all__ = ["here", "nothing_left", "proven", "quick", "shared", "typed", "warm"]
