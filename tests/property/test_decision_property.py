"""Batch and SQL decide alike, whatever the rule, the labels and the scores are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nbops import duck
from nbops.evaluation.decision import DecisionRule, Label, decide, sql
from tests.examples import some

CON = duck.scratch(threads=1)
NUMBERS = st.one_of(st.floats(-2, 2), st.floats(allow_nan=False, allow_infinity=False))
SCORES = st.lists(st.one_of(st.none(), st.floats()), max_size=8)
LABELS: st.SearchStrategy[list[Label]] = st.one_of(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6), min_size=2, max_size=4, unique=True),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=4, unique=True),
    st.lists(NUMBERS, min_size=2, max_size=4, unique=True),
    st.permutations([True, False]),
)  # fmt: skip


def asked(expression: str, scores: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> list[object]:
    """What DuckDB decides on rows of scores; a NaN stays one and a missing score comes as NULL."""
    frame = pd.DataFrame(scores, columns=[f"c{place}" for place in range(scores.shape[1])])
    frame["row"] = range(len(frame))
    CON.register("answers", frame)
    query = f"select {expression} from answers order by row"  # noqa: S608 - of our own making
    return [decided for (decided,) in duck.rows(CON, query)]


def near(*bounds: float) -> list[float]:
    return [found for at in bounds for found in (at, float(np.nextafter(at, -np.inf)), float(np.nextafter(at, np.inf)))]


@settings(deadline=None, max_examples=some(60))
@given(
    SCORES, st.lists(NUMBERS, min_size=3, max_size=3).map(sorted), LABELS, st.booleans(), st.booleans(), st.booleans()
)
@example([0.1, None], [0.1, 0.1, 0.1], [0, 1], False, True, False)
@example([], [0.1 + 0.2, 0.3, 1e308], [0, 1], False, False, False)
def test_sql_decides_on_two_classes_to_the_last_bit(
    scores: list[float | None], bounds: list[float], labels: list[Label], banded: bool, second: bool, function: bool
) -> None:
    classes = labels[:2]
    low, threshold, high = bounds
    if not banded or not low <= threshold <= high:
        low = high = threshold
    rule = DecisionRule(
        positive=classes[second],
        threshold=threshold,
        reject=(low, high) if banded else None,
        response="decision_function" if function else "predict_proba",
    )
    tried = np.array([*scores, *near(low, threshold, high), np.nan, np.inf, -0.0], dtype=np.float64)
    decided = decide(rule, tried, classes).tolist()
    assert asked(sql(rule, '"c0"', classes), tried[:, None]) == decided
    assert decided[len(scores)] in ({*classes, None} if banded else {*classes})


@settings(deadline=None, max_examples=some(40))
@given(st.data(), LABELS, st.one_of(st.none(), st.floats(0, 1)))
def test_sql_decides_on_many_classes_to_the_last_bit(
    data: st.DataObject, labels: list[Label], least: float | None
) -> None:
    values = st.one_of(st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0, np.nan, least or 0.0]), st.floats())
    rows = data.draw(st.lists(st.lists(values, min_size=len(labels), max_size=len(labels)), min_size=1, max_size=8))
    rule, answers = DecisionRule(least=least), np.array(rows, dtype=np.float64)
    columns = [f'"c{place}"' for place in range(len(labels))]
    assert asked(sql(rule, columns, labels), answers) == decide(rule, answers, labels).tolist()


def test_sql_leaves_what_is_missing_to_a_person_and_compares_as_doubles() -> None:
    rule, classes = DecisionRule(positive="yes", threshold=0.7), ["no", "yes"]
    single = np.array([0.7], dtype=np.float32)
    assert float(single[0]) < 0.7
    assert decide(rule, single, classes).tolist() == ["no"]
    given = "(values (0.7::float), (null), ('nan'::float), ('inf'::float)) as t(p)"
    query = f"select {sql(rule, 'p', classes)} from {given}"  # noqa: S608 - of our own making
    assert duck.rows(CON, query) == [("no",), (None,), (None,), ("yes",)]
