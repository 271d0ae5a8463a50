"""Model cards, review pages and versions side by side: what a person who has never seen the tool reads there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import mistune
import pytest
from sklearn.linear_model import LinearRegression

from nbops import cli
from nbops.errors import NotFound, UsageError
from nbops.records import short
from nbops.reports import index, model_card, review_page
from nbops.reports.document import Document, Part, Points, Words
from nbops.tracking import recording
from nbops.workspace._model import Version
from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.reports import courtroom

if TYPE_CHECKING:
    from playwright.sync_api import Browser


class Past(NamedTuple):
    """A project whose models have a past."""

    here: Workspace
    made: courtroom.Made
    late: Version

    def version(self, number: int) -> Version:
        """A version of air-time as it stands now."""
        return self.here.model("air-time").version(number)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    project = Project(tmp_path_factory.mktemp("past"))
    here = Workspace(project.settings())
    yield Past(here, courtroom.times(here, project.folder), courtroom.late(here))
    recording._flusher.finish()  # noqa: SLF001 - nothing else tells when it has nothing left to do
    project.close()


@pytest.fixture(scope="module")
def champion(past: Past) -> Document:
    """The card of the champion, version 2."""
    return past.version(2).card()


@pytest.fixture(scope="module")
def pending(past: Past) -> Document:
    """The page of the review of version 4, which waits for an answer."""
    return past.here.review(past.made.reviews[3].id).page()


class _Text(HTMLParser):
    """What a reader sees, the style sheet left out."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.hidden = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden = tag if tag in {"style", "title"} else self.hidden

    def handle_endtag(self, tag: str) -> None:
        self.hidden = "" if tag == self.hidden else self.hidden

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words.append(data)


def read(html: str) -> str:
    """The words of a page, with single spaces."""
    parser = _Text()
    parser.feed(html)
    return " ".join(" ".join(parser.words).split())


def answers(page: Document) -> dict[str, str]:
    """The questions on top with their answers."""
    return {asked: answer for asked, answer, _ in page.lead}


def said(page: Document, title: str) -> str:
    """What stands in the part of that title, as Markdown says it, without its escapes."""
    text = page.to_markdown().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return text.replace("\\", "")


# The six questions


def test_a_card_says_what_the_model_is_for(champion: Document) -> None:
    told = answers(champion)["What is it for?"]
    assert told == (
        "How many minutes a flight is in the air. It supports this decision: Which gate and crew the afternoon plan gives to a flight."
    )
    facts = said(champion, "What it is for")
    for words in (
        "Owner of the process: Flight planning, Carla Weiss", "Not to be used for: Flights over 3,000 miles",
        "Used by: ops@example.org and the planning board", "Measure of success: mean error of the predicted minutes (in min)",
    ):  # fmt: skip
        assert words in facts


def test_a_card_says_how_good_it_is_and_with_what_certainty(past: Past, champion: Document) -> None:
    one = past.version(2).evaluation.result.of("mae")
    assert one is not None
    assert one.value is not None
    told = answers(champion)["How good is it?"]
    assert told.startswith(f"On average a prediction is off by {one.value:.2f} min.")
    assert (
        f"measured on 600 rows in 50 blocks by day, the true figure lies between {one.low:.2f} and {one.high:.2f} min"
        in told
    )
    assert "In 19 of 20 such samples a statement like this one is right." in told
    assert "These rows are from 26 Jan 2026 to 16 Mar 2026." in told
    measured = said(champion, "How good it is, and how certain that is")
    assert f"MAE | {one.value:.2f} min ({one.low:.2f} to {one.high:.2f})" in measured.replace("\N{NO-BREAK SPACE}", " ")
    assert "Nine of ten predictions are off by at most" in measured
    assert "were also used for choosing air-time/1: figures on them flatter it." in measured


