"""What is proven to load elsewhere does load elsewhere."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from nbops.errors import ModelError
from nbops.registry import proof
from nbops.registry.formats import pack
from nbops.registry.proof import _difference, prove

X, Y = load_iris(return_X_y=True, as_frame=True)


@pytest.fixture(scope="module", autouse=True)
def proven() -> None:
    """What a model is proven in is an interpreter of its own here, as it is for users."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    before = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - before:
        if "proof_" in name:
            del sys.modules[name]


def packed(folder: Path, *names: str, **modules: str) -> bytes:
    """A model whose first step is `step` of the first module, with the named modules packed."""
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    step = __import__(next(iter(modules))).step
    model = make_pipeline(FunctionTransformer(step), LogisticRegression(max_iter=500)).fit(X, Y)
    return pack(model, code=[folder / f"{name}.py" for name in names]).data


def test_a_model_that_carries_what_it_needs_is_proven(folder: Path) -> None:
    data = packed(
        folder,
        "proof_a",
        "proof_b",
        proof_a="from proof_b import half\ndef step(x): return half(x)",
        proof_b="def half(x): return x / 2",
    )
    prove(data, example=X.head())
    prove(data)


def test_a_module_left_behind_is_named(folder: Path) -> None:
    data = packed(
        folder,
        "proof_c",
        proof_c="from proof_d import half\ndef step(x): return half(x)",
        proof_d="def half(x): return x / 2",
    )
    with pytest.raises(ModelError, match="No module named 'proof_d'") as caught:
        prove(data, example=X.head())
    assert "code=[...]" in caught.value.hint


def test_a_step_that_depends_on_the_environment_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROOF_FACTOR", "3")
    text = "import os\ndef step(x): return x * float(os.environ.get('PROOF_FACTOR', 0))"
    data = packed(folder, "proof_e", proof_e=text)
    with pytest.raises(ModelError, match="predict gives other values"):
        prove(data, example=X)


def test_a_process_that_dies_is_reported(folder: Path) -> None:
    text = f"import os\nif os.getpid() != {os.getpid()}: os._exit(7)\ndef step(x): return x"
    data = packed(folder, "proof_f", proof_f=text)
    with pytest.raises(ModelError, match="ended with status 7"):
        prove(data)


def test_a_process_that_hangs_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "SECONDS", 0.2)
    with pytest.raises(ModelError, match="no answer"):
        prove(pack(LogisticRegression(max_iter=500).fit(X, Y)).data)


def test_predictions_are_held_together_value_by_value() -> None:
    same = {"predict": [np.array(["a", "b"]), np.array([1.0, np.nan]), np.array([1, None, np.nan], dtype=object)]}
    assert _difference(same, same) == ""
    assert _difference({"predict": [np.array([1.0])]}, {"predict": [np.array([1.0 + 1e-9])]}) == ""
    for other in ([np.array([1.1])], [np.array([1.0, 1.0])], [], [np.array(["1.0"])]):
        assert "predict gives other values" in _difference({"predict": [np.array([1.0])]}, {"predict": other})
