"""What the store's owner makes of signals and of what people do: one incident for a cause, told once, whoever looks and how often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from nbops.errors import Ambiguous, NbopsError, NotFound
from nbops.monitoring import incidents
from nbops.monitoring.policy import MonitorPolicy, Notify, Season, Warmup, by_default
from nbops.monitoring.requests import ActOnIncident, Deed, KeepSignals, SetMonitorPolicy
from nbops.monitoring.signals import State
from nbops.records import now_us
from nbops.store import witness
from tests.monitoring.ward import READY, Ward, seen, weeks
from tests.store.inside import Inside

DAY = 86_400_000_000


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    made = Inside(tmp_path_factory.mktemp("inside"))
    yield made
    made.close()


@pytest.fixture
def ward(inside: Inside) -> Ward:
    return Ward(inside)


def opened(ward: Ward) -> str:
    """An incident that has just opened."""
    (change, *_) = ward.keep(*weeks("oo"))
    return change.incident_id


def test_an_incident_opens_goes_on_and_heals_and_people_hear_of_the_changes_alone(ward: Ward) -> None:
    assert ward.keep(*weeks("..o")) == []
    changes = ward.keep(seen(3))
    assert [(one.act, one.told) for one in changes] == [("opened", "page"), ("seen", None)]
    assert [one.act for one in ward.keep(seen(4))] == ["seen"]
    assert [one.act for one in ward.keep(*weeks("..", first=5))] == []
    assert ward.incidents("cause, status, severity, windows, text") == [
        ("performance: mae", "open", "page", 3, "The error of week 4 is odd.")
    ]
    assert [(one.act, one.told) for one in ward.keep(seen(7, "fine"))] == [("healed", "page")]
    assert ward.incidents("status, closed_by") == [("healed", "cron")]
    assert ward.messages() == [
        ("incident opened", "operators", f"Page: {ward.model}: The error of week 3 is odd."),
        ("incident closed", "operators", f"Over: {ward.model}: performance: mae"),
    ]


def test_what_is_sent_again_changes_nothing(ward: Ward) -> None:
    opened(ward)
    before = ward.inside.count("signals"), ward.acts(), ward.messages()
    assert ward.keep(*weeks("oo")) == []
    assert ward.keep(*reversed(weeks("oo")), seen(0)) == []
    assert (ward.inside.count("signals"), ward.acts(), ward.messages()) == before


def test_what_was_seen_in_a_window_takes_the_place_of_what_was_kept_of_it(ward: Ward) -> None:
    opened(ward)
    assert [one.act for one in ward.keep(seen(1, "fine"))] == ["healed"]
    sql = "select state from signals where subject = ? order by window_start"
    assert ward.inside.rows(sql, ward.subject) == [("odd",), ("fine",)]
    assert ward.incidents("status, text") == [("healed", "The error of week 1 is odd.")]
    # Of a cause that nobody speaks of any more there is nothing left to see.
    other = Ward(ward.inside)
    opened(other)
    assert [one.act for one in other.keep(seen(1, "fine", cause="drift", kind="drift"))] == ["healed"]


def test_a_break_of_a_rule_opens_at_once_even_in_the_warm_up(inside: Inside) -> None:
    ward = Ward(inside, MonitorPolicy(warmup=Warmup(windows=5)))
    rule: dict[str, Any] = {"cause": "data: all null", "kind": "data"}
    changes = ward.keep(seen(0, "broken", item="wind", **rule), seen(0, "broken", item="visib", **rule), seen(0))
    assert [(one.act, one.cause) for one in changes] == [("opened", "data: all null")]
    ward.keep(*weeks("...", first=1, item="wind", **rule), *weeks("...", first=1, item="visib", **rule))
    # Windows of the warm-up are no good ones either.
    assert ward.incidents("status") == [("open",)]
    ward.keep(*weeks("....", first=4, item="wind", **rule), *weeks("....", first=4, item="visib", **rule))
    assert ward.incidents("status") == [("healed",)]


def test_a_severity_that_rises_is_told_once(ward: Ward) -> None:
    ward.keep(*weeks("oo", severity="warn"))
    assert [(one.act, one.told) for one in ward.keep(seen(2))] == [("seen", None), ("raised", "page")]
    changes = ward.keep(*weeks("ooo", first=3, severity="warn"))
    assert [one.act for one in changes] == ["seen", "seen", "seen", "lowered"]
    assert [(one.act, one.told) for one in ward.keep(seen(6))] == [("seen", None), ("raised", None)]
    assert [row[0] for row in ward.messages()] == ["incident opened", "incident raised"]


def test_each_severity_has_its_people_and_whoever_heard_of_it_hears_that_it_is_over(inside: Inside) -> None:
    notify = Notify(watch=("bea@example.org",), page=("operators", "ann@example.org"))
    ward = Ward(inside, msgspec.structs.replace(READY, notify=notify))
    ward.keep(*weeks("oo", severity="watch"))
    ward.keep(seen(2))
    ward.keep(*weeks("...", first=3))
    assert [(kind.split()[1], who) for kind, who in ward.messages("kind, recipient")] == [
        ("opened", "bea@example.org"), ("raised", "operators"), ("raised", "ann@example.org"),
        ("closed", "bea@example.org"), ("closed", "operators"), ("closed", "ann@example.org"),
    ]  # fmt: skip
    quiet = Ward(inside)
    quiet.keep(*weeks("oo...", severity="info"))
    assert (quiet.incidents("status"), quiet.messages()) == ([("healed",)], [])


def test_what_began_and_ended_before_anybody_looked_is_kept_and_not_told(ward: Ward) -> None:
    assert [one.act for one in ward.keep(*weeks(".oo....oo"))] == ["opened", "seen", "healed", "opened", "seen"]
    assert ward.incidents("status") == [("healed",), ("open",)]
    assert len(ward.messages()) == 1


def test_what_has_healed_stays_so_and_what_late_results_make_of_it_is_another_incident(ward: Ward) -> None:
    ward.keep(*weeks("oo..."))
    assert [one.act for one in ward.keep(*weeks("oo", first=3))] == ["opened", "seen", "seen", "seen"]
    assert ward.keep(*weeks("oo", first=3)) == []
    assert ward.incidents("status") == [("healed",), ("open",)]


def test_a_season_is_counted_and_told_when_it_is_over(inside: Inside) -> None:
    season = Season("2026-01-01", "2026-01-18", reason="storm week")
    ward = Ward(inside, msgspec.structs.replace(READY, seasons=(season,)))
    assert [(one.act, one.told) for one in ward.keep(*weeks("oo"))] == [("opened", None), ("seen", None)]
    assert [(one.act, one.told) for one in ward.keep(seen(2))] == [("seen", "page")]
    assert [row[0] for row in ward.messages()] == ["incident opened"]


def test_who_mutes_it_is_left_alone_until_then(ward: Ward) -> None:
    ward.keep(*weeks("oo", severity="warn"))
    ((key,),) = ward.incidents("incident_id::varchar")
    with pytest.raises(NbopsError, match="an end that is still to come"):
        ward.act("ann", key, "mute", until=now_us())
    with pytest.raises(NbopsError, match="needs words"):
        ward.act("ann", key, "mute", " ", until=now_us() + DAY)
    assert ward.act("ann", key, "mute", "strike", until=now_us() + DAY)
    assert [(one.act, one.told) for one in ward.keep(seen(2))] == [("seen", None), ("raised", None)]
    assert ward.act("ann", key, "unmute")
    assert not ward.act("ann", key, "unmute")
    assert [(one.act, one.told) for one in ward.keep(seen(3))] == [("seen", "page")]
    assert ward.act("ann", key, "mute", "strike", until=now_us() + DAY)
    assert [(one.act, one.told) for one in ward.keep(*weeks("...", first=4))] == [("healed", None)]


def test_a_person_acknowledges_comments_and_closes(ward: Ward) -> None:
    key = opened(ward)
    assert ward.act("ann", key, "acknowledge")
    assert not ward.act("ann", key, "acknowledge")
    assert ward.act("bea", key, "comment", "the feed of the north")
    with pytest.raises(NbopsError, match="needs words"):
        ward.act("ann", key, "close", "")
    assert ward.act("bea", key, "close", "feed repaired")
    assert ward.incidents("status, closed_by, acknowledged_by") == [("closed", "bea", "ann")]
    assert ward.messages("title, text")[-1][1].startswith("Closed by bea: feed repaired\n")
    with pytest.raises(NbopsError, match="The incident is closed"):
        ward.act("ann", key, "acknowledge")
    assert ward.act("ann", key, "comment", "thanks")
    assert ward.acts("act, a.actor")[2:] == [
        ("acknowledged", "ann"), ("commented", "bea"), ("closed", "bea"), ("commented", "ann"),
    ]  # fmt: skip


def test_what_a_person_closed_stays_closed_until_it_breaks_anew(ward: Ward) -> None:
    ward.keep(*weeks("oo?"))
    ((key,),) = ward.incidents("incident_id::varchar")
    ward.act("ann", key, "close", "known")
    # What was judged by then may be corrected, and changes nothing; a label that came late is new.
    assert ward.keep(seen(1, severity="warn"), seen(0, sentence="corrected")) == []
    assert ward.keep(seen(2)) == []
    assert [one.act for one in ward.keep(seen(3))] == ["opened", "seen"]
    assert ward.incidents("status") == [("closed",), ("open",)]


def test_only_a_person_changes_the_policy_or_answers_for_an_incident(ward: Ward) -> None:
    key = opened(ward)
    with pytest.raises(NbopsError, match="is for a person to do: a notebook"):
        ward.ask("ann", SetMonitorPolicy(model=ward.model, policy=MonitorPolicy()), "a notebook")
    deeds: tuple[Deed, ...] = ("acknowledge", "mute", "unmute", "close")
    for deed in deeds:
        with pytest.raises(NbopsError, match="is for a person to do: a notebook"):
            ward.ask("ann", ActOnIncident(incident_id=key, deed=deed, text="x", until=now_us() + DAY), "a notebook")
    ward.ask("ann", ActOnIncident(incident_id=key, deed="comment", text="what the notebook found"), "a notebook")
    ward.ask("ann", KeepSignals(subject=ward.subject, signals=weeks("...", first=2)), "a notebook")


def test_a_policy_has_a_history_and_is_kept_once(ward: Ward) -> None:
    strict = msgspec.structs.replace(READY, close_after=5)
    assert ward.ask("ann", SetMonitorPolicy(model=ward.model, policy=strict, why="it flaps")) == 2
    assert ward.ask("bea", SetMonitorPolicy(model=ward.model, policy=strict)) == 2
    sql = "select version, why, actor, until is null from monitor_policies where model = ? order by version"
    assert ward.inside.rows(sql, ward.model) == [(1, "to begin with", "boss", False), (2, "it flaps", "ann", True)]
    ward.keep(*weeks("oo...."))
    assert ward.incidents("status") == [("open",)]


@pytest.mark.parametrize(
    ("subject", "message"),
    [("model:nobody", "There is no model 'nobody'"), ("air-time", "'air-time' cannot be monitored"), ("", "cannot be monitored")],
)  # fmt: skip
def test_what_is_not_there_is_not_monitored(ward: Ward, subject: str, message: str) -> None:
    with pytest.raises(NbopsError, match=message):
        ward.ask("cron", KeepSignals(subject=subject, signals=weeks("o")))


def test_nonsense_is_refused_as_a_whole(ward: Ward) -> None:
    with pytest.raises(NbopsError, match="Nothing was seen"):
        ward.keep()
    wrong = msgspec.structs.replace(seen(1), until=seen(1).start)
    with pytest.raises(NbopsError, match="holds nothing"):
        ward.keep(seen(0), wrong)
    assert ward.inside.rows("select count(*) from signals where subject = ?", ward.subject) == [(0,)]
    with pytest.raises(NbopsError, match="There is no incident"):
        ward.act("ann", "0199b3c0-7a3e-7c11-8f2a-3d5e91c0aa42", "comment")
    with pytest.raises(NbopsError, match="There is no time zone"):
        ward.ask("ann", SetMonitorPolicy(model=ward.model, policy=MonitorPolicy(timezone="Mars")))


def test_a_pipeline_has_incidents_in_the_same_table(inside: Inside) -> None:
    ward = Ward(inside)
    ward.subject = "pipeline:nightly"
    ward.keep(
        seen(0, "broken", cause="data: all null", kind="data", version=None),
        seen(1, "broken", cause="data: all null", kind="data", version=None),
    )
    assert ward.incidents("model, cause, status") == [(None, "data: all null", "open")]
    assert "what it made before is still there" in ward.messages("text")[0][0]


def test_one_good_run_of_a_pipeline_ends_what_was_wrong_with_it(inside: Inside) -> None:
    ward = Ward(inside)
    ward.subject = "pipeline:hourly"
    states: list[State] = ["broken", "broken", "fine", "broken", "fine"]
    for number, state in enumerate(states):
        ward.keep(seen(number, state, cause="run: failed", kind="run", version=None))
    assert ward.incidents("cause, status") == [("run: failed", "healed"), ("run: failed", "healed")]
    assert by_default("pipeline:hourly").close_after == 1
    assert by_default("model:air-time") == MonitorPolicy()


def test_events_answer_for_policies_incidents_and_acts(ward: Ward) -> None:
    key = opened(ward)
    ward.act("ann", key, "close", "known")
    near = ward.inside.near()
    assert witness.problems(near)[1] == []
    ward.inside.edit("update core.incident_acts set text = 'nothing' where incident_id = ? and act = 'closed'", key)
    (problem,) = witness.problems(near)[1]
    assert problem.startswith(f"an act on incident {key[-8:]} was changed")
    ward.inside.edit("update core.incident_acts set text = 'known' where incident_id = ? and act = 'closed'", key)


def test_a_few_digits_that_fit_several_incidents_list_them(inside: Inside) -> None:
    wards = [Ward(inside), Ward(inside)]
    for number, ward in enumerate(wards):
        key = opened(ward)
        made = f"{key[:-8]}{number}123abcd"
        for table in ("incidents", "incident_acts"):
            inside.edit(f"update core.{table} set incident_id = ? where incident_id = ?", made, key)  # noqa: S608 - our own
    with pytest.raises(Ambiguous, match="'abcd' fits several incidents") as refused:
        incidents.find(inside.near(), "abcd")
    for number, ward in enumerate(wards):
        assert f"{number}123abcd ({ward.subject}, performance: mae, open)" in refused.value.hint
    assert incidents.find(inside.near(), "1123ABCD ").endswith("1123abcd")
    with pytest.raises(NotFound, match="There is no incident 'bcd'"):
        incidents.find(inside.near(), "bcd")