def test_a_card_says_for_whom_it_is_worse(champion: Document) -> None:
    told = answers(champion)["For whom is it worse?"]
    assert re.match(
        r"It is clearly worse for site = harbour: [\d.]+ min \([\d.]+ to [\d.]+\) there, [\d.]+ min elsewhere", told
    )
    part = said(champion, "For whom it is worse")
    assert re.search(r"site = harbour: MAE .* on 57 rows \(9.5 %\), .* worse than the rest", part)
    assert "The 5 rows that were answered worst, of 50 that are kept" in part
    assert part.count("\n| ") == 7, "a head, its rule, and five rows"


def test_a_card_says_what_it_needs(champion: Document) -> None:
    told = answers(champion)["What does it need?"]
    assert told.startswith("2 columns for each row: distance and wind. None of them was missing when it was made.")
    assert "1 of 2 held; not: The wind is known." in told
    part = said(champion, "What it needs")
    for words in (
        "| distance | number | 128 to 2,497 |",
        "✗ The wind is known: broken by",
        "one core does",
        "In memory the model takes",
    ):
        assert words in part
    assert "2 of 2 acceptance cases are answered as asked." in said(champion, "What its owner asks of it")


def test_a_card_says_who_approved_it_and_why(champion: Document) -> None:
    told = answers(champion)["Who approved it, and why?"]
    assert re.search(r"It is the champion of air-time since .*, when another version was rolled back\.", told)
    assert re.search(
        r"by Dr\. Ruth Adler, attested by \w+; a file shows it \(SHA-256 [0-9a-f]{12}\): “the planning board agreed\.”",
        told,
    )
    assert "self-approved" not in told
    part = said(champion, "Who approved it, and why")
    assert "had asked for it: “MAE 9 → 5 min, since the wind is known.”" in part
    assert "it predicted half an hour too little on Monday" in part
    assert "better by" in part, "what the gate said"


def test_a_card_says_what_happens_if_nothing_is_done(past: Past, champion: Document) -> None:
    told = answers(champion)["What happens if nothing is done?"]
    assert told.startswith("It stays in use until somebody replaces it or rolls back: nothing ends by itself.")
    review = short(past.made.reviews[3].review_id)
    assert (
        f"Review {review} asks for version 4 to become champion and waits for an answer; without one it expires on "
        in told
    )
    assert "and version 2 stays champion" in told
    assert "It was measured on data up to 16 Mar 2026." in told
    assert 'nbops models rollback air-time --reason "…"' in said(champion, "What happens if nothing is done")


# Other versions


def test_a_self_approved_version_and_the_end_of_its_approval_are_told(past: Past) -> None:
    card = past.version(1).card()
    told = answers(card)["Who approved it, and why?"]
    assert "It is not in use: no alias stands for it. The champion is version 2." in told
    assert re.search(r"This is self-approved: \w+ made the version or asked for it, and the policy allows that\.", told)
    assert re.search(r"The approval ends on \d+ \w+ \d{4}", told)
    assert "Nothing: it is not in use." in answers(card)["What happens if nothing is done?"]
    later = model_card.card(past.here.store, past.version(1).record, as_of=datetime.now(UTC) + timedelta(days=300))
    assert "The approval ended on " in answers(later)["Who approved it, and why?"]


def test_a_version_that_was_rolled_back_says_so(past: Past) -> None:
    card = past.version(3).card()
    told = answers(card)["Who approved it, and why?"]
    assert re.search(
        r"It was rolled back from champion on .* by \w+: “it predicted half an hour too little on Monday\.”", told
    )
    assert [tone for asked, _, tone in card.lead if asked.startswith("Who")] == ["bad"]


def test_what_nobody_said_is_told_as_such(past: Past) -> None:
    card = past.late.card()
    told = answers(card)
    assert told["What is it for?"] == "Nobody has said what it is for."
    assert told["Who approved it, and why?"].endswith("Nobody approved it.")
    assert "How old the data are that it was measured on is not known" in told["What happens if nothing is done?"]
    assert (
        "Nobody has said: purpose, decision that it supports, owner of the process, measure of success, not to be used for and used by."
        in said(card, "What it is for")
    )


