"""Which version is in use in a window, of those that predict in it."""

from __future__ import annotations

import msgspec

from nbops.monitoring.shadows import without
from tests.monitoring.ward import seen, week


def test_the_one_counts_that_became_champion_last() -> None:
    old = [seen(number, version=1) for number in (0, 1, 2)]
    new = [seen(number, version=2) for number in (1, 2)]
    never = seen(2, version=3)
    present = [(one.start, one.version or 0) for one in (*old, *new, never)]
    assert without([*old, *new, never], present, [2, 1]) == [old[0], *new]
    assert without([*old, *new, never], present, [1, 2]) == old, "it took its place again"
    assert without([*old, *new, never], present, []) == [*old, *new, never], "none ever was champion"


def test_who_said_nothing_of_a_cause_is_in_use_all_the_same() -> None:
    old = seen(0, version=1)
    assert without([old], [(week(0)[0], 1), (week(0)[0], 2)], [2, 1]) == []


def test_what_is_of_no_version_is_kept() -> None:
    of_the_pipeline = msgspec.structs.replace(seen(0), version=None)
    assert without([of_the_pipeline], [(week(0)[0], 2)], [2]) == [of_the_pipeline]
