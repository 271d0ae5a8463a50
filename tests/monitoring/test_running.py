"""Windows are looked at: what is found in them is right, kept once, and the same whoever looks when."""

from __future__ import annotations

import functools

import msgspec
import numpy as np
import pandas as pd
import pytest

from nbops.data.profile import Profile
from nbops.data.profiling import profile
from nbops.errors import NotFound
from nbops.monitoring import baseline, incidents, judging, running, status
from nbops.monitoring.results import WindowReport
from nbops.registry import baselines
from nbops.workspace._model import Version
from nbops.workspace._workspace import Workspace
from tests.monitoring.watched import FEATURES, ROWS, Watched, begin, later, register, week

EMPTY, GONE, UNSEEN = (f"data: {rule}" for rule in (judging.EMPTY, judging.GONE, judging.UNSEEN))


@pytest.fixture(scope="module")
def minutes(here: Workspace) -> Version:
    """One that says numbers."""
    return register(here, "minutes")


def opened(found: running.Monitored) -> list[str]:
    """The causes of the incidents that began."""
    return [change.cause for change in found.changes if change.act == "opened"]


def odd(found: running.Monitored) -> set[tuple[str, str]]:
    """What was odd or broken in any window."""
    return {key for report in found.reports for key in odd_in(report)}


def odd_in(report: WindowReport) -> set[tuple[str, str]]:
    """The same of one window."""
    return {(one.cause, one.item) for one in report.signals if one.state in {"odd", "broken"}}


def test_a_quiet_model_is_healthy_and_is_looked_at_once(here: Workspace, minutes: Version) -> None:
    calm = Watched(here, minutes, "calm")
    assert status.health(here.store, "calm").word == "not monitored"
    calm.use(*map(week, range(4)))
    found = calm.look(3)
    assert [(one.rows, one.labelled, one.notes) for one in found.reports] == [(ROWS, ROWS, ())] * 3
    assert (odd(found), found.changes) == (set(), ())
    told = status.health(here.store, "calm")
    assert (told.word, told.version, told.labelled, told.metric, told.unit) == ("healthy", 1, 1.0, "mae", "min")
    assert told.sentence == "Nothing is wrong that was looked at, up to 26 January 2026."
    assert calm.look(3).reports == ()
    assert len(calm.look(4).reports) == 1
    assert calm.rows("monitor_windows", "rows, labelled, baseline") == [(ROWS, ROWS, "reference")] * 4
    assert calm.rows("retrain_requests", "*") == []


def test_what_is_kept_for_queries_is_what_was_found(here: Workspace, minutes: Version) -> None:
    asked = Watched(here, minutes, "asked")
    asked.use(week(0))
    (found,) = asked.look().reports
    assert running.report(here.store, asked.rows("monitor_windows", "report_sha256")[0][0]) == found
    (value,) = asked.rows("performance", "value, laboratory", "metric = 'mae' and kind = 'realised'")
    rows = week(0)
    said = asked.says(rows)["prediction"]
    assert value[0] == pytest.approx(np.abs(rows["minutes"] - said).mean(), rel=1e-12)
    held = baseline.evaluation(here.store, minutes.record)
    assert held is not None
    then = baseline.laboratory(here.store, minutes.record, held)
    assert value[1] == pytest.approx((then["_prediction"] - then["_label"]).abs().mean(), rel=1e-12)
    assert {row[0] for row in asked.rows("drift", '"column"')} == {*FEATURES, "_prediction", "_label"}


def test_a_slice_stands_to_the_same_slice_of_the_evaluation(here: Workspace, minutes: Version) -> None:
    parted = register(here, "minutes", slices=["carrier"])
    sliced = Watched(here, parted, "sliced", slices=["carrier"], estimate=False)
    rows = week(0)
    sliced.use(rows.assign(minutes=rows["minutes"] + 3 * (rows["carrier"] == "UA")))
    sliced.look()
    columns = "slice, standing, laboratory"
    found = {name: told for name, *told in sliced.rows("performance", columns, "slice is not null")}
    assert {name: told[0] for name, told in found.items()} == {
        "carrier = 9E": "within", "carrier = AA": "within", "carrier = UA": "beyond",
    }  # fmt: skip
    held = baseline.evaluation(here.store, parted.record)
    assert held is not None
    then = baseline.laboratory(here.store, parted.record, held)
    error = (then["_prediction"] - then["_label"]).abs().groupby(then["carrier"]).mean()
    assert {name[-2:]: told[1] for name, told in found.items()} == pytest.approx(error.to_dict())
    other = Watched(here, minutes, "not sliced", slices=["carrier"], estimate=False)
    other.use(rows.assign(minutes=rows["minutes"] + 3 * (rows["carrier"] == "UA")))
    other.look()
    assert other.rows("performance", "distinct standing, laboratory", "slice is not null") == [("unknown", None)]


