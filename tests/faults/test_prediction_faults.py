"""kill -9, a full disk and two at once while predictions are scored and logged: nothing is there twice, nothing by halves."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LinearRegression

from nbops.errors import NbopsError
from nbops.predictions import joining, segments
from nbops.predictions.segments import Meaning
from nbops.store import care
from nbops.store.client import Store
from nbops.workspace._workspace import Workspace
from tests.conftest import Project, finish, wait_until
from tests.predictions.versions import version

ROWS = 150_000
FRAME = pd.DataFrame(
    {
        "id": np.arange(ROWS),
        "time": pd.Timestamp("2013-01-01") + pd.to_timedelta(np.arange(ROWS) % 10_000, "min"),
        "a": np.random.default_rng(0).normal(size=ROWS),
    }
)
SCORE = [
    "-m", "nbops", "score", "line", "in.parquet", "--out", "out.parquet", "--id", "id", "--time", "time"
]  # fmt: skip
SCORING = f"""
import sys
from nbops.cli import main
sys.stdin.readline()
sys.argv = ["nbops", *{SCORE[2:]!r}]
main()
"""
LOGGING = """
import sys
import pandas as pd
import nbops
from nbops.predictions import segments
from nbops.predictions.segments import Meaning

store, model, same = nbops.open().store, sys.argv[1], sys.argv[2]
sys.stdin.readline()
for number in range(20):
    frame = pd.DataFrame({"id": range(50), "time": pd.Timestamp("2013-01-01"), "prediction": number + float(same)})
    segments.log(store, model, 1, frame, Meaning(ids=("id",), time="time"))
"""


@pytest.fixture
def line(project: Project) -> Project:
    """A project with a model and a file to be scored."""
    workspace = Workspace(project.settings())
    with workspace.start_run("line") as run:
        fitted = LinearRegression().fit(FRAME[["a"]][:100], FRAME["a"][:100] * 2)
        run.log_model(fitted, reference=FRAME[["a"]][:100].assign(y=1.0), target="y")
    workspace.register_model(run, "line")
    FRAME.to_parquet(project.folder / "in.parquet", index=False)
    return project


def rows_of(store: Store, model: str = "line") -> int:
    """How many rows there are, each once, and as they were written."""
    found = joining.joined(store, model, 1, *joining.bounds(None, None))
    assert len(set(found.column("_id").to_pylist())) == found.num_rows
    return int(found.num_rows)


def assert_whole(store: Store) -> None:
    """The store holds together, its files included."""
    assert [one for one in care.check(store) if one.problem] == []


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.long)])
def test_a_scorer_that_is_killed_anywhere_leaves_nothing_by_halves_and_nothing_twice(line: Project, kills: int) -> None:
    store, chance, out = line.store(), random.Random(7), line.folder / "out.parquet"
    store.hello()
    began = time.monotonic()
    finish(start(line))
    whole, took = out.read_bytes(), time.monotonic() - began
    out.unlink()
    FRAME.assign(a=FRAME["a"] + 1).to_parquet(line.folder / "in.parquet", index=False)
    for _ in range(kills):
        process = start(line)
        time.sleep(took * (0.3 + 0.9 * chance.random()))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not out.exists() or pq.read_metadata(out).num_rows == ROWS
        assert rows_of(store) == ROWS
    finish(start(line))
    finish(start(line))
    assert pq.read_table(out).num_rows == ROWS
    assert out.read_bytes() != whole
    assert store.read("select count(*) from prediction_segments").rows == [[2]]
    assert rows_of(store) == ROWS
    assert_whole(store)
    for left in line.places.blobs.glob(".new-*"):
        os.utime(left, (0, 0))
    care.collect(store, now=time.time() + 2 * care.GRACE_SECONDS)
    assert not list(line.places.blobs.glob(".new-*"))
    assert_whole(store)


def test_a_scorer_that_is_killed_between_file_and_log_is_started_again(
    line: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = line.store()
    store.hello()
    code = """
    import os, signal, sys
    from nbops.cli import main
    from nbops.predictions import segments
    segments.log = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    sys.argv = ["nbops", *%r]
    main()
    """
    killed = line.start("\n".join(row[4:] for row in (code % SCORE[2:]).splitlines()))
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert pq.read_metadata(line.folder / "out.parquet").num_rows == ROWS
    assert store.read("select count(*) from prediction_segments").rows == [[0]]
    finish(start(line))
    assert store.read("select count(*), sum(rows) from prediction_segments").rows == [[1, ROWS]]
    assert rows_of(store) == ROWS


@pytest.mark.parametrize("out", ["out.parquet", "out.csv"])
def test_what_a_killed_scorer_left_beside_the_file_is_removed_by_the_next_one(line: Project, out: str) -> None:
    code = """
    import os, signal, sys
    from nbops.cli import main
    os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
    sys.argv = ["nbops", "score", "line", "in.parquet", "--out", "made/%s", "--no-log"]
    main()
    """
    line.store().hello()
    killed = line.start("\n".join(row[4:] for row in (code % out).splitlines()))
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    folder = line.folder / "made"
    (left,) = folder.iterdir()
    assert left.name.startswith(f".{out}.{killed.pid}@")
    host = socket.gethostname()
    kept = {
        f".{out}.1@{host}",
        f".{out}.{killed.pid}@not-{host}",
        f".{out}.{killed.pid}",
        f".notes.{killed.pid}@{host}",
    }
    for name in kept:
        (folder / name).touch()
    finish(
        line.start(f"""
