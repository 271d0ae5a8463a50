"""One changed byte in a model file, a manifest, an event, a review, an act or a move of an alias is found, and the object named."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from nbops import duck
from nbops.config import Settings
from nbops.promotion.requests import Judgement
from nbops.records import short
from nbops.registry import formats
from nbops.registry.card import Card, Policy
from nbops.registry.requests import Comment, DescribeModel, Freeze, MoveAlias, RegisterVersion, Retire, Rollback
from nbops.store import blobs, care, database, witness
from nbops.store.client import Store
from nbops.store.places import Places
from nbops.store.wire import Table
from tests.conftest import Project
from tests.promotion.court import Court
from tests.store.inside import Inside, start

VERDICT = msgspec.json.encode(
    {"sentences": ["MAE 3.21 min is better than 3.40 min.", "Großraum: too few rows."]}
).decode()
MODELS = ("air-time", "delay", "große Flüge")


class Opened(Store):
    """A store whose file the test itself has opened: `nbops db check` reads it as it would read from an owner."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.connection = duck.scratch()
        self.connection.execute(f"attach {duck.literal(str(self.places.database))} as nbops")
        self.connection.execute("use nbops")

    def read(
        self, sql: str, values: Sequence[object] = (), *, limit: int | None = None, timeout: float | None = None
    ) -> Table:
        found = duck.rows(self.connection, sql, values)
        return Table(columns=[], rows=[list(row) for row in found[:limit]], truncated=False)


def fill(inside: Inside) -> None:
    """Models of real bytes with every kind of row: cards, comments, freezes, moves, reviews, acts of each kind and outcome."""
    for number, name in enumerate(MODELS):
        court = Court(inside)
        court.model = name
        court.ask(
            "boss", DescribeModel(model=name, card=Card(policy=Policy(approvers=2 if number == 2 else 1)), why="new")
        )
        for seed in range(3):
            keep(court, number * 10 + seed)
        judged = Judgement(holder=None, passed=True, verdict=VERDICT)
        first = court.propose("ann", 1)
        court.act("bea", first, "send back", reason="and in winter?")
        court.act("ann", first, "answer", reason="the same")
        court.act("bea", first, "approve", reason="", judgement=judged)  # refused: no reason
        evidence = blobs.put(inside.places.blobs, f"minutes of {name}".encode()).sha256
        court.act(
            "bea",
            first,
            "approve",
            judgement=judged,
            attested_by="Dr. Özil",
            evidence=evidence,
            until=2_000_000_000_000_000,
        )
        court.act("cleo", first, "approve", judgement=judged)  # the second one, or a conflict
        second = court.propose("ann", 2)
        court.act("bea", second)
        court.act("cleo", second)
        court.act("dan", court.propose("ann", 3), "reject", reason="too slow")
        court.act("ann", court.propose("ann", 3), "withdraw", reason="not yet")
        court.ask("bea", MoveAlias(model=name, alias="candidate", version=3, why="a look"))
        court.ask("bea", MoveAlias(model=name, alias="candidate", version=None))
        court.ask("bea", Rollback(model=name, alias="champion", why="worse at night"))
        court.ask("bea", Comment(model=name, text="keep an eye on it", version=1))
        court.ask("bea", Freeze(model=name, frozen=True, why="holidays"))
        court.ask("bea", Retire(model=name, version=3, why="too slow"))


def keep(court: Court, seed: int) -> None:
    """A version with its file and its manifest, as `register` would ask for it."""
    rows = np.random.default_rng(seed).normal(size=(40, 3))
    packed = formats.pack(LogisticRegression().fit(rows, rows[:, 0] > 0))
    blob = blobs.put(court.inside.places.blobs, packed.data)
    begun = start()
    manifest = msgspec.json.encode(packed.manifest).decode()
    made = RegisterVersion(
        model=court.model, run_id=begun.run_id, artifact="models/model.skops", sha256=blob.sha256, manifest=manifest, description="tuned"
    )  # fmt: skip
    court.reply("ann", begun, made)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    inside = Inside(tmp_path_factory.mktemp("court"))
    fill(inside)
    inside.close()
    opened = Opened(inside.settings)
    yield opened
    opened.connection.close()


def broken(store: Store) -> dict[str, str]:
    return {finding.what: finding.problem for finding in care.check(store) if finding.problem}


def test_what_is_whole_is_told_so(store: Opened) -> None:
    assert broken(store) == {}
    (told,) = [finding.told for finding in care.check(store) if finding.what == "registry"]
    count = sum(store.read(f"select count(*) from core.{table}").rows[0][0] for table in witness.TABLES)  # noqa: S608 - our own
    assert told == f"{count:,} rows, each as its event says"
    acts = store.read("select distinct act, outcome from core.review_acts").rows
    assert {act for act, _ in acts} == {"propose", "approve", "reject", "send back", "answer", "withdraw"}
    assert {outcome for _, outcome in acts} == {"done", "refused", "conflict"}


