"""A pipeline as a picture: its tasks in columns, each after what it waits for, with arrows between them. Pure: plain values to SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nbops.pipelines.planning import PipelinePlan
from nbops.records import Record
from nbops.render import diagram, values
from nbops.render.model import Html

PRESSED = "data_nbops_task"
"""The attribute, in Python's spelling, by which a page finds the task whose box was pressed."""
# Every task is drawn: a graph with holes is none.
_ROWS = 1_000
TONES: Mapping[str, values.Tone] = {
    "run": "busy", "perhaps": "waiting", "skip": "neutral", "running": "busy", "finished": "good", "unchanged": "good",
    "degraded": "attention", "failed": "bad", "blocked": "attention", "stopped": "attention", "excluded": "neutral",
    "parked": "attention", "waiting": "waiting", "lost": "bad",
}  # fmt: skip
"""How a word of a plan or of a run is drawn."""
WORDS: Mapping[str, str] = {"parked": "waits for a person", "excluded": "left out"}
"""What people read where the word itself says little."""


class Node(Record):
    """A task: its word decides on the colour, `note` stands beside it, and `more` is shown when one points at it."""

    key: str
    word: str
    before: list[str]
    note: str = ""
    more: str = ""


def of_plan(planned: PipelinePlan, *, pressed: bool = False) -> Html:
    """The picture of a plan."""
    nodes = [Node(one.task, one.verdict, one.before, more=one.why) for one in planned.tasks]
    return draw(nodes, title=f"{planned.pipeline} now", pressed=pressed)


def draw(nodes: Sequence[Node], *, title: str, pressed: bool = False) -> Html:
    """The picture of tasks, which come after what they wait for; `pressed`: boxes are buttons of the page around it."""
    boxes = [
        diagram.Box(
            node.key,
            node.key,
            WORDS.get(node.word, node.word),
            node.note,
            tone=TONES.get(node.word, "neutral"),
            more=node.more,
        )
        for node in nodes
    ]
    arrows = [diagram.Arrow(before, node.key) for node in nodes for before in node.before]
    return diagram.draw_boxes(boxes, arrows, title=title, rows=_ROWS, pressed=PRESSED if pressed else "")
