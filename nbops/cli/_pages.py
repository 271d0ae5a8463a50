"""`nbops models card`, `nbops reviews page` and `nbops monitor page`: pages for people who do not use nbops."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nbops.cli._base import Here, here, json_option, show
from nbops.cli._models import models_group
from nbops.cli._monitor import monitor_group
from nbops.cli._reviews import reviews_group

if TYPE_CHECKING:
    from nbops.reports.document import Document


@models_group.command("card")
@click.argument("model", metavar="NAME[/VERSION|@ALIAS]")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write the page into this file.")
@click.option(
    "--md", "markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write it as Markdown into this file."
)
@json_option
@here
def card(obj: Here, model: str, page: Path | None, markdown: Path | None, as_json: bool) -> None:
    """Write the card of a version as one self-contained page (default: card-NAME-VERSION.html); of a model, its champion's."""
    from nbops.reports import model_card, monitoring_page

    store = obj.store()
    record = model_card.chosen(store, model)
    paths = [path for path in (page, markdown) if path is not None] or [Path(model_card.default_name(record))]
    beside = monitoring_page.default_name(record.model)
    linked = beside if all((path.parent / beside).is_file() for path in paths) else None
    _write(model_card.card(store, record, page=linked), paths, markdown, as_json=as_json)


@reviews_group.command("page")
@click.argument("review")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it into this file (default: review-ID.html); NAME.md is Markdown.",
)
@json_option
@here
def review_page(obj: Here, review: str, out: Path | None, as_json: bool) -> None:
    """Write one page about a review for an approver who is no programmer."""
    from nbops.promotion import reviews
    from nbops.reports import review_page as pages

    store = obj.store()
    review_id = reviews.find(store, review)
    _write(pages.page(store, review_id), [out or Path(pages.default_name(review_id))], None, as_json=as_json)


@monitor_group.command("page")
@click.argument("model")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it into this file (default: monitoring-MODEL.html); NAME.md is Markdown.",
)
@click.option("--until", metavar="TIME", help="As it was known by then, of the windows that had ended.")
@json_option
@here
def monitoring_page(obj: Here, model: str, out: Path | None, until: str | None, as_json: bool) -> None:
    """Write one page about how MODEL does in use: what is wrong, since when, how bad, why, and what was done."""
    from nbops import times
    from nbops.reports import monitoring_page as pages

    made = pages.page(obj.store(), model, until=times.moment(until) if until is not None else None)
    _write(made, [out or Path(pages.default_name(model))], None, as_json=as_json)


def _write(made: Document, paths: list[Path], markdown: Path | None, *, as_json: bool) -> None:
    for path in paths:
        made.save(path, markdown=path == markdown or None)
    told = {"files": [str(path) for path in paths], "title": made.title, "status": made.status}
    show(told, as_json=as_json, text=lambda: "\n".join(map(str, paths)))