def test_every_column_of_the_registry_is_answered_for(store: Opened) -> None:
    """A column that a migration adds is put into `witness.TABLES`, or is named here with what answers for it instead."""
    # Compared with `version.retired`; what was put together is told by the segment that it became a part of.
    elsewhere = {("model_versions", "state"), ("prediction_segments", "replaced")}
    for table, witnessed in witness.TABLES.items():
        columns = store.read(
            "select column_name from duckdb_columns() where table_name = ? and schema_name = 'core'", [table]
        ).rows
        told = {
            column.removeprefix("epoch_us(").removesuffix(")").removesuffix("::varchar") for column in witnessed.columns
        }
        assert told == {name for (name,) in columns if (table, name) not in elsewhere}, table


class Change(NamedTuple):
    """A value of one row that was changed, and what the finding must say."""

    what: str
    names: tuple[str, ...]


def test_a_hundred_changed_bytes_are_found_and_named(store: Opened) -> None:
    chance = random.Random(6)
    ways: list[Callable[[Opened, random.Random], Change | None]] = [
        file_byte, manifest_text, event_field, review_field, act_field, alias_move
    ]  # fmt: skip
    done: list[Callable[[Opened, random.Random], Change | None]] = []
    while len(done) < 100:
        way = ways[len(done) % len(ways)]
        store.connection.execute("begin")
        changed = way(store, chance)
        try:
            if changed is None:  # the database itself refused the value, or it is the same
                continue
            found = broken(store)
        finally:
            store.connection.execute("rollback")
            restore()
        assert changed.what in found, (way, changed, found)
        assert all(name in found[changed.what] for name in changed.names), (way, changed, found)
        done.append(way)
    assert broken(store) == {}


_undo: list[Callable[[], object]] = []


def restore() -> None:
    """Put back the file that was changed."""
    while _undo:
        _undo.pop()()


def file_byte(store: Opened, chance: random.Random) -> Change:
    model, version, sha256 = chance.choice(
        store.read("select model, version, sha256 from core.model_versions order by seq").rows
    )
    path = store.blob_path(sha256)
    before = path.read_bytes()
    data = bytearray(before)
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    _undo.append(lambda: path.write_bytes(before))
    return Change("files", (f"{model}/{version}", sha256[:12]))


def manifest_text(store: Opened, chance: random.Random) -> Change | None:
    found = store.read("select model, version, seq, manifest from core.model_versions order by seq").rows
    model, version, seq, text = chance.choice(found)
    changed = put(store, "model_versions", seq, "manifest", flipped(text, chance))
    return Change("registry", (f"{model}/{version}", "manifest")) if changed else None


def event_field(store: Opened, chance: random.Random) -> Change | None:
    columns = ("seq", "time", "actor", "verb", "subject", "detail", "previous_hash", "hash")
    names = {
        seq: f"{verb} of {subject}"
        for seq, verb, subject in store.read("select seq, verb, subject from core.events").rows
    }

    def change(seq: int, column: str) -> Change:
        return Change("events", (names[seq],) if column == "seq" else (f"sequence {seq}:",))

    return field(store, "events", chance, columns, change)


def review_field(store: Opened, chance: random.Random) -> Change | None:
    columns = ("review_id", "model", "version", "alias", "reason", "expires", "created", "actor", "seq")
    names = dict(store.read("select seq, review_id::varchar from core.reviews").rows)
    models = dict(store.read("select seq, model from core.reviews").rows)
    return field(
        store,
        "reviews",
        chance,
        columns,
        lambda seq, _: Change("registry", (f"review {short(names[seq])}", models[seq])),
    )


def act_field(store: Opened, chance: random.Random) -> Change | None:
    columns = (
        "review_id", "act", "outcome", "message", "reason", "holder", "passed", "verdict", "attested_by", "evidence", "until", "time",
        "actor", "seq",
    )  # fmt: skip
    names = dict(store.read("select seq, review_id::varchar from core.review_acts").rows)
    return field(
        store, "review_acts", chance, columns, lambda seq, _: Change("registry", (f"review {short(names[seq])}",))
    )


def alias_move(store: Opened, chance: random.Random) -> Change | None:
    columns = ("model", "alias", "before", "after", "kind", "review_id", "why", "time", "actor", "seq")
    names = {
        seq: (model, alias) for seq, model, alias in store.read("select seq, model, alias from core.alias_moves").rows
    }
    return field(store, "alias_moves", chance, columns, lambda seq, _: Change("registry", names[seq]))


def field(
    store: Opened, table: str, chance: random.Random, columns: Sequence[str], change: Callable[[int, str], Change]
) -> Change | None:
    """One value of one row, changed by one character of its text; None when that is no value for it."""
    column = chance.choice(columns)
    sql = f"select seq, {column}::varchar from core.{table} where {column} is not null order by seq"  # noqa: S608 - our own names
    seq, text = chance.choice(store.read(sql).rows)
    expected = change(seq, column)
    return expected if put(store, table, seq, column, flipped(text, chance)) else None


