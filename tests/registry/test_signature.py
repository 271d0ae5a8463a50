"""A model says what it takes, and any frame that has it is brought into that form."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from nbops.errors import ModelError, NotFound, ParameterError
from nbops.registry.signature import Column, Signature, conform, infer, kind_of, scalar

TRAIN = pd.DataFrame(
    {
        "distance": [100, 2500, 700, 90],
        "wind": [1.5, np.nan, -3.0, np.inf],
        "carrier": ["UA", "AA", None, "UA"],
        "origin": pd.Categorical(["JFK", "EWR", "JFK", "LGA"]),
        "night": [True, False, True, True],
        "day": pd.date_range("2013-01-01", periods=4),
        "air_time": [20.0, 300.0, 100.0, 18.0],
    }
)
FEATURES = ["distance", "wind", "carrier", "origin", "night", "day"]


class Takes:
    """A fitted model, as far as a signature is concerned."""

    feature_names_in_ = np.array(FEATURES, dtype=object)
    n_features_in_ = len(FEATURES)


def signature(**columns: str) -> Signature:
    return Signature(columns=tuple(Column(name, kind, nullable=True) for name, kind in columns.items()), named=True)  # type: ignore[arg-type]  # parametrized by text


def test_reference_gives_kinds_ranges_categories_and_missing_values() -> None:
    found, target = infer(Takes(), example=None, reference=TRAIN, target="air_time")
    assert target == "float"
    assert found == Signature(
        columns=(
            Column("distance", "int", nullable=False, low=90.0, high=2500.0),
            Column("wind", "float", nullable=True, low=-3.0, high=1.5),
            Column("carrier", "str", nullable=True, categories=("AA", "UA")),
            Column("origin", "category", nullable=False, categories=("EWR", "JFK", "LGA")),
            Column("night", "bool", nullable=False),
            Column("day", "datetime", nullable=False),
        ),
        named=True,
    )


def test_five_rows_of_example_are_no_proof_of_ranges() -> None:
    found, _ = infer(Takes(), example=TRAIN[FEATURES], reference=None, target=None)
    assert found is not None
    assert [column.kind for column in found.columns] == ["int", "float", "str", "category", "bool", "datetime"]
    assert all(column.nullable and column.low is None and column.categories is None for column in found.columns)


def test_more_than_fifty_categories_are_not_listed() -> None:
    for count, listed in ((50, True), (51, False)):
        frame = pd.DataFrame({"city": [f"city {at}" for at in range(count)]})
        found, _ = infer(OneHotEncoder().fit(frame), example=None, reference=frame, target=None)
        assert found is not None
        assert (found.columns[0].categories is not None) is listed


def test_a_model_fitted_on_an_array_takes_columns_by_position() -> None:
    rows = np.arange(8.0).reshape(4, 2)
    model = Ridge().fit(rows, [1, 2, 3, 4])
    found, _ = infer(model, example=None, reference=rows, target=None)
    assert found is not None
    assert not found.named
    assert [column.name for column in found.columns] == ["x0", "x1"]
    frame = pd.DataFrame(rows, columns=["a", "b"])
    assert conform(frame, found).to_numpy().tolist() == rows.tolist()
    with pytest.raises(NotFound):
        conform(frame.assign(c=1), found)
    with pytest.raises(ModelError, match="2 columns without names, and the data has 3"):
        infer(model, example=None, reference=frame.assign(c=1), target=None)


def test_names_of_the_model_win_over_positions_of_an_array() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]})
    found, _ = infer(Ridge().fit(frame, [1, 2]), example=frame.to_numpy(), reference=None, target=None)
    assert found is not None
    assert found.named
    assert [column.name for column in found.columns] == ["a", "b"]


def test_a_step_of_the_users_own_that_keeps_no_names_still_gets_a_frame() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0], "y": [1.0, 2.0]})
    model = make_pipeline(FunctionTransformer(lambda rows: rows[["a"]]), Ridge()).fit(frame[["a", "b"]], frame["y"])
    found, _ = infer(model, example=None, reference=frame, target="y")
    assert found is not None
    assert found.named
    assert [column.name for column in found.columns] == ["a", "b"]


@pytest.mark.parametrize("rows", [None, ["a text"], pd.Series(["a text"]), scipy.sparse.csr_matrix([[1]]), np.zeros(3)])
def test_what_is_no_table_has_no_signature(rows: object) -> None:
    assert infer(Ridge(), example=rows, reference=None, target=None) == (None, None)


def test_a_reference_without_a_column_of_the_model_names_it_and_the_nearest() -> None:
    with pytest.raises(NotFound, match="distance") as caught:
        infer(Takes(), example=None, reference=TRAIN.rename(columns={"distance": "distnace"}), target=None)
    assert caught.value.hint == "Is it 'distnace' for 'distance'?"


def test_a_target_that_is_not_in_the_reference_is_named() -> None:
    with pytest.raises(NotFound, match="air_tmie"):
        infer(Takes(), example=None, reference=TRAIN, target="air_tmie")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None], "int"), ([1.5, 2], "float"), ([Decimal("1.5")], "float"), ([True, None], "bool"), (["a", None], "str"),
        ([dt.date(2013, 1, 1)], "datetime"), ([{}], "other"), ([], "other"),
    ],
)  # fmt: skip
def test_python_objects_in_a_column_are_looked_at(values: list[Any], kind: str) -> None:
    assert kind_of(pd.Series(values, dtype=object)) == kind


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("Int64", "int"), ("float32", "float"), ("boolean", "bool"), ("string", "str"), ("datetime64[ns, UTC]", "datetime"),
     ("timedelta64[ns]", "other"), ("double[pyarrow]", "float")],
)  # fmt: skip
def test_every_type_of_pandas_has_a_kind(dtype: str, kind: str) -> None:
    assert kind_of(pd.Series([], dtype=dtype)) == kind


def test_values_that_json_cannot_carry_become_text() -> None:
    assert [scalar(value) for value in ("a", 1, True, 1.5)] == ["a", 1, True, 1.5]
    assert [scalar(value) for value in (float("inf"), 2**70, None)] == ["inf", str(2**70), "None"]


names = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=7, unique=True)


@given(wanted=names, extra=names, rows=st.lists(st.integers(0, 99), max_size=8), seed=st.randoms(use_true_random=False))
def test_conform_keeps_rows_and_order(wanted: list[str], extra: list[str], rows: list[int], seed: Any) -> None:
    there = [*{*wanted, *extra}]
    seed.shuffle(there)
    values = {name: [f"{name}{row}" if name in "abc" else float(row) for row in rows] for name in there}
    frame = pd.DataFrame(values, index=rows, columns=there)
    before = frame.copy()
    kinds = {name: "str" if name in "abc" else "float" for name in wanted}

    found = conform(frame, signature(**kinds))

    assert list(found.columns) == wanted
    assert list(found.index) == rows
    for name in wanted:
        assert found[name].tolist() == values[name]
    pd.testing.assert_frame_equal(frame, before)


def test_text_of_pandas_becomes_objects_and_missing_stays_nan() -> None:
    for dtype in ("str", "string"):
        found = conform(pd.DataFrame({"a": pd.Series(["x", np.nan], dtype=dtype)}), signature(a="str"))["a"]
        assert found.dtype == object
        assert found[0] == "x"
        assert isinstance(found[1], float)


def test_missing_columns_are_all_named_with_the_nearest() -> None:
    with pytest.raises(NotFound, match=r"not in the data: carrier, wind\.") as caught:
        conform(pd.DataFrame({"carier": ["UA"]}), signature(carrier="str", wind="float"))
    assert "'carier' for 'carrier'" in caught.value.hint


@pytest.mark.parametrize("values", [["12", "3"], pd.Series(["12"], dtype=object), pd.Categorical(["12"]), [{}]])
def test_text_in_a_numeric_column_is_refused_without_echoing_it(values: Any) -> None:
    with pytest.raises(ParameterError, match="'wind'") as caught:
        conform(pd.DataFrame({"wind": values}), signature(wind="float"))
    assert "12" not in str(caught.value)


def test_numbers_in_python_objects_and_categories_become_numbers() -> None:
    for values in ([1, None], [Decimal(1), None], pd.Categorical([1, None])):
        found = conform(
            pd.DataFrame({"wind": pd.Series(values, dtype=None if isinstance(values, pd.Categorical) else object)}),
            signature(wind="float"),
        )
        np.testing.assert_array_equal(found["wind"], [1.0, np.nan])


def test_a_wanted_column_that_is_there_twice_is_refused() -> None:
    frame = pd.DataFrame([[1.0, 2.0, 3.0]], columns=["a", "a", "b"])
    with pytest.raises(ParameterError, match="twice: a"):
        conform(frame, signature(a="float", b="float"))
    assert conform(frame, signature(b="float")).shape == (1, 1)
