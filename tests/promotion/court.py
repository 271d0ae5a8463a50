"""A store, models with versions of several people, and reviews of them, without processes."""

from __future__ import annotations

from typing import Any

import msgspec

import nbops.promotion.commands
import nbops.registry.commands  # noqa: F401 - both teach the writer their verbs
from nbops.errors import NbopsError
from nbops.promotion.requests import Act, Acted, Judgement, Propose, Verb
from nbops.records import Actor, new_id
from nbops.registry.requests import RegisterVersion
from nbops.store.wire import Reply, Request
from tests.store.inside import Inside, envelope, start


class Court:
    """A model in a store, under a name of its own."""

    def __init__(self, inside: Inside) -> None:
        self.inside = inside
        self.model = f"m{new_id()}"

    def ask(self, who: str, request: Request) -> Any:
        """What the owner answers to one of these people. Raises what it refuses."""
        reply = self.reply(who, request)
        if reply.problem is not None:
            raise NbopsError(reply.problem.message, hint=reply.problem.hint, code=reply.problem.code)
        return reply.results[0]

    def reply(self, who: str, *requests: Request) -> Reply:
        """The answer to requests that stand in one line."""
        return self.inside.together(envelope(*requests), actor=Actor(name=who, uid=1, host="here", pid=1))[0]

    def version(self, who: str) -> int:
        """A new version by one of them."""
        begun = start()
        made = RegisterVersion(model=self.model, run_id=begun.run_id, artifact="a", sha256=new_id(), manifest="{}")
        return int(self.reply(who, begun, made).results[1])

    def propose(self, who: str, version: int, alias: str = "champion", *, passed: bool = True) -> str:
        """The id of a new review."""
        review = new_id()
        self.ask(who, Propose(review_id=review, model=self.model, version=version, alias=alias, reason="better",
                              judgement=self.judgement(alias, passed=passed)))  # fmt: skip
        return review

    def act(self, who: str, review: str, verb: Verb = "approve", **more: Any) -> Acted:
        """What became of an act; an approval carries what the gate says now, unless it is given."""
        if verb == "approve" and "judgement" not in more:
            ((alias,),) = self.inside.rows("select alias from reviews where review_id = ?", review)
            more["judgement"] = self.judgement(alias)
        told = {"reason": "looked at it", **more}
        return msgspec.convert(self.ask(who, Act(review_id=review, act=verb, **told)), Acted)

    def judgement(self, alias: str = "champion", *, passed: bool = True) -> Judgement:
        """What the gate would say now."""
        return Judgement(holder=self.holder(alias), passed=passed, verdict="{}")

    def holder(self, alias: str = "champion") -> int | None:
        """The version that an alias stands for."""
        found = self.inside.rows("select version from aliases where model = ? and alias = ?", self.model, alias)
        return found[0][0] if found else None

    def status(self, review: str) -> str:
        """How a review stands."""
        return str(self.inside.rows("select status from reviews where review_id = ?", review)[0][0])

    def events(self, verb: str) -> list[dict[str, Any]]:
        """What the chain says of this model, in order."""
        sql = "select detail from core.events where subject = ? and verb = ? order by seq"
        return [msgspec.json.decode(row[0]) for row in self.inside.rows(sql, f"model:{self.model}", verb)]
