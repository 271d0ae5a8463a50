"""A report that is sent arrives whole, says what matters without being opened, and reaches nobody but who is named."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import msgspec
import pytest
from nbformat import v4

from nbops import config
from nbops.config import MailSettings
from nbops.errors import ConfigError, ExecutionError, NotFound, UsageError
from nbops.reports import mail
from nbops.reports.page import page
from nbops.reports.provenance import KeyMetric, Provenance
from tests.mailbox import Server

RUN = Provenance(
    run_id="0199b3c0-7a3e-7c11-8f2a-3d5e91c0aa42",
    status="failed",
    cause="no rows < 9",
    metrics=(KeyMetric(name="mae", value=6.6, unit="min"),),
)
PAGE = page(v4.new_notebook(cells=[v4.new_markdown_cell("# Délai <b>der</b> Flüge\n\ntext")]), provenance=RUN)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def settings(folder: Path, server: Server | None, **changed: object) -> config.Settings:
    made = MailSettings(host="127.0.0.1", port=server.port if server else 9, sender="nbops@example.org", tls="none")
    return msgspec.structs.replace(config.settings(folder), mail=msgspec.structs.replace(made, **changed))


def received(server: Server) -> EmailMessage:
    (data,) = server.got
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_the_summary_is_in_the_body_and_the_page_attached(server: Server, tmp_path: Path) -> None:
    mail.send(settings(tmp_path, server), ["anna@example.org", "bob@example.org"], PAGE, RUN, name="report-1.html")

    message = received(server)
    assert (message["From"], message["To"]) == ("nbops@example.org", "anna@example.org, bob@example.org")
    assert message["Subject"] == "Failed: Délai der Flüge"
    plain, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert html is not None
    for word in ("failed", "no rows < 9", "mae (min)", "6.6", "Délai der Flüge"):
        assert word in plain.get_content()
    text = html.get_content()
    for word in ("failed", "no rows &lt; 9", "mae (min)", "6.6", "<table", "style="):
        assert word in text
    assert not any(word in text for word in ("<script", "<style", "src=", "href="))
    (attached,) = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type()) == ("report-1.html", "text/html")
    assert attached.get_content().replace("\r\n", "\n").strip() == PAGE.strip()
    assert server.recipients == ["anna@example.org", "bob@example.org"]


@pytest.mark.parametrize(
    "address",
    [
        "anna", "anna@example.org\nBcc: eve@example.org", "anna@example.org\r\n\r\nhello",
        "Anna <anna@example.org>", "a@b,c@d", "a b@c", "@b", "a@b\x00", "",
    ],
)  # fmt: skip
def test_what_is_no_single_address_is_refused_before_anything_is_sent(
    address: str, server: Server, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="is no mail address"):
        mail.send(settings(tmp_path, server), ["bob@example.org", address], PAGE, RUN, name="r.html")
    assert server.said == []


def test_a_title_cannot_add_a_header(server: Server, tmp_path: Path) -> None:
    made = page(v4.new_notebook(), title="Air\r\nBcc: eve@example.org\r\n\r\nbody\x00", provenance=RUN)
    mail.send(settings(tmp_path, server), ["anna@example.org"], made, RUN, name="r.html")

    assert received(server)["Bcc"] is None
    assert "Bcc: eve" in received(server)["Subject"]
    assert server.recipients == ["anna@example.org"]


def test_the_password_is_looked_up_by_its_name(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = settings(tmp_path, server, user="user", password="secret://post")
    with pytest.raises(NotFound, match="NBOPS_SECRET_POST"):
        mail.send(login, ["anna@example.org"], PAGE, RUN, name="r.html")
    assert server.said == []
    monkeypatch.setenv("NBOPS_SECRET_POST", "hunter2")
    mail.send(login, ["anna@example.org"], PAGE, RUN, name="r.html")
    assert len(server.got) == 1
    monkeypatch.setenv("NBOPS_SECRET_POST", "hunter3")
    with pytest.raises(ExecutionError, match=r"535 wrong\nHint: See that mail.user") as failed:
        mail.send(login, ["anna@example.org"], PAGE, RUN, name="r.html")
    assert "hunter3" not in str(failed.value)
    assert failed.value.exit.status == 26


def test_a_password_in_the_settings_is_refused_without_being_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBOPS_MAIL_PASSWORD", "hunter2")
    with pytest.raises(ConfigError, match=r"mail\.password") as refused:
        config.settings(tmp_path)
    assert "hunter2" not in str(refused.value)


def test_no_password_leaves_this_machine_unencrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBOPS_SECRET_POST", "hunter2")
    away = settings(tmp_path, None, host="mail.example.org", user="user", password="secret://post")
    with pytest.raises(ConfigError, match="for everybody on the way"):
        mail.send(away, ["anna@example.org"], PAGE, RUN, name="r.html")


def test_a_server_that_does_not_encrypt_gets_nothing_when_that_is_asked_for(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="STARTTLS"):
        mail.send(settings(tmp_path, server, tls="starttls"), ["anna@example.org"], PAGE, RUN, name="r.html")
    assert (server.got, server.recipients) == ([], [])


def test_who_was_refused_is_named_and_who_got_it(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match=r"refused nora@b: 550 nobody.*\n.*sent to anna@b") as failed:
        mail.send(settings(tmp_path, server), ["anna@b", "nora@b"], PAGE, RUN, name="r.html")
    assert "\x1b" not in str(failed.value)
    with pytest.raises(ExecutionError, match="Nobody has got it"):
        mail.send(settings(tmp_path, server), ["nora@b"], PAGE, RUN, name="r.html")


def test_what_is_missing_or_unreachable_is_told_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mail\.host is empty"):
        mail.send(config.settings(tmp_path), ["anna@b"], PAGE, RUN, name="r.html")
    with pytest.raises(ExecutionError, match=r"127\.0\.0\.1:9.*\nHint: See that mail\.host"):
        mail.send(settings(tmp_path, None), ["anna@b"], PAGE, RUN, name="r.html")
