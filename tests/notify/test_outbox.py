"""What people are to be told is committed with what it tells of, and reaches them at least once, by whatever channel is declared."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from nbops.config import MailSettings, NotifySettings, Settings
from nbops.execution.secrets import of_setting
from nbops.notify import delivering
from nbops.notify.requests import ClaimMessages, Message, SettleMessage
from nbops.promotion.requests import Act, Judgement, Propose
from nbops.records import new_id
from nbops.registry.card import Card
from nbops.registry.requests import DescribeModel, RegisterVersion, Rollback
from nbops.store.client import Store
from nbops.workspace import doctor
from tests.conftest import Project, finish, wait_until
from tests.mailbox import Server
from tests.store.inside import start


class Hook(ThreadingHTTPServer):
    """A web server that keeps what it is sent, and answers as it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.location = ""
        self.silent = 0.0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook?token=hunter2"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        time.sleep(self.server.silent)
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("location", self.server.location)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def serving(made: Any) -> Iterator[Any]:
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    yield from serving(Hook())


@pytest.fixture
def post() -> Iterator[Server]:
    yield from serving(Server())


class Model:
    """A model with consumers in a project of its own."""

    def __init__(self, store: Store, *consumers: str) -> None:
        self.store = store
        self.name = f"m{new_id()}"
        self.store.write(DescribeModel(model=self.name, card=Card(consumers=consumers)))

    def promoted(self) -> str:
        """The review of a new version that became champion."""
        begun, review = start(), new_id()
        made = RegisterVersion(model=self.name, run_id=begun.run_id, artifact="a", sha256=new_id(), manifest="{}")
        version = int(self.store.write(begun, made)[1])
        found = self.store.read("select version from aliases where model = ?", [self.name]).rows
        judgement = Judgement(holder=found[0][0] if found else None, passed=True, verdict="{}")
        asked = Propose(review_id=review, model=self.name, version=version, alias="champion", reason="better in winter",
                        judgement=judgement)  # fmt: skip
        self.store.write(asked)
        self.store.write(Act(review_id=review, act="approve", reason="checked", judgement=judgement))
        return review

    def messages(self, columns: str = "kind, recipient, state") -> list[tuple[Any, ...]]:
        sql = f"select {columns} from outbox where subject = ? order by seq"  # noqa: S608 - columns of the test's own
        return [tuple(row) for row in self.store.read(sql, [f"model:{self.name}"]).rows]


@pytest.fixture
def made(project: Project) -> Callable[..., Model]:
    """A model whose project has such settings."""

    def make(*consumers: str, mail: MailSettings | None = None, **notify: Any) -> Model:
        settings: Settings = msgspec.structs.replace(
            project.settings(), notify=NotifySettings(**{"timeout": 5.0, **notify}), mail=mail or MailSettings()
        )
        return Model(Store(settings), *consumers)

    return make


Make = Callable[..., Model]


def test_consumers_hear_of_promotions_and_rollbacks_and_reviewers_of_proposals(
    made: Make, hook: Hook, post: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBOPS_SECRET_HOOK", "s3cr3t")
    mail = MailSettings(host="127.0.0.1", port=post.server_address[1], sender="nbops@example.org", tls="none")
    model = made(
        "crew", "ops@example.org", mail=mail, channels={"crew": hook.address, "reviewers": "bea@example.org, cleo@example.org"},
        secrets={"crew": "secret://hook"},
    )  # fmt: skip
    review = model.promoted()
    model.promoted()
    model.store.write(Rollback(model=model.name, alias="champion", why="errors grow"))
    waiting = [("proposed", "reviewers"), ("promoted", "crew"), ("promoted", "ops@example.org")] * 2
    waiting += [("rolled back", "crew"), ("rolled back", "ops@example.org")]
    assert model.messages() == [(*message, "waiting") for message in waiting]

    told = delivering.deliver(model.store, of_setting)

    assert {one.outcome for one in told} == {"delivered"}, told
    assert model.messages("state, attempts") == [("delivered", 1)] * 8
    headers, body = hook.got[0]
    said = json.loads(body)
    assert said["title"] == f"{model.name}@champion stands for version 1"
    assert f"Review {review[-8:]}" in said["text"]
    assert "checked" in said["text"]
    when, signature = (part.partition("=")[2] for part in headers["nbops-signature"].split(","))
    expected = hmac.new(b"s3cr3t", f"{when}.".encode() + body, hashlib.sha256).hexdigest()
    assert signature == expected
    assert headers["nbops-id"] == said["id"]
    assert json.loads(hook.got[-1][1])["title"] == f"{model.name}@champion was rolled back to version 1"
    letters = [message_from_bytes(data, policy=policy.default) for data in post.got]
    assert [letter["Subject"] for letter in letters][:2] == [
        f"{model.name}/1 is proposed for champion", f"{model.name}@champion stands for version 1",
    ]  # fmt: skip
    assert letters[0]["To"] == "bea@example.org, cleo@example.org"
    assert "better in winter" in letters[0].get_content()
    assert delivering.deliver(model.store, of_setting) == []


def test_what_was_not_committed_is_not_told(made: Make) -> None:
    model = made("log")
    with pytest.raises(Exception, match="stands for no version"):
        model.store.write(Rollback(model=model.name, alias="champion", why="errors grow"))
    assert model.messages() == []


def test_the_log_is_a_line_for_each(made: Make) -> None:
    model = made("log")
    model.promoted()
    assert [one.outcome for one in delivering.deliver(model.store, of_setting)] == ["delivered"] * 2
    path = model.store.settings.folder / "notifications.log"
    assert path.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["kind"], line["recipient"]) for line in lines] == [("proposed", "reviewers"), ("promoted", "log")]


