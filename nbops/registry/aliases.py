"""What the owner knows of aliases, and the one function that moves them."""

from __future__ import annotations

import re
from typing import Any, Protocol

import msgspec

from nbops.errors import Conflict, NotFound, ParameterError
from nbops.events import AliasMoved
from nbops.notify import outbox
from nbops.registry.card import Card, Policy, in_force
from nbops.store import witness
from nbops.store.commands import Transaction

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
# The moves that a model's consumers hear of.
_TOLD = {"promoted": "stands for", "rolled back": "was rolled back to"}


class Rows(Protocol):
    """Whoever reads the store: a transaction, or a process that wants to know what one would do."""

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a SELECT."""
        ...


def named(alias: str) -> str:
    """An alias that may be one. Raises ParameterError."""
    if not _NAME.fullmatch(alias):
        raise ParameterError(
            f"{alias!r} cannot be an alias.",
            hint="A small letter, then small letters, digits, '-' and '_', at most 40.",
        )
    return alias


def known_model(tx: Transaction, model: str) -> None:
    """Raise NotFound unless there is this model."""
    if not tx.rows("select 1 from core.models where name = ?", model):
        raise NotFound(f"There is no model {model!r}.", hint="`nbops models list` shows those that there are.")


def known_version(tx: Rows, model: str, version: int) -> str:
    """The state of a version. Raises NotFound."""
    found = tx.rows("select state from core.model_versions where model = ? and version = ?", model, version)
    if not found:
        raise NotFound(f"{model} has no version {version}.", hint=f"`nbops models show {model}` lists its versions.")
    return str(found[0][0])


def card(tx: Transaction, model: str) -> Card:
    """What was last said of a model."""
    found = tx.rows("select card from core.model_cards where model = ? order by seq desc limit 1", model)
    return msgspec.json.decode(found[0][0], type=Card) if found else Card()


def policy_for(tx: Transaction, model: str, authors: set[str]) -> Policy:
    """The policy for what `authors` made."""
    told = tx.rows("select card, actor from core.model_cards where model = ? order by seq", model)
    return in_force(((msgspec.json.decode(text, type=Card).policy, actor) for text, actor in told), authors)


def authors(tx: Transaction, model: str, version: int) -> set[str]:
    """Who made a version: who executed its run, and who registered it."""
    found = tx.rows(
        """
        select v.actor, r.actor from core.model_versions v left join core.runs r on r.run_id = v.run_id
        where v.model = ? and v.version = ?
        """,
        model, version,
    )  # fmt: skip
    return {name for row in found for name in row if name is not None}


def holder(tx: Transaction, model: str, alias: str) -> int | None:
    """The version that an alias stands for."""
    found = tx.rows(
        "select after from core.alias_moves where model = ? and alias = ? order by seq desc limit 1", model, alias
    )
    return found[0][0] if found else None


def expected(tx: Transaction, model: str, alias: str, version: int | None) -> int | None:
    """The version that an alias stands for, which must be what the caller saw (0: none), if it says so. Raises Conflict."""
    found = holder(tx, model, alias)
    if version is not None and (found or 0) != version:
        raise Conflict(
            f"{model}@{alias} stands for {f'version {found}' if found else 'no version'} now,"
            f" and not for {f'version {version}' if version else 'none'}.",
            hint="Somebody moved it meanwhile: look again, and decide anew.",
        )
    return found


def frozen(tx: Transaction, model: str, version: int) -> str | None:
    """Why an alias of the model may not be promoted to a version; None when it may."""
    found = tx.rows(
        """
        select version, why from core.freezes where model = ? and (version is null or version = ?)
        qualify row_number() over (partition by version order by seq desc) = 1 and frozen
        """,
        model, version,
    )  # fmt: skip
    if not found:
        return None
    scope, why = found[0]
    return f"{model if scope is None else f'{model}/{scope}'} is frozen: {why}"


def approved(tx: Rows, model: str, alias: str) -> set[int]:
    """The versions for which a review let this alias stand."""
    found = tx.rows(
        "select distinct after from core.alias_moves where model = ? and alias = ? and kind = 'promoted'", model, alias
    )
    return {row[0] for row in found}


def move(
    tx: Transaction, model: str, alias: str, after: int | None, kind: str, *, review_id: str | None = None, why: str | None = None
) -> None:  # fmt: skip
    """Let an alias stand for another version. Whether it may is asked by the commands that call it, in the same transaction."""
    before = holder(tx, model, alias)
    if before == after:
        return
    tx.run(
        "insert into core.alias_moves values (?, ?, ?, ?, ?, ?, ?, make_timestamp(?), ?, ?)",
        model, alias, before, after, kind, review_id, why, tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    event = AliasMoved(
        subject=f"model:{model}", alias=alias, before=before, after=after, kind=kind, review_id=review_id, why=why,
        rows=witness.rows(tx, alias_moves=tx.seq),
    )  # fmt: skip
    tx.event(event)
    if kind in _TOLD:
        outbox.put(
            tx, kind, f"model:{model}", card(tx, model).consumers,
            f"{model}@{alias} {_TOLD[kind]} version {after}",
            f"Until now it stood for {f'version {before}' if before else 'no version'}.",
            f"By {tx.actor.name}: {why or 'no reason was given'}",
            *([f"Review {review_id[-8:]} has what the decision rests on."] if review_id else []),
        )  # fmt: skip


def fit_to_return(tx: Rows, model: str, alias: str, *, protected: bool) -> int | None:
    """The last version that held an alias and may hold it again.

    It was not rolled back from since, is not retired, not frozen, and was approved if it must be.
    """
    holders: list[int | None] = []
    left: set[int | None] = set()
    for before, after, kind in tx.rows(
        "select before, after, kind from core.alias_moves where model = ? and alias = ? order by seq", model, alias
    ):
        if kind == "rolled back":
            left.add(before)
            while holders and holders[-1] != after:
                holders.pop()
        else:
            left.discard(after)
            holders.append(after)
    allowed = approved(tx, model, alias)
    for version in reversed(holders[:-1]):
        if version is None or version in left or (protected and version not in allowed):
            continue
        if known_version(tx, model, version) == "registered" and not _is_frozen(tx, model, version):
            return version
    return None


def _is_frozen(tx: Rows, model: str, version: int) -> bool:
    """Whether the version itself is; a frozen model still rolls back."""
    sql = "select frozen from core.freezes where model = ? and version = ? order by seq desc limit 1"
    found = tx.rows(sql, model, version)
    return bool(found and found[0][0])
