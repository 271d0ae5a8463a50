"""Models kept without pickle and loaded again, beside MLflow's safe format on the same list; and what our load costs beside skops' own.

A load is skops.io.loads of the same bytes, trusted in full, plus their SHA-256, against ours: seal, limits, types, build and structure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import peer
from benchmarks.measure import Figures, Party, Report, Size, environment, median, milliseconds, times

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
            flavour.save_model(model, folder)
            return flavour.load_model(folder)
        more = {"serialization_format": form} if form else {}
        mlflow.sklearn.save_model(model, folder, **more)
        return mlflow.sklearn.load_model(folder)
    return keep

groups = {"boosters": zoo.of_boosters, "what people build": zoo.of_people}
if not quick:
    groups["scikit-learn"] = zoo.of_scikit_learn
ways = {"nbops": ours} if party == "nbops" else {"MLflow, skops": theirs("skops"), "MLflow, as it is": theirs(None)}
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
_LOAD = """
import gc, hashlib, json, sys, time, warnings
import numpy as np, skops.io
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from nbops.registry.formats import pack, unpack
warnings.simplefilter("ignore")
turns = int(sys.argv[1])
X, y = make_classification(5000, 20, random_state=0)
models = {
    "logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
    "boosting of 100 trees": HistGradientBoostingClassifier(max_iter=100, random_state=0),
    "forest of 100 trees": RandomForestClassifier(100, random_state=0),
    "neighbours": KNeighborsClassifier(),
}
found = {}
for name, model in models.items():
    data = pack(model.fit(X, y)).data
    trusted = skops.io.get_untrusted_types(data=data)
    def theirs():
        hashlib.sha256(data).hexdigest()
        skops.io.loads(data, trusted=trusted)
    def ours():
        hashlib.sha256(data).hexdigest()  # of the blob, against its address
        unpack(data)
    taken = {"skops": [], "nbops": []}
    for turn in range(turns + 1):
        for way, load in (("skops", theirs), ("nbops", ours)):
            gc.collect()
            cpu, wall = time.process_time(), time.perf_counter()
            load()
            if turn:  # the first one imports
                taken[way].append([time.process_time() - cpu, time.perf_counter() - wall])
    found[name] = {"size": len(data), **taken}
print(json.dumps(found))
"""


def measure(_: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """How many of the list each way keeps and loads with equal predictions; then medians of loads, interleaved."""
    folder.mkdir(parents=True)
    amount = "quick" if size.quick else "all"
    kept: Figures = json.loads(_run(Path(sys.executable), _KEPT, folder, "nbops", amount))
    theirs = peer.environment("mlflow", peer.VERSION, *_BOOSTERS)
    kept |= json.loads(_run(theirs, _KEPT, folder, "MLflow", amount))
    report = Report(["models kept and loaded", *kept])
    for group in kept["nbops"]:
        report.rows.append([group, *(_count(way[group]) for way in kept.values())])
    loads: Figures = json.loads(_run(Path(sys.executable), _LOAD, folder, size.of(3, 15, 31)))
    for name, one in loads.items():
        cpu, wall = ({way: median([turn[at] for turn in one[way]]) for way in ("skops", "nbops")} for at in (0, 1))
        report.notes.append(
            f"load of a {name} ({one['size'] / 1000:,.0f} kB): {milliseconds(wall['nbops'])} ms, skops"
            f" {milliseconds(wall['skops'])} ms: {times(wall['nbops'] / wall['skops'])} wall,"
            f" {times(cpu['nbops'] / cpu['skops'])} cpu"
        )
    report.raw.update(kept=kept, loads=loads)
    return report


def _count(outcomes: dict[str, str]) -> str:
    return f"{sum(not why for why in outcomes.values())} of {len(outcomes)}"


def _run(python: Path, program: str, folder: Path, *arguments: Any) -> str:
    done = subprocess.run(
        [python, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=folder,
        env=environment() | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout.splitlines()[-1]
