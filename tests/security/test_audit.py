"""A history that was changed is noticed and named: by the chain, by what was acknowledged, by an anchor, and by outsiders."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.errors import NotFound, ParameterError, StoreCorrupt, TrustRefused, UsageError
from nbops.records import at
from nbops.registry.requests import Comment
from nbops.security import audit, signing
from nbops.security.keys import Keys
from nbops.store import chain
from nbops.store.client import Store
from tests.promotion.court import Court
from tests.store.inside import Inside

PAGE = Path(__file__).parents[2] / "docs" / "audit.md"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder without keys."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def keys(home: Path) -> Keys:
    """The keys of a person who has one, ann's."""
    made = Keys(None)
    made.new("ann")
    return made


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    (tmp_path / "project").mkdir()
    made = Inside(tmp_path / "project")
    yield made
    made.close()


@pytest.fixture
def court(inside: Inside) -> Court:
    """A model with two versions, one promoted after the other."""
    made = Court(inside)
    for _ in range(2):
        assert made.act("bea", made.propose("ann", made.version("ann"))).moved
    return made


@pytest.fixture
def store(inside: Inside, court: Court) -> Store:
    return inside.near()


def problems(found: audit.Audit) -> dict[str, str]:
    return {finding.what: finding.problem for finding in found.findings if finding.problem}


def edit(court: Court, verb: str, sql: str) -> int:
    """Change the first event of a verb; gives its sequence."""
    ((seq,),) = court.inside.rows("select min(seq) from core.events where verb = ?", verb)
    court.inside.edit(sql, seq)
    return int(seq)


def test_a_whole_chain_is_told_with_its_head(store: Store, court: Court) -> None:
    found = audit.verify(store)
    ((count, last, head),) = court.inside.rows("select count(*), max(seq), arg_max(hash, seq) from core.events")
    assert (found.sound, found.events, found.seq, found.head, found.broken) == (True, count, last, head, None)
    assert [finding.what for finding in found.findings] == ["events", "end"]


@pytest.mark.parametrize(
    "sql",
    [
        "update core.events set actor = 'eve' where seq = ?",
        "update core.events set time = time + interval 1 microsecond where seq = ?",
        "update core.events set detail = replace(detail, 'better', 'worse!') where seq = ?",
        "update core.events set previous_hash = hash where seq = ?",
        "update core.events set hash = previous_hash where seq = ?",
    ],
)
def test_an_edited_event_is_named_with_its_object(store: Store, court: Court, sql: str) -> None:
    seq = edit(court, "review.proposed", sql)
    found = audit.verify(store)
    assert not found.sound
    assert found.broken is not None
    assert (found.broken.seq, found.broken.subject) == (seq, f"model:{court.model}")
    assert problems(found)["events"] == (
        f"the chain breaks at sequence {seq}: review.proposed of model:{court.model} was edited"
    )


def test_an_event_with_another_number_is_named_where_it_stands_now(store: Store, court: Court) -> None:
    seq = edit(court, "review.proposed", "update core.events set seq = seq + 10000 where seq = ?")
    found = audit.verify(store)
    assert found.broken is not None
    assert (found.broken.seq, found.broken.verb) == (seq + 10000, "review.proposed")
    assert found.seq < seq


def test_an_event_that_was_taken_out_or_put_in_is_noticed_at_the_next(store: Store, court: Court) -> None:
    ((seq, after),) = court.inside.rows(
        "select seq, after from (select seq, verb, lead(seq) over (order by seq) as after from core.events)"
        " where verb = 'review.acted' order by seq limit 1"
    )
    kept = court.inside.rows("select * from core.events where seq = ?", seq)[0]
    court.inside.edit("delete from core.events where seq = ?", seq)
    found = audit.verify(store)
    assert found.broken is not None
    assert found.broken.seq == after
    assert "is gone or was edited" in problems(found)["events"]
    court.inside.edit("insert into core.events values (?, ?, ?, ?, ?, ?, ?, ?)", *kept)
    assert audit.verify(store).sound
    # A second event of the same number, whole in itself, and one before all others.
    for number, head in ((seq, kept[6]), (-1, chain.GENESIS)):
        fields = (number, 0, "eve", "review.acted", f"model:{court.model}", "{}")
        row = (*fields, head, chain.link(head, *fields))
        court.inside.edit("insert into core.events values (?, make_timestamp(?), ?, ?, ?, ?, ?, ?)", *row)
        assert audit.verify(store).broken is not None
        court.inside.edit("delete from core.events where actor = 'eve'")
    assert audit.verify(store).sound


