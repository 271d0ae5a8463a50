"""The live form of the run board: filter it, and look again."""

from __future__ import annotations

import ipywidgets

from nbops.render.model import Html
from nbops.widgets.live import WIDE, Live
from nbops.workspace._board import STATES, RunBoard


def show(view: RunBoard) -> None:
    """Display a board with its controls."""
    live(view).show()


def live(view: RunBoard) -> Live:
    """A filter, a status and a button above the board, which is up to date after each change."""
    words = ipywidgets.Text(value=view.text, description="filter", placeholder="notebook, experiment or id", style=WIDE)
    status = ipywidgets.Dropdown(
        options=[("any", ""), *((state, state) for state in STATES)],
        value=view.status or "",
        description="status",
        style=WIDE,
    )
    refresh = ipywidgets.Button(description="Refresh", tooltip="Look again")

    def draw() -> Html:
        return view.look(text=words.value, status=status.value or None).to_html()

    return Live(view, [[words], [status], [refresh]], draw)