def test_the_days_of_a_window_add_up_to_the_profile_of_its_rows(here: Workspace, minutes: Version) -> None:
    summed = Watched(here, minutes, "summed")
    summed.use(week(0))
    summed.look()
    days = [Profile.from_json(row[0]) for row in summed.rows("profiles", "profile", "kind = 'day'")]
    assert len(days) == 7
    base = baseline.stored(here.store, "summed", 1)
    assert base is not None
    whole = profile(week(0)[FEATURES], like=base.profile)
    total = functools.reduce(Profile.merged, days)
    assert total.rows == whole.rows == ROWS
    for name in FEATURES:
        one, other = total[name], whole[name]
        assert (one.rows, one.nulls, one.categories) == (other.rows, other.nulls, other.categories)
        if one.numbers is not None and other.numbers is not None:
            assert (one.numbers.at, one.numbers.between) == (other.numbers.at, other.numbers.between)


def test_a_model_that_decays_is_in_trouble_after_two_windows_and_heals_after_three(
    here: Workspace, minutes: Version
) -> None:
    worse = Watched(here, minutes, "worse", retrain={"notebook": "notebooks/none.ipynb"})
    worse.use(week(0), *(later(week(number), 1.0) for number in (1, 2)))
    assert opened(worse.look(2)) == []
    found = worse.look(3)
    assert "performance: mae" in opened(found)
    told = status.health(here.store, "worse")
    assert (told.word, told.incidents[0].severity) == ("in trouble", "page")
    assert told.sentence.startswith("Since 12 January 2026: MAE ")
    assert "beyond the bound of 1.25 times" in told.incidents[0].text
    causes = found.reports[-1].causes
    assert causes is not None
    assert causes.columns == ()
    assert causes.sentence.startswith("No column that the model relies on moved beyond what is usual")
    assert "Who loses most: " in causes.sentence
    (wish,) = worse.rows(
        "retrain_requests", "cause, state, version, data_from::date::varchar, data_until::date::varchar"
    )
    assert wish == ("incident", "requested", 1, "2025-11-01", "2026-01-01")
    assert next(one.model for one in status.overall(here.store)) == "worse"
    worse.use(*map(week, (3, 4, 5)))
    assert "healed" in {change.act for change in worse.look(6).changes}
    assert status.health(here.store, "worse").word == "healthy"


def test_an_empty_column_is_an_incident_at_once_and_clean_weeks_close_it(here: Workspace, minutes: Version) -> None:
    broken = Watched(here, minutes, "broken", retrain={"notebook": "notebooks/none.ipynb"})
    broken.use(*map(week, (0, 1)))
    assert broken.look(2).changes == ()
    # What the model said is right: the column was lost afterwards, on its way.
    here.log_predictions("broken/1", broken.says(week(2)).assign(carrier=None), id="id", time="time", features=FEATURES)
    broken.tell(week(2))
    found = broken.look(3)
    assert EMPTY in opened(found)
    assert (EMPTY, "carrier") in odd(found)
    assert status.health(here.store, "broken").word == "in trouble"
    broken.use(*map(week, (3, 4)))
    assert EMPTY not in {change.cause for change in broken.look(5).changes if change.act == "healed"}
    broken.use(week(5))
    assert EMPTY in {change.cause for change in broken.look(6).changes if change.act == "healed"}


def test_a_column_that_is_not_logged_any_more_is_an_incident_at_once_and_closes_when_it_is_logged_again(
    here: Workspace, minutes: Version
) -> None:
    gone = Watched(here, minutes, "gone", retrain={"notebook": "notebooks/none.ipynb"})
    gone.use(*map(week, (0, 1)))
    assert gone.look(2).changes == ()
    gone.predict(week(2), features=["a", "b"])
    gone.tell(week(2))
    found = gone.look(3)
    assert opened(found) == [GONE]
    assert odd(found) == {(GONE, "carrier")}
    assert incidents.breaks(here.store, "gone") == ["carrier is not logged any more: no row of the window has it."]
    assert status.health(here.store, "gone").word == "in trouble"
    gone.use(*map(week, (3, 4)))
    assert gone.look(5).changes == ()
    gone.use(week(5))
    assert [(change.cause, change.act) for change in gone.look(6).changes] == [(GONE, "healed")]


