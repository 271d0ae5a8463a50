"""JupyterLab servers of this user that run on this machine, and the browser: to show somebody a file.

jupyter_server's list of running servers is read here alone.
"""

from __future__ import annotations

import os
import webbrowser
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from nbops.records import Record


class Lab(Record):
    """A running server: its address, the folder that it shows, and its token, which is empty where it asks for something else."""

    url: str
    root: Path
    token: str

    def address(self, path: Path, *, token: bool = True) -> str:
        """Where it shows a file below its folder."""
        shown = quote(path.relative_to(self.root).as_posix())
        asked = f"?{urlencode({'token': self.token})}" if token and self.token else ""
        return f"{self.url}lab/tree/{shown}{asked}"


def showing(path: Path) -> Lab | None:
    """The running server that shows a file, the one with the nearest folder; None where no server does."""
    from jupyter_server.serverapp import list_running_servers

    servers: Any = list_running_servers(log=None)
    found = [
        Lab(str(one["url"]), Path(one["root_dir"]).resolve(), str(one.get("token") or ""))
        for one in servers
        if one.get("root_dir") and one.get("url")
    ]
    return max(
        (lab for lab in found if path.is_relative_to(lab.root)), key=lambda lab: len(lab.root.parts), default=None
    )


def show(lab: Lab, path: Path, folder: Path) -> bool:
    """Open a file in the browser; False where there is none. `folder`, which others cannot read, is where the way there is written.

    A token on a browser's command line could be read by everybody on this machine: the browser gets the path of a page that leads on.
    """
    page = folder / f"open-{os.getuid()}.html"
    address = escape(lab.address(path))
    text = f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={address}"><a href="{address}">Open</a>\n'
    temporary = page.with_name(f".{page.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(page)
    return webbrowser.open(page.as_uri())
