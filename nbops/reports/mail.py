"""A report by mail: what matters of the run as a table that any mail program shows, and the page attached.

What a run is called and why it failed are its notebook's words: in a header they are one clean line, in the body text. The password is
sent over an encrypted connection or to this machine only.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage

from nbops import times
from nbops.config import MailSettings, Settings
from nbops.errors import UsageError
from nbops.execution.secrets import of_setting
from nbops.notify import smtp
from nbops.render import html, text, values
from nbops.render.model import Column, Html, element
from nbops.reports.index import head
from nbops.reports.provenance import Provenance


def send(settings: Settings, to: Sequence[str], page: str, provenance: Provenance, *, name: str) -> None:
    """Send a page to each address, attached as `name`, with a summary of its run in the body.

    Raises UsageError for what is no address, ConfigError for settings that do not suffice, NotFound for a missing password and
    ExecutionError (26) when the server cannot be reached or refuses; nobody has got it then but who is named.
    """
    for address in to:
        if not smtp.is_address(address):
            raise UsageError(
                f"{address!r} is no mail address.", hint="Write one like anna@example.org; repeat --to for more."
            )
    mail = smtp.checked(settings.mail)
    message = _message(mail, to, page, provenance, name)
    password = of_setting(settings, "mail.password", mail.password) if mail.user else ""
    smtp.send(mail, message, to, password)


def _message(mail: MailSettings, to: Sequence[str], page: str, provenance: Provenance, name: str) -> EmailMessage:
    title = values.shorten(values.clean(head(page).title) or "Report", 120)
    status = (provenance.status or "run").capitalize()
    message = smtp.letter(mail, to, f"{status}: {title}")
    facts, metrics = _facts(provenance), _metrics(provenance)
    closing = "The page is attached; it opens in any browser, runs no script and loads nothing."
    lines = [title, "", text.facts(*facts, width=78, styled=False)]
    lines += [text.table(*metrics, width=78, styled=False)] if metrics[1] else []
    message.set_content("\n".join([*(line.rstrip() for line in lines), "", closing]))
    parts: list[Html | str] = [html.facts(*facts), *([html.table(*metrics)] if metrics[1] else []), closing]
    message.add_alternative(_document(html.section(title, *parts, level=1)), subtype="html")
    message.add_attachment(page, subtype="html", filename=name)
    return message


def _document(body: Html) -> str:
    font = "font:15px/1.5 system-ui,'Segoe UI',Roboto,sans-serif;margin:16px;max-width:720px"
    head = '<meta charset="utf-8"><meta name="color-scheme" content="light dark">'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>{element("body", body, style=font)}</html>\n'


def _facts(run: Provenance) -> tuple[list[Column | str], list[object]]:
    ended = run.ended or run.started
    took = (run.ended - run.started).total_seconds() if run.ended and run.started else None
    pairs: list[tuple[Column | str, object]] = [
        (Column("status", "status"), run.status),
        ("cause", run.cause),
        ("rests on old data", run.degraded),
        ("pipeline", run.pipeline),
        ("notebook", run.notebook),
        ("ended" if run.ended else "started", times.minute(ended) if ended else None),
        ("took", values.duration(took) if took is not None else None),
        ("run by", run.actor),
        ("data", ", ".join(item.name for item in run.inputs) or None),
        ("registered", ", ".join(run.models) or None),
        ("run", run.run_id),
    ]
    known = [(column, value) for column, value in pairs if value is not None]
    return [column for column, _ in known], [value for _, value in known]


def _metrics(run: Provenance) -> tuple[list[Column | str], list[list[object]]]:
    rows: list[list[object]] = [
        [f"{metric.name} ({metric.unit})" if metric.unit else metric.name, metric.value] for metric in run.metrics
    ]
    return ["metric", Column("value", "number")], rows
