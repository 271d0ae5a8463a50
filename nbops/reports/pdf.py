"""A page as a tagged PDF, printed by the Chromium that is found on this machine, with a profile that is thrown away and no network."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from nbops.errors import ExecutionError

VARIABLE = "NBOPS_BROWSER"
"""The program that prints. No setting: a project that was sent to you must not name programs."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_SECONDS = 60.0
_FLAGS = (
    "--headless", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-sync", "--disable-background-networking",
    "--disable-component-update", "--disable-dev-shm-usage",
    # No name resolves, and what needs none meets a proxy that is not there.
    "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>",
    "--no-pdf-header-footer", "--export-tagged-pdf", "--generate-pdf-document-outline",
)  # fmt: skip


def write(page: str, output: Path, *, environ: Mapping[str, str] | None = None, seconds: float = _SECONDS) -> None:
    """Print a page into the file `output`, whole or not at all.

    Raises ExecutionError (26) when there is no browser, when it fails, and after that many `seconds`.
    """
    browser = _browser(os.environ if environ is None else environ)
    # Beside the output: a browser that comes as a snap sees nothing of the temporary folder.
    with tempfile.TemporaryDirectory(prefix="nbops-pdf-", dir=output.resolve().parent) as name:
        folder = Path(name)
        (folder / "page.html").write_text(page, encoding="utf-8")
        printed = folder / "page.pdf"
        # As root, in containers mostly, Chromium's own sandbox does not start; the page has no script to keep in.
        flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else []), f"--user-data-dir={folder / 'profile'}"]
        said = _run([browser, *flags, f"--print-to-pdf={printed}", (folder / "page.html").as_uri()], seconds)
        if not printed.is_file() or printed.read_bytes()[:5] != b"%PDF-":
            last = next((line for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
            raise _failed(f"{browser} did not print the page: {last.strip()[:300]}")
        printed.replace(output)


def _browser(environ: Mapping[str, str]) -> str:
    named = environ.get(VARIABLE)
    found = next(
        filter(None, (shutil.which(name, path=environ.get("PATH")) for name in ([named] if named else _NAMES))), None
    )
    if found:
        return found
    raise ExecutionError(
        f"{VARIABLE} names {named!r}, which is no program here."
        if named
        else "A PDF is printed by Chromium, and there is none here.",
        hint=f"Install it (apt-get install chromium) or name one: {VARIABLE}=/path/to/chrome. The page itself prints from any browser.",
        code="execution.environment",
    )


def _run(command: list[str], seconds: float) -> str:
    """What a browser says; the processes that it began end with it."""
    try:
        process = subprocess.Popen(  # noqa: S603 - a browser that was found by its name, or that the user named
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise _failed(f"{command[0]} cannot be started: {error.strerror}.") from error
    with process:
        try:
            _, said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise _failed(f"{command[0]} did not print the page within {seconds:.0f} s.") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return said.decode(errors="replace")


def _failed(message: str) -> ExecutionError:
    return ExecutionError(
        message,
        hint=f"Print the page from a browser, or name another program: {VARIABLE}=/path/to/chrome.",
        code="execution.environment",
    )