def flipped(text: str, chance: random.Random) -> str:
    """The text with one bit of one byte changed, or, where that is no text, with one character replaced."""
    raw = bytearray(text.encode())
    if not raw:
        return "x"
    place = chance.randrange(len(raw))
    raw[place] ^= 1 << chance.randrange(7)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        place = chance.randrange(len(text))
        return f"{text[:place]}{chr(ord(text[place]) + 1)}{text[place + 1 :]}"


def put(store: Opened, table: str, seq: int, column: str, text: str) -> bool:
    """Whether the database took the value, and it is another one now."""
    where = f"from core.{table} where seq = ?"
    before: Any = store.read(f"select {column}::varchar {where}", [seq]).rows[0][0]
    kind = store.read(f"select typeof({column}) {where}", [seq]).rows[0][0]
    value: Any = store.read(f"select try_cast(? as {kind})::varchar", [text]).rows[0][0]
    if value is None or value == before or (kind == "VARCHAR" and "\0" in text):
        return False
    try:
        store.connection.execute(f"update core.{table} set {column} = ?::{kind} where seq = ?", [text, seq])  # noqa: S608
    except duck.errors():
        return False
    return True


def test_what_is_taken_away_added_or_copied_is_found(store: Opened) -> None:
    changes = {
        "delete from core.review_acts where act = 'reject' and seq = (select min(seq) from core.review_acts where act = 'reject')":
            "what review.acted of air-time, review",
        "delete from core.reviews where seq = (select min(seq) from core.reviews)": "what review.proposed of air-time/1@champion",
        "delete from core.model_versions where model = 'delay' and version = 2": "what version.registered of delay/2 left is gone",
        "insert into core.review_acts select * from core.review_acts where seq = (select min(seq) from core.review_acts)":
            "is not what any event tells of",
        "insert into core.alias_moves select * replace (seq + 1000000 as seq, before as after) from core.alias_moves limit 1":
            "a move of air-time@champion is not what any event tells of",
        "update core.model_versions set state = 'registered' where model = 'delay' and version = 3":
            "delay/3 was changed: it is registered, and by its events retired",
        "update core.model_versions set state = 'retired' where model = 'delay' and version = 1": "and by its events registered",
        "update core.model_cards set card = '{}' where model = 'delay'": "the card of delay was changed",
        "update core.comments set text = 'fine' where model = 'delay'": "a comment on delay/1 was changed",
        "update core.freezes set frozen = false where model = 'delay'": "a freeze of delay was changed",
        "update core.models set actor = 'eve' where name = 'delay'": "the name delay was changed",
    }  # fmt: skip
    for sql, message in changes.items():
        store.connection.execute("begin")
        store.connection.execute(sql)
        found = broken(store)
        store.connection.execute("rollback")
        assert message in found["registry"], sql
    store.connection.execute("begin")
    store.connection.execute(
        "delete from core.events where seq = (select min(seq) from core.events where verb = 'review.acted')"
    )
    found = broken(store)
    store.connection.execute("rollback")
    assert "is gone or was edited" in found["events"]


def test_the_command_names_a_changed_review_and_says_it_in_its_status(project: Project) -> None:
    inside = Inside(project.folder)
    fill(inside)
    inside.close()

    def check() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "nbops", "db", "check"]
        return subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)

    sound = check()
    assert (sound.returncode, "each as its event says" in sound.stdout) == (0, True), sound.stdout
    project.store().stop_owner()
    opened = Opened(inside.settings)
    ((review, model, version),) = opened.read(
        "select review_id::varchar, model, version from core.reviews order by seq limit 1"
    ).rows
    opened.connection.execute("update core.reviews set reason = 'Better' where review_id = ?", [review])
    opened.connection.close()
    found = check()
    assert found.returncode == 40
    assert f"review {short(review)} of {model}/{version} was changed" in found.stdout


def test_rows_from_before_events_answered_for_them_are_left_alone_and_later_ones_are_not(tmp_path: Path) -> None:
    places = Places(tmp_path / ".nbops")
    places.create()
    con = duck.scratch()
    con.execute(f"attach {duck.literal(str(places.database))} as old (storage_version {duck.literal(duck.STORAGE)})")
    con.execute("use old")
    for number, sql in database.migrations()[:5]:
        con.execute(sql)
        con.execute("insert or replace into core.meta values ('store_id', 'old'), ('schema', ?)", [str(number)])
    con.execute("insert into core.models values ('aged', now()::timestamp, 'ann', 1)")
    con.execute("insert into core.events values (1, now()::timestamp, 'ann', 'x', 'y', '{}', '', '')")
    con.close()
    inside = Inside(tmp_path)
    court = Court(inside)
    court.model = "aged"
    court.ask("ann", Comment(model="aged", text="still good"))
    inside.close()
    opened = Opened(inside.settings)
    assert witness.problems(opened) == (2, [])
    opened.connection.execute("update core.comments set text = 'never good'")
    (problem,) = witness.problems(opened)[1]
    assert problem.startswith("a comment on aged was changed")
    opened.connection.close()
