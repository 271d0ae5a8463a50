"""Reviews are tried on a project that the tests of a module share."""

from tests.shared import here, nothing_left, shared
from tests.warm import proven, warm

__all__ = ["here", "nothing_left", "proven", "shared", "warm"]
