"""What a step makes reaches its place whole or not at all, and no row of it gets lost without a word."""

from __future__ import annotations

import csv
import io
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbops.pipelines import definition, graph, settling
from nbops.pipelines.settling import Products
from nbops.records import new_id, short
from nbops.workspace._workspace import Workspace
from tests.pipelines.parts import Pipeline

CONTRACT = """
columns:
  id: {type: integer, not_null: {severity: quarantine, share: 1.0}}
  price: {type: {type: number, severity: quarantine, share: 1.0}, range: {min: 0, severity: quarantine, share: 1.0}}
"""
CELL = st.sampled_from(["", "1", "2", "-3", "x", "4.5", "NaN", "1e400", "ä", "007"])


@pytest.fixture(scope="module")
def prices(here: Workspace) -> Iterator[Pipeline]:
    """A step that writes prices, which have a contract."""
    folder = Path(here.settings.project) / "settling"
    folder.mkdir()
    (folder.parent / "nbops.toml").touch()
    made = (
        Pipeline(folder)
        .step("collect", 'settled_prices: "out" = "prices.csv"')
        .operate("contracts: {settled_prices: c.yaml}")
    )
    (folder / "c.yaml").write_text(CONTRACT)
    yield made
    shutil.rmtree(folder)


def products(pipeline: Pipeline, here: Workspace, run_id: str) -> Products:
    made = definition.load(pipeline.folder)
    return Products(here.store, graph.tasks(made)[0], run_id)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELL, CELL), max_size=12))
def test_every_row_is_good_or_set_aside_or_dropped(
    rows: list[tuple[str, str]], prices: Pipeline, here: Workspace
) -> None:
    made = products(prices, here, new_id())
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("id", "price"), *rows])
    (prices.folder / str(made.instead["settled_prices"])).write_text(text.getvalue())
    refused = made.settle()
    (counted,) = made.counted
    assert counted.rows == counted.good + counted.quarantined + counted.dropped
    assert refused is not None or counted.rows == len(rows)
    if refused is None:
        kept = list(csv.DictReader((prices.folder / "prices.csv").open()))
        assert len(kept) == counted.good
        # What is no number counts as missing, as in a DataFrame.
        assert not any(float(row["price"] or 0) < 0 or not row["id"] for row in kept)
    assert not list(prices.folder.glob(".nbops-*"))


def test_what_died_before_its_rename_is_brought_home(
    prices: Pipeline, here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = new_id()
    (prices.folder / "pipeline.yaml").write_text("")
    made = products(prices, here, run_id)
    beside = prices.folder / str(made.instead["settled_prices"])
    beside.write_text("id,price\n1,2\n")

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(settling, "_carry_out", dies)
        patch.setattr(Products, "clear", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            made.settle()
    assert beside.exists()
    assert settling.finished(here.store, run_id)
    assert settling.finished(here.store, run_id)
    assert (prices.folder / "prices.csv").read_text() == "id,price\n1,2\n"
    assert not beside.parent.exists()
    assert not settling.finished(here.store, new_id())


def test_what_the_dead_left_behind_is_swept_up_and_what_lives_or_begins_is_not(tmp_path: Path) -> None:
    dead, alive, young = (f"{settling.PREFIX}{short(new_id())}" for _ in range(3))
    now = time.time()
    for name in (dead, alive, young):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (now, now if name == young else now - 60))
    settling.sweep_up({tmp_path}, {alive.removeprefix(settling.PREFIX)}, now=now)
    assert {path.name for path in tmp_path.iterdir()} == {alive, young}


def test_a_folder_takes_the_place_of_a_folder(here: Workspace) -> None:
    folder = Path(here.settings.project) / "folders"
    folder.mkdir()
    made = Pipeline(folder).step("a", 'parts: "out" = "parts"')
    for text in ("old", "new"):
        one = products(made, here, new_id())
        beside = folder / str(one.instead["parts"])
        beside.mkdir()
        (beside / f"{text}.txt").write_text(text)
        assert one.settle() is None
    assert [path.name for path in (folder / "parts").iterdir()] == ["new.txt"]
