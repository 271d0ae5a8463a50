"""A page that somebody answers without scripts: what it is about, and a form that goes back to the server it came from.

What flows in was escaped by the renderer, or is escaped here; what a browser sends back is for the server to judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nbops.records import Record
from nbops.render.model import Html


class Choice(Record):
    """A button: what the form says when it is pressed, and what the reader reads on it."""

    value: str
    label: str


class Form(Record):
    """Where an answer goes, what goes along unseen, what can be chosen, and the reason that somebody has typed already."""

    address: str
    hidden: Mapping[str, str]
    choices: Sequence[Choice]
    reason: str = ""


class Notice(Record):
    """What became of an answer, or why there is no page, and what to do about it."""

    message: str
    hint: str = ""
    failed: bool = True


def page(title: str, body: Html, *, form: Form | None = None, notice: Notice | None = None) -> str:
    """The page, complete in itself; without a `form` there is nothing to answer."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("nbops.reports"), autoescape=True)
    made = environment.get_template("answer.html.j2").render(
        title=title, body=body, form=form, notice=notice, answerable=form is not None
    )
    return made.encode(errors="replace").decode()
