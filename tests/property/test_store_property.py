"""The store's invariants, for whatever is sent, cut or torn: counts are exact, bytes come back, a torn write leaves the one before."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nbops.records import NO_STEP, Param, Series, Tag, new_id, now_us
from nbops.store import blobs, spool
from nbops.store.places import Places
from nbops.store.sidecar import Promise, Sidecar, read_promise
from nbops.store.spool import Spool
from nbops.store.wire import Envelope
from nbops.tracking.requests import DefineMetric, LogRun
from tests.examples import some
from tests.store.inside import Inside, envelope, start

SLOW = settings(
    deadline=None,
    max_examples=some(15),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
QUICK = settings(deadline=None, max_examples=some(50), suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    made = Inside(tmp_path_factory.mktemp("inside"))
    yield made
    made.close()


# The writer

KINDS = st.sampled_from(["run", "definition", "no such run", "taken", "unfit", "resend", "late first"])


@SLOW
@given(groups=st.lists(st.lists(KINDS, max_size=12), max_size=4), restart=st.booleans())
@example(groups=[["definition", "taken", "resend", "late first", "run"]], restart=True)
def test_whatever_stands_in_line_together_counts_exactly_once_or_not_at_all(
    inside: Inside, groups: list[list[str]], *, restart: bool
) -> None:
    before = {table: inside.count(table) for table in ("runs", "metric_definitions", "ledger")}
    taken = start()
    inside.together(envelope(taken))
    sent: list[Envelope] = []
    runs = definitions = 0
    for kinds in groups:
        line, good = [], []
        for kind in kinds:
            known = sent[-1].tx if sent else new_id()
            one, counts = {
                "run": (envelope(start()), True),
                "definition": (envelope(DefineMetric(key="mae", better="lower")), True),
                "no such run": (envelope(LogRun(run_id=new_id(), time=now_us())), False),
                "taken": (envelope(start(taken.run_id)), False),
                "unfit": (envelope(start("no uuid")), False),
                "resend": (envelope(DefineMetric(key="mae", better="lower"), tx=known, resend=True), True),
                "late first": (envelope(DefineMetric(key="mae", better="lower"), resend=True), True),
            }[kind]
            line.append(one)
            good.append(counts)
            if kind == "run":
                runs += 1
            if kind in {"definition", "late first"} or (kind == "resend" and not sent):
                definitions += 1
            if kind in {"definition", "late first", "resend"}:
                sent.append(one)
            if kind == "late first":
                line.append(Envelope(tx=one.tx, commands=one.commands))
                good.append(True)
        assert [reply.problem is None for reply in inside.together(*line)] == good
    if restart:
        inside.restart()
    assert inside.count("runs") == before["runs"] + runs + 1
    assert inside.count("metric_definitions") == before["metric_definitions"] + definitions
    assert inside.count("ledger") == before["ledger"] + runs + definitions + 1
    promise = inside.sidecar.read()
    assert promise is not None
    assert promise.seq == inside.writer.seq == inside.rows("select max(seq) from core.ledger")[0][0]


POINT = st.tuples(st.floats(), st.one_of(st.none(), st.integers(-(2**62), 2**62)), st.integers(0, 2**52))


@SLOW
@given(points=st.lists(POINT, max_size=50), many=st.booleans())
@example(
    points=[(math.nan, None, 0), (math.inf, 0, 1), (-math.inf, -1, 2), (-0.0, 2**62, 3), (5e-324, None, 4)], many=True
)
def test_points_of_a_metric_come_back_bit_by_bit(
    inside: Inside, points: list[tuple[float, int | None, int]], *, many: bool
) -> None:
    # Thousands of points take another way into the store than a few.
    points = points * (6000 // max(len(points), 1) + 1 if many else 1)
    run = start()
    columns = list(zip(*points, strict=True)) or [(), (), ()]
    steps = [NO_STEP if step is None else step for step in columns[1]]
    count = len(points)
    packed = Series(
        "m",
        struct.pack(f"<{count}d", *columns[0]),
        struct.pack(f"<{count}q", *steps),
        struct.pack(f"<{count}q", *columns[2]),
    )
    (reply,) = inside.together(envelope(run, LogRun(run_id=run.run_id, time=now_us(), metrics=[packed])))
    assert reply.problem is None
    found = inside.rows(
        "select value, step, epoch_us(time) from core.metrics where run_id = ? order by seq", run.run_id
    )
    assert [(struct.pack("<d", value), step, time) for value, step, time in found] == [
        (struct.pack("<d", value), step, time) for value, step, time in points
    ]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)


@SLOW
@given(texts=st.lists(TEXT, min_size=1, max_size=10))
def test_text_comes_back_as_it_was(inside: Inside, texts: list[str]) -> None:
    run = start()
    params = [Param(key=f"p{n}", value=text, kind="str") for n, text in enumerate(texts)]
    tags = [Tag(key=f"t{n}", value=text) for n, text in enumerate(texts)]
    inside.together(envelope(run, LogRun(run_id=run.run_id, time=now_us(), params=params, tags=tags)))
    for table in ("params", "tags"):
        sql = f"select value from core.{table} where run_id = ? order by seq"  # noqa: S608 - a name of the test's own
        assert [value for (value,) in inside.rows(sql, run.run_id)] == texts


# The sidecar


@SLOW
@given(seqs=st.lists(st.integers(1, 2**63), min_size=1, max_size=3, unique=True).map(sorted))
def test_a_torn_promise_leaves_the_one_before_at_every_byte(tmp_path: Path, seqs: list[int]) -> None:
    path = tmp_path / "sequence"
    path.unlink(missing_ok=True)
    promises = [Promise(seq, f"{seq:064x}") for seq in seqs]
    sidecar = Sidecar(path)
    images = [b""]
    for promise in promises:
        sidecar.promise(*promise)
        images.append(path.read_bytes())
    assert sidecar.read() == promises[-1]
    sidecar.close()
    before, after = images[-2], images[-1]
    allowed = {promises[-1], promises[-2] if len(promises) > 1 else None}
    for cut in range(len(after) + 1):
        # The write got this far; what lies behind it is as it was.
        path.write_bytes(after[:cut] + before[cut:])
        assert read_promise(path) in allowed
    # The next owner goes on from there.
    path.write_bytes(after[: len(after) // 2] + before[len(after) // 2 :])
    again = Sidecar(path)
    again.read()
    again.promise(2**63 + 1, "f" * 64)
    again.close()
    assert read_promise(path) == Promise(2**63 + 1, "f" * 64)


@QUICK
@given(data=st.binary(max_size=400))
def test_any_bytes_in_the_sidecars_place_are_nothing_promised(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "sequence"
    path.write_bytes(data)
    assert read_promise(path) is None


# The spool


def written(folder: Path, sizes: list[int]) -> tuple[Path, list[Envelope], list[int]]:
    """A segment with envelopes of those sizes, and the position behind each."""
    places = Places(folder)
    places.create()
    mine = Spool(places, store="", writer="w", host="here")
    sent = [Envelope(tx=new_id(), commands=[msgspec.Raw(b"\xc4" + bytes([size]) + b"x" * size)]) for size in sizes]
    path = Path()
    for one in sent:
        path = mine.append(one)
    mine.seal()
    return path, sent, [position for position, _ in spool.read(path)]


@SLOW
@given(sizes=st.lists(st.integers(0, 200), min_size=1, max_size=4))
def test_a_segment_cut_at_any_byte_gives_the_whole_envelopes_before_the_cut(tmp_path: Path, sizes: list[int]) -> None:
    path, sent, positions = written(tmp_path / new_id(), sizes)
    for cut in range(path.stat().st_size, -1, -1):
        os.truncate(path, cut)
        assert [found for _, found in spool.read(path)] == sent[: sum(position <= cut for position in positions)]


@SLOW
@given(sizes=st.lists(st.integers(0, 50), min_size=1, max_size=4), data=st.data())
def test_a_flipped_bit_never_makes_another_envelope(tmp_path: Path, sizes: list[int], data: st.DataObject) -> None:
    path, sent, _ = written(tmp_path / new_id(), sizes)
    image = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(image) - 1))
    image[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(image)
    found = [one for _, one in spool.read(path)]
    assert found == sent[: len(found)]


# Blobs


@QUICK
@given(data=st.binary(max_size=5000))
def test_a_blob_comes_back_as_it_was_however_it_came(tmp_path: Path, data: bytes) -> None:
    source = tmp_path / "source"
    source.write_bytes(data)
    kept = blobs.put(tmp_path / "blobs", data)
    assert kept == blobs.put_file(tmp_path / "blobs", source)
    assert kept.size == len(data)
    assert blobs.get((tmp_path / "nowhere", tmp_path / "blobs"), kept.sha256) == data
