"""What shows itself: lines in a terminal, HTML that stays as it is wherever it is opened, and a live form while a person can use it.

Live forms come from installed surfaces: a function that displays the view, under the view's kind in the entry point group
`nbops.live_views`. Where there is none, or where nobody sits, the view is HTML like any other.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, ClassVar

from nbops.render.model import Html
from nbops.tracking import provenance

LIVE_VIEWS = "nbops.live_views"


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
        show = _live(self.kind) if _attended() else None
        if show is None:
            # IPython takes it for "not here" and goes on to the HTML and the text.
            raise NotImplementedError
        show(self)


def _attended() -> bool:
    """Whether this is a notebook's kernel that no runner executes."""
    return getattr(provenance.shell(), "kernel", None) is not None and not os.environ.get("NBOPS_HEADLESS")


def _live(kind: str) -> Callable[[Any], None] | None:
    for found in entry_points(group=LIVE_VIEWS, name=kind):
        try:
            show: Callable[[Any], None] = found.load()
        except ImportError:  # a kernel without ipywidgets
            continue
        return show
    return None