import sys
from nbops.cli import main
sys.argv = ["nbops", "score", "line", "in.parquet", "--out", "made/{out}", "--no-log"]
main()
""")
    )
    assert {path.name for path in folder.iterdir()} == {out, *kept}


def test_of_two_who_score_the_same_file_at_once_one_logs_it(line: Project) -> None:
    line.start_owner()
    both = [line.start(SCORING) for _ in range(2)]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = sorted("logged before" in finish(process) for process in both)
    assert told == [False, True]
    assert rows_of(line.store()) == ROWS
    assert_whole(line.store())


def test_two_who_log_other_rows_at_once_lose_nothing(project: Project) -> None:
    store = project.store()
    model = version(store)
    both = [project.start(LOGGING, model, same) for same in (0, 0.5)]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in both:
        finish(process)
    assert store.read("select count(*), sum(rows) from prediction_segments").rows == [[40, 2000]]
    assert rows_of(store, model) == 50
    assert_whole(store)


@pytest.mark.parametrize("free", [0, 1_000_000])
def test_a_full_disk_is_told_and_logging_goes_on_when_there_is_room(
    disk: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(disk / "state"))
    project = Project(disk / "project")
    try:
        store = project.store()
        model = version(store)
        frame, meaning = FRAME.assign(prediction=FRAME["a"]), Meaning(ids=("id",), time="time")
        segments.log(store, model, 1, frame[:10], meaning)
        status = os.statvfs(disk)
        with (disk / "filler").open("wb") as file:
            for _ in range((status.f_bavail * status.f_frsize - free) // 4096):
                file.write(b"\0" * 4096)
        with pytest.raises(NbopsError) as caught:
            segments.log(store, model, 1, frame, meaning)
        assert "full" in caught.value.message.lower() or "no space" in caught.value.message.lower(), caught.value
        assert caught.value.hint
        (disk / "filler").unlink()
        wait_until(lambda: store.read("select 1").rows == [[1]])
        assert rows_of(store, model) == 10
        assert segments.log(store, model, 1, frame, meaning).new
        assert rows_of(store, model) == ROWS
        assert not list(project.places.blobs.glob(".new-*"))
        assert_whole(store)
    finally:
        project.close()


def start(project: Project) -> subprocess.Popen[str]:
    """A scorer."""
    process = project.start(SCORING)
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process
