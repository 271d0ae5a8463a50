"""Routes as handlers of Jupyter's server: who may ask, JSON in and out, errors as sentences, nothing on the event loop."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

import msgspec
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado import web

from nbops.errors import NbopsError, UsageError
from nbops.jupyter_ext import peers
from nbops.jupyter_ext.routes import PREFIX, ROUTES, Role, Route
from nbops.jupyter_ext.verbs import Asked, Root

_RETRY_SECONDS = 2
ACTIONS: dict[Role, str] = {"reader": "read", "runner": "execute", "decider": "write"}
"""What Jupyter's authorizer is asked for, on the resource `nbops`."""
THREADS = ThreadPoolExecutor(8, "nbops-api")
"""Where verbs run, so that the event loop waits for none of them."""


def handlers(base_url: str) -> list[tuple[str, type[APIHandler]]]:
    """A handler for each path of the table, and one for every other path."""
    made = []
    for path, routes in groupby(ROUTES, lambda route: route.path):
        verbs = {route.method.lower(): _method(route) for route in routes}
        handler = type("NbopsHandler", (_Handler,), verbs)
        made.append((posixpath.join("/", base_url, PREFIX, path) + "/?", handler))
    return [*made, (posixpath.join("/", base_url, PREFIX) + "(?:/.*)?", _Unknown)]


class _Handler(APIHandler):
    auth_resource = "nbops"

    async def serve(self, route: Route, groups: tuple[str, ...]) -> None:
        """Answer with what the route's verb says."""
        if not await may(self, ACTIONS[route.role]):
            await self._say(403, "You may not do this here.", "Ask whoever runs this Jupyter server.", "forbidden")
            return
        if route.role == "decider" and (why := await impersonal(self)):
            await self._say(
                403, f"This is for a person to do: {why}.", "Decide in a notebook that you run by hand.", "review"
            )
            return
        loop = asyncio.get_running_loop()
        try:
            asked = self._asked(route)
            answer = await loop.run_in_executor(THREADS, lambda: msgspec.json.encode(route.verb(asked, *groups)))
        except NbopsError as error:
            if error.exit.http == 503:
                self.set_header("Retry-After", str(_RETRY_SECONDS))
            await self._say(error.exit.http, error.message, error.hint, error.code)
        else:
            self.set_status(route.status)
            await self.finish(answer)

    def _asked(self, route: Route) -> Asked:
        try:
            body = msgspec.json.decode(self.request.body, type=route.body) if route.body else None
        except msgspec.DecodeError as error:
            raise UsageError(
                f"The request cannot be read: {error}.", hint="Reload the page, then try again."
            ) from error
        return Asked(root=root(self), query=query(self), body=body)

    def write_error(self, status_code: int, **_: Any) -> None:
        """What tornado calls for what nobody foresaw, once its traceback is in the log; and for who may not ask."""
        told = "You may not do this here." if status_code in {401, 403} else "Something failed that was not foreseen."
        self.write(_problem(told, "The log of the Jupyter server has more.", "internal"))

    async def _say(self, status: int, message: str, hint: str, code: str) -> None:
        self.set_status(status)
        await self.finish(_problem(message, hint, code))


async def may(handler: JupyterHandler, action: str) -> bool:
    """Whether Jupyter's authorizer lets whoever asks do this with us."""
    allowed = handler.authorizer.is_authorized(handler, handler.current_user, action, "nbops")
    return bool(await allowed if isinstance(allowed, Awaitable) else allowed)


async def impersonal(handler: JupyterHandler) -> str:
    """Why what is asked for cannot be a person's act; empty where it may be one."""
    stream = getattr(handler.request.connection, "stream", None)
    sock = getattr(stream, "socket", None)
    return await asyncio.get_running_loop().run_in_executor(THREADS, peers.impersonal, sock)


def root(handler: JupyterHandler) -> Root:
    """The folder that the server shows. Raises UsageError when it shows none."""
    folder = handler.settings.get("server_root_dir")
    if not folder:
        raise UsageError("This Jupyter server keeps no files of its own.", hint="nbops works on notebooks in folders.")
    return Root(folder)


def query(handler: JupyterHandler) -> dict[str, list[str]]:
    """All values of each name in the address."""
    return {
        name: [value.decode(errors="replace") for value in values]
        for name, values in handler.request.query_arguments.items()
    }


def _problem(message: str, hint: str, code: str) -> bytes:
    return msgspec.json.encode({"message": message, "hint": hint, "code": code})


class _Unknown(_Handler):
    @web.authenticated
    async def get(self) -> None:
        await self._say(404, "There is no such route.", "The page may be of another version: reload it.", "not-found")

    post = get


def _method(route: Route) -> Callable[..., Any]:
    @web.authenticated
    async def method(self: _Handler, *groups: str) -> None:
        await self.serve(route, groups)

    return method