def crew(found: list[delivering.Told]) -> delivering.Told:
    """What became of the message to the crew."""
    (one,) = [one for one in found if one.recipient == "crew"]
    return one


def test_a_failure_has_a_reason_and_is_tried_again_a_bounded_number_of_times(made: Make, hook: Hook) -> None:
    model = made("crew", channels={"crew": hook.address}, attempts=2, again=0.01)
    model.promoted()
    hook.status = 503
    failed = crew(delivering.deliver(model.store, of_setting))
    assert (failed.outcome, failed.reason, failed.again) == ("failed", "The web server answered with 503.", 0.01)
    assert model.messages("state, attempts")[-1] == ("failed", 1)
    wait_until(lambda: delivering.deliver(model.store, of_setting))
    assert model.messages("state, attempts, reason")[-1] == ("given up", 2, "The web server answered with 503.")
    time.sleep(0.1)
    assert delivering.deliver(model.store, of_setting) == []
    assert len(hook.got) == 2
    (check,) = [one for one in doctor.examine(model.store.settings) if one.what == "messages"]
    assert check.told == "nothing waits, 1 of the last week were given up"
    assert "says why" in check.remedy


def test_what_failed_is_not_due_at_once(made: Make, hook: Hook) -> None:
    model = made("crew", channels={"crew": hook.address})
    model.promoted()
    hook.status = 500
    assert crew(delivering.deliver(model.store, of_setting)).again == 30
    assert delivering.deliver(model.store, of_setting) == []
    assert len(hook.got) == 1


@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        (None, "'crew' is no mail address, and no channel of that name is in [notify.channels]."),
        ("ftp://example.org", "The channel 'crew' is neither log, a web address nor mail addresses."),
        ("http://127.0.0.1:9/", "The web server cannot be reached: ConnectionError."),
        ("anna@example.org", "Nothing says how to send mail: mail.host is empty."),
    ],
)
def test_what_cannot_be_delivered_says_why(made: Make, channel: str | None, reason: str) -> None:
    model = made("crew", channels={"crew": channel} if channel else {}, attempts=1)
    model.promoted()
    told = crew(delivering.deliver(model.store, of_setting))
    assert (told.outcome, told.reason) == ("given up", reason)


