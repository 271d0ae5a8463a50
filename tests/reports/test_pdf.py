"""A page as a PDF is tagged and complete, and what keeps it from being made is told with the remedy."""

from __future__ import annotations

import http.server
import os
import threading
import time
from pathlib import Path

import pytest
from nbformat import v4

from nbops.errors import ExecutionError
from nbops.reports import pdf
from nbops.reports.page import page
from tests.conftest import CHROMIUM, wait_until

PAGE = page(v4.new_notebook(cells=[v4.new_markdown_cell("# Air time\n\nText"), v4.new_code_cell("1")]))


def program(folder: Path, script: str) -> dict[str, str]:
    """The environment in which a shell script is the browser."""
    path = folder / "browser"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": os.defpath, pdf.VARIABLE: str(path)}


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")
def test_the_pdf_is_tagged_has_an_outline_and_leaves_nothing_behind(tmp_path: Path) -> None:
    pdf.write(PAGE, tmp_path / "page.pdf")

    data = (tmp_path / "page.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert b"/Marked true" in data
    assert b"/StructTreeRoot" in data
    assert b"/Outlines" in data
    assert [path.name for path in tmp_path.iterdir()] == ["page.pdf"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")
def test_what_is_folded_on_the_screen_is_printed(tmp_path: Path) -> None:
    code = v4.new_code_cell("\n".join(f"line_{i} = {i}" for i in range(400)))
    messages = v4.new_code_cell("", outputs=[v4.new_output("stream", name="stderr", text="message\n" * 400)])
    folded = page(v4.new_notebook(cells=[code, messages]), code="folded")
    pdf.write(folded, tmp_path / "page.pdf")

    assert (tmp_path / "page.pdf").read_bytes().count(b"/Type /Page\n") > 8


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")
def test_a_page_of_somebody_elses_asks_nothing_of_the_network_while_it_is_printed(tmp_path: Path) -> None:
    asked: list[str] = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for host in ("127.0.0.1", "localhost"):
            pdf.write(f'<img src="http://{host}:{server.server_port}/x">', tmp_path / "page.pdf")
        server.shutdown()
        thread.join()
    assert asked == []


def test_without_a_browser_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        ExecutionError, match=r"there is none here.*\nHint: .*apt-get install chromium.*NBOPS_BROWSER="
    ) as told:
        pdf.write(PAGE, tmp_path / "page.pdf", environ={"PATH": str(tmp_path)})
    assert told.value.exit.status == 26
    with pytest.raises(ExecutionError, match="NBOPS_BROWSER names 'gone'"):
        pdf.write(PAGE, tmp_path / "page.pdf", environ={"PATH": os.defpath, "NBOPS_BROWSER": "gone"})


def test_a_browser_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "page.pdf").write_text("before")
    with pytest.raises(ExecutionError, match="did not print the page: out of luck"):
        pdf.write(PAGE, tmp_path / "page.pdf", environ=program(tmp_path, "echo out of luck >&2; exit 1"))
    assert (tmp_path / "page.pdf").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["browser", "page.pdf"]


def test_a_program_that_is_none_is_told(tmp_path: Path) -> None:
    environ = program(tmp_path, "")
    (tmp_path / "browser").write_bytes(b"\x7fELF")
    with pytest.raises(ExecutionError, match="cannot be started: Exec format error"):
        pdf.write(PAGE, tmp_path / "page.pdf", environ=environ)


def test_a_browser_that_hangs_is_ended_with_all_it_began(tmp_path: Path) -> None:
    environ = program(tmp_path, f"sleep 60 & echo $! > {tmp_path}/child; wait")
    began = time.monotonic()
    with pytest.raises(ExecutionError, match="within 1 s"):
        pdf.write(PAGE, tmp_path / "page.pdf", environ=environ, seconds=1)
    assert time.monotonic() - began < 20
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "status")
    # Who was killed may still be on its way out.
    wait_until(lambda: is_over(child), seconds=5)


def is_over(status: Path) -> bool:
    """Whether a process is gone, or waits for nothing but its parent."""
    try:
        return "State:\tZ" in status.read_text()
    except OSError:
        return True