def test_a_classifier_is_told_in_shares_and_its_rule_in_costs(past: Past) -> None:
    card = past.late.card()
    assert re.match(
        r"It is right in [\d.]+ % of the cases\. How certain that is: measured on 600 rows",
        answers(card)["How good is it?"],
    )
    part = said(card, "How good it is, and how certain that is")
    assert re.search(r"Of what is late = yes, it finds [\d.]+ %\.", part)
    assert re.search(r"Of what it calls late = yes, [\d.]+ % is\.", part)
    rule = said(card, "How an answer becomes a decision")
    for words in (
        "It decides late = yes when its probability is at least 20 %, else no.",
        "A false alarm costs 20 EUR, a case that is missed 90 EUR.", "Why this threshold: a crew that waits is cheap.",
    ):  # fmt: skip
        assert words in rule
    assert "Whether groups by site are treated alike:" in said(card, "For whom it is worse")


def test_a_version_that_was_never_evaluated_has_a_card(past: Past) -> None:
    with past.here.start_run("bare") as run:
        run.log_model(LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]))
    card = past.here.register_model(run, "bare").card()
    assert answers(card)["How good is it?"] == "Not known: it was never held against rows with known truth."
    assert "nothing is known of how good it is" in read(card.to_html())


# Reviews


def test_a_review_page_says_what_is_asked_and_what_the_gate_says(pending: Document) -> None:
    told = answers(pending)
    assert pending.title == "Shall version 4 become champion of air-time?"
    assert re.match(
        r"\w+ asks that version 4 becomes champion in place of version 2\. The reason given: “a longer history",
        told["What is asked?"],
    )
    assert told["What does the gate say?"] == "Refused: 1 check failed (comparison)."
    assert told["Is it better than today's champion?"].startswith("No, it is worse. MAE ")
    assert told["For whom does it get worse?"] == "It gets worse for site = south and site = north."
    assert re.match(
        r"It expires on \d+ \w+ \d{4}, .*; then version 2 stays champion\.", told["What happens if nobody answers?"]
    )


def test_a_review_page_groups_what_speaks_for_it_against_it_and_what_nobody_looked_at(pending: Document) -> None:
    part = said(pending, "What speaks for it, and what against it")
    order = [
        part.index(words) for words in ("Speaks for it:", "Speaks against it:", "To bear in mind:", "Not looked at:")
    ]
    assert order == sorted(order)
    good, bad = part[order[0] : order[1]], part[order[1] : order[2]]
    assert "✓ 600 rows, at least 200 asked." in good
    assert "✗ MAE" in bad
    assert "✓" not in bad
    assert "How long an answer takes: the policy sets no limit." in part[order[3] :]


def test_a_review_page_says_what_each_answer_leads_to_and_how_to_give_it(pending: Document, past: Past) -> None:
    part = said(pending, "What happens then")
    assert "If you approve: That is refused: the gate does not let it pass, and the policy makes no exception." in part
    assert "If you reject: Version 2 stays champion, and the review is closed" in part
    key = past.made.reviews[3].id
    how = said(pending, "How to answer")
    assert f'nbops reviews reject {key} --reason "…"' in how
    assert "nbops reviews approve" not in how, "what would be refused is not offered"
    assert "Needs you" in how


def test_both_models_and_their_difference_are_a_picture(pending: Document) -> None:
    page = pending.to_html()
    beside = page[
        page.index("Both answered the same 600 rows") : page.index("The line is where the true difference lies")
    ]
    assert beside.count("<svg") == 2
    for words in ("version 4, proposed", "version 2, champion", "no difference", "asked: 0.50 min"):
        assert words in beside
    assert len(re.findall(r"stroke-width=\"2\"", beside)) == 9, "three intervals of a line and two ends"