def test_a_column_that_was_never_logged_is_no_break_until_it_is_known_that_it_was(
    here: Workspace, minutes: Version
) -> None:
    never = Watched(here, minutes, "never", estimate=False)
    for number in (1, 2, 4):
        never.predict(week(number), features=["a", "b"])
    never.predict(week(3))
    found = never.look(3)
    assert odd(found) == set()
    assert {one.notes for one in found.reports} == {("Not logged, and not looked at: carrier.",)}
    found = never.look(5)
    assert [(one.start, one.logged["carrier"]) for one in found.reports] == [
        (int(begin(3).timestamp() * 1e6), True), (int(begin(4).timestamp() * 1e6), False),
    ]  # fmt: skip
    never.predict(week(0))
    late = never.look(5).reports
    assert [one.logged["carrier"] for one in late] == [True, False, False, True]
    assert {key for one in late for key in odd_in(one)} == {(GONE, "carrier")}
    before = never.rows("monitor_windows", "start, report_sha256")
    never.look(5, again=True)
    assert never.rows("monitor_windows", "start, report_sha256") == before


def test_breaks_are_seen_in_columns_whose_drift_nobody_asks_for(here: Workspace, minutes: Version) -> None:
    asked = Watched(here, minutes, "asked for one", drift={"columns": ["a"]}, estimate=False)
    strange = week(0).assign(carrier="ZZ", b=week(0)["b"] + 3)
    asked.predict(strange)
    (found,) = asked.look(1).reports
    assert (UNSEEN, "carrier") in odd_in(found)
    assert {item for cause, item in odd_in(found) if cause == "drift"} == set()
    assert {one.item for one in found.signals if one.cause == "drift"} == {"a"}
    assert {one.column for one in found.others} == {"b", "carrier"}
    assert {row[0] for row in asked.rows("drift", '"column"')} == {"a", "_prediction"}


def test_labels_that_are_late_are_no_break_and_windows_are_looked_at_again_when_they_come(
    here: Workspace, minutes: Version
) -> None:
    late = Watched(here, minutes, "tardy")
    weeks = [week(number) for number in range(3)]
    for rows in weeks:
        late.predict(rows)
    found = late.look(3)
    assert {one.labelled for one in found.reports} == {0}
    assert (odd(found), found.changes) == (set(), ())
    states = {one.cause: one.state for one in found.reports[0].signals}
    assert (states["performance: mae"], states["estimate: mae"]) == ("unknown", "fine")
    assert status.health(here.store, "tardy").value is None
    late.tell(weeks[1])
    again = late.look(3)
    # The third window's estimate is believed or not by how far that of the second was off.
    assert [(one.start, one.labelled) for one in again.reports] == [
        (one.start, labelled) for one, labelled in zip(found.reports[1:], (ROWS, 0), strict=True)
    ]
    assert again.reports[1].backtest is not None
    assert again.reports[1].backtest.windows == 1
    late.tell(weeks[1])
    assert late.look(3).reports == ()


def test_a_version_without_a_reference_is_held_against_its_first_window(here: Workspace) -> None:
    bare = Watched(here, register(here, "minutes", bare=True), "bare")
    bare.use(week(0), week(1).assign(a=week(1)["a"] + 3))
    found = bare.look(2)
    assert {one.verdict for one in found.reports[0].drift[0].columns} == {"same"}
    assert [one.verdict for one in found.reports[1].drift[0].columns if one.column == "a"] == ["differs"]
    assert any(note.startswith("No estimate without labels: ") for note in found.reports[0].notes)
    stands = found.reports[0].performance.standings[0] if found.reports[0].performance else None
    assert stands is not None
    assert (stands.laboratory, stands.where) == (None, "unknown")


@pytest.mark.parametrize(("told", "held"), [("previous", 0), ("2026-01-12", 1)])
def test_any_window_can_be_the_baseline(here: Workspace, minutes: Version, told: str, held: int) -> None:
    name = f"against {held}"
    beside = Watched(here, minutes, name, baseline=told)
    moved = week(1).assign(a=week(1)["a"] + 3)
    beside.use(week(0), moved, week(2))
    found = beside.look(3).reports
    differs = [
        next(one.verdict == "differs" for one in report.drift[0].columns if one.column == "a") for report in found
    ]
    if told == "previous":
        assert [one.baseline for one in found] == ["reference", told, told]
        assert found[0].notes == ("There is no window 'previous' to hold this one against: the reference is.",)
        assert differs == [False, True, True]
    else:
        assert [one.baseline for one in found] == [told] * 3
        assert differs == [True, False, True]


def test_what_a_window_is_held_against_may_come_later_or_change(here: Workspace, minutes: Version) -> None:
    second = Watched(here, minutes, "second", baseline="previous", estimate=False)
    second.use(week(1))
    assert [one.baseline for one in second.look(2).reports] == ["reference"]
    second.use(week(0))
    again = second.look(2).reports
    assert [(one.start, one.baseline) for one in again] == [
        (int(begin(0).timestamp() * 1e6), "reference"), (int(begin(1).timestamp() * 1e6), "previous"),
    ]  # fmt: skip


