"""What Python code asks once and remembers, asked ahead: every kernel has the answer with it, and need not copy memory to find it.

Only questions whose answer is the same in each kernel of a server, and that touch nothing of a notebook's.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Awaitable, Mapping
from importlib.metadata import entry_points

from IPython.core.completer import IPCompleter
from IPython.core.inputtransformer2 import TransformerManager


def ask() -> None:
    """In the server, when everything is imported: ask."""
    # Whether such a value is a mapping goes through all classes that are registered as one, before the first line of a log.
    values: tuple[object, ...] = (0, "", [], None)
    for value in values:
        isinstance(value, (Mapping, Awaitable))
    # Through narwhals scikit-learn asks whether what it is given is a frame, and reads the entry points of all distributions for that.
    narwhals = sys.modules.get("narwhals.dependencies")
    if narwhals is not None and not entry_points(group="narwhals.plugins"):
        narwhals.is_into_dataframe(None)
    # The patterns that every shell compiles stay in re's cache.
    IPCompleter(namespace={}, global_namespace={})
    TransformerManager().transform_cell("''\n''")
    fnmatch.filter((), "*.ipy")
