"""What `nbops.evaluation.sizing` predicts for batch sizes that it has not seen, beside what is then measured, for eleven models.

One lies within the range that was measured, half of its largest batch, the other beyond it, twice as large. Each model is fitted and
sized in a process of its own, as when it is registered. Cpu with one thread; the machine need not be free, but how much of a core the
measurement had is told.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Figures, Party, Report, Size, environment, median

_PROGRAM = """
import json, sys, warnings
import msgspec, numpy as np, pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from nbops.evaluation.sizing import size
warnings.simplefilter("ignore")
random = np.random.default_rng(7)
rows = 4000
numbers = [f"x{place}" for place in range(10)]
frame = pd.DataFrame(random.normal(size=(rows, 10)), columns=numbers)
for name, many in (("c0", 5), ("c1", 20), ("c2", 200)):
    frame[name] = random.integers(0, many, rows).astype(str).astype(object)
target = frame.x0 + frame.x1 * frame.x2 + (frame.c0 == "1") + random.normal(size=rows)
positive = (target > 0).astype(int)
texts = ["c0", "c1", "c2"]
def hot():
    return make_column_transformer((StandardScaler(), numbers), (OneHotEncoder(handle_unknown="ignore"), texts))
def ordinal():
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_column_transformer((StandardScaler(), numbers), (codes, texts))
models = {
    "logistic regression, array": lambda: LogisticRegression(),
    "logistic regression, one-hot": lambda: make_pipeline(hot(), LogisticRegression(max_iter=500)),
    "ridge of 65 products": lambda: make_pipeline(PolynomialFeatures(2), Ridge()),
    "histogram boosting, ordinal": lambda: make_pipeline(ordinal(), HistGradientBoostingClassifier()),
    "random forest of 100": lambda: RandomForestClassifier(100, random_state=0),
    "gradient boosting of 100": lambda: GradientBoostingRegressor(random_state=0),
    "neighbours, tree": lambda: make_pipeline(StandardScaler(), KNeighborsRegressor()),
    "neighbours, brute force": lambda: KNeighborsClassifier(algorithm="brute"),
    "support vectors": lambda: make_pipeline(StandardScaler(), SVC()),
    "two layers of 64": lambda: make_pipeline(StandardScaler(), MLPClassifier((64, 64), max_iter=30, random_state=0)),
    "naive Bayes": lambda: GaussianNB(),
}
if len(sys.argv) == 1:
    print(json.dumps(list(models)))
else:
    name, seconds = sys.argv[1], float(sys.argv[2])
    model = models[name]()
    features = frame if "hot" in name or "ordinal" in name else frame[numbers]
    features = features.to_numpy() if "array" in name else features
    model.fit(features, target if name in ("gradient boosting of 100", "neighbours, tree", "ridge of 65 products") else positive)
    found = size(model.predict, features, seconds=seconds)
    print(json.dumps(msgspec.to_builtins(found) | {"one": found.cpu(1)}))
"""

# Batch sizes that were not used for the figures, and how far the predictions for them are off.
_TRIED = (("unseen", "error"), ("beyond", "error_beyond"))


def measure(_: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """The error for each model in its median turn and in its worst; models take turns."""
    folder.mkdir(parents=True)
    turns, names = size.of(1, 3, 7), json.loads(_run())
    found: dict[str, list[Figures]] = {name: [] for name in names}
    for _turn in range(turns):
        for name in names:
            found[name].append(json.loads(_run(name, 2)))
    report = Report(
        ["model", "one row ms", "µs a row", "largest", "unseen rows", "measured ms", "error", "worst", "rows beyond", "measured ms",
         "error", "worst", "of a core"]
    )  # fmt: skip
    for name, some in found.items():
        one = some[0]
        cells = [f"{one['one'] * 1000:.2f}", f"{one['per_row'] * 1e6:.3f}", f"{one['points'][-1]['rows']:,}"]
        for batch, error in _TRIED:
            middle = sorted(some, key=lambda one: abs(one[error]))[len(some) // 2]
            worst = max((one[error] for one in some), key=abs)
            cells += [
                f"{middle[batch]['rows']:,}",
                f"{middle[batch]['cpu'] * 1000:.1f}",
                f"{middle[error]:+.0%}",
                f"{worst:+.0%}",
            ]
        report.rows.append([name, *cells, _share(some)])
    for (_batch, error), where in zip(_TRIED, ("within the range", "beyond it"), strict=True):
        errors = [median([abs(one[error]) for one in some]) for some in found.values()]
        single = [abs(one[error]) for some in found.values() for one in some]
        report.notes.append(
            f"{where}: {sum(error <= 0.15 for error in errors)} of {len(errors)} models within 15 % in the median of {turns} turns, "
            f"{sum(error <= 0.15 for error in single)} of {len(single)} single turns"
        )
    report.raw.update(found)
    return report


def _share(some: list[Figures]) -> str:
    return f"{median([one['share_of_core'] for one in some]):.0%}"


def _run(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False,
        env=environment() | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout.splitlines()[-1]