def test_a_redirect_is_not_followed_and_a_name_does_not_lead_inside(
    made: Make, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = made("crew", "inside", channels={"crew": hook.address, "inside": "http://hooks.example.org/"}, attempts=1)
    model.promoted()
    hook.status, hook.location = 307, hook.address
    found = [(hook.socket.family, 0, 0, "", hook.server_address)]
    monkeypatch.setattr("nbops.data.sources.network.addresses", lambda *_: found)
    told = {one.recipient: one.reason for one in delivering.deliver(model.store, of_setting)}
    assert told["crew"] == "The web server answered with 307."
    assert told["inside"].startswith("hooks.example.org is the loopback address 127.0.0.1, and not what was declared")
    assert len(hook.got) == 1


def test_whoever_acted_does_not_wait_for_long(made: Make, hook: Hook) -> None:
    model = made("crew", channels={"crew": hook.address}, timeout=0.3)
    model.promoted()
    hook.silent = 3
    begun = time.monotonic()
    delivering.deliver_soon(model.store, of_setting)
    assert time.monotonic() - begun < 2
    wait_until(lambda: model.messages("state")[-1] == ("failed",))
    assert hook.got


DELIVER = """
import nbops, sys
from nbops.execution.secrets import of_setting
from nbops.notify import delivering
print(len(delivering.deliver(nbops.open().store, of_setting)))
"""


def test_a_deliverer_that_is_killed_between_claim_and_word_is_followed_by_another(
    project: Project, made: Make, hook: Hook
) -> None:
    (project.folder / "nbops.toml").write_text(f'[notify]\ntimeout = 1\n[notify.channels]\ncrew = "{hook.address}"\n')
    model = made("crew", channels={"crew": hook.address}, timeout=1)
    model.promoted()
    hook.silent = 60
    stuck = "from nbops.notify import delivering\npost = delivering._post\ndelivering._post = lambda *told: post(*told[:3], 60)\n"
    process = project.start(stuck + DELIVER)
    wait_until(lambda: hook.got)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    hook.silent = 0
    assert model.messages("state")[-1] == ("claimed",)
    # Nobody else gets it before its lease is over, and then somebody does.
    assert delivering.deliver(model.store, of_setting) == []
    wait_until(lambda: delivering.deliver(model.store, of_setting))
    assert model.messages("state, attempts")[-1] == ("delivered", 2)
    assert [headers["nbops-id"] for headers, _ in hook.got] == [hook.got[0][0]["nbops-id"]] * 2


def test_of_many_deliverers_each_message_has_one(project: Project, made: Make, hook: Hook) -> None:
    (project.folder / "nbops.toml").write_text(f'[notify.channels]\ncrew = "{hook.address}"\n')
    model = made("crew", channels={"crew": hook.address})
    for _ in range(10):
        model.promoted()
    processes = [project.start(DELIVER) for _ in range(4)]
    assert sum(int(finish(process)) for process in processes) == 20
    ids = [headers["nbops-id"] for headers, _ in hook.got]
    assert len(ids) == len(set(ids)) == 10
    assert set(model.messages("state, attempts")) == {("delivered", 1)}


def test_a_message_whose_deliverers_all_end_in_silence_is_given_up(made: Make) -> None:
    model = made("log")
    model.promoted()

    def claimed() -> list[Message]:
        asked = ClaimMessages(claim=new_id(), limit=10, lease=0.001, attempts=3)
        return msgspec.convert(model.store.write(asked)[0], list[Message])

    for attempt in (1, 2, 3):
        assert [message.attempt for message in claimed()] == [attempt] * 2
        time.sleep(0.01)
    assert claimed() == []
    assert set(model.messages("state, reason")) == {
        ("given up", "Whoever was to deliver it ended each time without a word.")
    }


def test_what_comes_too_late_says_nothing_unless_it_was_delivered(made: Make) -> None:
    model = made("log")
    model.promoted()

    def claimed(lease: float) -> Message:
        asked = ClaimMessages(claim=new_id(), limit=1, lease=lease, attempts=9)
        return msgspec.convert(model.store.write(asked)[0], list[Message])[0]

    def settled(message: Message, outcome: str) -> bool:
        return bool(model.store.write(SettleMessage(message.message_id, message.claim, outcome))[0])  # type: ignore[arg-type]  # one of them

    slow = claimed(0.001)
    time.sleep(0.01)
    second = claimed(60)
    assert second.message_id == slow.message_id
    assert not settled(slow, "failed")
    assert settled(slow, "delivered")
    assert not settled(second, "failed")
    assert model.messages("state")[0] == ("delivered",)


def test_a_scheduler_delivers_by_a_command(project: Project, made: Make, hook: Hook) -> None:
    (project.folder / "nbops.toml").write_text(f'[notify.channels]\ncrew = "{hook.address}"\n')
    made("crew", "who").promoted()
    done = subprocess.run(
        [sys.executable, "-m", "nbops", "notify", "--json"], cwd=project.folder, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 26, done.stderr
    assert [(one["recipient"], one["outcome"]) for one in json.loads(done.stdout)] == [
        ("reviewers", "delivered"), ("crew", "delivered"), ("who", "given up"),
    ]  # fmt: skip
    assert "hunter2" not in done.stdout + done.stderr
