"""What starts a kernel, as jupyter_client has it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nbops.execution.kernels.commands import command
from nbops.execution.kernels.specs import Specs

if TYPE_CHECKING:
    import pytest


def test_an_installed_kernel_is_found_without_importing_what_talks_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kernels" / "calm"
    folder.mkdir(parents=True)
    spec = {"argv": ["calm", "-f", "{connection_file}"], "display_name": "Calm", "language": "calm"}
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert command("calm") == spec["argv"] == Specs().get_kernel_spec("calm").argv
    code = "import sys; from nbops.execution.kernels.commands import command; command('calm')"
    found = subprocess.run([sys.executable, "-c", f"{code}; sys.exit('jupyter_client' in sys.modules)"], check=False)
    assert found.returncode == 0


def test_pythons_kernel_is_the_one_that_jupyter_starts() -> None:
    assert command("python3") == Specs().get_kernel_spec("python3").argv


def test_another_spelling_is_found_and_what_is_not_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kernels" / "calm"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text('{"argv": ["calm"], "display_name": "Calm", "language": "calm"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert command("Calm") == ["calm"]
    assert command("loud") is None
    assert command("../calm") is None
