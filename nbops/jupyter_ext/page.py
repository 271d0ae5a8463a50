"""Pages of their own, without JupyterLab: a review, answered by a plain form, and how a model in use is, which is only read.

Whoever is logged in reads them. No script runs on them. Jupyter's XSRF token goes along with the form, and no other site can frame it.
"""

from __future__ import annotations

import asyncio
import posixpath
from typing import Any
from urllib.parse import urlencode

import msgspec
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from nbops.errors import NbopsError, UsageError
from nbops.jupyter_ext import decisions
from nbops.jupyter_ext.handlers import ACTIONS, THREADS, impersonal, may, query, root
from nbops.jupyter_ext.routes import Role
from nbops.jupyter_ext.verbs import Asked
from nbops.promotion.requests import Verb
from nbops.render.model import Html
from nbops.reports import answer_page
from nbops.reports.answer_page import Choice, Form, Notice

REVIEWS, MONITORING = "nbops/reviews", "nbops/monitoring"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_FORBIDDEN = Notice("You may not do this here.", "Ask whoever runs this Jupyter server.")
_UNFORESEEN = Notice("Something failed that was not foreseen.", "The log of the Jupyter server has more.")
_LABELS: dict[Verb, str] = {
    "approve": "Approve", "reject": "Reject", "send back": "Send back with a question", "answer": "Answer",
    "withdraw": "Withdraw the request",
}  # fmt: skip


def pages(base_url: str) -> list[tuple[str, type[JupyterHandler]]]:
    """The handlers of a review's page, found by its whole id or its last digits, and of a model's, found by its name."""
    return [
        (posixpath.join("/", base_url, REVIEWS) + r"/([0-9A-Fa-f-]{4,36})/?", _ReviewPage),
        (posixpath.join("/", base_url, MONITORING) + r"/([^/]+)/?", _MonitoringPage),
    ]


class _Page(JupyterHandler):
    auth_resource = "nbops"

    @property
    def content_security_policy(self) -> str:
        return _POLICY

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "same-origin")

    async def _say(self, status: int, text: str) -> None:
        self.set_status(status)
        await self.finish(text)


class _MonitoringPage(_Page):
    @web.authenticated
    async def get(self, model: str) -> None:
        """The page as it is now."""
        if not await may(self, ACTIONS["reader"]):
            await self._say(403, _alone(_FORBIDDEN, "Monitoring"))
            return
        try:
            asked = Asked(root=root(self), query=query(self))
            told = await asyncio.get_running_loop().run_in_executor(THREADS, _monitored, asked, model)
        except NbopsError as error:
            await self._say(error.exit.http, _alone(Notice(error.message, error.hint), "Monitoring"))
        else:
            await self._say(200, told)

    def write_error(self, status_code: int, **_: Any) -> None:
        """What tornado calls for what nobody foresaw, and for who may not read."""
        self.write(_alone(_FORBIDDEN if status_code in {401, 403} else _UNFORESEEN, "Monitoring"))


class _ReviewPage(_Page):
    @web.authenticated
    async def get(self, review: str) -> None:
        """The page as it stands."""
        await self._answer("reader", review)

    @web.authenticated
    async def post(self, review: str) -> None:
        """Do what the pressed button says, then show the page again; a browser that reloads it does nothing twice."""
        await self._answer("decider", review)

    async def _answer(self, role: Role, review: str) -> None:
        if not await may(self, ACTIONS[role]):
            await self._say(403, _alone(_FORBIDDEN))
            return
        loop = asyncio.get_running_loop()
        sent = role == "decider"
        if sent and (why := await impersonal(self)):
            await self._say(403, _alone(Notice(f"This is for a person to do: {why}.", "Decide in a browser.")))
            return
        typed = {name: self.get_body_argument(name, "") for name in ("act", "reason")}
        # Who may not decide is shown no form.
        token = self.xsrf_token.decode() if await may(self, ACTIONS["decider"]) else None
        folder = self.get_query_argument("folder", "")
        try:
            asked = Asked(root=root(self), query=query(self))
            status, text = await loop.run_in_executor(
                THREADS, _decided if sent else _shown, asked, review, token, typed
            )
        except NbopsError as error:
            status, text = error.exit.http, _alone(Notice(error.message, error.hint))
        if status == 303:
            self.redirect(_address(folder), status=303)
        else:
            await self._say(status, text)

    def write_error(self, status_code: int, **_: Any) -> None:
        """What tornado calls for what nobody foresaw, and for a form without the right token."""
        told = _UNFORESEEN
        if status_code in {401, 403}:
            told = Notice(
                "This answer was not taken: the page is too old, or came from somewhere else.",
                "Go back, keep what you typed, reload the page, and answer again.",
            )
        self.write(_alone(told))


def _shown(
    asked: Asked, text: str, token: str | None, typed: dict[str, str], notice: Notice | None = None
) -> tuple[int, str]:
    """The page of a review."""
    from nbops.promotion import reviews
    from nbops.workspace._review import Review

    review = Review(asked.store, reviews.find(asked.store, text))
    case = review.case
    body = review.page().to_fragment()
    choices = [Choice(verb, _LABELS[verb]) for verb in decisions.CHOICES.get(case.status, ())]
    form = None
    if token and choices:
        form = Form(_address(asked.one("folder")), {"_xsrf": token}, choices, typed["reason"])
    title = f"{case.model}: version {case.version} for {case.alias}"
    return 200, answer_page.page(title, body, form=form, notice=notice)


def _decided(asked: Asked, text: str, token: str | None, typed: dict[str, str]) -> tuple[int, str]:
    """What became of an answer: the page anew, with what is wrong and what was typed where it was not taken."""
    from nbops.promotion import reviews

    try:
        if typed["act"] not in _LABELS:
            raise UsageError("No button was pressed.", hint="Press the one that says what you decide.")
        answer = msgspec.convert({**typed, "folder": asked.one("folder")}, decisions.Answer)
        decisions.act(msgspec.structs.replace(asked, body=answer), reviews.find(asked.store, text))
    except NbopsError as error:
        _, page = _shown(asked, text, token, typed, Notice(error.message, error.hint))
        return error.exit.http, page
    return 303, ""


def _address(folder: str) -> str:
    """The page itself, without what else stood in the address, such as a token."""
    return f"?{urlencode({'folder': folder})}"


def _monitored(asked: Asked, model: str) -> str:
    """How a model in use is."""
    from nbops.reports import monitoring_page

    return monitoring_page.page(asked.store, model).to_html()


def _alone(notice: Notice, title: str = "Review") -> str:
    return answer_page.page(title, Html(""), notice=notice)
