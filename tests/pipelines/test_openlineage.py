"""What ended is told as OpenLineage, once, to a file and to a server; a server that is down hears it later."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nbops.config import LineageSettings
from nbops.errors import ExecutionError
from nbops.pipelines import openlineage
from nbops.store.client import Store
from nbops.workspace._workspace import Workspace
from tests.pipelines.parts import Pipeline

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, Any]], list[int]]]:
    """A server that keeps what it is sent, its address, and the statuses that it answers with (200 when none are left)."""
    heard: list[dict[str, Any]] = []
    answers: list[int] = []

    class Keeps(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = answers.pop(0) if answers else 200
            if status == 200:
                heard.append(body)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keeps)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}/api/v1/lineage", heard, answers
    made.shutdown()
    made.server_close()


def telling(here: Workspace, **settings: str) -> Store:
    return Store(msgspec.structs.replace(here.settings, lineage=LineageSettings(namespace="tests", **settings)))


def test_a_run_is_told_with_its_steps_and_their_data(pipeline: Pipeline, here: Workspace) -> None:
    told = pipeline.makes("a").makes("b", "1 / 0", reads="a").run()
    found = list(openlineage.events(here.store, run_id=told["run_id"]))
    assert [(one["eventType"], one["job"]["name"].rpartition(".")[2]) for one in found] == [
        ("START", pipeline.folder.name), ("START", "a"), ("COMPLETE", "a"), ("START", "b"), ("FAIL", "b"), ("FAIL", pipeline.folder.name),
    ]  # fmt: skip
    assert found[2]["outputs"][0]["name"] == f"{pipeline.folder.name}/a.txt"
    assert found[4]["run"]["facets"]["parent"]["run"] == {"runId": told["run_id"]}
    assert "ZeroDivisionError" in found[4]["run"]["facets"]["errorMessage"]["message"]
    assert all(one["eventTime"].endswith("Z") and one["schemaURL"].endswith("RunEvent") for one in found)


def test_what_ended_is_told_once_and_again_when_the_server_was_down(
    pipeline: Pipeline, here: Workspace, server: tuple[str, list[dict[str, Any]], list[int]]
) -> None:
    url, heard, answers = server
    store = telling(here, url=url, file=f"{pipeline.folder.name}/lineage.jsonl")
    openlineage.emit(store)
    heard.clear()
    pipeline.makes("a").run()
    answers.append(503)
    with pytest.raises(ExecutionError):
        openlineage.emit(store)
    assert openlineage.emit(store) == 4
    assert openlineage.emit(store) == 0
    lines = Path(pipeline.folder / "lineage.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines][-4:] == heard
