"""Controls above what they change, displayed beside HTML that stays when nobody is there to operate them.

JupyterLab shows a widget without a kernel as an error, whatever else its output holds. So there are two outputs: HTML, which is what
a saved notebook and a report show, and the live form, which hides that HTML while it lives. What is chosen changes both.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import ipywidgets
from IPython import display as cell

from nbops.errors import NbopsError
from nbops.render import html
from nbops.render.model import Html, element
from nbops.render.view import View

WIDE = {"description_width": "initial"}
"""A style of widgets whose descriptions are as wide as their words."""


class Live:
    """The live form of `view`: columns of controls above what `draw` gives, called again whenever one of them is used."""

    def __init__(self, view: View, columns: Sequence[Sequence[Any]], draw: Callable[[], Html]) -> None:
        self._view = view
        self._draw = draw
        self._kept: Any = None
        self._name = f"nbops-{uuid.uuid4().hex}"
        self._picture = ipywidgets.HTML()
        row = ipywidgets.Layout(flex_flow="row wrap", align_items="flex-start", grid_gap="4px 16px")
        above = ipywidgets.Box([ipywidgets.VBox(list(controls)) for controls in columns], layout=row)
        self.box = ipywidgets.VBox([above, self._picture])
        for control in chain.from_iterable(columns):
            if isinstance(control, ipywidgets.Button):
                control.on_click(self.redraw)
            else:
                control.observe(self.redraw, "value")
        self.redraw()

    @property
    def drawn(self) -> str:
        """What stands below the controls."""
        return str(self._picture.value)

    def redraw(self, _: object = None) -> None:
        """Draw what the controls say now, or tell the error."""
        try:
            drawn = self._draw()
        except NbopsError as error:
            drawn = html.stack(str(error))
        # Without the grid a wide table would widen its surroundings, rather than scroll.
        fitted = element("div", drawn, style="display:grid;grid-template-columns:minmax(0,1fr)")
        self._picture.value = f"<style>.{self._name}{{display:none}}</style>{fitted}"
        if self._kept is not None:
            self._kept.update(self._still(drawn), raw=True)

    def show(self) -> None:
        """Display both outputs."""
        # Without annotations, so that mypy would refuse the calls.
        display: Any = cell.display
        self._kept = display(self._still(self._view.to_html()), raw=True, display_id=self._name)
        # Empty HTML is what those show of it that have no widgets.
        display({**self.box._repr_mimebundle_(), "text/html": "", "text/plain": ""}, raw=True)

    def _still(self, drawn: Html) -> dict[str, str]:
        # JupyterLab says of a widget without its kernel that it was not found, which nobody needs below this HTML.
        child = ".jp-OutputArea-child"
        quiet = f"{child}:has(.{self._name})+{child}>.jp-OutputArea-output.jupyter-widgets:not(:has(*)){{display:none}}"
        shown = element("div", element("style", Html(quiet)), drawn, **{"class": self._name})
        return {"text/html": shown, "text/plain": ""}
