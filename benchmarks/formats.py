"""Models kept without pickle and loaded again, beside MLflow on the same list: as it is, in its safe format, and pickled."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import peer
from benchmarks.measure import Figures, Party, Report, Size, environment

_BOOSTERS = ("xgboost-cpu", "lightgbm", "catboost")
_KEPT = """
import json, sys, tempfile, warnings
from pathlib import Path
import numpy as np
from tests.registry import zoo
warnings.simplefilter("ignore")
party, quick = sys.argv[1], sys.argv[2] == "quick"

def ours(name, model, folder):
    from nbops.registry.formats import pack, unpack
    return unpack(pack(model).data, code_trusted="CatBoost" in name).estimator

def theirs(form):
    def keep(name, model, folder):
        import mlflow.sklearn
        library = type(model).__module__.partition(".")[0]
        if library in {"xgboost", "lightgbm", "catboost"}:
            flavour = __import__(f"mlflow.{library}", fromlist=["save_model"])
            flavour.save_model(model, folder, pip_requirements=[library])
            return flavour.load_model(folder)
        more = {"serialization_format": form} if form else {}
        # Or it would look for them in a new process for each model.
        mlflow.sklearn.save_model(model, folder, pip_requirements=["scikit-learn"], **more)
        return mlflow.sklearn.load_model(folder)
    return keep

groups = {"boosters": zoo.of_boosters, "what people build": zoo.of_people}
if not quick:
    groups["scikit-learn"] = zoo.of_scikit_learn
ways = {"nbops": ours} if party == "nbops" else {
    "MLflow, as it is": theirs(None), "MLflow, skops": theirs("skops"), "MLflow, pickled": theirs("cloudpickle")
}
found = {way: {group: {} for group in groups} for way in ways}
for group, models in groups.items():
    for name, model, rows in models():
        expected = np.asarray(model.predict(zoo.data(rows)[0]))
        for way, keep in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                try:
                    again = keep(name, model, str(Path(folder, "model")))
                    answer = np.asarray(again.predict(zoo.data(rows)[0]))
                    close = np.allclose(answer.astype(float), expected.astype(float), rtol=1e-9)
                    why = "" if close else "it predicts differently"
                except Exception as error:
                    why = f"{type(error).__name__}: {str(error)[:200]}"
            found[way][group][name] = why
print(json.dumps(found))
"""


def measure(_: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """How many of the list each way keeps and loads with equal predictions, and why not."""
    folder.mkdir(parents=True)
    amount = "quick" if size.quick else "all"
    kept: Figures = json.loads(_run(Path(sys.executable), _KEPT, folder, "nbops", amount))
    theirs = peer.environment("mlflow", peer.VERSION, *_BOOSTERS)
    kept |= json.loads(_run(theirs, _KEPT, folder, "MLflow", amount))
    report = Report(["models kept and loaded", *kept])
    for group in kept["nbops"]:
        report.rows.append([group, *(_count(way[group]) for way in kept.values())])
    for way, groups in kept.items():
        whys = Counter(_kind(why) for group in groups.values() for why in group.values() if why)
        report.notes += [f"{way}: {count} x {why}" for why, count in whys.most_common(8)]
    report.raw.update(kept=kept)
    return report


def _count(outcomes: dict[str, str]) -> str:
    return f"{sum(not why for why in outcomes.values())} of {len(outcomes)}"


def _kind(why: str) -> str:
    """The beginning of an error, without what differs from model to model."""
    return " ".join(why.split())[:110]


def _run(python: Path, program: str, folder: Path, *arguments: Any) -> str:
    done = subprocess.run(
        [python, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=folder,
        env=environment() | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout.splitlines()[-1]
