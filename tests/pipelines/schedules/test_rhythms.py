"""Simple words and cron expressions say the same."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.errors import UsageError
from nbops.monitoring import windows
from nbops.pipelines.schedules import calendar, rhythms
from nbops.pipelines.schedules.calendar import Calendar
from nbops.pipelines.schedules.rhythms import DAYS, Rhythm

HOURS = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
RHYTHMS = st.one_of(
    st.builds(Rhythm, st.just("hourly"), st.builds("00:{:02}".format, st.integers(0, 59))),
    st.builds(Rhythm, st.sampled_from(["daily", "weekdays"]), HOURS),
    st.builds(Rhythm, st.just("weekly"), HOURS, st.sampled_from(DAYS)),
)


@given(RHYTHMS)
def test_an_expression_has_the_words_that_it_was_made_of(rhythm: Rhythm) -> None:
    calendar.check(rhythm.cron())
    assert rhythms.of_cron(rhythm.cron()) == rhythm
    assert rhythms.words(rhythm.cron(), "") == rhythm.words()


@given(RHYTHMS)
def test_what_is_due_is_what_the_words_say(rhythm: Rhythm) -> None:
    zone = windows.zone("Europe/Berlin")
    # No clock changes in these weeks.
    found = Calendar(zone, cron=rhythm.cron()).after(datetime(2026, 1, 10, tzinfo=UTC))
    for moment in (next(found).astimezone(zone) for _ in range(8)):
        assert f"{moment:%M}" == rhythm.at[3:]
        assert rhythm.often == "hourly" or f"{moment:%H:%M}" == rhythm.at
        assert rhythm.often != "weekdays" or moment.weekday() < 5
        assert rhythm.often != "weekly" or DAYS[moment.weekday()] == rhythm.day


@pytest.mark.parametrize(
    ("cron", "every", "words"),
    [
        ("@daily", "", "daily at 00:00"),
        ("@weekly", "", "every Sunday at 00:00"),
        ("0  6 * * MON-FRI", "", "on weekdays at 06:00"),
        ("0 6 * * 0", "", "every Sunday at 06:00"),
        ("0 6 * * sat", "", "every Saturday at 06:00"),
        ("0 * * * *", "", "every hour"),
        ("*/15 * * * *", "", "every 15 minutes"),
        ("@monthly", "", "on day 1 of each month at 00:00"),
        ("", "15m", "every 15m"),
        # Words that would be wrong are worse than none.
        ("*/7 * * * *", "", ""),
        ("0 6 1 * 1", "", ""),
        ("0 6 * 3 *", "", ""),
        ("0 6,18 * * *", "", ""),
        ("0 * * * 1-5", "", ""),
    ],
)
def test_only_what_is_simple_is_told_in_words(cron: str, every: str, words: str) -> None:
    assert rhythms.words(cron, every) == words


@pytest.mark.parametrize(
    "rhythm",
    [
        Rhythm("daily", "24:00"),
        Rhythm("daily", "7"),
        Rhythm("hourly", "00:60"),
        Rhythm("weekly", "06:00", ""),
        Rhythm("daily", ""),
    ],
)
def test_what_is_no_time_of_day_is_refused_with_an_example(rhythm: Rhythm) -> None:
    with pytest.raises(UsageError) as caught:
        rhythm.cron()
    assert caught.value.hint
