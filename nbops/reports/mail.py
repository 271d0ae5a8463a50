"""A report by mail: what matters of the run as a table that any mail program shows, and the page attached.

What a run is called and why it failed are its notebook's words: in a header they are one clean line, in the body text. The password is
sent over an encrypted connection or to this machine only.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid

from nbops.config import MailSettings, Settings
from nbops.errors import ConfigError, ExecutionError, UsageError
from nbops.execution.secrets import of_setting
from nbops.render import html, text, values
from nbops.render.model import Column, Html, element
from nbops.reports.index import head
from nbops.reports.provenance import Provenance

_SECONDS = 30.0
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
# One address without a name, and no sign that a header gives a meaning to.
_ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f<>()\[\],;:\\\"@]+@[^\s\x00-\x1f\x7f<>()\[\],;:\\\"@]+")


def send(settings: Settings, to: Sequence[str], page: str, provenance: Provenance, *, name: str) -> None:
    """Send a page to each address, attached as `name`, with a summary of its run in the body.

    Raises UsageError for what is no address, ConfigError for settings that do not suffice, NotFound for a missing password and
    ExecutionError (26) when the server cannot be reached or refuses; nobody has got it then but who is named.
    """
    for address in to:
        if not _ADDRESS.fullmatch(address):
            raise UsageError(
                f"{address!r} is no mail address.", hint="Write one like anna@example.org; repeat --to for more."
            )
    mail = _checked(settings.mail)
    message = _message(mail, to, page, provenance, name)
    password = of_setting(settings, "mail.password", mail.password) if mail.user else ""
    try:
        with _connected(mail) as server:
            if mail.user:
                server.login(mail.user, password)
            refused = server.send_message(message, from_addr=mail.sender, to_addrs=list(to))
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except (OSError, smtplib.SMTPException) as error:
        raise _failed(mail, error) from error
    if refused:
        got = ", ".join(address for address in to if address not in refused)
        raise ExecutionError(
            f"{mail.host} refused {', '.join(refused)}: {_reply(next(iter(refused.values())))}",
            hint=f"Correct the address. It was sent to {got}." if got else "Correct the address. Nobody has got it.",
            code="execution.environment",
        )


def _checked(mail: MailSettings) -> MailSettings:
    for key, value in (("host", mail.host), ("sender", mail.sender)):
        if not value:
            raise ConfigError(
                f"Nothing says how to send mail: mail.{key} is empty.",
                hint='Write in nbops.toml under [mail]: host = "smtp.example.org", sender = "nbops@example.org"',
            )
    if not _ADDRESS.fullmatch(mail.sender):
        raise ConfigError(
            f"mail.sender = {mail.sender!r} is no mail address.", hint="Write one like nbops@example.org."
        )
    if mail.user and mail.tls == "none" and mail.host not in _LOCAL:
        raise ConfigError(
            f"mail.tls is 'none': {mail.host} would get the password for everybody on the way to read.",
            hint="Set mail.tls to 'starttls' or 'tls', or leave mail.user empty.",
        )
    return mail


def _connected(mail: MailSettings) -> smtplib.SMTP:
    port = mail.port or _PORTS[mail.tls]
    if mail.tls == "tls":
        return smtplib.SMTP_SSL(mail.host, port, timeout=_SECONDS, context=ssl.create_default_context())
    server = smtplib.SMTP(mail.host, port, timeout=_SECONDS)
    if mail.tls == "starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except (OSError, smtplib.SMTPException):
            server.close()
            raise
    return server


def _failed(mail: MailSettings, error: OSError | smtplib.SMTPException) -> ExecutionError:
    hint = "See that mail.host, mail.port and mail.tls are what your mail server wants."
    if isinstance(error, smtplib.SMTPAuthenticationError):
        hint = "See that mail.user and the secret that mail.password names are right."
    if isinstance(error, smtplib.SMTPResponseException):
        told = _reply((error.smtp_code, error.smtp_error))
    else:
        told = str(error) or type(error).__name__
    return ExecutionError(
        f"The report was not sent by {mail.host}:{mail.port or _PORTS[mail.tls]}: {values.clean(told)[:300]}",
        hint=hint,
        code="execution.environment",
    )


def _reply(answer: tuple[int, bytes | str]) -> str:
    code, words = answer
    told = words.decode(errors="replace") if isinstance(words, bytes) else words
    return f"{code} {values.clean(told)[:300]}"


def _message(mail: MailSettings, to: Sequence[str], page: str, provenance: Provenance, name: str) -> EmailMessage:
    title = values.shorten(values.clean(head(page).title) or "Report", 120)
    status = (provenance.status or "run").capitalize()
    message = EmailMessage()
    message["From"] = mail.sender
    message["To"] = ", ".join(to)
    message["Subject"] = f"{status}: {title}"
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = make_msgid("nbops", domain=mail.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
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
        ("notebook", run.notebook),
        ("ended" if run.ended else "started", f"{ended.astimezone():%Y-%m-%d %H:%M %z}" if ended else None),
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
