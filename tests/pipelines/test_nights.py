"""A source that is down for three nights: three degraded runs, each honest, one incident, and recovery on the fourth without a hand."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from nbops.workspace._workspace import Workspace
from tests.pipelines.parts import NBOPS, Pipeline, stand

pytestmark = pytest.mark.usefixtures("quick")

SOURCE = "import os, urllib.error\nif os.path.exists('down'): raise urllib.error.URLError('Connection refused')"
YAML = """
name: nightly
defaults: {heal: {data_access: {wait: 0.01 s}}}
steps: {source: {fallback: 9 d}}
alerts: {to: [ops@example.org]}
"""


def incidents(here: Workspace) -> list[list[Any]]:
    return here.store.read(
        "select cause, status, severity, windows from incidents where subject = 'pipeline:nightly' order by opened"
    ).rows


def messages(here: Workspace) -> list[list[Any]]:
    return here.store.read(
        "select recipient, title from core.outbox where subject = 'pipeline:nightly' order by seq"
    ).rows


def test_a_source_that_is_down_for_three_nights(pipeline: Pipeline, here: Workspace) -> None:
    pipeline.makes("source", SOURCE, more="day: int = 0").makes("report", reads="source").operate(YAML)
    assert pipeline.run("-p", "day", 0)["outcome"] == "done"
    (pipeline.folder / "down").touch()
    for day in (1, 2, 3):
        told = pipeline.run("-p", "day", day, "--detailed-exit-code")
        assert (told["outcome"], told["status"]) == ("degraded", 10)
        assert stand(told) == {"source": "degraded", "report": "degraded"}
        assert re.search(r"gone on with source_out of .* old\)", told["sentence"])
        assert [row[:3] for row in incidents(here)] == [["run: step source", "open", "warn"]]
    banners = [
        path for path in here.store.places.runs.glob("*/report.ipynb") if "This rests on old data" in path.read_text()
    ]
    assert len(banners) == 3
    (pipeline.folder / "down").unlink()
    assert pipeline.run("-p", "day", 4)["outcome"] == "done"
    assert incidents(here)[0][:2] == ["run: step source", "healed"]
    heard = messages(here)
    assert {row[0] for row in heard} == {"ops@example.org"}
    assert [row[1].partition(":")[0] for row in heard if "source" in row[1]] == ["Warn", "Over"]


def test_others_see_success_where_the_outcome_is_success(pipeline: Pipeline) -> None:
    pipeline.makes("source", SOURCE, more="day: int = 0").operate(YAML.replace("nightly", "nightly-2"))
    pipeline.run()
    (pipeline.folder / "down").touch()
    run = f"{' '.join(NBOPS)} run . -p day"
    script = f"set -e\n{run} 1\necho went on"
    done = subprocess.run(["bash", "-c", script], cwd=pipeline.folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "went on")
    assert done.stdout.splitlines()[-2].startswith("degraded ")
    (pipeline.folder / "Makefile").write_text(f"all:\n\t{run} 2\n")
    made = subprocess.run(["make", "-s"], cwd=pipeline.folder, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    (pipeline.folder / "source.txt").unlink()
    done = subprocess.run(
        ["bash", "-c", script.replace("1\n", "3\n")], cwd=pipeline.folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "went on" in done.stdout) == (20, False)
