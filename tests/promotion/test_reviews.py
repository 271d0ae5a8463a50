"""From a run's evaluation to a version that holds an alias: the champion asked about the same rows, and a person who answers."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline

import nbops
from nbops.errors import ConfigError, Conflict, NotFound, ReviewRefused, UsageError
from nbops.evaluation.decision import DecisionRule
from nbops.promotion import overview
from nbops.records import RunStatus
from nbops.registry.models import ApprovalEnded
from nbops.workspace._model import Version
from nbops.workspace._review import Review
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace

ROWS = 1200
RANDOM = np.random.default_rng(7)
FRAME = pd.DataFrame(
    {
        "a": RANDOM.normal(size=ROWS),
        "b": RANDOM.normal(size=ROWS),
        "site": RANDOM.choice(["north", "south"], ROWS),
        "day": pd.date_range("2026-01-01", periods=ROWS, freq="h"),
    }
)
FRAME["minutes"] = 2 * FRAME["a"] + FRAME["b"] + RANDOM.normal(scale=0.3, size=ROWS)
FRAME["late"] = np.where(FRAME["minutes"] > 0, "yes", "no")
TRAIN, TEST = FRAME[:400], FRAME[400:].reset_index(drop=True)
_RUNS: dict[tuple[object, ...], Run] = {}


def made(here: Workspace, name: str, columns: list[str], *, ends: RunStatus = "finished") -> Version:
    """A version whose run held it against the test rows; models of the same columns come of one run."""
    key = here.project, *columns, ends
    if key not in _RUNS:
        run = _RUNS[key] = here.start_run("trained")
        model = LinearRegression().fit(TRAIN[columns], TRAIN["minutes"])
        run.log_model(model, reference=TRAIN[[*columns, "minutes"]], target="minutes")
        run.evaluate(TEST, slices=["site"], time="day", unit="min")
        run.end(ends)
    return here.register_model(_RUNS[key], name)


def checks(review: Review) -> dict[str, str]:
    """The outcome of each check of the gate."""
    return {one.name: one.outcome for one in review.verdict.checks}


class Two(NamedTuple):
    """A champion, and a better version."""

    champion: Version
    better: Version


@pytest.fixture(scope="module")
def two(here: Workspace) -> Two:
    """A model whose champion knows one column and whose second version knows both."""
    one = made(here, "times", ["a"])
    one.propose(reason="the first").approve(reason="there was none")
    return Two(one, made(here, "times", ["a", "b"]))


def test_a_version_brings_the_evaluation_of_its_run(here: Workspace, two: Two) -> None:
    found = two.better.evaluation.result
    predicted = two.better.load().predict(TEST)
    predicted_error = mean_absolute_error(TEST["minutes"], predicted)
    told = found.of("mae")
    assert told is not None
    assert told.value == pytest.approx(predicted_error)
    assert told.low is not None
    assert told.high is not None
    assert told.low < predicted_error < told.high
    assert (found.rows, found.by, found.blocks) == (800, "day", 34)
    assert {one.group for one in found.slices} == {"north", "south"}
    kept = here.sql("select model, version, metric, rows from evaluations where run_id = ?", [two.better.run_id])
    assert kept.to_dict("records") == [{"model": "times", "version": 2, "metric": "mae", "rows": 800}]
    shown = here.sql("select value, unit from evaluation_metrics where metric = 'mae' order by value")
    assert shown["unit"].tolist() == ["min", "min"]


def test_the_champion_is_asked_about_the_same_rows(two: Two) -> None:
    review = two.better.propose(reason="b is known now")
    paired = review.case.inquiry.evidence.paired
    assert paired is not None
    before = mean_absolute_error(TEST["minutes"], two.champion.load().predict(TEST))
    after = mean_absolute_error(TEST["minutes"], two.better.load().predict(TEST))
    assert paired.champion == pytest.approx(before)
    assert paired.challenger == pytest.approx(after)
    assert review.verdict.passed
    assert "on the same 800 rows in 34 blocks: better by" in review.to_text()
    review.withdraw(reason="only a trial")
    assert review.status == "withdrawn"


def test_a_worse_version_is_refused_by_the_gate_and_cannot_be_approved(here: Workspace) -> None:
    one = made(here, "backwards", ["a", "b"])
    one.propose(reason="the first").approve(reason="good")
    other = made(here, "backwards", ["a"])
    review = other.propose(reason="simpler")
    assert checks(review)["comparison"] == "failed"
    with pytest.raises(ReviewRefused, match="The gate does not let it pass"):
        review.approve(reason="I like it")
    assert here.model("backwards").aliases == {"champion": 1}
    assert [(deed.act, deed.outcome) for deed in review.case.deeds] == [("propose", "done"), ("approve", "refused")]


def test_an_approved_version_is_loaded_and_rolled_back(here: Workspace) -> None:
    made(here, "rolled", ["a"]).propose(reason="the first").approve(reason="there was none")
    told = made(here, "rolled", ["a", "b"]).propose(reason="better").approve(reason="seen")
    assert told == "rolled@champion stands for version 2."
    assert here.load_model("rolled@champion").reference == "rolled/2"
    assert here.rollback("rolled", reason="too slow").version == 1
    assert here.load_model("rolled@champion").reference == "rolled/1"
    assert here.model("rolled").alias_history["kind"].tolist() == ["rolled back", "promoted", "promoted"]
    with pytest.raises(Conflict, match="no version that rolled@champion could go back to"):
        here.rollback("rolled", reason="again")
    with pytest.raises(UsageError, match="A reason is needed"):
        here.rollback("rolled", reason=" ")


def test_consumers_and_reviewers_are_told_at_once(here: Workspace) -> None:
    version = made(here, "told", ["a"])
    here.model("told").describe(consumers=["planning"])
    review = version.propose(reason="the first")
    review.approve(reason="seen")
    kept = here.sql("select kind, recipient, state from outbox where subject = 'model:told' order by seq")
    assert kept.to_dict("records")[0] == {"kind": "proposed", "recipient": "reviewers", "state": "delivered"}
    assert kept["recipient"].tolist() == ["reviewers", "planning"]
    assert kept["kind"].tolist() == ["proposed", "promoted"]


def test_the_gate_is_asked_again_when_the_champion_changed(here: Workspace) -> None:
    made(here, "raced", ["a"]).propose(reason="the first").approve(reason="there was none")
    two, three = made(here, "raced", ["a", "b"]), made(here, "raced", ["b", "a"])
    first, second = two.propose(reason="better"), three.propose(reason="also better")
    assert second.verdict.passed
    first.approve(reason="seen")
    with pytest.raises(ReviewRefused, match="The gate does not let it pass"):
        second.approve(reason="seen")
    found = here.review(second.id).case
    assert found.inquiry.holder == 1, "what was proposed stays as it was"
    assert found.deeds[-1].outcome == "refused"
    assert here.model("raced").aliases == {"champion": 2}


def test_the_policy_of_a_file_is_what_the_gate_asks_for(here: Workspace, tmp_path: Path) -> None:
    version = made(here, "asked", ["a", "b"])
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "metric: rmse\nlimits: {r2: {min: 0.5}}\nslices: {max_gap: 0.2}\ncalibration: {max_error: 0.5}\nmin_blocks: 30\n"
        "author_may_approve: false\nopen_for: 2d\n"
    )
    card = here.model("asked").describe(
        purpose="How long it takes", unit="min", policy=policy, assumptions={"a is no outlier": "abs(a) < 100"},
        cases=pd.DataFrame({"case": ["nothing"], "a": [0.0], "b": [0.0], "expected": [0.0], "within": [0.5]}),
    )  # fmt: skip
    assert (card.policy.author_may_approve, card.policy.open_for) == (False, 2 * 86_400)
    review = version.propose(reason="the first")
    assert checks(review) == {
        "rows": "passed", "blocks": "passed", "comparison": "skipped", "limit of r2": "passed", "slices": "passed",
        "calibration": "passed", "cases": "passed", "assumptions": "passed", "signature": "skipped", "incidents": "passed",
    }  # fmt: skip
    with pytest.raises(ReviewRefused, match="its policy wants somebody else to approve"):
        review.approve(reason="mine")
    minutes = tmp_path / "minutes.txt"
    minutes.write_text("Approved in the meeting of 3 November.")
    with pytest.raises(ReviewRefused, match="its policy wants somebody else to approve"):
        review.approve(reason="the board's", attested_by="ann", evidence=minutes)
    days = here.sql("select date_diff('day', created, expires) as days from reviews where model = 'asked'")
    assert days["days"].tolist() == [2]


def test_a_case_that_does_not_fit_fails_by_name(here: Workspace) -> None:
    version = made(here, "cases", ["a"])
    model = here.model("cases")
    model.describe(cases=pd.DataFrame({"case": ["impossible"], "a": [0.0], "at_least": [5.0]}))
    review = version.propose(reason="the first")
    assert checks(review)["cases"] == "failed"
    assert "impossible" in review.to_text()
    review.withdraw(reason="mend the case")
    model.describe(cases=pd.DataFrame({"case": ["odd"], "c": [0.0], "at_least": [5.0]}))
    assert "The acceptance cases: unknown columns: 'c'." in version.propose(reason="again").to_text()


def test_a_version_of_a_failed_run_needs_a_waiver(here: Workspace) -> None:
    version = made(here, "failed", ["a"], ends="failed")
    review = version.propose(reason="the first")
    assert checks(review)["run"] == "failed"
    review.withdraw(reason="it failed")
    waived = version.propose(reason="the first", waiver="only the plot failed")
    assert checks(waived)["run"] == "warning"
    assert "waived: only the plot failed" in waived.to_text()
    assert waived.approve(reason="agreed").endswith("stands for version 1.")


def test_a_run_that_fails_after_the_proposal_is_noticed_at_the_approval(here: Workspace) -> None:
    run = here.start_run("later")
    run.log_model(
        LinearRegression().fit(TRAIN[["a"]], TRAIN["minutes"]), reference=TRAIN[["a", "minutes"]], target="minutes"
    )
    run.evaluate(TEST)
    review = here.register_model(run, "later").propose(reason="the first")
    assert review.verdict.passed
    run.end("failed")
    with pytest.raises(ReviewRefused, match="The gate does not let it pass"):
        review.approve(reason="seen before")


def test_rows_that_were_trained_on_are_told(here: Workspace) -> None:
    with here.start_run("tuned") as run:
        run.log_input(TEST, "train")
        run.log_model(
            LinearRegression().fit(TEST[["a"]], TEST["minutes"]), reference=TEST[["a", "minutes"]], target="minutes"
        )
        run.evaluate(TEST)
    review = here.register_model(run, "tuned").propose(reason="the first")
    assert checks(review)["tuning"] == "warning"
    assert "These rows were also used for training tuned/1" in review.to_text()


def test_another_signature_is_told(here: Workspace) -> None:
    made(here, "columns", ["a"]).propose(reason="the first").approve(reason="there was none")
    version = made(here, "columns", ["a", "b"])
    review = version.propose(reason="better")
    assert checks(review)["signature"] == "warning"
    assert "it needs 'b'" in review.to_text()
    review.withdraw(reason="callers first")
    here.model("columns").describe(policy={"signature": True})
    assert checks(version.propose(reason="better"))["signature"] == "failed"


def test_a_decision_rule_goes_with_the_version(here: Workspace) -> None:
    fitted = LogisticRegression().fit(TRAIN[["a"]], TRAIN["late"])
    rule = DecisionRule(positive="yes", threshold=0.8, why="a false alarm costs four times as much")
    with here.start_run("rule") as run:
        run.log_model(fitted, reference=TRAIN[["a", "late"]], target="late", rule=rule)
        found = run.evaluate(TEST).result
    loaded = here.register_model(run, "rule").load()
    likely = fitted.predict_proba(TEST[["a"]])[:, 1]
    assert loaded.decide(TEST).tolist() == np.where(likely >= 0.8, "yes", "no").tolist()
    told = found.of("positive_rate")
    assert told is not None
    assert told.value == pytest.approx(np.mean(likely >= 0.8))
    with here.start_run("rule") as other:
        threshold = FixedThresholdClassifier(LogisticRegression(), threshold=0.3, pos_label="yes")
        other.log_model(threshold.fit(TRAIN[["a"]], TRAIN["late"]), reference=TRAIN[["a", "late"]], target="late")
    kept = here.register_model(other, "rule").rule
    assert kept is not None
    assert (kept.positive, kept.threshold) == ("yes", 0.3)


def test_what_was_never_evaluated_cannot_be_proposed(here: Workspace) -> None:
    with here.start_run("unknown") as run:
        run.log_model(
            LinearRegression().fit(TRAIN[["a"]], TRAIN["minutes"]), reference=TRAIN[["a", "minutes"]], target="minutes"
        )
    version = here.register_model(run, "unknown")
    with pytest.raises(NotFound, match="never held against rows"):
        version.propose(reason="why not")
    version.evaluate(TEST)
    assert version.propose(reason="the first").status == "open"
    with pytest.raises(UsageError, match="A reason is needed"):
        version.propose(reason="  ")


def test_a_question_sends_it_back_and_an_answer_opens_it_again(here: Workspace) -> None:
    review = made(here, "asking", ["a"]).propose(reason="the first")
    review.send_back(question="What about winter?")
    assert review.status == "sent back"
    with pytest.raises(Conflict, match="The review is sent back"):
        review.approve(reason="now")
    review.answer("The rows go to February.")
    assert review.status == "open"
    with pytest.raises(UsageError, match="has passed"):
        review.approve(reason="for a day", until=datetime.now(UTC) - timedelta(days=1))
    review.approve(reason="for a moment", until=datetime.now(UTC) + timedelta(seconds=1))
    assert review.status == "approved"
    assert review.case.deeds[-1].until is not None
    acts = [(deed.act, deed.outcome) for deed in review.case.deeds]
    assert acts == [
        ("propose", "done"),
        ("send back", "done"),
        ("approve", "conflict"),
        ("answer", "done"),
        ("approve", "done"),
    ]
    time.sleep(1)
    with pytest.warns(ApprovalEnded, match="The approval of asking/1 for champion ended at"):
        assert here.load_model("asking@champion").reference == "asking/1"
    with pytest.raises(NotFound, match="There is no review"):
        here.review("00000000")


def test_what_is_wrong_is_refused_with_the_remedy(here: Workspace, two: Two) -> None:
    with pytest.raises(NotFound, match="no column 'minute'"):
        two.better.evaluate(TEST, target="minute")
    with pytest.raises(UsageError, match="not by both"):
        two.better.evaluate(TEST, time="day", groups="site")
    with pytest.raises(UsageError, match="No row has a value in 'minutes'"):
        two.better.evaluate(TEST.assign(minutes=np.nan))
    with pytest.raises(ConfigError, match="Did you mean 'approvers'"):
        here.model("times").describe(policy={"approver": 2})
    with pytest.raises(ConfigError, match="who approves does not fit"):
        here.model("times").describe(policy={"approvers": "two"})
    assert here.model("times").describe(policy="four-eyes").policy.author_may_approve is False
    here.model("times").describe(policy="solo")


def test_the_verbs_of_the_package_are_those_of_the_workspace(
    two: Two, monkeypatch: pytest.MonkeyPatch, here: Workspace
) -> None:
    monkeypatch.chdir(here.project)
    found = nbops.evaluate("times@champion", TEST, slices=["site"])
    assert found.stored.reference == "times/1"
    assert nbops.model("times").version("champion") == two.champion
    assert "800 rows" in nbops.review(made(here, "verbs", ["a"]).propose(reason="seen").id).to_html()


def test_a_model_of_texts_is_judged_by_its_one_column(here: Workspace) -> None:
    texts = pd.DataFrame({"text": ["late again", "on time"] * 40, "late": ["yes", "no"] * 40})
    with here.start_run("texts") as run:
        run.log_model(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts["text"], texts["late"]))
        found = run.evaluate(texts, target="late").result
    told = found.of("accuracy")
    assert told is not None
    assert told.value == 1
    assert "Importance: the model does not know its columns by name." in found.notes


def test_a_champion_that_cannot_be_asked_about_the_rows_is_told_with_the_reason(here: Workspace) -> None:
    made(here, "strange", ["a", "b"]).propose(reason="the first").approve(reason="there was none")
    with here.start_run("strange") as run:
        run.log_model(
            LinearRegression().fit(TRAIN[["a"]], TRAIN["minutes"]), reference=TRAIN[["a", "minutes"]], target="minutes"
        )
        run.evaluate(TEST[["a", "minutes"]])
    review = here.register_model(run, "strange").propose(reason="simpler")
    assert checks(review)["comparison"] == "failed"
    assert "was not compared with the champion strange/1 on the same rows." in review.to_text()
    assert "b" in review.case.inquiry.evidence.incomparable


def test_rows_come_from_files_and_other_frames_too(here: Workspace, two: Two, tmp_path: Path) -> None:
    TEST.to_parquet(tmp_path / "rows.parquet")
    TEST.to_csv(tmp_path / "rows.csv", index=False)
    error = mean_absolute_error(TEST["minutes"], two.better.load().predict(TEST))
    for data in (tmp_path / "rows.parquet", str(tmp_path / "rows.csv"), pa.Table.from_pandas(TEST)):
        assert two.better.evaluate(data).metrics.loc["mae", "value"] == pytest.approx(error)
    with pytest.raises(UsageError, match="A list holds no rows to judge by"):
        two.better.evaluate([1, 2])
    with pytest.raises(NotFound, match="There is no file"):
        two.better.evaluate(tmp_path / "rows.feather")


def test_a_model_tells_its_history_what_held_when_and_what_it_was_made_from(here: Workspace) -> None:
    before = datetime.now(UTC)
    version = made(here, "traced", ["a"])
    version.propose(reason="the first").approve(reason="there was none")
    model = here.model("traced")
    assert model.at(before).version is None
    assert model.at(datetime.now(UTC)).version == 1
    told = [one.told for one in model.history().happenings]
    assert any("there was none" in one for one in told)
    graph = version.lineage()
    assert {"version", "run", "alias"} <= {node.kind for node in graph.nodes}
    (part,) = [one for one in overview.parts(here.store, "traced") if one.key == "lineage"]
    assert part.title == "What the champion was made from"
    assert "traced@champion" in part.html
    with here.start_run("alone") as run:
        run.log_model(LinearRegression().fit(TRAIN[["a"]], TRAIN["minutes"]))
    here.register_model(run, "alone")
    assert "What the latest version was made from" in [one.title for one in overview.parts(here.store, "alone")]
