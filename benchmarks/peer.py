"""The peers' own environments: made once in the user's cache folder, outside this repository, and never a dependency of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "3.17.2"


def interpreter() -> Path:
    """The Python that has MLflow."""
    return environment("mlflow", VERSION)


def environment(package: str, version: str, *also: str) -> Path:
    """The Python that has a package, installed with compiled byte code; the first call takes about a minute."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    # MLflow is measured alone elsewhere: what comes beside it makes another environment.
    beside = f"+{'+'.join(also)}" if package == "mlflow" and also else ""
    folder = caches / "nbops-bench" / f"{package}-{version}{beside}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        print(f"Installing {package} {version} into {folder} (once, about a minute)", file=sys.stderr)
        # What an interrupted installation left is of no use.
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--compile", f"{package}=={version}", *also], check=True
        )
        complete.touch()
    return python
