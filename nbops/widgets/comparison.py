"""The live form of a comparison: choose what is compared, and which picture is drawn of it."""

from __future__ import annotations

import ipywidgets

from nbops.render import html
from nbops.render.model import Html
from nbops.tracking.compare import Comparison
from nbops.widgets.live import WIDE, Live

_PARALLEL, _SCATTER, _CURVES = "parallel coordinates", "scatter", "curves by step"


def show(view: Comparison) -> None:
    """Display a comparison with its controls."""
    live(view).show()


def live(view: Comparison) -> Live:
    """The controls of a comparison above its table and one picture."""
    metrics, params = _all(view, "metrics", "metrics"), _all(view, "params", "parameters")
    everything = ipywidgets.Checkbox(
        description="what is the same, too", value=view.everything, indent=False, layout={"width": "auto"}
    )
    drawn = [(row.place, row.key) for row in view.rows if row.place in {"metrics", "params"}]
    columns = [f"{place}.{key}" for place, key in drawn]
    courses = view.courses
    pictures = [_PARALLEL, *([_SCATTER] if len(columns) > 1 else []), *([_CURVES] if courses else [])]
    picture = ipywidgets.Dropdown(options=pictures, description="plot", style=WIDE)
    x = ipywidgets.Dropdown(options=columns, value=columns[-1] if columns else None, description="x", style=WIDE)
    y = ipywidgets.Dropdown(options=columns, description="y", style=WIDE)
    course = ipywidgets.Dropdown(options=courses, description="metric", style=WIDE)

    def draw() -> Html:
        for control, needed in ((x, _SCATTER), (y, _SCATTER), (course, _CURVES)):
            control.layout.display = None if picture.value == needed else "none"
        chosen = view.only(metrics.value, params.value, everything=everything.value)
        if picture.value == _SCATTER:
            plot = view.scatter(x.value, y.value)
        elif picture.value == _CURVES:
            plot = view.curves(course.value)
        else:
            plot = chosen.plot()
        return html.stack(chosen.table(), plot)

    return Live(view, [[metrics], [params], [everything, picture, x, y, course]], draw)


def _all(view: Comparison, place: str, words: str) -> ipywidgets.SelectMultiple:
    keys = [row.key for row in view.rows if row.place == place]
    return ipywidgets.SelectMultiple(
        options=keys, value=keys, rows=max(3, min(6, len(keys))), description=words, style=WIDE, tooltip="Ctrl and Shift choose several"
    )  # fmt: skip
