"""Folders of small notebooks, and the command line that runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbformat import v4

NBOPS = [sys.executable, "-m", "nbops"]
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


class Pipeline:
    """A folder of steps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def step(self, name: str, parameters: str, *cells: str) -> Pipeline:
        """One more notebook, or another one of that name."""
        made = [v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}), *map(v4.new_code_cell, cells)]
        for number, cell in enumerate(made):
            cell["id"] = f"cell-{number}"
        nbformat.write(v4.new_notebook(cells=made, metadata={"kernelspec": KERNEL}), self.folder / f"{name}.ipynb")
        return self

    def makes(self, name: str, *cells: str, reads: str = "", more: str = "") -> Pipeline:
        """A step that writes `NAME.txt`, what it read, and its own name; `cells` come before."""
        parameters = [f'{one}: "in" = "{one}.txt"' for one in reads.split()] + [
            f'{name}_out: "out" = "{name}.txt"',
            more,
        ]
        read = " + ".join([*(f"open({one}).read()" for one in reads.split()), repr(f"{name}\n")])
        return self.step(name, "\n".join(parameters), *cells, f"open({name}_out, 'w').write({read})")

    def operate(self, text: str) -> Pipeline:
        """Its pipeline.yaml."""
        (self.folder / "pipeline.yaml").write_text(text)
        return self

    def text(self, name: str) -> str:
        """What a product holds."""
        return (self.folder / f"{name}.txt").read_text()

    def start(
        self, *words: object, command: str = "run", environ: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """A run in a process of its own."""
        return subprocess.Popen(
            [*NBOPS, "pipeline", command, *([str(self.folder)] if command == "run" else []), *map(str, words), "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder, env={**os.environ, **(environ or {})},
        )  # fmt: skip

    def run(self, *words: object, command: str = "run", environ: dict[str, str] | None = None) -> dict[str, Any]:
        """A run to its end: its JSON document with the exit status, or the error."""
        return ended(self.start(*words, command=command, environ=environ))


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a process said in the end."""
    out, err = process.communicate(timeout=240)
    found: dict[str, Any] = json.loads(out) if out.strip() else {"error": err}
    return {**found, "status": process.returncode}


def stand(told: dict[str, Any]) -> dict[str, str]:
    """How each task stands, by its name."""
    return {key: one["status"] for key, one in told["tasks"].items()}


def kill(process: subprocess.Popen[str]) -> None:
    """As the out-of-memory killer does it."""
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
