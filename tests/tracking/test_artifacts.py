"""Files, tables and figures of a run: kept once, found by their path, given back as they were, and never outside their folder."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from nbops.errors import NotFound, ParameterError, PathRefused, StoreCorrupt, UsageError
from nbops.tracking import recording
from nbops.tracking.artifacts import inside
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace
from tests.conftest import Project

OUTSIDE = [
    "../secret", "a/../../b", "..", "a/..", "/etc/passwd", "//server/share/x", "\\\\server\\share\\x", "..\\secret", "\\etc\\passwd",
    "C:\\secret", "C:secret", "c:/secret", ".\\c:secret", "nul\0byte", "two\nlines", "half \udcff name", "", ".", "./", "x" * 501,
]  # fmt: skip


def blobs(here: Workspace) -> set[str]:
    recording.finish()  # the environment of a run becomes one in the background
    return {path.name for path in here.store.places.blobs.glob("??/*")}


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: repr(path)[:20])
def test_a_path_out_of_the_run_is_refused_by_every_verb(run: Run, tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("x")
    calls: dict[str, Callable[[], object]] = {
        # An empty path there means the file's own name.
        "log_artifact": lambda: run.log_artifact(tmp_path / "file", path or "."),
        "log_text": lambda: run.log_text("x", path),
        "log_dict": lambda: run.log_dict({}, path),
        "log_table": lambda: run.log_table({"a": [1]}, path),
        "log_figure": lambda: run.log_figure(Figure(), path),
        "log_model": lambda: run.log_model(ConstantModel(), path),
    }
    for verb, call in calls.items():
        with pytest.raises(PathRefused, match="cannot be the path of a run's file") as caught:
            call()
        assert "'plots/residuals.png'" in caught.value.hint, verb
    assert len(run.artifacts) == 0


class ConstantModel:
    """Never looked at: the path is refused first."""

    def predict(self, rows: Any) -> Any:
        return rows


@settings(max_examples=1000)
@given(st.text(alphabet="ab./\\: ~-", max_size=12))
def test_a_path_that_is_taken_stays_inside(path: str) -> None:
    try:
        taken = inside(path)
    except PathRefused:
        return
    assert inside(taken) == taken
    folder = Path("/run")
    assert os.path.normpath(folder / taken) == str(folder / taken)
    assert (folder / taken).is_relative_to(folder)
    assert taken not in {"", "."}


def test_a_file_keeps_its_name_or_gets_the_one_that_is_given(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "notes.md"
    file.write_text("# Grüße")
    (tmp_path / "latest.md").symlink_to(file)
    run.log_artifact(file)
    run.log_artifact(str(file), "docs\\2026/notes.md")
    run.log_artifact(tmp_path / "latest.md")
    found = run.artifacts
    assert found["path"].tolist() == ["docs/2026/notes.md", "latest.md", "notes.md"]
    assert found["size"].tolist() == [9] * 3
    assert found["media_type"].tolist() == ["text/markdown"] * 3
    assert len(set(found["sha256"])) == 1
    assert run.load_artifact("./docs/2026/notes.md").decode() == "# Grüße"


def test_a_folder_is_kept_with_everything_below_it_but_a_store(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "plots"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "a.txt").write_text("a")
    (folder / "b.txt").write_text("b")
    (folder / "inner.txt").symlink_to("b.txt")
    (folder / ".nbops").mkdir()
    (folder / ".nbops" / "nbops.duckdb").write_text("not this")
    run.log_artifact(folder)
    run.log_artifact(folder, "again")
    assert run.artifacts["path"].tolist() == [
        f"{name}/{path}" for name in ("again", "plots") for path in ("b.txt", "deep/er/a.txt", "inner.txt")
    ]


@pytest.mark.parametrize("target", ["../outside.txt", "/etc/hostname", ".."])
def test_a_link_that_leaves_its_folder_is_refused_before_anything_is_kept(
    run: Run, here: Workspace, tmp_path: Path, target: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "outside.txt").write_text("secret")
    (folder / "a.txt").write_text("a file before it")
    (folder / "link").symlink_to(target)
    before = blobs(here)
    with pytest.raises(PathRefused, match=r"link is a link that leaves the folder") as caught:
        run.log_artifact(folder)
    assert "Copy what it points to" in caught.value.hint
    assert len(run.artifacts) == 0
    assert blobs(here) == before


def test_a_missing_file_is_told_with_the_folder_that_was_looked_in(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for call in (run.log_artifact, run.log_input):
        with pytest.raises(NotFound, match=r"There is no file 'notes\.md'") as caught:
            call("notes.md")
        assert str(tmp_path) in caught.value.hint


def test_a_file_that_cannot_be_read_is_not_blamed_on_the_disk(run: Run) -> None:
    # Reading it fails for root too.
    with pytest.raises(UsageError, match="/proc/self/mem cannot be read"):
        run.log_artifact("/proc/self/mem")


def test_a_download_is_written_below_the_folder_that_is_named(run: Run, tmp_path: Path) -> None:
    run.log_text("x", "docs/note.md")
    assert run.download("docs/note.md", tmp_path / "new") == tmp_path / "new" / "docs" / "note.md"
    assert (tmp_path / "new" / "docs" / "note.md").read_text() == "x"
    with pytest.raises(PathRefused):
        run.download("../note.md", tmp_path)


def test_a_file_that_the_run_lacks_is_told_with_the_nearest(run: Run) -> None:
    run.log_text("x", "notes.md")
    with pytest.raises(NotFound, match=r"'note\.md'") as near:
        run.load_artifact("note.md")
    assert "'notes.md'" in near.value.hint
    with pytest.raises(NotFound, match="'zzz'") as far:
        run.load_artifact("zzz")
    assert far.value.hint == "It has: notes.md."


def test_the_last_file_of_a_path_counts(run: Run) -> None:
    run.log_text("first", "note")
    run.log_text("second", "note")
    assert run.artifacts["path"].tolist() == ["note.txt"]
    assert run.load_artifact("note.txt") == b"second"


def test_the_same_content_is_kept_once(here: Workspace, run: Run) -> None:
    before = blobs(here)
    for number in range(5):
        run.log_text("the very same words", f"note{number}")
    assert len(blobs(here) - before) == 1


def test_a_file_that_changed_on_disk_is_not_given_out(shared: Project, here: Workspace, run: Run) -> None:
    run.log_text("what was kept", "note")
    run.log_text("something else", "other")
    blob = here.store.blob_path(run.artifacts["sha256"][0])
    blob.write_bytes(b"what was kept?")
    with pytest.raises(StoreCorrupt, match="has changed since it was kept") as caught:
        run.load_artifact("note.txt")
    assert str(blob) in caught.value.hint
    blob.unlink()
    with pytest.raises(NotFound, match="is missing"):
        run.load_artifact("note.txt")
    assert run.load_artifact("other.txt") == b"something else"


TABLE = pd.DataFrame(
    {
        "whole": [1, 2],
        "rate": [0.5, math.nan],
        "word": ["ä", None],
        "kind": pd.Categorical(["a", "b"]),
        "at": pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True),
        "list": [[1, 2], []],
        "maybe": pd.array([1, None], dtype="Int64"),
    },
    index=pd.Index(["x", "y"], name="key"),
)


def test_a_table_comes_back_as_it_was(run: Run) -> None:
    run.log_table(TABLE, "worst")
    run.log_table({"a": [1, 2]}, "deep/plain.parquet")
    back = run.load_table("worst")
    pd.testing.assert_frame_equal(back.drop(columns="list"), TABLE.drop(columns="list"), check_column_type=False)
    assert [list(cell) for cell in back["list"]] == [[1, 2], []]
    assert run.load_table("deep/plain")["a"].tolist() == [1, 2]
    assert run.artifacts["path"].tolist() == ["tables/deep/plain.parquet", "tables/worst.parquet"]
    with pytest.raises(NotFound, match="tables/wurst"):
        run.load_table("wurst")


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": [1, "x"]}),
        pd.DataFrame({"a": [1j]}),
        {"a": [1, 2], "b": [1]},
        pd.DataFrame({"a": [object()]}),
    ],
    ids=["mixed", "complex", "ragged", "object"],
)
def test_a_table_that_parquet_does_not_know_is_refused(run: Run, table: Any) -> None:
    with pytest.raises(ParameterError, match="The table 'worst' cannot be kept as Parquet"):
        run.log_table(table, "worst")


def test_a_figure_its_axes_and_a_display_are_pictures(run: Run) -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2])
    run.log_figure(figure, "curve")
    run.log_figure(axes, "curve.svg")
    run.log_figure(ConfusionMatrixDisplay(np.eye(2)).plot(ax=axes), "confusion")
    run.log_figure(plt, "of the module")
    assert run.artifacts["path"].tolist() == [
        "figures/confusion.png",
        "figures/curve.png",
        "figures/curve.svg",
        "figures/of the module.png",
    ]
    assert run.artifacts["media_type"].tolist() == ["image/png", "image/png", "image/svg+xml", "image/png"]
    assert run.load_artifact("figures/curve.png").startswith(b"\x89PNG")
    with pytest.raises(ParameterError, match="is a str, which has no savefig"):
        run.log_figure("curve.png", "curve")


def test_a_dict_is_kept_as_json_whatever_library_its_values_are_of(run: Run) -> None:
    value = {
        "matrix": np.eye(2), "count": np.int64(3), "rate": np.float32(0.5), "ok": np.bool_(True), "day": pd.Timestamp("2026-01-02"),
        "series": pd.Series([1, 2]), "set": {2, 1}, "path": Path("a/b"), "text": "ü", "nan": math.nan, "half": "\ud83d",
    }  # fmt: skip
    run.log_dict(value, "facts")
    run.log_dict([1, {"a": None}], "list.json")
    kept = json.loads(run.load_artifact("facts.json"))
    assert math.isnan(kept.pop("nan"))
    assert kept == {
        "matrix": [[1, 0], [0, 1]], "count": 3, "rate": 0.5, "ok": True, "day": "2026-01-02T00:00:00", "series": [1, 2], "set": [1, 2],
        "path": "a/b", "text": "ü", "half": "\ud83d",
    }  # fmt: skip
    assert json.loads(run.load_artifact("list.json")) == [1, {"a": None}]


def test_a_dict_that_is_no_json_is_refused(run: Run) -> None:
    endless: list[Any] = []
    endless.append(endless)
    for value in ({(1, 2): 3}, endless):
        with pytest.raises(ParameterError, match="'facts' cannot be written as JSON"):
            run.log_dict(value, "facts")


def test_an_input_is_named_by_a_digest_of_its_content(here: Workspace, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("a\n1\n")
    first = run.log_input(file, "file")
    file.write_text("a\n2\n")
    assert run.log_input(file, "file") != first
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    same = run.log_input(frame, "train")
    assert run.log_input(frame.copy(), "again") == same
    for other in (
        frame.iloc[::-1],
        frame.rename(columns={"a": "c"}),
        frame.astype({"a": float}),
        frame.assign(a=[1, 3]),
        frame.head(1),
    ):
        assert run.log_input(other, "other") != same
    run.log_input(pd.DataFrame({"nested": [[1], {"a": 2}]}), "nested")
    run.log_input(np.eye(2), "array")
    told = here.sql("select name, rows from run_inputs where run_id = ? order by name", [run.run_id])
    assert told["name"].tolist() == ["again", "array", "file", "nested", "other", "train"]
    assert told["rows"].fillna(-1).tolist() == [2, 2, -1, 2, 1, 2]
