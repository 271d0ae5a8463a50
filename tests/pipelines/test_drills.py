"""What a drill says would happen is what happens when the failure is there for real."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbops.errors import ExecutionError
from nbops.pipelines import drills
from nbops.workspace._workspace import Workspace
from tests.conftest import is_running, wait_until
from tests.pipelines.parts import Pipeline, ended

pytestmark = pytest.mark.usefixtures("quick")

COLLECT = (
    "import urllib.request; open(prices, 'wb').write(urllib.request.urlopen(url + '/prices.csv', timeout=5).read())"
)
CONTRACT = """
columns:
  id: {type: integer, not_null: {severity: quarantine, share: 0.5}}
  price: {range: {min: 0, severity: quarantine, share: 0.5}}
"""
GOOD = "id,price\n1,5\n2,6\n3,7\n"
WORDS = {"failed": "stops", "degraded": "goes on with old data", "healed": "heals", "done": "is not noticed"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A source of data that can be taken down and spoiled: its address, and the folder that it serves."""
    (tmp_path / "prices.csv").write_text(GOOD)
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=str(tmp_path)))
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}", tmp_path
    made.shutdown()
    made.server_close()


@pytest.mark.parametrize(
    "fallback",
    [
        pytest.param("", marks=pytest.mark.long, id="strict"),
        pytest.param("steps: {collect: {fallback: 3 d, skip: false}, report: {skip: false}}", id="fallback"),
    ],
)
def test_the_prediction_of_a_drill_is_what_then_happens(
    pipeline: Pipeline, here: Workspace, server: tuple[str, Path], fallback: str
) -> None:
    url, folder = server
    pipeline.step("collect", f'prices: "out" = "prices.csv"\nurl: str = "{url}"', COLLECT)
    pid = "if os.path.exists('slow'): open('begun', 'w').write(str(os.getpid()))"
    wait = f"import os, time\n{pid}\nwhile os.path.exists('slow'): time.sleep(0.05)"
    pipeline.step(
        "report",
        'prices: "in" = "prices.csv"\npage: "out" = "page.txt"',
        wait,
        "open(page, 'w').write(open(prices).read())",
    )
    (pipeline.folder / "c.yaml").write_text(CONTRACT)
    heal = "defaults: {heal: {data_access: {wait: 0.1 s}, kernel_death: {wait: 0.1 s}}}"
    pipeline.operate(
        f"contracts: {{prices: c.yaml}}\n{heal}\n{fallback or 'steps: {collect: {skip: false}, report: {skip: false}}'}\n"
    )
    predicted = {one.failure: one.outcome for one in drills.drill(here.store, pipeline.folder).failures}
    assert pipeline.run()["outcome"] == "done"
    seen = {}
    (folder / "prices.csv").write_text("id,price\n1,5\n,\n3,7\n")
    seen["dirty rows"] = pipeline.run()["outcome"]
    (folder / "prices.csv").write_text(GOOD.replace("id,", "id_renamed,"))
    seen["renamed column"] = pipeline.run()["outcome"]
    (folder / "prices.csv").unlink()
    (folder / "prices.csv").symlink_to("/nowhere")
    seen["source down"] = pipeline.run("-p", "url", "http://127.0.0.1:9")["outcome"]
    (folder / "prices.csv").unlink()
    (folder / "prices.csv").write_text(GOOD)
    seen["kernel killed once"] = killed(pipeline, once=True)
    seen["kernel killed each time"] = killed(pipeline, once=False)
    assert {name: WORDS[outcome] for name, outcome in seen.items()} == {name: predicted[name] for name in seen}
    assert {predicted["source down"], predicted["renamed column"]} == {"goes on with old data" if fallback else "stops"}
    assert (predicted["dirty rows"], predicted["kernel killed once"], predicted["disk full"]) == (
        "heals",
        "heals",
        "stops",
    )


def killed(pipeline: Pipeline, *, once: bool) -> str:
    """The outcome of a run whose last kernel is killed from outside."""
    slow, begun = pipeline.folder / "slow", pipeline.folder / "begun"
    slow.touch()
    process = pipeline.start()
    for _ in range(1 if once else 2):
        wait_until(lambda: begun.exists() and bool(begun.read_text()))
        pid = int(begun.read_text())
        begun.unlink()
        if once:
            slow.unlink()
        os.kill(pid, 9)
        wait_until(functools.partial(_gone, pid))
    outcome: str = ended(process)["outcome"]
    slow.unlink(missing_ok=True)
    return outcome


def _gone(pid: int) -> bool:
    return not is_running(pid)


def test_a_drill_leaves_the_project_alone(pipeline: Pipeline, here: Workspace) -> None:
    pipeline.makes("a").makes("b", reads="a")
    before = sorted((path, path.stat().st_mtime_ns) for path in pipeline.folder.rglob("*"))
    runs = here.store.read("select count(*) from runs").rows
    done = drills.drill(here.store, pipeline.folder)
    assert [one.failure for one in done.failures] == [
        "source down",
        "kernel killed once",
        "kernel killed each time",
        "disk full",
    ]
    assert sorted((path, path.stat().st_mtime_ns) for path in pipeline.folder.rglob("*")) == before
    assert here.store.read("select count(*) from runs").rows == runs
    assert "what would happen" in done.to_text()


def test_a_pipeline_that_fails_anyway_cannot_be_drilled(pipeline: Pipeline, here: Workspace) -> None:
    pipeline.makes("a", "1 / 0")
    with pytest.raises(ExecutionError):
        drills.drill(here.store, pipeline.folder)


def test_a_source_that_needs_no_file_is_made_to_fail_too(pipeline: Pipeline, here: Workspace) -> None:
    project = Path(here.settings.project)
    (project / "orders.csv").write_text("id,shop\n1,2\n2,2\n")
    (project / "sources").mkdir()
    (project / "sources" / "orders.yaml").write_text("from: orders.csv\nkey: id\n")
    pipeline.operate("steps: {orders: {source: orders, out: {rows: rows.parquet}, fallback: 3 d}}")
    pipeline.step("count", 'rows: "in" = "rows.parquet"', "import pandas as pd\nprint(len(pd.read_parquet(rows)))")
    told = {one.failure: one for one in drills.drill(here.store, pipeline.folder).failures}
    assert told["source down"].step == "orders"
    assert told["source down"].outcome == "goes on with old data"
    assert not (pipeline.folder / "orders.ipynb").exists()
