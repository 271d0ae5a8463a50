"""The Jupyter server extension. Jupyter imports this at every start, so it imports nothing itself."""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "nbops.jupyter_ext"}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "../labextension", "dest": "nbops"}]


def _load_jupyter_server_extension(server: Any) -> None:
    from nbops.jupyter_ext.handlers import handlers
    from nbops.jupyter_ext.page import pages

    base_url = server.web_app.settings["base_url"]
    server.web_app.add_handlers(".*$", [*pages(base_url), *handlers(base_url)])
