"""What is said of tasks that rest on old data."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbops.data import degraded
from nbops.pipelines import standing
from nbops.pipelines.standing import GONE_ON, Standing

SINCE = 1_772_427_600_000_000
CAUSE = "URLError: Connection refused."
STALE = degraded.sentence(SINCE, f"step source of nightly failed: {CAUSE}")
ELSEWHERE = degraded.sentence(SINCE, "step feed of daily failed: it is Monday")


def old(sentence: str) -> Standing:
    return Standing("degraded", sentence, since=SINCE)


def test_a_run_on_old_data_says_why_where_that_begins_and_of_what_follows_only_that_it_does() -> None:
    fell = f"{CAUSE}{GONE_ON}source of yesterday"
    stand = {"source": old(fell), "other": Standing("finished"), "clean": old(STALE), "train": old(STALE)}
    word, sentence, status = standing.outcome("nightly", stand)
    assert (word, status) == ("degraded", 0)
    assert sentence == f"source: {fell}; 2 steps rest on it: clean and train"


def test_what_another_pipeline_left_old_is_said_by_the_first_step_that_reads_it() -> None:
    told = standing.once("nightly", {
        "source": f"{CAUSE}{GONE_ON}source of yesterday", "read": ELSEWHERE, "join": f"{STALE} {ELSEWHERE}", "both": f"{STALE} {ELSEWHERE}",
    })  # fmt: skip
    assert str(told["read"]) == ELSEWHERE
    assert str(told["join"]) == str(told["both"]) == "rests on source and read"
    told = standing.once("nightly", {"source": f"{CAUSE}{GONE_ON}old", "join": f"{STALE} {ELSEWHERE}"})
    assert str(told["join"]) == f"{ELSEWHERE} It rests on source."


@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4, unique=True), min_size=1, max_size=8))
def test_every_reason_is_said_exactly_once(reasons: list[list[int]]) -> None:
    said = {number: degraded.sentence(SINCE, f"step s{number} of other failed: it broke") for number in range(5)}
    sentences = {f"t{at}": " ".join(said[number] for number in numbers) for at, numbers in enumerate(reasons)}
    everything = " ".join(one.own for one in standing.once("nightly", sentences).values())
    for number, sentence in said.items():
        assert everything.count(sentence) == any(number in numbers for numbers in reasons)


def test_a_zone_that_differs_between_writing_and_reading_changes_nothing() -> None:
    elsewhere = STALE.replace(STALE.partition(", because")[0], "Made from data of 2026-03-02 10:30 UTC+05:30")
    told = standing.once("nightly", {"source": f"{CAUSE}{GONE_ON}old", "clean": elsewhere})
    assert str(told["clean"]) == "rests on source"