def test_a_cut_end_is_noticed_by_what_was_acknowledged(store: Store, court: Court) -> None:
    court.inside.edit("delete from core.events where seq = (select max(seq) from core.events)")
    found = audit.verify(store)
    assert "events were taken away" in problems(found)["end"]
    assert problems(found).keys() == {"end"}


def test_a_chain_of_many_pages_is_followed(store: Store, court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = audit.verify(store)
    monkeypatch.setattr(chain, "_PAGE", 2)
    assert audit.verify(store) == whole


def test_a_gap_that_an_event_tells_of_is_no_fault_of_the_end(inside: Inside, court: Court) -> None:
    promise = inside.sidecar.read()
    assert promise is not None
    inside.sidecar.promise(promise.seq + 5, "f" * 64)
    inside.restart()
    found = audit.verify(inside.near())
    assert found.sound
    assert f"sequence {promise.seq + 1} to {promise.seq + 5} is missing" in found.findings[1].told


def test_an_anchor_is_passed_through_however_far_the_chain_goes_on(
    store: Store, court: Court, keys: Keys, tmp_path: Path
) -> None:
    file = tmp_path / "anchor.json"
    made = audit.anchor(store, file)
    found = audit.verify(store)
    assert (made.seq, made.head) == (found.seq, found.head)
    court.ask("ann", Comment(model=court.model, text="goes on"))
    later = audit.verify(store, file)
    assert later.sound
    assert later.seq > made.seq
    assert re.match(
        rf"signed by ann on .*; the chain passes through its head at sequence {made.seq} and goes",
        later.findings[2].told,
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["anchor.json", "config", "project"]


def test_a_chain_that_was_rewritten_as_a_whole_is_noticed_by_an_anchor_alone(
    store: Store, court: Court, keys: Keys, tmp_path: Path
) -> None:
    file = tmp_path / "anchor.json"
    audit.anchor(store, file)
    head = chain.GENESIS
    for entry in list(chain.entries(store)):
        actor = "eve" if entry.verb == "review.acted" else entry.actor
        fields = (entry.seq, entry.time, actor, entry.verb, entry.subject, entry.detail)
        linked = chain.link(head, *fields)
        court.inside.edit(
            "update core.events set actor = ?, previous_hash = ?, hash = ? where seq = ?",
            actor,
            head,
            linked,
            entry.seq,
        )
        head = linked
    for _ in range(2):  # there are two slots
        court.inside.sidecar.promise(chain.walk(store).seq, head)
    assert audit.verify(store).sound
    assert "does not pass through what it had" in problems(audit.verify(store, file))["anchor"]


def test_an_anchor_of_another_store_is_not_this_ones(store: Store, keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Inside(tmp_path / "other")
    audit.anchor(other.near(), tmp_path / "anchor.json")
    other.close()
    assert "it is of the store" in problems(audit.verify(store, tmp_path / "anchor.json"))["anchor"]


def test_an_anchor_counts_only_as_signed_by_an_acknowledged_key(store: Store, keys: Keys, tmp_path: Path) -> None:
    file = tmp_path / "anchor.json"
    audit.anchor(store, file)
    envelope = json.loads(file.read_bytes())
    told = json.loads(base64.b64decode(envelope["payload"]))

    def put(**changed: object) -> None:
        payload = base64.b64encode(json.dumps({**told, **changed}).encode()).decode()
        file.write_text(json.dumps({**envelope, "payload": payload}))

    put(seq=told["seq"] - 1)
    with pytest.raises(TrustRefused, match="is not by the key 'ann'"):
        audit.verify(store, file)
    # A signature of ann's over something else, in the same words.
    members = signing.sign({"a": b"b"}, keys.signer())
    file.write_bytes(members)
    with pytest.raises(TrustRefused, match="is not a signature of a store's history"):
        audit.verify(store, file)
    audit.anchor(store, file)
    keys.forget("ann")
    with pytest.raises(TrustRefused, match="a key that you have not acknowledged"):
        audit.verify(store, file)
    file.write_text("{}")
    with pytest.raises(TrustRefused, match="cannot be read"):
        audit.verify(store, file)
    file.write_bytes(b" " * (1 << 17))
    with pytest.raises(TrustRefused):
        audit.verify(store, file)
    with pytest.raises(NotFound, match="cannot be read: No such file"):
        audit.verify(store, tmp_path / "nowhere.json")


def test_any_changed_byte_of_an_anchor_is_noticed(store: Store, keys: Keys, tmp_path: Path) -> None:
    file = tmp_path / "anchor.json"
    audit.anchor(store, file)
    whole = file.read_bytes().rstrip()
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(TrustRefused):
            audit.verify(store, file)


def test_nothing_is_signed_without_a_key_with_two_or_of_a_broken_chain(
    store: Store, court: Court, home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "anchor.json"
    with pytest.raises(NotFound, match="no key to sign with") as none:
        audit.anchor(store, file)
    assert "nbops keys new" in none.value.hint
    keys = Keys(None)
    keys.new("ann")
    keys.new("work")
    with pytest.raises(ParameterError, match="You have the keys ann, work") as two:
        audit.anchor(store, file)
    assert two.value.hint == "Say which: --key ann"
    assert audit.anchor(store, file, key="work").seq
    before = file.read_bytes()
    seq = edit(court, "review.acted", "update core.events set actor = 'eve' where seq = ?")
    with pytest.raises(StoreCorrupt, match=f"Nothing is signed: the chain breaks at sequence {seq}"):
        audit.anchor(store, file, key="work")
    assert file.read_bytes() == before


def test_an_anchor_that_cannot_be_written_leaves_nothing(store: Store, keys: Keys, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        audit.anchor(store, tmp_path / "nowhere" / "anchor.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="cannot be written: Is a directory"):
        audit.anchor(store, tmp_path / "folder")
    assert list((tmp_path / "folder").iterdir()) == []
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def outsider(folder: Path, lines: bytes) -> subprocess.CompletedProcess[str]:
    """The program that the documentation gives to those who do not have nbops."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in program.splitlines() if line.strip()]) <= 12
    (folder / "verify.py").write_text(program)
    (folder / "events.jsonl").write_bytes(lines)
    return subprocess.run(
        [sys.executable, "-I", "verify.py", "events.jsonl"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )


def test_an_outsider_verifies_the_export_with_sha256_alone(store: Store, court: Court, tmp_path: Path) -> None:
    court.ask("ann", Comment(model=court.model, text='"Grüße" \\ \u2028 \x7f \t\n\x01 😀'))
    lines = list(audit.export(store))
    assert outsider(tmp_path, b"".join(lines)).stdout.strip() == audit.verify(store).head
    seq = json.loads(lines[5])["seq"]
    for changed in (
        [*lines[:5], lines[5].replace(b'"actor":"', b'"actor":"x'), *lines[6:]],
        [*lines[:4], *lines[5:]],
        [*lines[:5], *lines[6:4:-1], *lines[7:]],
    ):
        done = outsider(tmp_path, b"".join(changed))
        assert done.returncode == 1
        assert "the chain breaks at sequence" in done.stderr
    assert f"sequence {seq}" in outsider(tmp_path, b"".join(lines[:4] + lines[5:])).stderr


@given(st.lists(st.text(), min_size=4, max_size=4), st.integers(0, 2**63 - 1))
def test_a_hash_is_that_of_the_documented_text_whatever_it_holds(words: list[str], seq: int) -> None:
    fields = [seq, seq, *words]
    try:
        text = json.dumps(["0" * 64, *fields], ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # no text that the store could hold
        return
    assert hashlib.sha256(text).hexdigest() == chain.link("0" * 64, *fields)


def test_an_export_of_some_events_still_agrees_with_their_own_hashes(store: Store, court: Court) -> None:
    other = Court(court.inside)
    other.version("ann")
    whole = [msgspec.json.decode(line, type=chain.Entry) for line in audit.export(store)]
    own = [msgspec.json.decode(line, type=chain.Entry) for line in audit.export(store, model=court.model)]
    assert own == [entry for entry in whole if entry.subject == f"model:{court.model}"]
    assert all(entry.intact for entry in own)
    middle = whole[4].time
    assert [json.loads(line)["seq"] for line in audit.export(store, since=at(middle))] == [
        entry.seq for entry in whole if entry.time >= middle
    ]
    with pytest.raises(NotFound, match="There is no model 'nobody'"):
        audit.export(store, model="nobody")
    with pytest.raises(UsageError, match="is no time"):
        audit.export(store, since="once")
