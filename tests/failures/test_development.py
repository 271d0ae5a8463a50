"""Hundreds of everyday failures get the class that a person gives them, and a bug never one that is tried again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import get_args

import pytest

from nbops.failures import FailureClass, classify
from nbops.pipelines.healing import POLICIES
from tests.failures.cases import Case
from tests.failures.development import ALONE, ASSERTS, BUGS, CELLS, FILES, KEYS, TOLD, VALUES
from tests.failures.provoke import Inside, Kernel, bad_server

TRIED_AGAIN = {failure_class for failure_class, policy in POLICIES.items() if policy.retries}
KERNEL = [*ALONE, *FILES[:3], *ASSERTS[:3], *KEYS[:3], *VALUES[:3]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Case, FailureClass]]:
    """The class of each, provoked once in this process."""
    patch = pytest.MonkeyPatch()
    patch.setenv("NO_PROXY", "*")
    with contextlib.chdir(tmp_path_factory.mktemp("inside")), bad_server() as url:
        inside = Inside(url)
        yield {case: classify(case.provoke(inside)).failure_class for case in CELLS}
    patch.undo()


def test_everyday_failures_get_the_class_that_a_person_gives_them(found: dict[Case, FailureClass]) -> None:
    assert len(found) >= 400
    assert {case.label for case in found} == set(get_args(FailureClass))
    assert [f"{c.name}: {found[c]}, is {c.label}" for c in found if found[c] != c.label] == []


def test_no_everyday_bug_is_called_what_is_tried_again(found: dict[Case, FailureClass]) -> None:
    bugs = [case for case in found if case.label == "code_bug"]
    assert len(bugs) >= 120
    assert len(BUGS) >= 70
    assert [case.name for case in bugs if found[case] in TRIED_AGAIN] == []


def test_what_drivers_and_clouds_say_is_understood_without_them() -> None:
    told = {told: classify(told.evidence).failure_class for told in TOLD}
    assert len(told) >= 110
    assert [f"{t.raised}: {t.message}: {told[t]}, is {t.label}" for t in told if told[t] != t.label] == []


def test_a_kernel_tells_the_same(tmp_path_factory: pytest.TempPathFactory) -> None:
    with bad_server() as url:
        kernel = Kernel(tmp_path_factory.mktemp("kernel"), url)
        try:
            told = {case: classify(case.provoke(kernel)).failure_class for case in KERNEL}
        finally:
            kernel.close()
    assert [f"{c.name}: {told[c]}, is {c.label}" for c in told if told[c] != c.label] == []
