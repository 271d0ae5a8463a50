"""Versions that nobody needs go; what a registered model was made from stays, with what that was made of."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from nbops.data import snapshots
from nbops.data.collecting import collect
from nbops.data.retention import prune
from nbops.errors import NotFound, StoreFull, UsageError
from nbops.store import care
from nbops.tracking import artifacts
from nbops.workspace._workspace import Workspace


def version(workspace: Workspace, number: int) -> None:
    """Another version of `flights`, and of `doubled`, which is made of it."""
    project = workspace.project
    (project / "sources").mkdir(exist_ok=True)
    pd.DataFrame({"x": [float(number), 1.0, 2.0]}).to_parquet(project / "flights.parquet")
    (project / "sources/flights.yaml").write_text("from: flights.parquet\n")
    (project / "sources/doubled.sql").write_text("select 2 * x as y from flights\n")
    for name in ("flights", "doubled"):
        assert collect(workspace.store, name).status == "taken"


def test_what_a_version_of_a_model_needs_is_never_pruned(workspace: Workspace) -> None:
    for number in range(4):
        version(workspace, number)
        if number == 1:
            with workspace.start_run("train") as run:
                frame = workspace.dataset("doubled").snapshot().frame()
                run.log_model(Ridge().fit(frame[["y"]], frame["y"]))
            run.flush()
            workspace.register_model(run, "doubling")
    uses = workspace.dataset("doubled").snapshots().set_index("version")["models"]
    assert list(uses[2]) == ["doubling/1"]
    assert prune(workspace.store, "flights", keep=1) == [1, 3]
    assert prune(workspace.store, "doubled", keep=1) == [1, 3]
    assert prune(workspace.store, "doubled", keep=1) == []
    assert [one.version for one in snapshots.every(workspace.store, "flights")] == [2, 4]
    assert snapshots.get(workspace.store, "doubled", 2).frame()["y"].tolist() == [2.0, 2.0, 4.0]
    with pytest.raises(NotFound, match="was given up"):
        snapshots.get(workspace.store, "doubled", 1).frame()


def test_a_version_that_is_read_is_an_input_of_the_run_that_is_meant(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    version(workspace, 1)
    flights = workspace.dataset("flights")
    assert flights.snapshot().version == 1
    with workspace.start_run("train") as run:
        flights.snapshot()

        def full(*_: object) -> None:
            raise StoreFull("The disk is full.", hint="Free some space.")

        # Whoever reads data in a run has to learn that the run does not know of it.
        monkeypatch.setattr(artifacts, "add_input", full)
        with pytest.raises(StoreFull):
            flights.snapshot()
    assert workspace.store.read("select run_id::varchar, source from snapshot_uses").rows == [[run.run_id, "flights"]]


def test_old_versions_go_and_young_ones_stay(workspace: Workspace) -> None:
    for number in range(3):
        version(workspace, number)
    assert prune(workspace.store, "flights", older=3600) == []
    assert prune(workspace.store, "flights", keep=2, older=0.0) == [1]
    assert prune(workspace.store, "flights", older=1e-6) == [2]
    with pytest.raises(UsageError, match="not said"):
        prune(workspace.store, "flights")


def test_a_part_that_versions_share_is_there_until_the_last_of_them_goes(workspace: Workspace) -> None:
    def rows(count: int) -> pd.DataFrame:
        return pd.DataFrame({"id": range(count), "x": 1.0})

    for count in (2, 4, 6):
        assert workspace.dataset("events", rows(count), append="id").collect().status == "taken"
    last = snapshots.get(workspace.store, "events")
    assert (last.rows, len(last.parts)) == (6, 3)
    assert prune(workspace.store, "events", keep=1) == [1, 2]
    far = Path(workspace.store.places.blobs).stat().st_mtime + 10 * 86_400
    removed, _ = care.collect(workspace.store, now=far)
    assert removed == 2  # the profiles of the two
    assert snapshots.get(workspace.store, "events").frame()["id"].tolist() == list(range(6))
    assert not [finding for finding in care.check(workspace.store) if finding.problem]


def test_a_version_that_lies_as_the_last_one_passes_and_another_warns(workspace: Workspace) -> None:
    import numpy as np

    chance = np.random.default_rng(7)
    contract = {"columns": {"x": {"distribution": {"max": 0.1}}, "c": {"distribution": 0.1}}}

    def outcomes(shift: float, share: float) -> dict[str, str]:
        frame = pd.DataFrame({"x": chance.normal(shift, 1, 5000), "c": np.where(chance.random(5000) < share, "a", "b")})
        done = workspace.dataset("drift", frame, contract=contract).collect()
        assert done.status == "taken"
        return {one.rule.partition(" ")[0]: one.outcome for one in done.outcomes}

    assert outcomes(0, 0.5) == {"x": "skipped", "c": "skipped"}
    assert outcomes(0, 0.5) == {"x": "passed", "c": "passed"}
    assert outcomes(1, 0.5) == {"x": "warning", "c": "passed"}
    assert outcomes(1, 0.9) == {"x": "passed", "c": "warning"}