def test_the_same_week_of_last_year_is_the_baseline_where_there_is_one(here: Workspace, minutes: Version) -> None:
    yearly = Watched(here, minutes, "yearly", baseline="year ago", estimate=False)
    yearly.use(week(0), week(52))
    assert [one.baseline for one in yearly.look(53).reports] == ["reference", "year ago"]


def test_nothing_to_look_at_is_told(here: Workspace, minutes: Version) -> None:
    Watched(here, minutes, "unused")
    with pytest.raises(NotFound, match="No version of 'unused' has logged predictions"):
        running.monitor(here.store, "unused")
    with pytest.raises(NotFound, match="There is no model 'nobody'"):
        status.health(here.store, "nobody")


@pytest.mark.parametrize("target", ["late", "arrives", "number"])
def test_classes_of_every_kind_are_held_against_their_laboratory(here: Workspace, target: str) -> None:
    classes = Watched(here, register(here, target), f"{target} in use", slices=["carrier"])
    rows = week(0)
    classes.predict(rows)
    classes.tell(rows.head(250))
    (found,) = classes.look(1).reports
    assert {one.cause for one in found.signals if one.state == "broken"} == set()
    answer = "_decision" if target == "late" else "_prediction"
    looked = {one.column: one.verdict for one in found.drift[0].columns if one.column in {answer, "_label"}}
    assert looked == {answer: "same", "_label": "same"}, "the rule decides in the laboratory as in use"
    assert found.labelled == 250
    assert {one.slice for one in found.drift} == {None, *(("carrier", name) for name in ("9E", "AA", "UA"))}
    assert found.performance is not None
    assert {one.column for one in found.performance.slices} == {"carrier"}
    if target == "late":
        value = found.performance.value
        assert value is not None
        said, truth = classes.says(rows.head(250))["decision"], rows["late"].head(250)
        wrong = ((said == "True") & ~truth).sum() + 8 * ((said == "False") & truth).sum()
        assert value.total.value == pytest.approx(wrong)
        assert value.unit == "EUR"


def test_registering_keeps_what_windows_are_held_against(here: Workspace, minutes: Version) -> None:
    kept = baseline.stored(here.store, "minutes", 1)
    assert kept is not None
    assert {*kept.profile.columns} == {*FEATURES, "_prediction", "_label"}
    assert kept.profile.rows == 4 * ROWS
    # Four weeks of made-up rows that are all alike: days and weeks differ by chance alone.
    assert {length: {*columns} for length, columns in kept.variation.items()} == {
        length: {*FEATURES, "minutes"} for length in ("day", "week")
    }
    assert max(kept.variation["week"].values()) < 0.1
    (written,) = here.store.read("select seq from core.profiles where model = 'minutes' and version = 1").rows
    (version,) = here.store.read("select seq from core.model_versions where model = 'minutes' and version = 1").rows
    assert 0 < written[0] - version[0] < 5


def test_truth_of_any_type_becomes_names_of_classes() -> None:
    numbers = profile(pd.DataFrame({"y": [0, 1, 1, None]}))["y"]
    flags = profile(pd.DataFrame({"y": [True, False, False, True]}))["y"]
    for column, classes in ((numbers, (0, 1)), (flags, (False, True))):
        told = baselines._as_labels(column, classes)  # noqa: SLF001 - its whole promise
        assert told is not None
        assert told.categories is not None
        assert told.categories.levels == (("0", "1") if column is numbers else ("False", "True"))
        assert sum(told.categories.counts) == column.rows - column.nulls
    assert baselines._as_labels(numbers, (0, 2)) is None  # noqa: SLF001 - the same
    assert msgspec.json.encode(flags)


def test_the_words_of_all_models_asked_at_once_are_those_of_each(here: Workspace, minutes: Version) -> None:
    Watched(here, minutes, "unseen")
    young = Watched(here, minutes, "young", warmup={"windows": 2})
    young.use(week(0))
    young.look(1)
    bad = Watched(here, minutes, "bad")
    bad.use(week(0), later(week(1), 2.0), later(week(2), 2.0))
    bad.look(3)
    words = status.words(here.store)
    assert {name: words.get(name) for name in ("unseen", "young", "bad")} == {
        "unseen": None, "young": "learning", "bad": "in trouble",
    }  # fmt: skip
    assert words == {one.model: one.word for one in status.overall(here.store) if one.word != "not monitored"}
