"""A message that wakes somebody says what is wrong, since when, how bad, whether the model may be used, and what to type."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from nbops.monitoring import telling
from nbops.monitoring.signals import Episode
from nbops.monitoring.telling import Notice, Standby
from nbops.monitoring.windows import Window

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2013, 5, 20, 3, 12, tzinfo=UTC)
WEEKS = [
    Window(datetime(2013, 5, 5, 22, tzinfo=UTC), datetime(2013, 5, 12, 22, tzinfo=UTC)),
    Window(datetime(2013, 5, 12, 22, tzinfo=UTC), datetime(2013, 5, 19, 22, tzinfo=UTC)),
]
WORSE = Episode(
    kind="performance", opened=WEEKS[1].span[0], severity="page", worst="page", items=("mae",), version=2,
    sentences=("The mean absolute error is 14.2 min; at most 10.7 is allowed.",), bad=tuple(one.span[0] for one in WEEKS),
    first=WEEKS[0], last=WEEKS[1],
)  # fmt: skip
BROKEN = Episode(
    kind="data", opened=WEEKS[0].span[0], severity="page", worst="page", items=("wind", "visib"), version=2,
    sentences=("wind is empty in all rows.", "visib is empty in all rows."), bad=(WEEKS[0].span[0],), first=WEEKS[0], last=WEEKS[0],
    healed=("pressure",),
)  # fmt: skip
NOTICE = Notice("0199b3c0-7a3e-7c11-8f2a-3d5e91c0aa42", "model:air-time", "page", "opened", WORSE, Standby(2, 1))


def test_a_page_that_says_all_of_it() -> None:
    title, lines = telling.message(NOTICE, BERLIN, NOW)
    assert title == "Page: air-time: The mean absolute error is 14.2 min; at most 10.7 is allowed."
    assert "\n".join(lines) == (
        """\
What: The mean absolute error is 14.2 min; at most 10.7 is allowed.
Since: 6 to 12 May 2013; 2 windows, last 13 to 19 May 2013.
How bad: page: somebody has to look now.
Healed already: nothing.
Still safe to use: No: its answers are worse than what was approved.
Champion is version 2. It can fall back to version 1.

Look at it:   nbops incidents show 91c0aa42
Take it on:   nbops incidents ack 91c0aa42
Fall back:    nbops models rollback air-time --reason 'incident 91c0aa42'
Silence it:   nbops incidents mute 91c0aa42 --until 2013-05-27 --reason '…'"""
    )
    page = (Path(__file__).parents[2] / "docs" / "incidents.md").read_text(encoding="utf-8")
    assert "\n".join(["```text", title, "", *lines, "```"]) in page


def test_broken_data_of_a_model_that_has_nothing_to_fall_back_to() -> None:
    notice = msgspec.structs.replace(NOTICE, episode=BROKEN, standby=Standby(2), change="raised")
    title, lines = telling.message(notice, BERLIN, NOW)
    assert title == "Worse: air-time: wind is empty in all rows."
    assert "\n".join(lines) == (
        """\
What: wind is empty in all rows.
And: visib is empty in all rows.
Since: 6 to 12 May 2013; in that window alone.
How bad: page: somebody has to look now.
Healed already: pressure.
Still safe to use: Not for rows like these: what it is given is not what it was made for.
Champion is version 2. There is no version that it could fall back to.

Look at it:   nbops incidents show 91c0aa42
Take it on:   nbops incidents ack 91c0aa42
Silence it:   nbops incidents mute 91c0aa42 --until 2013-05-27 --reason '…'"""
    )


@pytest.mark.parametrize(
    ("notice", "safe"),
    [
        (
            msgspec.structs.replace(NOTICE, standby=Standby(3, 1)),
            "Still safe to use: the champion, version 3, is not concerned: version 2 is.",
        ),
        (
            msgspec.structs.replace(NOTICE, standby=Standby()),
            "Still safe to use: No: its answers are worse than what was approved. No version of it is champion.",
        ),
        (
            msgspec.structs.replace(NOTICE, subject="pipeline:nightly", standby=Standby()),
            "Still safe to use: what it made before is still there, and gets older.",
        ),
    ],
)
def test_whether_the_model_may_be_used_depends_on_who_answers(notice: Notice, safe: str) -> None:
    lines = telling.message(notice, BERLIN, NOW)[1]
    assert safe in lines
    assert not any("rollback" in line for line in lines)


def test_the_end_is_told_with_who_said_so() -> None:
    key = NOTICE.incident_id
    assert telling.closing(key, "model:air-time", "data: all null", None, "All is well again.") == (
        "Over: air-time: data: all null", ["Healed: All is well again.", "", "nbops incidents show 91c0aa42"]
    )  # fmt: skip
    assert telling.closing(key, "model:air-time", "drift", "ann", "spring")[1][0] == "Closed by ann: spring"
