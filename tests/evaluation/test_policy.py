"""A policy is read from what people write, and refused by its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nbops.errors import ConfigError
from nbops.evaluation.policy import CalibrationPolicy, Limit, Policy, SlicesPolicy, read

TEXT = """
metric: mae
margin: 0.3
limits:
  rmse: {max: 15}
  r2: {min: 0.5, max: 1}
slices: {max_gap: 2, min_rows: 50}
calibration: {max_error: 0.05}
latency_ms: 20
min_rows: 1000
"""


def test_a_file_says_what_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(TEXT, encoding="utf-8")
    found = read(path)
    assert found == Policy(
        "mae", margin=0.3, limits={"rmse": Limit(max=15), "r2": Limit(0.5, 1)}, slices=SlicesPolicy(2, 50),
        calibration=CalibrationPolicy(0.05), latency_ms=20, min_rows=1000,
    )  # fmt: skip
    assert read(found) is found


def test_without_more_the_gate_asks_for_what_is_usual() -> None:
    found = read({})
    assert (found.metric, found.margin, found.min_rows, found.min_blocks) == ("", 0, 500, 20)
    assert found.versus_champion
    assert found.cases
    assert found.signature is None
    assert found.incidents


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"metric": "mae", "limts": {}}, "the policy has 'limts'.\nHint: Did you mean 'limits'?"),
        ({"metric": "mae", "colour": 1}, "the policy has 'colour'.\nHint: Known: metric, margin"),
        ({"metric": "mae", "slices": {"max_gab": 1}}, "In the policy: slices has 'max_gab'.\nHint: Did you mean 'max_gap'?"),
        ({"metric": "mae", "calibration": 0.1}, "calibration is no mapping: 0.1"),
        ({"metric": "mae", "limits": {"rmse": 15}}, "the limit of 'rmse' is no mapping: 15.\nHint: Such as `{max: 15}`."),
        ({"metric": "mae", "limits": [1]}, "limits is no mapping"),
        ({"metric": "mae", "limits": {"rmse": {}}}, "the limit of 'rmse' has neither min nor max"),
        ({"metric": "mae", "limits": {"rmse": {"min": 3, "max": 2}}}, "the limit of 'rmse' has a min above its max"),
        ({"metric": "mae", "limits": {"rmse": {"maximum": 2}}}, "has 'maximum'"),
        ({"metric": "mae", "margin": -1}, "Expected `float` >= 0.0 - at `$.margin`"),
        ({"metric": "mae", "min_rows": "many"}, "Expected `int`, got `str` - at `$.min_rows`"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_its_place(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(given)
    assert told in str(refused.value)


@pytest.mark.parametrize(("text", "told"), [("- a", "holds no policy"), ("a: [", "cannot be read")])
def test_a_file_that_holds_none_is_refused(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        read(path)
    with pytest.raises(ConfigError, match="There is no policy"):
        read(tmp_path / "other.yaml")


def test_a_refusal_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text("metric: mae\nmargn: 1", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"In gate.yaml: the policy has 'margn'"):
        read(path)
