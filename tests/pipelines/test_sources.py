"""A source in a pipeline is asked each time; when it brings nothing new its step is unchanged, and with it the run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nbops.data import quarantine, snapshots
from nbops.pipelines import approving, openlineage, releases
from nbops.workspace._workspace import Workspace
from tests.pipelines.parts import NBOPS, Pipeline, stand

pytestmark = pytest.mark.usefixtures("quick")

CONTRACT = "columns: {price: {range: {min: 0}}}\n"
ASKED = "select count(*) from collections where source = ?"


class Orders:
    """A source of the project, of one test: its rows, and a pipeline that collects and counts them."""

    def __init__(self, pipeline: Pipeline, here: Workspace) -> None:
        project = Path(here.settings.project)
        self.name = pipeline.folder.name.removeprefix("test_").replace("-", "_")
        self.pipeline, self._file = pipeline, project / f"{self.name}.csv"
        for folder, text in {"sources": f"from: {self.name}.csv\n", "contracts": CONTRACT}.items():
            (project / folder).mkdir(exist_ok=True)
            (project / folder / f"{self.name}.yaml").write_text(text)
        pipeline.step(
            "count", 'rows: "in" = "rows.parquet"\ntold: "out" = "told.txt"', "open(told, 'w').write('counted')"
        )
        self.operate()

    @property
    def product(self) -> Path:
        return self.pipeline.folder / "rows.parquet"

    def operate(self, more: str = "") -> Orders:
        self.pipeline.operate(f"steps: {{orders: {{source: {self.name}, out: {{rows: rows.parquet}}{more}}}}}")
        return self

    def bring(self, *prices: int) -> Orders:
        self._file.write_text("".join(["id,price\n", *(f"{n},{price}\n" for n, price in enumerate(prices))]))
        return self

    def run(self, *words: object, command: str = "run") -> tuple[str, int, dict[str, str]]:
        """Its outcome, exit status, and how its steps stand."""
        told = self.pipeline.run("--detailed-exit-code", *words, command=command)
        return told["outcome"], told["status"], stand(told)


@pytest.fixture
def orders(pipeline: Pipeline, here: Workspace) -> Orders:
    return Orders(pipeline, here).bring(1, 2)


DONE = ("done", 0, {"orders": "finished", "count": "finished"})
UNCHANGED = ("unchanged", 12, {"orders": "unchanged", "count": "unchanged"})


def test_a_source_that_brings_nothing_new_leaves_its_step_and_the_run_unchanged(
    orders: Orders, here: Workspace
) -> None:
    assert orders.run() == DONE
    before = orders.product.stat()
    assert orders.run() == UNCHANGED
    assert here.store.read(ASKED, [orders.name]).rows == [[2]]
    assert orders.product.stat().st_mtime_ns == before.st_mtime_ns
    assert not list(orders.pipeline.folder.glob(".nbops-*"))
    # What looks changed is read, and may be the same rows.
    assert orders.bring(1, 2).run() == UNCHANGED
    assert orders.bring(1, 2, 3).run() == DONE


def test_the_command_says_that_nothing_has_changed(orders: Orders, here: Workspace) -> None:
    words = [*NBOPS, "run", str(orders.pipeline.folder), "--detailed-exit-code"]
    assert orders.run() == DONE
    again = subprocess.run(words, capture_output=True, text=True, check=False, cwd=orders.pipeline.folder)
    assert again.returncode == 12, again
    (line,) = again.stdout.splitlines()
    assert line.startswith("unchanged ")
    assert line.endswith(": nothing has changed")
    assert subprocess.run(words[:-1], capture_output=True, check=False, cwd=orders.pipeline.folder).returncode == 0
    planned = orders.pipeline.run(orders.pipeline.folder, command="plan")["tasks"]
    assert [(one["task"], one["verdict"], one["why"]) for one in planned] == [
        ("orders", "run", "its source is asked for what is new"),
        ("count", "perhaps", "if orders changes what it reads"),
    ]
    # Its run took place, with what it wrote, and lineage tells it.
    ((run_id,),) = here.store.read(
        "select run_id::varchar from pipeline_runs where pipeline = ? order by start_time desc limit 1",
        [orders.pipeline.folder.name],
    ).rows
    events = list(openlineage.events(here.store, run_id=run_id))
    name = orders.pipeline.folder.name
    assert [(one["job"]["name"], one["eventType"]) for one in events] == [
        (name, "START"), (f"{name}.orders", "START"), (f"{name}.orders", "COMPLETE"), (name, "COMPLETE"),
    ]  # fmt: skip
    assert events[-1]["run"]["facets"]["nbops_outcome"]["outcome"] == "unchanged"
    assert [Path(one["name"]).name for one in events[2]["outputs"]] == ["rows.parquet"]


def test_a_product_that_is_not_the_last_version_is_made_though_the_source_has_nothing_new(
    orders: Orders, here: Workspace
) -> None:
    orders.bring(1, -2, 3)
    assert orders.run()[:2] == ("healed", 10)
    whole = orders.product.read_bytes()
    for spoil in (orders.product.unlink, lambda: orders.product.write_bytes(b"by hand")):
        spoil()
        assert orders.run() == ("done", 0, {"orders": "finished", "count": "unchanged"})
        assert orders.product.read_bytes() == whole
    quarantine.repair(here.store, orders.name, sql="price = '2'", why="a typing error")
    assert orders.run() == DONE
    assert orders.run() == UNCHANGED


def test_rows_that_are_newly_set_aside_are_a_healing_and_the_same_ones_are_none(
    orders: Orders, here: Workspace
) -> None:
    assert orders.bring(1, -2, 3).run()[:2] == ("healed", 10)
    assert orders.run() == UNCHANGED
    # The same good rows, and another one that is set aside: nothing new to read, but something to know.
    assert orders.bring(1, -2, 3, -4).run() == ("healed", 10, {"orders": "finished", "count": "unchanged"})
    assert snapshots.get(here.store, orders.name).version == 1
    assert orders.run() == UNCHANGED


def test_of_a_delivery_without_a_good_row_the_last_products_are_gone_on_with_as_long_as_they_may_be(
    orders: Orders, here: Workspace
) -> None:
    assert orders.run() == DONE
    good = orders.product.read_bytes()
    orders.bring(-1, -2)
    told = orders.pipeline.run()
    assert (told["outcome"], told["status"]) == ("failed", 21), told
    assert "no row is left of 2 that came, 2 break “price is at least 0”" in told["sentence"]
    assert stand(told) == {"orders": "failed", "count": "blocked"}
    for _ in range(2):
        told = orders.operate(", fallback: 3 d").pipeline.run("--detailed-exit-code")
        assert (told["outcome"], told["status"]) == ("degraded", 10), told
    assert orders.product.read_bytes() == good
    assert snapshots.get(here.store, orders.name).version == 1
    # As soon as it brings again what it brought, nothing is old any more.
    outcome, _, stood = orders.bring(1, 2).run()
    assert (outcome in {"done", "unchanged"}, stood["orders"]) == (True, "unchanged")
    assert here.store.read(
        "select count(*) from stale_products where pipeline = ?", [orders.pipeline.folder.name]
    ).rows == [[0]]


def test_what_is_forced_or_never_skipped_is_executed(orders: Orders) -> None:
    assert orders.run() == DONE
    assert orders.run("--force") == DONE
    assert orders.operate(", skip: false").run() == ("done", 0, {"orders": "finished", "count": "unchanged"})


def test_a_run_that_is_resumed_keeps_its_source_and_does_the_rest(orders: Orders) -> None:
    pipeline = orders.pipeline
    assert orders.run() == DONE
    pipeline.step(
        "last", 'rows: "in" = "rows.parquet"\nend: "out" = "end.txt"', "open('there')\nopen(end, 'w').write('')"
    )
    told = pipeline.run()
    assert stand(told) == {"orders": "unchanged", "count": "unchanged", "last": "failed"}
    (pipeline.folder / "there").touch()
    told = pipeline.run(told["run_id"], command="resume")
    assert (told["outcome"], stand(told)) == (
        "done",
        {"orders": "unchanged", "count": "unchanged", "last": "finished"},
    )


def test_a_release_is_unchanged_too(orders: Orders, here: Workspace) -> None:
    releases.freeze(here.store, orders.pipeline.folder, "first one")
    assert orders.run("--release", "current") == DONE
    assert orders.run("--release", "current") == UNCHANGED


def test_nobody_is_asked_when_the_source_has_nothing_new(orders: Orders, here: Workspace) -> None:
    orders.pipeline.operate(
        f"steps: {{orders: {{source: {orders.name}, out: {{rows: rows.parquet}}}}, count: {{approval: {{}}}}}}"
    )
    told = orders.pipeline.run()
    assert stand(told) == {"orders": "finished", "count": "parked"}
    approving.decide(here.store, told["run_id"], None, "approve", "checked")
    assert orders.pipeline.run(told["run_id"], command="resume")["outcome"] == "done"
    assert orders.run() == UNCHANGED
    assert orders.bring(1, 2, 3).run() == ("waiting", 11, {"orders": "finished", "count": "parked"})


def test_a_source_that_writes_nothing_is_unchanged_by_its_version(orders: Orders) -> None:
    orders.pipeline.operate(f"steps: {{orders: {{source: {orders.name}}}}}\nexclude: [count.ipynb]")
    assert orders.run() == ("done", 0, {"orders": "finished"})
    assert orders.run() == ("unchanged", 12, {"orders": "unchanged"})
    assert orders.bring(7).run() == ("done", 0, {"orders": "finished"})