def test_a_review_that_was_approved_says_how_it_was_decided(past: Past) -> None:
    page = past.here.review(past.made.reviews[1].id).page()
    assert page.title == "Version 2 as champion of air-time: approved"
    told = answers(page)
    assert re.match(
        r"It was approved on .* by Dr\. Ruth Adler: “the planning board agreed\.”", told["How was it decided?"]
    )
    assert told["Is it better than the champion of that time?"].startswith("Yes. MAE ")
    assert "It needs 'wind'." in said(page, "What changes for those who use it")
    assert "How to answer" not in {part.title for part in page.parts}


def test_a_review_that_was_sent_back_and_one_without_an_answer(past: Past) -> None:
    review = past.version(1).propose("stable", reason="for the archive")
    try:
        review.send_back(question="What for?")
        page = review.page()
        assert "It was sent back: " in answers(page)["What happens if nobody answers?"]
        assert f'nbops reviews answer {review.id} "…"' in said(page, "How to answer")
    finally:
        review.withdraw(reason="only a trial")
    assert review.page().title.endswith(": withdrawn")


# Form


@pytest.mark.parametrize("form", ["page", "Markdown", "notebook"])
def test_what_people_wrote_stays_text_in_every_form(pending: Document, form: str) -> None:
    told = {"page": pending.to_html, "Markdown": pending.to_markdown, "notebook": pending._repr_html_}[form]()
    assert "<b>crew" not in told
    assert "&lt;b" in told


def test_markup_in_any_text_of_a_document_is_escaped() -> None:
    evil = "<script>x</script> [a](javascript:b) ![c](http://d) `e` | f\n# g"
    made = Document(
        kind=evil, title=evil, made=datetime.now(UTC), status="open", lead=((evil, evil, "bad"),),
        parts=(Part(evil, (Words(evil), Points((evil,), (evil,)))),), note=evil,
    )  # fmt: skip
    assert "<script" not in made.to_html()
    assert "<script" not in made._repr_html_()
    shown = mistune.html(made.to_markdown())
    assert isinstance(shown, str)
    assert not re.search("<(script|a|img|code|table)\\b", shown)
    assert (shown.count("<h1>"), shown.count("<h2>")) == (1, 1)
    assert shown.count("![c](http://d) `e` | f # g") == 9, "nothing of what was written is lost"


def test_pages_run_nothing_ask_nobody_and_are_small(past: Past, champion: Document, pending: Document) -> None:
    for page in (champion, pending, past.late.card()):
        told = page.to_html()
        assert told.index("Content-Security-Policy") < told.index("<title>")
        assert "<script" not in told
        assert not re.search(r"(?:src|href)=\"(?!#)", told)
        assert len(told.encode()) < 80_000


def test_everything_a_page_says_is_in_its_markdown_and_its_text(champion: Document) -> None:
    for asked, answer in answers(champion).items():
        assert asked in champion.to_markdown()
        assert answer in champion.to_text()
        assert answer in read(champion.to_html())
        assert answer in read(champion._repr_html_())


