"""The spool: whole envelopes on disk, in their order, in the first place that takes them, until the owner has them."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from nbops.errors import PathRefused, StoreFull
from nbops.store import blobs, spool
from nbops.store.places import Places, make_private, private_temporary
from nbops.store.spool import Rejected, Spool
from nbops.store.wire import Envelope
from tests.store.inside import envelope, start


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = Places(tmp_path / ".nbops")
    made.create()
    return made


def new_spool(places: Places) -> Spool:
    return Spool(places, store="", writer="w", host="here")


def envelopes(path: Path, position: int = 0) -> list[Envelope]:
    return [found for _, found in spool.read(path, position)]


def test_envelopes_come_back_in_order_from_any_position(places: Places) -> None:
    sent = [envelope(start()) for _ in range(5)]
    mine = new_spool(places)
    (path,) = {mine.append(one) for one in sent}
    assert envelopes(path) == sent
    positions = [position for position, _ in spool.read(path)]
    assert [envelopes(path, position) for position in positions] == [sent[n:] for n in range(1, 6)]


def test_a_segment_is_finished_when_its_writer_closed_it(places: Places) -> None:
    mine = new_spool(places)
    path = mine.append(envelope(start()))
    assert not spool.finished(path)
    mine.seal()
    assert spool.finished(path)
    assert mine.append(envelope(start())) != path


def test_a_segment_that_nobody_has_locked_yet_bears_no_segments_name(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The owner would take it for a dead writer's, find nothing in it and remove it, with all that is written to it later.
    seen: list[Path] = []
    monkeypatch.setattr("fcntl.flock", lambda *_: seen.extend(spool.segments(places)))
    new_spool(places).append(envelope(start()))
    assert seen == []
    assert len(list(spool.segments(places))) == 1


def test_a_torn_end_is_left_out_and_the_rest_is_kept(places: Places) -> None:
    mine = new_spool(places)
    sent = [envelope(start()) for _ in range(3)]
    (path,) = {mine.append(one) for one in sent}
    os.truncate(path, path.stat().st_size - 1)
    assert envelopes(path) == sent[:2]


def test_a_record_whose_bytes_changed_ends_the_segment(places: Places) -> None:
    mine = new_spool(places)
    (path,) = {mine.append(one) for one in [envelope(start()), envelope(start())]}
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    assert len(envelopes(path)) == 1


def test_the_next_place_is_taken_when_one_refuses(places: Places) -> None:
    places.spool.rmdir()
    places.spool.write_text("in the way")
    path = new_spool(places).append(envelope(start()))
    assert path.is_relative_to(places.spools()[1])
    assert list(spool.segments(places)) == [path]


def test_a_place_that_fills_up_in_mid_run_is_left_with_what_it_holds(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, sent = new_spool(places), [envelope(start()) for _ in range(3)]
    first = mine.append(sent[0])
    really = os.write

    def write(fd: int, data: bytes) -> int:
        # Its disk takes half of the record.
        return really(fd, data[: len(data) // 2] if os.path.samestat(os.fstat(fd), first.stat()) else data)

    monkeypatch.setattr("os.write", write)
    second = mine.append(sent[1])
    monkeypatch.undo()
    assert second != first
    assert envelopes(first) == sent[:1]
    assert envelopes(second) == sent[1:2]


def test_no_place_left_is_one_error_that_names_them(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", refuse)
    with pytest.raises(StoreFull, match="no room left") as caught:
        new_spool(places).append(envelope(start()))
    assert str(places.folder) in caught.value.hint
    assert list(spool.segments(places)) == []


def test_what_the_store_refuses_is_kept_with_the_reason(places: Places) -> None:
    from nbops.store.wire import Problem

    one, problem = envelope(start()), Problem(code="conflict", message="taken", hint="none")
    kept = spool.reject(places, Path("segment.spool"), one, problem)
    assert kept.is_relative_to(places.rejected)
    assert msgspec.msgpack.decode(kept.read_bytes(), type=Rejected) == Rejected(
        segment="segment.spool", envelope=one, problem=problem
    )


def test_a_place_of_somebody_elses_is_never_used(places: Places) -> None:
    make_private(private_temporary() / "mine")
    assert private_temporary().stat().st_mode & 0o777 == 0o700
    private_temporary().chmod(0o755)
    with pytest.raises(PathRefused, match="does not belong to this user alone"):
        make_private(private_temporary() / "theirs")


# Blobs


def test_a_blob_is_kept_once_under_its_digest(places: Places) -> None:
    first, again = blobs.put(places.blobs, b"abc"), blobs.put(places.blobs, b"abc")
    assert first == again
    assert [path.read_bytes() for path in blobs.every(places.blobs)] == [b"abc"]
    assert blobs.get((places.blobs,), first.sha256) == b"abc"


def test_a_blob_that_changed_is_told_from_one_that_is_missing(places: Places) -> None:
    from nbops.errors import NotFound, StoreCorrupt

    blob = blobs.put(places.blobs, b"abc")
    blobs.place(places.blobs, blob.sha256).write_bytes(b"abd")
    with pytest.raises(StoreCorrupt, match="has changed"):
        blobs.get((places.blobs,), blob.sha256)
    blobs.place(places.blobs, blob.sha256).unlink()
    with pytest.raises(NotFound, match="missing"):
        blobs.get((places.blobs,), blob.sha256)


def test_a_blob_that_breaks_off_leaves_nothing(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        blobs.put(places.blobs, b"abc")
    assert list(places.blobs.iterdir()) == []
