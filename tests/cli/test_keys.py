"""`nbops keys …` as a person types it; nothing of it needs a project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def people(tmp_path: Path) -> tuple[Path, Path]:
    """The configuration folders of two people."""
    return tmp_path / "ann", tmp_path / "bea"


def nbops(home: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    home.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "nbops", "keys", *words], cwd=home, input=given, capture_output=True, text=True, check=False,
        env=os.environ | {"XDG_CONFIG_HOME": str(home.parent / f"{home.name} config")},
    )  # fmt: skip


def test_a_key_goes_from_one_person_to_another(people: tuple[Path, Path]) -> None:
    ann, bea = people
    assert nbops(ann, "list").stdout == "You have no keys.\n"
    made = json.loads(nbops(ann, "new", "ann", "--json").stdout)
    assert nbops(bea, "trust", "ann", given=made["public"]).stdout.startswith(f"ann: {made['fingerprint']}")
    (known,) = json.loads(nbops(bea, "list", "--json").stdout)
    assert (known["name"], known["fingerprint"], known["own"]) == ("ann", made["fingerprint"], False)
    assert nbops(bea, "forget", "ann").returncode == 0
    assert json.loads(nbops(bea, "list", "--json").stdout) == []


def test_what_would_let_code_run_or_lose_a_key_is_asked(people: tuple[Path, Path], tmp_path: Path) -> None:
    ann, bea = people
    made = json.loads(nbops(ann, "new", "ann", "--json").stdout)
    file = tmp_path / "ann.pub"
    file.write_text(made["public"])
    asked = nbops(bea, "trust", "ann", str(file), given="n\n")
    assert (asked.returncode, made["fingerprint"] in asked.stderr) == (130, True)
    assert nbops(bea, "trust", "ann", str(file), "--yes").returncode == 0
    assert nbops(ann, "forget", "ann", given="n\n").returncode == 130
    assert nbops(ann, "forget", "ann", "--yes").returncode == 0


def test_mistakes_are_told_with_their_status(people: tuple[Path, Path]) -> None:
    ann, _ = people
    nbops(ann, "new", "ann")
    for words, given in (
        (("new", "ann"), ""),
        (("forget", "bea"), ""),
        (("trust", "b", "gone.pub"), ""),
        (("trust", "b"), "x"),
    ):
        done = nbops(ann, *words, given=given)
        assert (done.returncode, "Hint: " in done.stderr) == (64, True), done.stderr
