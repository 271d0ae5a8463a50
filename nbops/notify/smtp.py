"""Mail by SMTP. The password is sent over an encrypted connection or to this machine only."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid

from nbops.config import MailSettings
from nbops.errors import ConfigError, ExecutionError
from nbops.render import values

_SECONDS = 30.0
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
# One address without a name, and no sign that a header gives a meaning to.
_ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f<>()\[\],;:\\\"@]+@[^\s\x00-\x1f\x7f<>()\[\],;:\\\"@]+")


def is_address(text: str) -> bool:
    """Whether it is one mail address without a name."""
    return bool(_ADDRESS.fullmatch(text))


def checked(mail: MailSettings) -> MailSettings:
    """The settings, if mail can be sent by them. Raises ConfigError."""
    for key, value in (("host", mail.host), ("sender", mail.sender)):
        if not value:
            raise ConfigError(
                f"Nothing says how to send mail: mail.{key} is empty.",
                hint='Write in nbops.toml under [mail]: host = "smtp.example.org", sender = "nbops@example.org"',
            )
    if not is_address(mail.sender):
        raise ConfigError(
            f"mail.sender = {mail.sender!r} is no mail address.", hint="Write one like nbops@example.org."
        )
    if mail.user and mail.tls == "none" and mail.host not in _LOCAL:
        raise ConfigError(
            f"mail.tls is 'none': {mail.host} would get the password for everybody on the way to read.",
            hint="Set mail.tls to 'starttls' or 'tls', or leave mail.user empty.",
        )
    return mail


def letter(mail: MailSettings, to: Sequence[str], subject: str) -> EmailMessage:
    """A message without a body yet; `subject` is one clean line."""
    message = EmailMessage()
    message["From"] = mail.sender
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = make_msgid("nbops", domain=mail.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    return message


def send(
    mail: MailSettings, message: EmailMessage, to: Sequence[str], password: str, *, seconds: float = _SECONDS
) -> None:
    """Send a message. Raises ExecutionError (26) when the server cannot be reached or refuses; who has got it then is named."""
    try:
        with _connected(mail, seconds) as server:
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


def _connected(mail: MailSettings, seconds: float) -> smtplib.SMTP:
    port = mail.port or _PORTS[mail.tls]
    if mail.tls == "tls":
        return smtplib.SMTP_SSL(mail.host, port, timeout=seconds, context=ssl.create_default_context())
    server = smtplib.SMTP(mail.host, port, timeout=seconds)
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
        f"The mail was not sent by {mail.host}:{mail.port or _PORTS[mail.tls]}: {values.clean(told)[:300]}",
        hint=hint,
        code="execution.environment",
    )


def _reply(answer: tuple[int, bytes | str]) -> str:
    code, words = answer
    told = words.decode(errors="replace") if isinstance(words, bytes) else words
    return f"{code} {values.clean(told)[:300]}"