def test_nothing_is_loaded_for_a_page(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbops.evaluation import assessing
    from nbops.registry import models

    def never(*_: object, **__: object) -> None:
        pytest.fail("a page is told from what is stored")

    for place, name in ((models, "load_blob"), (assessing, "answered"), (assessing, "assess")):
        monkeypatch.setattr(place, name, never)
    assert past.version(2).card().status == "champion"
    assert past.here.review(past.made.reviews[3].id).page().status == "open"
    assert past.here.compare(model="air-time").runs[-1] == "air-time/4"


def test_a_notebook_shows_short_forms_with_pictures(past: Past) -> None:
    shown = past.late.evaluation.to_html()
    assert shown.count("<svg") >= 4
    assert "late flights/1 on 600 rows" in read(shown)
    assert "It is right in " in read(shown)
    review = past.here.review(past.made.reviews[3].id).to_html()
    assert review.count("<svg") == 2
    assert "Speaks against it:" in read(review)


def test_a_page_is_saved_whole_as_html_or_markdown_and_listed(past: Past, champion: Document, tmp_path: Path) -> None:
    path = champion.save(tmp_path / "card.html")
    assert champion.save(tmp_path / "card.md").read_text().startswith("# air-time, version 2\n")
    assert {file.name for file in tmp_path.iterdir()} == {"card.html", "card.md"}
    assert [(one.title, one.status) for one in index.listed(path.parent)] == [("air-time, version 2", "champion")]
    with pytest.raises(UsageError, match="There is no folder"):
        champion.save(tmp_path / "nowhere" / "card.html")


def test_a_card_is_of_the_champion_unless_another_version_is_named(past: Past) -> None:
    store = past.here.store
    chosen = {
        text: model_card.chosen(store, text).version
        for text in ("air-time", "air-time/4", "air-time@champion", "models:/air-time/1", "late flights")
    }
    assert chosen == {
        "air-time": 2,
        "air-time/4": 4,
        "air-time@champion": 2,
        "models:/air-time/1": 1,
        "late flights": 1,
    }
    for wrong in ("air-time@nobody", "air-time/9", "nothing"):
        with pytest.raises(NotFound):
            model_card.chosen(store, wrong)


def test_the_commands_write_the_pages(
    past: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    key = past.made.reviews[3].id

    def typed(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["nbops", "-C", str(past.here.project), *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == 0
        return capsys.readouterr().out.strip()

    assert typed("models", "card", "air-time") == "card-air-time-2.html"
    assert typed("model", "card", "air-time/4", "--html", "a.html", "--md", "b.txt") == "a.html\nb.txt"
    assert (tmp_path / "b.txt").read_text().startswith("# air-time, version 4")
    assert typed("reviews", "page", key) == f"review-{key}.html"
    assert '"status": "open"' in typed("reviews", "page", key, "--out", "r.md", "--json")
    for name in ("card-air-time-2.html", "a.html", f"review-{key}.html"):
        assert (tmp_path / name).read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_reader_sees_it_in_either_scheme_and_nothing_is_asked_for(
    browser: Browser, champion: Document, pending: Document, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 800}, offline=True)
    asked: list[str] = []
    shown = context.new_page()
    shown.on("request", lambda request: asked.append(request.url))
    paths = [page.save(tmp_path / f"{number}.html") for number, page in enumerate((champion, pending))]
    for path, page in zip(paths, (champion, pending), strict=True):
        shown.goto(path.as_uri())
        ground = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) == (scheme == "dark")
        assert shown.locator("main > section > h2").all_inner_texts() == [part.title for part in page.parts]
        # What is too wide scrolls by itself, and the page does not.
        assert shown.evaluate("document.documentElement.scrollWidth") <= 390
        shown.get_by_role("link", name=page.parts[-1].title).click()
        assert shown.locator("section:target h2").inner_text() == page.parts[-1].title
    assert asked == [path.as_uri() for path in paths]
    context.close()


# Side by side


def test_versions_stand_side_by_side_with_how_they_did(past: Past) -> None:
    view = past.here.compare(model="air-time")
    assert view.runs == ("air-time/1", "air-time/2", "air-time/3", "air-time/4")
    one = past.version(2).evaluation.result.of("mae")
    assert one is not None
    assert view.frame.loc[("evaluation", "mae"), "air-time/2"] == pytest.approx(one.value)
    assert {row.key: row.winners for row in view.rows}["mae"] == [1, 2], "equal models are both the best"
    cells = {row.key: list(row.cells) for row in view.rows}
    assert cells["alias"] == [None, "champion", None, None]
    assert cells["takes wind"] == [None, "float", "float", "float"]
    assert view.frame.loc[("importance", "relies on wind"), "air-time/2"] == pytest.approx(9.6, abs=0.1)
    assert f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})" in view.to_text()
    told = {row["name"]: row for row in view.to_dict()["rows"]}
    assert told["mae"]["low"][1] == one.low
    assert told["mae"]["high"][1] == one.high
    shown = view.to_html()
    assert "Versions of air-time" in shown
    assert "Success measure" in shown
    assert view.only((), (), everything=True).frame.shape[1] == 4


