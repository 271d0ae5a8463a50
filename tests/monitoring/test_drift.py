"""A verdict does not cry wolf, sees what matters, and says why."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import nbops
from nbops.data.profile import Profile
from nbops.data.profiling import profile
from nbops.errors import UsageError
from nbops.monitoring.drift import Drift, DriftPolicy, Evidence, Pair, cells, compare, compare_each, effect
from nbops.monitoring.drift_views import DriftView


def against(one: Any, two: Any, **options: Any) -> Drift:
    then, now = (pd.DataFrame(values if isinstance(values, dict) else {"x": values}) for values in (one, two))
    reference = profile(then)
    return compare(reference, profile(now, like=reference), **options)


def simulated(rng: np.random.Generator, rows: int, shift: float = 0.0) -> pa.Table:
    """16 columns of numbers and 4 of texts with 2 to 60 levels; the first is shifted."""
    columns: dict[str, Any] = {f"normal{i}": rng.normal(i, 1 + i, rows) for i in range(4)}
    columns["normal0"] = columns["normal0"] + shift
    columns |= {f"lognormal{i}": rng.lognormal(0, 1 + i / 2, rows) for i in range(3)}
    columns |= {f"t{i}": rng.standard_t(2, rows) for i in range(3)}
    columns |= {f"poisson{i}": rng.poisson(3 * (i + 1), rows).astype(float) for i in range(3)}
    for i in range(3):
        columns[f"gamma{i}"] = pa.array(rng.gamma(2, 1 + i, rows), mask=rng.random(rows) < 0.05 * (i + 1))
    for levels in (2, 7, 20, 60):
        shares = 1 / np.arange(1, levels + 1)
        chosen = pa.array(rng.choice(levels, rows, p=shares / shares.sum()))
        columns[f"text{levels}"] = pa.array([f"level {i}" for i in range(levels)]).take(chosen)
    return pa.table(columns)


def runs(rows: int, trials: int, shift: float) -> list[list[str]]:
    """The columns that differ, in each trial."""
    found = []
    for trial in range(trials):
        rng = np.random.default_rng([trial, rows])
        reference = profile(simulated(rng, 5000))
        found.append(compare(reference, profile(simulated(rng, rows, shift), like=reference)).drifted)
    return found


def test_without_drift_there_is_no_alarm_and_half_a_deviation_is_found() -> None:
    assert sum(map(bool, runs(100, 8, 0.0) + runs(1000, 3, 0.0))) == 0
    assert sum("normal0" in found for found in runs(200, 6, 0.5)) >= 5


@pytest.mark.long
@pytest.mark.parametrize("rows", [100, 200, 500, 1000, 5000])
def test_at_most_two_of_a_hundred_runs_without_drift_alarm(rows: int) -> None:
    assert sum(map(bool, runs(rows, 200, 0.0))) <= 4
    found = sum("normal0" in one for one in runs(rows, 200, 0.5))
    assert found >= (180 if rows >= 200 else 120)


@pytest.mark.parametrize("levels", [2_000, 20_000])
def test_a_column_of_many_rare_texts_does_not_drift_by_itself(levels: int) -> None:
    rng = np.random.default_rng(levels)
    weights = rng.pareto(1.5, levels) + 0.01
    for shares in (None, weights / weights.sum()):
        one, two = (np.char.add("id ", rng.choice(levels, rows, p=shares).astype(str)) for rows in (5000, 3000))
        assert against(one, two).drifted == []


def test_few_rows_of_many_values_have_new_values_by_themselves() -> None:
    rng = np.random.default_rng(1)
    texts = against(
        rng.choice(list("abcdefghijklmnopqrstuvwxyz"), (150, 2)).view("U2")[:, 0],
        rng.choice(list("abcdefghijklmnopqrstuvwxyz"), (150, 2)).view("U2")[:, 0],
    )
    assert texts.drifted == []
    assert (texts["x"].unseen_share or 0) > 0.5
    floats = against(rng.normal(size=60), rng.normal(size=500), policy=DriftPolicy(min_rows=50))
    assert floats.drifted == []
    assert floats["x"].unseen_share == 1.0


def test_one_bad_value_in_the_reference_hides_nothing() -> None:
    rng = np.random.default_rng(2)
    then, now = rng.normal(size=20_000), rng.normal(1, 1, 20_000)
    clean = against(then, now)["x"]
    then[0] = 1e6
    found = against(then, now)["x"]
    assert found.verdict == clean.verdict == "differs"
    assert found.distances.ks is not None
    assert clean.distances.ks is not None
    assert found.distances.ks.estimate == pytest.approx(0.3829, abs=0.012)
    assert found.distances.ks.estimate == pytest.approx(clean.distances.ks.estimate, abs=0.002)
    assert found.moved is not None
    assert found.moved.effect == pytest.approx(0.92, abs=0.1)
    assert found.sentence.startswith("x has moved, its median from ")
    assert found.sentence.endswith("(adjusted p < 1e-6).")
    # The bad value itself is 50 of the distance, and told.
    assert (found.distances.wasserstein_scaled or 0) > 0.9


def test_both_keys_are_needed() -> None:
    rng = np.random.default_rng(3)
    small = against(rng.normal(size=200_000), rng.normal(0.05, 1, 200_000))["x"]
    assert small.moved is not None
    assert small.moved.beyond_chance
    assert (small.verdict, "less than matters" in small.sentence) == ("same", True)
    few = against(rng.normal(size=300), rng.normal(0.25, 1, 110), policy=DriftPolicy(effect=0.01))["x"]
    assert few.moved is not None
    assert not few.moved.beyond_chance
    assert few.verdict == "same"


def test_what_is_natural_for_a_column_is_no_drift() -> None:
    rng = np.random.default_rng(4)
    then, now = pd.DataFrame({"x": rng.normal(size=5000)}), pd.DataFrame({"x": rng.normal(0.6, 1, 2000)})
    reference = profile(then)
    current = profile(now, like=reference)
    assert compare(reference, current).drifted == ["x"]
    found = compare(reference, current, natural={"x": 0.5})["x"]
    assert (found.verdict, "natural" in found.sentence) == ("same", True)
    assert found.moved is not None
    assert (found.moved.limit, found.moved.natural) == (0.5, 0.5)
    assert compare(reference, current, policy=DriftPolicy(columns={"x": 0.9})).drifted == []


def test_a_column_that_empties_differs_whatever_its_values_were() -> None:
    rng = np.random.default_rng(5)
    found = against(rng.normal(size=5000), np.full(400, np.nan))["x"]
    assert (found.verdict, found.moved, found.nulls_now) == ("differs", None, 1.0)
    assert found.sentence.startswith("x is missing in 100 % of the rows, 0 % before (adjusted p ")
    assert (
        "missing in 0 % of the rows, 2 % before"
        in against(np.where(np.arange(5000) < 100, np.nan, 1.0), np.ones(5000), policy=DriftPolicy(share=0.01))[
            "x"
        ].sentence
    )


def test_a_column_without_any_value_has_lost_its_values_and_not_its_type() -> None:
    then = {"text": ["a", "b"] * 200, "number": np.arange(400.0), "day": pd.date_range("2024-01-01", periods=400)}
    found = against(then, dict.fromkeys(then, [None] * 400))
    assert [(one.change, one.nulls_now, one.verdict) for one in found.columns] == [("", 1.0, "differs")] * 3
    assert found["text"].sentence == "text is missing in 100 % of the rows, 0 % before (adjusted p < 1e-6)."


def test_values_never_seen_are_told_with_examples() -> None:
    rng = np.random.default_rng(6)
    then, now = rng.choice(["UA", "AA"], 5000), rng.choice(["UA", "AA"], 1000).astype("U8")
    now[:60] = "ZZ"
    found = against(then, now)["x"]
    assert (found.verdict, found.unseen_share, found.examples) == ("differs", 0.06, ("ZZ",))
    assert "never seen before in 6 % of the rows, such as 'ZZ'" in found.sentence


@pytest.mark.parametrize("new", [5.0, -5.0])
def test_a_constant_that_becomes_another_differs(new: float) -> None:
    found = against(np.full(500, 3.0), np.full(500, new))["x"]
    assert (found.verdict, found.unseen_share) == ("differs", 1.0)
    assert against(np.full(500, 3.0), np.full(500, 3.0))["x"].sentence == "x has one value, as before."
    flag = against(np.arange(500) % 2, np.arange(500) % 2 * 5)
    assert flag.drifted == ["x"]


def test_columns_that_came_went_or_changed_are_told() -> None:
    then = {"gone": [1.0] * 200, "kind": ["1"] * 200, "wider": np.arange(200, dtype=np.int32)}
    now = {"kind": [1] * 200, "wider": np.arange(200, dtype=np.int64), "new": [1] * 200}
    found = against(then, now)
    assert [(one.column, one.verdict, one.change) for one in found.columns] == [
        ("gone", "differs", "gone"), ("kind", "differs", "VARCHAR, now BIGINT"), ("wider", "same", "INTEGER, now BIGINT"),
        ("new", "learning", "new"),
    ]  # fmt: skip
    assert found["gone"].sentence == "gone is gone."
    assert found["kind"].sentence == "kind was VARCHAR and is BIGINT now."
    with pytest.raises(UsageError, match=r"No column 'y' was compared(.|\n)*gone, kind, wider, new"):
        found["y"]


def test_times_move_on_unless_they_are_asked_about() -> None:
    one = {"at": pd.date_range("2024-01-01", periods=500, freq="h")}
    two = {"at": pd.date_range("2024-02-01", periods=500, freq="h")}
    found = against(one, two)["at"]
    assert (found.verdict, found.moved) == ("learning", None)
    assert "name the column" in found.sentence
    assert against(one, two, columns=["at"]).drifted == ["at"]
    assert against(one, two, policy=DriftPolicy(columns={"at": 0.2})).drifted == ["at"]
    with pytest.raises(UsageError, match="no column 'on'"):
        against(one, two, columns=["on"])


EMPTY = np.array([], float)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (EMPTY, EMPTY), (EMPTY, [1.0] * 300), ([1.0] * 300, EMPTY), ([np.nan] * 300, [np.nan] * 300), ([np.nan] * 300, [2.0] * 300),
        ([1.0], [2.0]), ([math.inf] * 300, [-math.inf] * 300), ([1e308, -1e308] * 200, [1e308] * 400), ([0.0] * 300, [-0.0] * 300),
        (["a"] * 300, [None, "b"] * 150), ([[1], None] * 200, [[2], [3]] * 200), ([5e-324] * 200, [0.0] * 200),
    ],
)  # fmt: skip
def test_hostile_columns_get_a_sentence_and_finite_numbers(one: Any, two: Any) -> None:
    then, now = (pa.table({"x": values, "y": np.ones(len(values))}) for values in (one, two))
    found = nbops.drift(then, now)
    assert Profile.from_json(found.current.to_json()) == found.current
    assert Profile.from_json(found.reference.to_json()) == found.reference
    assert found["x"].sentence.startswith("x ")
    assert "nan" not in repr(found).lower()
    assert "x" in found.to_html()
    for evidence in found["x"].evidence:
        assert math.isfinite(evidence.effect)
        assert 0 <= evidence.p <= evidence.adjusted_p <= 1
    assert len(found.frame()) == 2


def test_infinities_are_values() -> None:
    rng = np.random.default_rng(7)
    now = rng.normal(size=2000)
    now[:500] = math.inf
    found = against(rng.normal(size=5000), now)["x"]
    assert found.verdict == "differs"
    assert found.distances.wasserstein == pytest.approx(0, abs=0.1)


def test_tests_of_a_run_are_adjusted_together() -> None:
    rng = np.random.default_rng(8)
    reference = profile(pd.DataFrame({"x": rng.normal(size=3000)}))
    current = profile(pd.DataFrame({"x": rng.normal(0.17, 1, 500)}), like=reference)
    alone = compare(reference, current)["x"].moved
    among = compare_each([Pair(reference, current)] * 40)[0]
    assert alone is not None
    assert among.tests == 40
    told = among["x"].moved
    assert told is not None
    assert told.adjusted_p == pytest.approx(min(1.0, alone.p * sum(1 / rank for rank in range(1, 41))))


def test_the_index_is_over_cells_that_hold_enough() -> None:
    rng = np.random.default_rng(9)
    shares = 1 / np.arange(1, 61)
    frames = [
        pd.DataFrame({"x": rng.choice([f"level {i}" for i in range(60)], rows, p=shares / shares.sum())})
        for rows in (5000, 200)
    ]
    reference = profile(frames[0])
    current = profile(frames[1], like=reference)
    groups = cells(reference["x"], current["x"])
    assert 2 < len(groups) < 20
    assert (sum(one for one, _ in groups), sum(two for _, two in groups)) == (5000, 200)
    found = compare(reference, current)["x"].moved
    assert found is not None
    assert found.effect == effect(reference["x"], current["x"])


def test_evidence_differs_when_it_is_above_every_limit_and_beyond_chance() -> None:
    evidence = Evidence(0.3, 0.1, 0.2, 1e-9, natural=0.25, beyond_chance=True)
    assert (evidence.limit, evidence.differs) == (0.25, True)
    assert not Evidence(0.3, 0.1, 0.2, 1e-9, natural=0.35, beyond_chance=True).differs
    assert not Evidence(0.3, 0.1, 0.2, 1e-9).differs


# The verb


def frames(rows: int = 3000) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(10)
    made = []
    for shift in (0.0, 2.0):
        carrier = rng.choice(["UA", "AA", "DL"], rows)
        made.append(
            pd.DataFrame(
                {
                    "wind": np.where(carrier == "UA", rng.normal(8 + shift, 2, rows), rng.normal(8, 2, rows)),
                    "pressure": rng.normal(1010, 9, rows),
                    "carrier": carrier,
                    "month": rng.integers(1, 4, rows),
                }
            )
        )
    return made[0], made[1]


def test_slices_tell_where_a_column_differs() -> None:
    then, now = frames()
    found = nbops.drift(then, now, slices=["carrier", "month"])
    assert {one.slice: one.drifted for one in found.slices} == {
        ("carrier", "UA"): ["wind"], ("carrier", "AA"): [], ("carrier", "DL"): [],
        ("month", "1"): ["wind"], ("month", "2"): ["wind"], ("month", "3"): ["wind"],
    }  # fmt: skip
    united = next(one for one in found.slices if one.slice == ("carrier", "UA"))
    assert (united.rows_then, united.rows_now) == ((then.carrier == "UA").sum(), (now.carrier == "UA").sum())
    alone = nbops.drift(then[then.carrier == "UA"], now[now.carrier == "UA"])["wind"]
    assert united["wind"].distances.total_variation == pytest.approx(alone.distances.total_variation, abs=0.05)
    assert found.drift.tests == sum(len(one.evidence) for part in (found.drift, *found.slices) for one in part.columns)
    frame = found.frame()
    assert len(frame) == 7 * 4
    assert frame[frame["slice"].isna()]["column"].tolist() == ["wind", "pressure", "carrier", "month"]


def test_what_cannot_be_sliced_says_so() -> None:
    then, now = frames(300)
    for column, words in (("wind", "no values to slice by"), ("nowhere", "no column 'nowhere'")):
        with pytest.raises(UsageError, match=words):
            nbops.drift(then, now, slices=[column])
    with pytest.raises(UsageError, match="no column 'carrier' to slice by"):
        nbops.drift(then, now.drop(columns="carrier"), slices=["carrier"])
    with pytest.raises(UsageError, match="no rows to slice"):
        nbops.drift(profile(then), now, slices=["carrier"])


def test_every_kind_of_data_gives_the_same_verdicts(tmp_path: Path) -> None:
    then, now = frames(800)
    now.to_parquet(tmp_path / "now.parquet")
    then.to_csv(tmp_path / "then.csv", index=False)
    expected = nbops.drift(then, now)
    assert expected.drifted == ["wind"]
    for one, two in (
        (profile(then), tmp_path / "now.parquet"),
        (tmp_path / "then.csv", pa.Table.from_pandas(now)),
        (pa.Table.from_pandas(then).to_reader(), pa.Table.from_pandas(now).to_reader()),
    ):
        found = nbops.drift(one, two)
        assert [(each.verdict, each.moved) for each in found.drift.columns] == [
            (each.verdict, each.moved) for each in expected.drift.columns
        ]
    streamed = nbops.drift(
        pa.Table.from_pandas(then).to_reader(), pa.Table.from_pandas(now).to_reader(), slices=["month"]
    )
    assert streamed.drifted == ["wind"]


def test_a_comparison_shows_itself_worst_first() -> None:
    then, now = frames()
    now.loc[now.index[:90], "carrier"] = "<b>"
    now = now.drop(columns="month")
    found = nbops.drift(then, now, slices=["carrier"])
    lines = found.to_text().splitlines()
    assert (
        lines[0]
        == "3,000 rows beside 3,000: 3 of 4 columns differ, and in 1 of 3 slices some (10 tests adjusted together)"
    )
    assert [line.split()[2] for line in lines[2:5]] == found.drifted
    assert found.drifted[0] == "month"
    assert lines[-1].startswith("carrier UA")
    shown = found.to_html()
    assert shown.count("<svg") == 3
    assert "&lt;b&gt;" in shown
    assert "largest change is at number" in shown
    assert "Slices that differ" in shown


def test_a_stored_comparison_is_shown_as_the_first_one() -> None:
    then, now = frames(500)
    found = nbops.drift(then, now)
    kept = msgspec.json.decode(msgspec.json.encode(found.drift), type=Drift)
    assert kept == found.drift
    again = DriftView(kept, Profile.from_json(found.reference.to_json()), found.current)
    assert again.to_html() == found.to_html()


def test_importing_monitoring_loads_no_heavy_library() -> None:
    program = (
        "import sys, pkgutil, importlib, nbops.monitoring\n"
        "for found in pkgutil.iter_modules(nbops.monitoring.__path__, 'nbops.monitoring.'): importlib.import_module(found.name)\n"
        "print(*{'pandas', 'sklearn', 'scipy', 'numpy', 'duckdb', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_comparison_loads_neither_pandas_nor_scipy(tmp_path: Path) -> None:
    then, now = frames(500)
    then.to_parquet(tmp_path / "then.parquet")
    now.to_parquet(tmp_path / "now.parquet")
    program = (
        "import sys, nbops\n"
        f"print(nbops.drift({str(tmp_path / 'then.parquet')!r}, {str(tmp_path / 'now.parquet')!r}).drifted)\n"
        "print(*{'pandas', 'sklearn', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["['wind']", ""]
