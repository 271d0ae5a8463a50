"""Every model that people are likely to have comes back in a process that has nothing of this one and may not read a pickle."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from nbops.registry import formats
from nbops.registry.formats import look, pack
from tests.registry import zoo

RELOAD = """
import json, pickle, sys
from pathlib import Path
import numpy as np
from tests.registry import zoo
from nbops.registry.formats import unpack

def refuse(*_, **__):
    raise AssertionError("a pickle was read")

pickle.loads = pickle.load = pickle.Unpickler = pickle._Unpickler = refuse
failed = {}
for place, name, rows in json.loads(Path("jobs.json").read_text()):
    try:
        model = unpack(Path(f"{place}.model").read_bytes(), code_trusted="CatBoost" in name).estimator
        expected = np.load(f"{place}.npy")
        found = np.asarray(model.predict(zoo.data(rows)[0])).astype(expected.dtype)
        if expected.dtype.kind == "f":
            # Where an array lies in memory decides the last bits of a sum.
            np.testing.assert_allclose(found, expected, rtol=1e-9)
        else:
            np.testing.assert_array_equal(found, expected)
    except Exception as error:
        failed[name] = f"{type(error).__name__}: {error}"
Path("failed.json").write_text(json.dumps(failed))
"""


def reloaded(models: Iterable[zoo.Fitted], folder: Path) -> tuple[int, dict[str, str]]:
    """How many there were, and why which of them did not come back."""
    jobs, failed = [], {}
    for place, (name, model, rows) in enumerate(models):
        jobs.append((place, name, rows))
        try:
            packed = pack(model)
            assert formats.untrusted(look(packed.data)) == []
            (folder / f"{place}.model").write_bytes(packed.data)
            predicted = np.asarray(model.predict(zoo.data(rows)[0]))
            np.save(folder / f"{place}.npy", predicted.astype(str) if predicted.dtype == object else predicted)
        except Exception as error:  # noqa: BLE001 - each failure is told, whatever it is
            failed[name] = f"{type(error).__name__}: {error}"
            jobs.pop()
    (folder / "jobs.json").write_text(json.dumps(jobs))
    done = subprocess.run([sys.executable, "-c", RELOAD], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return len(jobs) + len(failed), {**failed, **json.loads((folder / "failed.json").read_text())}


def test_what_people_build_comes_back_in_a_fresh_process(tmp_path: Path) -> None:
    count, failed = reloaded(zoo.of_people(), tmp_path)
    assert failed == {}
    assert count == 22


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_every_estimator_of_scikit_learn_and_every_booster_comes_back_in_a_fresh_process(tmp_path: Path) -> None:
    models = [*zoo.of_scikit_learn(), *zoo.of_boosters()]
    boosters = sum(name.partition(" ")[0] in {"XGBoost", "LightGBM", "CatBoost"} for name, _, _ in models)
    count, failed = reloaded(models, tmp_path)
    print(f"{count - len(failed)} of {count} came back: {count - boosters} of scikit-learn, {boosters} with boosters")  # noqa: T201
    assert failed == {}
    assert count - boosters >= 78
    assert boosters == 21
