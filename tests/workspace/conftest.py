"""Handles are tested on a project that the tests of a module share."""

from tests.shared import here as here
from tests.shared import nothing_left as nothing_left
from tests.shared import run as run
from tests.shared import shared as shared
