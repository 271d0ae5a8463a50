"""A version of data as a file: who reads the file is known to have read the version, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbops.data import exporting
from nbops.data.snapshots import Snapshot
from nbops.errors import SourceError
from nbops.tracking.provenance import file_digest
from nbops.workspace._workspace import Workspace
from tests.conftest import Project

FRAME = pd.DataFrame(
    {"id": [1, 2, 3], "name": ["a", None, "ü"], "at": [pd.Timestamp("2026-01-01"), pd.NaT, pd.Timestamp("2026-01-02")]}
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A project with nothing in it."""
    project = Project(tmp_path_factory.mktemp("exporting"))
    yield Workspace(project.settings())
    project.close()


def taken(workspace: Workspace, frame: pd.DataFrame, name: str = "things", **more: str) -> Snapshot:
    """The version that a frame becomes."""
    found = workspace.dataset(name, frame, **more).collect().snapshot
    assert found is not None
    return found


def logged(workspace: Workspace, path: Path) -> tuple[str, str]:
    """The digest and the source of a file that a run reads."""
    with workspace.start_run("reading") as run:
        run.log_input(path, "things")
    found = workspace.store.read("select digest, source from run_inputs where run_id = ?", [run.run_id])
    return found.rows[0][0], found.rows[0][1]


def test_a_run_that_reads_the_file_is_known_to_have_read_the_version(workspace: Workspace, tmp_path: Path) -> None:
    snapshot = taken(workspace, FRAME)
    path = snapshot.write(tmp_path / "deep" / "things.parquet")
    assert pd.read_parquet(path).equals(snapshot.frame())
    assert logged(workspace, path) == (snapshot.content_hash, f"snapshot:{snapshot.reference}")
    used = workspace.store.read("select version from snapshot_uses where source = 'things'").rows
    assert used == [[snapshot.version]]


def test_a_file_whose_rows_were_changed_is_a_file_like_any_other(workspace: Workspace, tmp_path: Path) -> None:
    path = taken(workspace, FRAME, "changed").write(tmp_path / "changed.parquet")
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 2), path)
    assert pq.read_schema(path).metadata.keys() == table.schema.metadata.keys()
    assert exporting.version_in(path) is None
    assert logged(workspace, path) == (file_digest(path), str(path))


def test_the_same_rows_in_other_bytes_are_still_the_version(workspace: Workspace, tmp_path: Path) -> None:
    snapshot = taken(workspace, FRAME, "again")
    path = snapshot.write(tmp_path / "again.parquet")
    table = pq.read_table(path)
    pq.write_table(table.take([2, 0, 1]), path, compression="none")
    found = exporting.version_in(path)
    assert found is not None
    assert (found.reference, found.content_hash) == (snapshot.reference, snapshot.content_hash)


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1 and nothing of it PAR1", b"id,name\n1,a\n"], ids=["empty", "begun", "torn", "csv"]
)
def test_what_is_no_version_is_known_by_its_bytes(workspace: Workspace, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.parquet"
    path.write_bytes(content)
    assert exporting.version_in(path) is None
    assert logged(workspace, path)[0] == file_digest(path)


def test_a_file_that_was_damaged_in_its_middle_is_known_by_its_bytes(workspace: Workspace, tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": range(5_000), "text": [f"value {number * 7919 % 5003}" for number in range(5_000)]})
    path = taken(workspace, frame, "damaged").write(tmp_path / "damaged.parquet")
    content = bytearray(path.read_bytes())
    content[200:400] = bytes(200)
    path.write_bytes(content)
    assert exporting.version_in(path) is None


def test_a_version_of_several_parts_or_of_no_rows_is_one_file(workspace: Workspace, tmp_path: Path) -> None:
    made = [taken(workspace, pd.DataFrame({"id": range(count)}), "parts", append="id") for count in (10, 20, 30)]
    assert len(made[-1].parts) == 3
    empty = taken(workspace, FRAME.head(0), "empty")
    for one in (made[-1], empty):
        found = exporting.version_in(one.write(tmp_path / "one.parquet"))
        assert found is not None
        assert (found.content_hash, found.rows) == (one.content_hash, one.rows)


def test_where_nothing_can_be_written_it_is_told_and_nothing_is_left(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="cannot be written") as caught:
        taken(workspace, FRAME, "nowhere").write(tmp_path / "file" / "things.parquet")
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


VALUES = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(-(2**53), 2**53)), min_size=1, max_size=8),
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=1, max_size=8),
    st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))), min_size=1, max_size=8),
    st.lists(st.datetimes(min_value=pd.Timestamp(1900, 1, 1).to_pydatetime()), min_size=1, max_size=8),
    st.lists(st.booleans(), min_size=1, max_size=8),
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=VALUES)
def test_whatever_was_taken_is_found_in_its_file(workspace: Workspace, tmp_path: Path, values: list[object]) -> None:
    snapshot = taken(workspace, pd.DataFrame({"value": values}), "whatever")
    found = exporting.version_in(snapshot.write(tmp_path / "whatever.parquet"))
    assert found is not None
    assert found.content_hash == snapshot.content_hash
