"""What the load of a model costs, every guard included, beside skops.io.loads of the same bytes plus their SHA-256.

Both in one warm process and in turns; skops is told to trust all that is in the bytes, ours judges them: seal, limits, types and places,
build, structure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Figures, Party, Report, Size, environment, median, milliseconds

_PROGRAM = """
import gc, hashlib, json, sys, time, warnings
import pandas as pd, skops.io
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from nbops.registry.formats import pack, unpack
warnings.simplefilter("ignore")
turns = int(sys.argv[1])
X, y = make_classification(5000, 20, random_state=0)
frame = pd.DataFrame(X, columns=[f"x{at}" for at in range(20)])
frame["kind"] = (frame.x0 * 3).round().astype(int).astype(str)
columns = make_column_transformer(
    (StandardScaler(), [*frame.columns[:20]]), (OneHotEncoder(handle_unknown="ignore"), ["kind"])
)
models = {
    "logistic regression, scaled": make_pipeline(StandardScaler(), LogisticRegression()),
    "logistic regression, columns of two kinds": make_pipeline(columns, LogisticRegression()),
    "histogram boosting of 100": HistGradientBoostingClassifier(max_iter=100, random_state=0),
    "random forest of 100": RandomForestClassifier(100, random_state=0),
    "neighbours": KNeighborsClassifier(),
}
found = {}
for name, model in models.items():
    data = pack(model.fit(frame if "columns" in name else X, y)).data
    trusted = skops.io.get_untrusted_types(data=data)
    def theirs():
        hashlib.sha256(data).hexdigest()
        skops.io.loads(data, trusted=trusted)
    def ours():
        hashlib.sha256(data).hexdigest()  # of the blob, against its address
        unpack(data)
    taken = {"skops": [], "nbops": []}
    for turn in range(turns + 1):
        ways = [("skops", theirs), ("nbops", ours)]
        for way, load in ways if turn % 2 else reversed(ways):
            gc.collect()
            cpu, wall = time.process_time(), time.perf_counter()
            load()
            if turn:  # the first one imports
                taken[way].append([time.perf_counter() - wall, time.process_time() - cpu])
    found[name] = {"size": len(data), **taken}
print(json.dumps(found))
"""


def measure(_: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Medians of loads in turns."""
    folder.mkdir(parents=True)
    loads: Figures = json.loads(_run(size.of(11, 41, 101)))
    report = Report(["model", "kB", "skops ms", "nbops ms", "wall", "cpu"])
    for name, one in loads.items():
        wall, cpu = ({way: median([turn[at] for turn in one[way]]) for way in ("skops", "nbops")} for at in (0, 1))
        report.rows.append(
            [
                name, f"{one['size'] / 1000:,.0f}", milliseconds(wall["skops"]), milliseconds(wall["nbops"]),
                _ratio(wall), _ratio(cpu),
            ]
        )  # fmt: skip
    report.raw.update(loads)
    return report


def _ratio(taken: dict[str, float]) -> str:
    return f"{taken['nbops'] / taken['skops']:.2f}x"


def _run(turns: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(turns)], capture_output=True, text=True, check=False,
        env=environment() | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout.splitlines()[-1]
