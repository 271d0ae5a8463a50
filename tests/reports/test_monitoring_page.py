"""The monitoring page: what a person who has never seen the tool reads there of a model that got worse, and of others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import pytest

from nbops.errors import NotFound
from nbops.reports.document import Document
from nbops.reports.sanitize import clean
from nbops.tracking import recording
from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.reports import weeks
from tests.reports.test_stakeholders import answers, read, said
from tests.shared import typed

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.shared import Type

__all__ = ["typed"]


class Town(NamedTuple):
    """A project with models in use."""

    here: Workspace
    folder: Path


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    project = Project(tmp_path_factory.mktemp("town"))
    here = Workspace(project.settings())
    one, _ = weeks.decayed(here)
    weeks.well(here, one.run_id)
    weeks.unlabelled(here, one.run_id)
    here.register_model(one.run_id, "bus")
    yield Town(here, project.folder)
    recording._flusher.finish()  # noqa: SLF001 - nothing else tells when it has nothing left to do
    project.close()


@pytest.fixture(scope="module")
def worse(town: Town) -> Document:
    """The page of the model that got worse in its sixth week, which begins on 9 February 2026."""
    return town.here.model("air-time").monitoring()


# On the model's card


def test_the_card_says_how_the_model_does_in_use_and_where_that_is_told(
    town: Town, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(town.folder)
    card = town.here.model("air-time").version(1).card()
    told = answers(card)["How good is it?"]
    assert "In use it is in trouble. Since 09 February 2026: MAE 17.0 min: beyond the bound." in told
    assert told.endswith(
        "Its average error was 17 min in the last window of which enough is known, which ended on 16 Mar 2026; in the laboratory it was "
        "8 min."
    )
    assert next(tone for asked, _, tone in card.lead if asked == "How good is it?") == "bad"
    assert typed("models", "card", "air-time/1").status == 0
    path = town.folder / "card-air-time-1.html"
    assert "window by window" not in path.read_text()
    assert typed("monitor", "page", "air-time").status == 0
    assert typed("models", "card", "air-time/1", "--html", "card.html", "--md", "card.md").status == 0
    address = "./monitoring-air-time.html"
    assert f'<a href="{address}">How it does in use, window by window</a>' in (town.folder / "card.html").read_text()
    assert f"]({address})" in (town.folder / "card.md").read_text()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("ferry", "In use it is healthy. Nothing is wrong that was looked at, up to 02 February 2026. Its average error was 8.2 min"),
        ("tram", "How good its answers are in use is not known: too few labels have come."),
    ],
)  # fmt: skip
def test_the_card_of_a_model_that_does_well_or_has_no_labels_says_no_more_than_is_known(
    town: Town, model: str, told: str
) -> None:
    assert told in answers(town.here.model(model).version(1).card())["How good is it?"]
    assert "In use it is" not in answers(town.here.model("bus").version(1).card())["How good is it?"]
    # Another version of a model that is looked at is not what was looked at.
    assert "In use it is" not in answers(town.here.model("air-time").version(2).card())["How good is it?"]


# At one glance


def test_the_first_words_say_what_is_wrong_since_when_and_how_bad(worse: Document) -> None:
    assert worse.banner is not None
    assert (worse.banner.word, worse.banner.tone, worse.status) == ("In trouble", "bad", "in trouble")
    assert worse.banner.sentence == (
        "Since 9 February 2026 version 1 is worse than allowed: its average error was 17.0 min (16.3 to 17.7) in the week of 9 to 15 March "
        "2026, 2.1 times the 8 min promised. Its predictions are 12 min too high on average."
    )
    assert worse.title == "air-time: How many minutes a flight is in the air"


def test_the_error_now_stands_beside_the_laboratorys_and_the_bound(worse: Document) -> None:
    told = answers(worse)["How far off is it?"]
    assert told.startswith(
        "Average error 17.0 min (16.3 to 17.7) in the week of 9 to 15 March 2026, of 98 % of its 1,000 rows. Promised was "
    )
    assert told.endswith("; allowed is up to 10 min. In brackets: where the true figure lies, 19 times of 20.")
    assert re.search(r"Promised was [\d.]+ min \([\d.]+ to [\d.]+\)", told), "the laboratory's interval"


def test_why_is_told_without_jargon_and_leaves_out_what_the_model_does_not_go_by(worse: Document) -> None:
    assert answers(worse)["Why?"] == (
        "Of what it goes by, this moved most since it was made: wind (median 2 to 5). "
        "Worst where distance is above 1,900: off by 21 min instead of 9.03 min."
    )
    first = " ".join(answers(worse).values()) + worse.banner.sentence if worse.banner else ""
    assert not re.search("PSI|MAE|p-value|adjusted", first)


def test_what_was_done_is_a_short_dated_list_for_which_names_answer(worse: Document) -> None:
    glance = read(worse.to_html().partition("</section>")[0])
    told = glance.partition("What was done ")[2]
    day = datetime.now(UTC).astimezone()
    steps = [
        f"{day.day} {day:%b %Y} Version 1 went into use, by", "Incident: it was worse than allowed (version 1) from 9 February 2026 on.",
        "acknowledged the incident: “<b>on it</b>", "asked for a new version: “it got <i>worse</i>.”",
        "Version 2, trained on data from 1 December 2025 to 31 January 2026, was proposed: on the same 400 rows its average error is",
        "It waits for an approval until",
    ]  # fmt: skip
    places = [told.find(step) for step in steps]
    assert -1 not in places, steps[places.index(-1)]
    assert places == sorted(places)
    assert re.search(r"its average error is [\d.]+ min, version 1's is [\d.]+ min\.", told)


def test_what_happens_if_nothing_is_done_and_how_fresh_it_is(worse: Document) -> None:
    told = answers(worse)
    assert re.fullmatch(
        r"Version 2 waits for a person's approval until \d+ \w+ \d+; without one version 1 stays in use\. "
        r"What speaks for it: nbops reviews page [0-9a-f]{8}\.",
        told["What happens if nothing is done?"],
    )
    assert re.fullmatch(
        r"Looked at on \d+ \w+ \d+ up to 15 March 2026\. "
        r"How it did in the week after that, which ended on 22 March 2026, nobody looked at yet\.",
        told["How fresh is this?"],
    )


def test_the_course_is_drawn_with_its_band_its_bound_and_the_incident(worse: Document) -> None:
    lead = worse.to_html().partition("</section>")[0]
    for words in ("measured", "promised", "allowed", "incident since 9 Feb"):
        assert f">{words}</text>" in lead
    assert "9 Mar: measured 17 (16.3 to 17.7)" in lead
    whole = worse.to_html()
    assert ">estimated</text>" in whole
    assert 'stroke-dasharray="5 3"' in whole


# Below


def test_estimates_are_told_with_what_they_were_worth(worse: Document) -> None:
    told = said(worse, "How good it was, window by window")
    assert "Such estimates are switched off since 23 February 2026: they were too far from what came true." in told
    assert "| 9 to 15 March 2026 | 1,000 | 98 % | 17.0 min (16.3 to 17.7) | 2.12 | worse than allowed |" in told
    assert "| 2 to 8 February 2026 | 1,000 | 98 % | 8.6 min (7.9 to 9.3) | 1.07 | as allowed |" in told


def test_the_columns_are_shown_before_and_now_with_what_the_model_goes_by(worse: Document) -> None:
    told = said(worse, "Why it was worse")
    assert "wind: without it, it is worse by 1.5 min" in told
    assert "distance: it hardly goes by it" in told
    assert "| distance | above 1,900 | 120 | 21.04 | 9.03 | 61 % |" in told
    assert worse.to_html().count(">when it was made</text>") == 2


def test_the_heat_map_marks_the_windows_in_which_a_column_moved(worse: Document) -> None:
    told = said(worse, "How its data moved")
    assert "wind: moved in 5 of 10 windows" in told
    assert "PSI, the population stability index, is 0 where values lie as they did" in told
    assert "| its answers | is as it was | 0.01 |" in told
    assert "wind, 9 Mar: moved, 8 times its limit" in worse.to_html()


def test_checks_labels_calibration_and_rules_are_told(worse: Document) -> None:
    checks = said(worse, "Checks of its data")
    assert "✓ The wind is known: it held in all 1,000 rows. Said by Carla Weiss." in checks
    assert "Not logged, and not looked at: tail." in checks
    assert "Of 10,000 rows of version 1 it is known of 9,800 (98 %) what came true." in said(
        worse, "How much of the truth is known"
    )
    assert "Predictions are too high" in said(worse, "Whether its answers mean what they say")
    rules = said(worse, "How it is watched")
    assert "Allowed: average error up to 10 min, 1.25 times as bad as what was promised" in rules
    assert "An incident opens: after 2 of 3 windows that are odd" in rules


def test_incidents_are_told_with_their_acts_and_what_to_type(worse: Document) -> None:
    told = said(worse, "Incidents")
    assert re.search(
        r"It was worse than allowed \(version 1\): open \(page\), bad in 5 windows since 9 February 2026, acknowledged by \w+\.",
        told,
    )
    assert "acknowledged it" in told
    assert re.search(r"nbops incidents ack \w{8}\n", said(worse, "What to type"))
    assert re.search(r"nbops reviews page \w{8}", said(worse, "What to type"))


# Other models


def test_a_model_that_does_well_says_so_with_its_figure_and_what_its_errors_cost(town: Town) -> None:
    page = town.here.model("ferry").monitoring()
    assert page.banner is not None
    assert (page.banner.word, page.banner.tone) == ("Healthy", "good")
    assert page.banner.sentence == (
        "Its average error was 8.2 min (7.5 to 8.9) in the week of 26 January to 1 February 2026; 8 min was promised; that is within "
        "what is allowed."
    )
    assert "Why?" not in answers(page)
    assert (
        "Its errors cost 4,900 EUR in the week of 26 January to 1 February 2026."
        in answers(page)["What happens if nothing is done?"]
    )
    assert "with the model: 5 EUR to 5 EUR" in said(page, "What its errors cost")
    assert "Nothing had to be done." in read(page.to_html())
    assert "There was none." in said(page, "Incidents")


def test_without_labels_nobody_is_told_that_all_is_well(town: Town) -> None:
    page = town.here.model("tram").monitoring()
    assert page.banner is not None
    assert page.banner.tone != "good"
    assert "what came true is not known yet: how far off it is, nobody can tell" in page.banner.sentence
    assert "No label has come yet" in said(page, "How good it was, window by window")
    assert "None of 1,000 rows has a label yet." in said(page, "How much of the truth is known")


def test_a_model_that_nobody_watches_says_how_that_is_changed(town: Town) -> None:
    page = town.here.model("bus").monitoring()
    assert page.status == "not monitored"
    assert "so nobody knows how it does in use" in page.to_text()
    assert "nbops monitor run bus" in said(page, "How it comes to be watched")
    with pytest.raises(NotFound, match="boat"):
        town.here.model("boat").monitoring()


def test_as_of_an_earlier_time_later_windows_and_deeds_are_not_known(town: Town) -> None:
    before = town.here.model("air-time").monitoring(until="2026-02-09T00:00:00+00:00")
    assert before.banner is not None
    assert before.status == "healthy"
    assert "its average error was 8.6 min" in before.banner.sentence.lower()
    assert "17.0 min" not in before.to_html()
    assert "Version 2" not in before.to_html()
    then = town.here.model("air-time").monitoring(until="2026-02-23T00:00:00+00:00")
    assert then.banner is not None
    assert then.banner.sentence.startswith(
        "Since 9 February 2026 version 1 is worse than allowed: its average error was 15.6 min"
    )
    assert "acknowledged by nobody" in said(then, "Incidents")


# As a page


@pytest.mark.parametrize("form", ["page", "Markdown", "notebook"])
def test_what_people_wrote_stays_text(worse: Document, form: str) -> None:
    told = {"page": worse.to_html, "Markdown": worse.to_markdown, "notebook": worse._repr_html_}[form]()
    assert "<script" not in told
    assert "<b>on" not in told
    assert "&lt;b" in told


def test_a_hostile_name_stays_text(town: Town) -> None:
    name = "a.b_c-d e"
    town.here.register_model(town.here.model("bus").version(1).run_id, name)
    weeks.keep(town.here.store, weeks.report(name, 1, 0, weeks.Week(8.0)))
    told = town.here.model(name).monitoring()
    assert f"nbops monitor run '{name}'" in told.to_text()


def test_the_sanitizer_keeps_every_word_and_mark(worse: Document) -> None:
    made = worse.to_fragment()
    kept = clean(made)
    assert read(kept) == read(made)
    for shape in ("<path", "<circle", "<rect", "<text", "<line"):
        assert kept.count(shape) == made.count(shape)


def test_it_runs_nothing_and_asks_for_nothing(worse: Document) -> None:
    told = worse.to_html()
    assert told.index("Content-Security-Policy") < told.index("<title>")
    assert "<script" not in told
    assert not re.search(r"(?:src|href)=\"(?!#)", told)
    assert len(told.encode()) < 80_000


def test_the_command_writes_it(town: Town, typed: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert typed("-C", town.folder, "monitor", "page", "air-time").out.strip() == "monitoring-air-time.html"
    assert (tmp_path / "monitoring-air-time.html").read_text().startswith("<!DOCTYPE html>")
    told = typed(
        "-C", town.folder, "monitor", "page", "air-time", "--out", "then.md", "--until", "2026-02-09", "--json"
    ).told
    assert (told["status"], told["files"]) == ("healthy", ["then.md"])
    assert (tmp_path / "then.md").read_text().startswith("# air-time")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_screen_holds_the_answers_and_a_phone_does_not_scroll_sideways(
    browser: Browser, worse: Document, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    path = worse.save(tmp_path / "page.html")
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 800}, offline=True)
    shown = context.new_page()
    asked: list[str] = []
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto(path.as_uri())
    for words in ("In trouble", "Why?", "What was done", "was proposed", "What happens if nothing is done?"):
        box = shown.get_by_text(words).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800, words
    picture = shown.locator(".lead svg").bounding_box()
    assert picture is not None
    assert picture["y"] < 400
    shown.set_viewport_size({"width": 390, "height": 800})
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390
    small = shown.evaluate(
        "Math.min(...[...document.querySelectorAll('svg')].map(one => one.getBoundingClientRect().width / one.viewBox.baseVal.width))"
    )
    assert small * 11 >= 8, "labels of 11 px are drawn with 8 at least"
    assert asked == [path.as_uri()]
    context.close()
