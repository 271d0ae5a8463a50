"""Versions that run beside the one in use: they are looked at like it, and shown, but what they get wrong harms nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nbops.monitoring.signals import Signal

PRESENT = "select distinct epoch_us(window_start), version from main.signals where subject = ? and version is not null"
"""The windows of a subject and the versions that were looked at in each."""
REIGNED = """
select version from main.alias_history where model = ? and alias = 'champion' group by version order by max(since) desc, version desc
"""
"""The versions of a model that are or were champion, the one that became it last first."""


def without(signals: Iterable[Signal], present: Iterable[Sequence[int]], reigned: Sequence[int]) -> list[Signal]:
    """The signals but those of shadows.

    Of the versions `present` in a window, as start and version, the one is in use that became champion last; where none ever was, all are.
    """
    rank = {version: place for place, version in enumerate(reigned)}
    used: dict[int, int] = {}
    for start, version in present:
        if version in rank and (start not in used or rank[version] < rank[used[start]]):
            used[start] = version
    return [one for one in signals if one.version is None or used.get(one.start, one.version) == one.version]
