"""How a version stands: what it is in use as, who approved that and why, what waits for an answer, read from the store alone."""

from __future__ import annotations

from datetime import datetime

from nbops.promotion import reviews
from nbops.promotion.reviews import Case, Deed
from nbops.records import Record, at
from nbops.registry.models import ModelVersion
from nbops.store.client import Store


class Move(Record):
    """An alias that began to stand for another version; times are aware UTC."""

    alias: str
    before: int | None
    version: int | None
    kind: str
    review_id: str | None
    why: str | None
    actor: str
    since: datetime
    until: datetime | None


class Approval(Record):
    """The review by which a version came to an alias, and the approvals that counted; `own` are those by who has a part in it."""

    case: Case
    given: tuple[Deed, ...]
    own: tuple[Deed, ...]
    when: datetime

    @property
    def ends(self) -> datetime | None:
        """When the first of the approvals ends that were given for a time."""
        known = [deed.until for deed in self.given if deed.until is not None]
        return at(min(known)) if known else None


class Standing(Record):
    """Everything about a version that others decided. `moves` are all of the model, the newest first; `authors` made the version."""

    aliases: tuple[str, ...]
    holders: dict[str, int]
    moves: tuple[Move, ...]
    authors: tuple[str, ...]
    approval: Approval | None
    pending: tuple[Case, ...]
    frozen: tuple[str, ...]
    run_status: str | None

    def held_since(self, alias: str) -> Move | None:
        """The move by which an alias came to stand for what it stands for."""
        return next((one for one in self.moves if one.alias == alias), None)

    def rolled_back(self, version: int) -> Move | None:
        """The last move by which an alias was taken back from a version, unless that holds it again."""
        for one in self.moves:
            if one.version == version:
                return None
            if one.kind == "rolled back" and one.before == version:
                return one
        return None


def standing(store: Store, record: ModelVersion) -> Standing:
    """How a version stands."""
    holders = {
        str(alias): int(version)
        for alias, version in store.read("select alias, version from aliases where model = ? order by alias", [record.model]).rows
    }  # fmt: skip
    moves = history(store, record.model)
    authors = _authors(store, record)
    promoted = next((one for one in moves if one.version == record.version and one.kind == "promoted"), None)
    status = store.read("select status from runs where run_id = ?", [record.run_id]).rows
    return Standing(
        aliases=tuple(alias for alias, version in holders.items() if version == record.version),
        holders=holders,
        moves=moves,
        authors=authors,
        approval=_approval(store, promoted, authors),
        pending=tuple(reviews.get(store, one) for one in reviews.pending(store, record.model)),
        frozen=_frozen(store, record),
        run_status=str(status[0][0]) if status else None,
    )


def history(store: Store, model: str) -> tuple[Move, ...]:
    """Every move of a model's aliases, the newest first."""
    sql = """
        select alias, version_before, version, kind, review_id::varchar, why, actor, epoch_us(since), epoch_us(until)
        from alias_history where model = ? order by since desc
    """
    found = []
    for alias, before, version, kind, review_id, why, actor, since, until in store.read(sql, [model]).rows:
        ended = None if until is None else at(until)
        found.append(Move(alias, before, version, kind, review_id, why, actor, at(since), ended))
    return tuple(found)


def counted_approvals(case: Case) -> tuple[Deed, ...]:
    """The approvals of a review since it was last sent back."""
    found: list[Deed] = []
    for deed in case.deeds:
        if deed.outcome != "done":
            continue
        if deed.act == "send back":
            found.clear()
        elif deed.act == "approve":
            found.append(deed)
    return tuple(found)


def who(deed: Deed) -> str:
    """Whose decision it was."""
    return deed.attested_by or deed.actor


def _authors(store: Store, record: ModelVersion) -> tuple[str, ...]:
    found = store.read("select actor from runs where run_id = ?", [record.run_id]).rows
    names = [record.actor, *(str(row[0]) for row in found if row[0])]
    return tuple(dict.fromkeys(names))


def _approval(store: Store, promoted: Move | None, authors: tuple[str, ...]) -> Approval | None:
    if promoted is None or promoted.review_id is None:
        return None
    case = reviews.get(store, promoted.review_id)
    given = counted_approvals(case)
    involved = {*authors, case.requested_by}
    own = tuple(deed for deed in given if who(deed) in involved)
    return Approval(case=case, given=given, own=own, when=promoted.since)


def _frozen(store: Store, record: ModelVersion) -> tuple[str, ...]:
    sql = "select version, why, actor from freezes where model = ? and (version is null or version = ?)"
    return tuple(
        f"{record.model if version is None else f'{record.model}/{version}'} is frozen by {actor}: {why}"
        for version, why, actor in store.read(sql, [record.model, record.version]).rows
    )
