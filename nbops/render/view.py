"""What shows itself: lines in a terminal, HTML wherever it is opened, and a live form while a person can use it.

A live form is an installed function that displays the view, under the view's kind in the entry point group `nbops.live_views`.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from nbops.render.model import Html


class View(ABC):
    """Something to look at; `kind` is what its live form is registered under."""

    kind: ClassVar[str]

    @abstractmethod
    def to_text(self) -> str:
        """The view as lines for a terminal."""

    @abstractmethod
    def to_html(self) -> Html:
        """The view as HTML and SVG without scripts."""

    def _repr_html_(self) -> str:
        return self.to_html()

    def __repr__(self) -> str:
        return self.to_text()

    def _ipython_display_(self) -> None:
        show = _live(self.kind) if attended() else None
        if show is None:
            # IPython goes on to the HTML and the text.
            raise NotImplementedError
        show(self)


def shell() -> Any | None:
    """The IPython shell this process runs, if it runs one; imports nothing."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None and hasattr(module, "get_ipython") else None


def attended() -> bool:
    """Whether this is a notebook's kernel that no runner executes."""
    return getattr(shell(), "kernel", None) is not None and not os.environ.get("NBOPS_HEADLESS")


def _live(kind: str) -> Callable[[Any], None] | None:
    from importlib.metadata import entry_points

    for found in entry_points(group="nbops.live_views", name=kind):
        try:
            show: Callable[[Any], None] = found.load()
        except ImportError:  # a kernel without ipywidgets
            continue
        return show
    return None