def test_versions_that_were_held_against_other_rows_are_told(past: Past) -> None:
    mark = len(courtroom.TEST) // 2
    for number, rows in ((1, courtroom.TEST), (2, courtroom.TEST[:mark])):
        with past.here.start_run("rows") as run:
            given = courtroom.TRAIN[["wind"]]
            run.log_model(
                LinearRegression().fit(given, courtroom.TRAIN["minutes"]),
                reference=courtroom.TRAIN[["wind", "minutes"]],
                target="minutes",
            )
            run.evaluate(rows)
        assert past.here.register_model(run, "rows").version == number
    assert "evaluations may not compare: rows/1 was held against other rows" in past.here.compare(model="rows").note
    past.here.model("rows").version(1).evaluate(courtroom.TEST[:mark])
    assert "other rows" not in past.here.compare(model="rows").note, "there are rows that both were held against"


def test_one_version_and_runs_beside_a_model_are_refused(past: Past) -> None:
    with pytest.raises(UsageError, match="late flights has one version"):
        past.here.compare(model="late flights")
    with pytest.raises(UsageError, match="Runs and a model are not compared"):
        past.here.compare(past.late.run_id, model="air-time")


def test_the_name_of_a_file_tells_what_is_in_it(past: Past) -> None:
    assert model_card.default_name(past.late.record) == "card-late-flights-1.html"
    assert review_page.default_name(past.made.reviews[0].review_id).startswith("review-")


# What is not as it should be


def test_a_freeze_a_failed_run_and_its_waiver_are_told(past: Past) -> None:
    here = past.here
    run = here.start_run("broken")
    fitted = LinearRegression().fit(courtroom.TRAIN[["wind"]], courtroom.TRAIN["minutes"])
    run.log_model(fitted, reference=courtroom.TRAIN[["wind", "minutes"]], target="minutes")
    run.evaluate(courtroom.TEST, unit="min")
    run.end("failed")
    here.model("broken").describe(policy={"approvers": 2, "min_rows": 10})
    version = here.register_model(run, "broken")
    review = version.propose(reason="urgent", waiver="only the last plot failed")
    page = review.page()
    assert "The run that made this version failed." in said(page, "What is asked")
    assert "2 approvals, 0 given" in said(page, "What is asked")
    assert "Your approval counts; 1 more approval is needed before version 1 becomes champion." in said(
        page, "What happens then"
    )
    assert "there is no champion" in answers(page)["What happens if nobody answers?"].replace("still ", "")
    review.approve(reason="looked at it")
    evidence = here.project / "letter.txt"
    evidence.write_text("I agree.")
    review.approve(reason="read the letter", attested_by="Ann", evidence=evidence)
    version.freeze(reason="until the plots are mended")
    card = version.card()
    assert "The run that made it failed. It was waived: only the last plot failed." in said(
        card, "How good it is, and how certain that is"
    )
    part = said(card, "Who approved it, and why")
    assert re.search(r"broken/1 is frozen by \w+: until the plots are mended\.", part)
    assert part.count("Approved on ") == 2
    assert part.count("self-approved") == 1


def test_versions_of_sources_tell_how_old_the_data_are_and_when_more_are_due(past: Past) -> None:
    here = past.here
    (here.project / "sources").mkdir()
    (here.project / "sources" / "winds.yaml").write_text("from: winds.csv\nevery: 1d\n")
    courtroom.TRAIN[["wind", "minutes"]].to_csv(here.project / "winds.csv", index=False)
    here.dataset("winds").collect()
    with here.start_run("dated") as run:
        frame = here.dataset("winds").snapshot().frame()
        run.log_model(LinearRegression().fit(frame[["wind"]], frame["minutes"]), reference=frame, target="minutes")
    card = here.register_model(run, "dated").card()
    assert re.search(
        r"It was made from the data winds, version 1, which was taken on .*; the next version of it is due on \d+ \w+ \d{4}",
        said(card, "What happens if nothing is done"),
    )
    assert "| winds | 1 | " in said(card, "Where it comes from")
