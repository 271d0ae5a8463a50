"""Messages on their way out: what is due is claimed of the owner, told by its channel, and what became of it is told to the owner.

It may be told twice when a deliverer dies between the two; `nbops-id` and `Message-ID` say that it is the same. Web servers get it at
addresses that the settings name, reached as they are written there: a redirect is not followed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from nbops.config import Settings
from nbops.errors import NbopsError, StoreError
from nbops.notify import smtp
from nbops.notify.outbox import OPERATORS, REVIEWERS
from nbops.notify.requests import ClaimMessages, Message, Outcome, SettleMessage
from nbops.records import Record, new_id
from nbops.render import values
from nbops.store.client import Store
from nbops.store.places import open_file

LOG = "log"
"""The channel that is always there: a line of JSON in `.nbops/notifications.log`."""
_LONGEST_SECONDS = 6 * 3600.0

Secret = Callable[[Settings, str, str], str]
"""The value of a secret that a setting refers to: settings, the setting's name, the reference."""


class Told(Record):
    """What became of one message; `reason` says why it was not delivered, and `again` in how many seconds it is tried once more."""

    message_id: str
    recipient: str
    title: str
    outcome: Outcome
    reason: str = ""
    again: float = 0.0


class _Hopeless(Exception):
    """No later try will do better."""


def deliver(store: Store, secret: Secret) -> list[Told]:
    """Deliver what is due now. Raises StoreUnavailable; a message that cannot be delivered is an outcome."""
    settings, told = store.settings, list[Told]()
    # A mail takes several exchanges. Whoever is slower than that risks that it is told twice.
    lease = 10 * settings.notify.timeout
    while True:
        claim = new_id()
        # What failed just now is for a later round, however soon it is due again.
        asked = ClaimMessages(
            claim=claim, limit=1, lease=lease, attempts=settings.notify.attempts, but=[one.message_id for one in told]
        )
        found = msgspec.convert(store.write(asked)[0], list[Message])
        if not found:
            return told
        one = _told(settings, found[0], secret)
        settled = SettleMessage(
            message_id=one.message_id, claim=claim, outcome=one.outcome, reason=one.reason, again=one.again
        )
        store.write(settled)
        told.append(one)


def deliver_soon(store: Store, secret: Secret) -> None:
    """Deliver what is due, beside whoever caused it: they wait for a few seconds at most, and nothing that fails is theirs."""

    def work() -> None:
        # What is not delivered now waits for the next act, or for `nbops notify`.
        try:
            deliver(store, secret)
        except StoreError:
            return

    worker = threading.Thread(target=work, name="nbops-notify", daemon=True)
    worker.start()
    worker.join(store.settings.notify.timeout)


def channels(settings: Settings) -> dict[str, str]:
    """Where messages go, by name of the channel."""
    return {REVIEWERS: LOG, OPERATORS: LOG, LOG: LOG, **settings.notify.channels}


def channel_of(settings: Settings, name: str) -> str:
    """Where what a recipient is told goes: a channel's name or a mail address; empty for who is neither."""
    return channels(settings).get(name, name if smtp.is_address(name) else "")


def _told(settings: Settings, message: Message, secret: Secret) -> Told:
    told = Told(message.message_id, message.recipient, message.title, "delivered")
    try:
        _send(settings, message, secret)
    except _Hopeless as error:
        return msgspec.structs.replace(told, outcome="given up", reason=str(error))
    except (NbopsError, OSError) as error:
        reason = error.message if isinstance(error, NbopsError) else str(error) or type(error).__name__
        reason = values.shorten(values.clean(reason), 300)
        if message.attempt >= settings.notify.attempts:
            return msgspec.structs.replace(told, outcome="given up", reason=reason)
        again = min(settings.notify.again * 4 ** (message.attempt - 1), _LONGEST_SECONDS)
        return msgspec.structs.replace(told, outcome="failed", reason=reason, again=again)
    return told


def _send(settings: Settings, message: Message, secret: Secret) -> None:
    """Raises _Hopeless, an error of ours, or OSError."""
    name = message.recipient
    channel = channel_of(settings, name)
    if channel == LOG:
        _log(settings, message)
    elif urlsplit(channel).scheme in {"http", "https"}:
        reference = settings.notify.secrets.get(name, "")
        key = secret(settings, f"notify.secrets.{name}", reference) if reference else ""
        _post(channel, message, key, settings.notify.timeout)
    elif channel:
        _mail(settings, message, [address.strip() for address in channel.split(",")], secret)
    else:
        raise _Hopeless(f"{name!r} is no mail address, and no channel of that name is in [notify.channels].")


def _document(message: Message) -> dict[str, object]:
    return {
        "id": message.message_id,
        "kind": message.kind,
        "subject": message.subject,
        "title": message.title,
        "text": message.text,
        "link": message.link,
        "actor": message.actor,
        "time": datetime.fromtimestamp(message.time / 1e6, UTC).isoformat(),
    }


def _log(settings: Settings, message: Message) -> None:
    line = msgspec.json.encode({**_document(message), "recipient": message.recipient}) + b"\n"
    handle = open_file(settings.folder / "notifications.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def _post(address: str, message: Message, key: str, seconds: float) -> None:
    import requests

    from nbops.data.sources import network

    body = msgspec.json.encode(_document(message))
    headers = {"content-type": "application/json", "nbops-id": message.message_id}
    if key:
        now = int(time.time())
        signature = hmac.new(key.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        headers["nbops-signature"] = f"t={now},v1={signature}"
    border = network.Border(network.declared_reach(urlsplit(address).hostname or ""), allow_private=False)
    try:
        with network.Watch(border) as watch, network.session(border) as session:
            watch.expect(seconds)
            # Its words are of no use; a server that never ends them keeps nobody.
            with session.post(
                address, data=body, headers=headers, timeout=seconds, allow_redirects=False, stream=True
            ) as answer:
                status = answer.status_code
    except requests.RequestException as error:
        # The address may hold a token.
        raise OSError(f"The web server cannot be reached: {type(error).__name__}.") from error
    if 400 <= status < 500 and status not in {408, 425, 429}:
        raise _Hopeless(f"The web server refused it with {status}.")
    if not 200 <= status < 300:
        raise OSError(f"The web server answered with {status}.")


def _mail(settings: Settings, message: Message, to: list[str], secret: Secret) -> None:
    wrong = next((address for address in to if not smtp.is_address(address)), None)
    if wrong is not None:
        raise _Hopeless(f"The channel {message.recipient!r} is neither log, a web address nor mail addresses.")
    mail = smtp.checked(settings.mail)
    made = smtp.letter(mail, to, values.shorten(values.clean(message.title), 200))
    del made["Message-ID"]
    made["Message-ID"] = f"<{message.message_id}@nbops>"
    made.set_content("\n".join([message.text, *(["", message.link] if message.link else [])]) + "\n")
    password = secret(settings, "mail.password", mail.password) if mail.user else ""
    smtp.send(mail, made, to, password, seconds=settings.notify.timeout)
