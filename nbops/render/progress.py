"""One line that says how far something is, where somebody watches: a terminal, or a notebook that a person executes."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from nbops.render import view

_SOON, _OFTEN = 1.0, 0.2


@contextlib.contextmanager
def told(of: str) -> Iterator[Callable[[str, int], None]]:
    """What is to be called with a word and a count, such as "rows" and 10,000; nothing is shown of what takes under a second."""
    watched = sys.stderr.isatty() or view.attended()
    began = last = time.monotonic()
    shown = False

    def tell(what: str, count: int) -> None:
        nonlocal last, shown
        now = time.monotonic()
        if watched and now - began > _SOON and now - last > _OFTEN:
            last, shown = now, True
            sys.stderr.write(f"\r\033[K{of}: {f'{count:,} ' if count else ''}{what}")
            sys.stderr.flush()

    try:
        yield tell
    finally:
        if shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
