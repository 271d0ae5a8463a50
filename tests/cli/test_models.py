"""`nbops models …` and `nbops reviews …` as people type them: from a described model to a champion that is rolled back."""

from __future__ import annotations

import importlib
import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from nbops.workspace._model import Version
from nbops.workspace._workspace import Workspace
from tests.shared import Type

ROWS = 450
RANDOM = np.random.default_rng(7)
FRAME = pd.DataFrame(
    {
        "a": RANDOM.normal(size=ROWS),
        "b": RANDOM.normal(size=ROWS),
        "site": RANDOM.choice(["north", "south"], ROWS),
        "night": RANDOM.choice(["yes", "no"], ROWS),
        "day": pd.date_range("2026-01-01", periods=ROWS, freq="h"),
    }
)
FRAME["minutes"] = 2 * FRAME["a"] + FRAME["b"] + RANDOM.normal(scale=0.3, size=ROWS)
TRAIN, TEST = FRAME[:150], FRAME[150:].reset_index(drop=True)
POLICY = "min_rows: 200\nmin_blocks: 0\n"


@pytest.fixture(scope="module", autouse=True)
def _project(here: Workspace) -> None:
    """The project has rows to judge by, and a policy that is content with few of them."""
    here.store.hello()
    TEST.to_csv(here.project / "test.csv", index=False)
    (here.project / "policy.yaml").write_text(POLICY)


@pytest.fixture
def typed(here: Workspace, typed: Type, monkeypatch: pytest.MonkeyPatch) -> Type:
    """Type a command in the project's folder."""
    monkeypatch.chdir(here.project)
    return typed


def made(here: Workspace, name: str, columns: tuple[str, ...] = ("a",), *, evaluated: bool = True) -> Version:
    """A version of a model whose policy is content with few rows."""
    here.model(name).describe(policy=here.project / "policy.yaml")
    names = [*columns]
    with here.start_run(name) as run:
        fitted = LinearRegression().fit(TRAIN[names], TRAIN["minutes"])
        run.log_model(fitted, reference=TRAIN[[*names, "minutes"]], target="minutes")
        if evaluated:
            run.evaluate(TEST, unit="min")
    return here.register_model(run, name)


def champion(here: Workspace, name: str, columns: tuple[str, ...] = ("a",)) -> Version:
    """A version that holds the alias."""
    version = made(here, name, columns)
    version.propose(reason="better").approve(reason="seen")
    return version


# Models


def test_a_model_is_described_before_and_after_its_first_version(typed: Type) -> None:
    cases = Path("cases.csv")
    cases.write_text("case,a,expected,within\nnothing,0,0,0.5\n")
    told = typed(
        "models", "describe", "air-time", "--purpose", "plan crews", "--decision", "which crew flies", "--owner", "ops",
        "--measure", "mae", "--unit", "min", "--out-of-scope", "fares", "--consumer", "a@example.org", "--consumer", "b@example.org",
        "--policy", "policy.yaml", "--cases", cases, "--assume", "a is no outlier=abs(a) < 100", "--why", "the first", "--json",
    ).told  # fmt: skip
    assert (told["purpose"], told["unit"], told["consumers"]) == (
        "plan crews",
        "min",
        ["a@example.org", "b@example.org"],
    )
    assert (told["gate"], told["policy"]["approvers"]) == ({"min_rows": 200, "min_blocks": 0}, 1)
    assert told["assumptions"] == [{"sentence": "a is no outlier", "expression": "abs(a) < 100"}]
    assert (
        typed("models", "describe", "air-time", "--owner", "crews", "--policy", "four-eyes").out
        == "described air-time\n"
    )
    shown = typed("models", "show", "air-time")
    assert shown.status == 0
    for words in (
        "plan crews",
        "which crew flies",
        "crews",
        "mae in min",
        "fares",
        "1, not by authors",
        "a is no outlier",
        "no rows",
    ):
        assert words in shown.out
    assert typed("model", "show", "air-time", "--json").told["card"]["cases"] == told["cases"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--policy", "gone.yaml"], "There is no policy 'gone.yaml'"),
        (["--cases", "gone.csv"], "There is no file 'gone.csv'"),
        (["--assume", "air_time < 1440"], "is no assumption"),
        (["--assume", "air_time >= 0"], "is no assumption"),
        (["--assume", "a day=="], "is no assumption"),
    ],
)
def test_what_cannot_be_said_of_a_model_is_refused(
    typed: Type, here: Workspace, words: list[str], message: str
) -> None:
    done = typed("models", "describe", "unsaid", *words)
    assert (done.status, done.out) == (64, "")
    assert message in done.err
    assert "\nHint: " in done.err
    assert here.sql("select * from models where name = 'unsaid'").empty


def test_a_model_and_a_version_are_shown(typed: Type, here: Workspace) -> None:
    version = champion(here, "shown")
    here.model("shown").comment("watch the winter")
    assert typed("models", "comment", "shown/1", "checked by hand").out == "commented on shown/1\n"
    told = typed("models", "show", "shown", "--json").told
    assert (told["aliases"], told["frozen"], told["reviews"]) == ({"champion": 1}, None, [])
    assert [(one["version"], one["state"]) for one in told["versions"]] == [(1, "registered")]
    assert pd.Timestamp(told["versions"][0]["created"]).tzinfo is not None
    assert {one["text"] for one in told["comments"]} == {"watch the winter", "checked by hand"}
    text = typed("models", "show", "shown").out
    assert "champion" in text
    assert "watch the winter" in text

    told = typed("models", "show", "shown@champion", "--json").told
    assert (told["version"], told["aliases"], told["run_id"]) == (1, ["champion"], version.run_id)
    assert told["evaluation"]["rows"] == 300
    assert {one["metric"] for one in told["evaluation"]["metrics"]} >= {"mae", "rmse"}
    assert "worst_rows" not in told["evaluation"]
    assert [one["text"] for one in told["comments"]] == ["checked by hand"]
    text = typed("models", "show", "shown/1").out
    for words in ("sklearn.linear_model", "mae", "shown/1 on 300 rows", "champion", "minutes", "checked by hand"):
        assert words in text
    assert "watch the winter" not in text


def test_a_version_that_was_never_evaluated_says_so(typed: Type, here: Workspace) -> None:
    made(here, "unjudged", evaluated=False)
    assert "never held against rows" in typed("models", "show", "unjudged/1").out
    assert typed("models", "show", "unjudged/1", "--json").told["evaluation"] is None
    for words in (["propose", "unjudged/1", "--reason", "new"], ["benchmark", "unjudged"]):
        done = typed("models", *words)
        assert (done.status, done.out) == (64, "")
        assert "nbops models evaluate" in done.err


def test_a_decision_rule_is_shown(typed: Type, here: Workspace) -> None:
    from nbops.evaluation.decision import DecisionRule

    late = np.where(TRAIN["minutes"] > 0, "late", "on time")
    rule = DecisionRule(positive="late", threshold=0.3, reject=(0.2, 0.4), why="a missed one costs four times as much")
    with here.start_run("ruled") as run:
        fitted = LogisticRegression().fit(TRAIN[["a"]], late)
        run.log_model(fitted, reference=TRAIN[["a"]].assign(late=late), target="late", rule=rule)
    here.register_model(run, "ruled")
    text = typed("models", "show", "ruled/1").out
    assert "late from 0.4 on, a person from 0.2 on: a missed one costs four times as much" in text


def test_versions_are_compared(typed: Type, here: Workspace) -> None:
    made(here, "compared")
    made(here, "compared", ("a", "b"))
    assert typed("models", "compare", "compared").out.splitlines()[0].split()[-2:] == ["compared/1", "compared/2"]
    assert typed("models", "compare", "compared", "--all", "--json").told["runs"] == ["compared/1", "compared/2"]
    done = typed("models", "compare", "compard")
    assert (done.status, "Did you mean 'compared'?" in done.err) == (64, True)


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["show", "nothing"], "There is no model 'nothing'", "Registered: "),
        (["show", "known/9"], "known has no version 9", "It has 1."),
        (["show", "known@winner"], "known has no alias 'winner'", 'Name a version: "known/1"'),
        (["show", "known/1@champion"], "names no model", "NAME@ALIAS"),
        (["propose", "known", "--reason", "x"], "'known' names no version", "The latest one is known/1."),
        (["retire", "known", "--reason", "x"], "'known' names no version", "The latest one is known/1."),
        (["propose", "known/1", "--reason", " "], "A reason is needed", "Say what gets better"),
        (
            ["propose", "known/1", "--reason", "x", "--evaluation", "00000000"],
            "no evaluation '00000000'",
            "from evaluations",
        ),
        (["freeze", "known", "--reason", " "], "A reason is needed", "Say why"),
        (["rollback", "known", "--reason", "slow"], "known@champion stands for no version", "nbops models show known"),
        (["alias", "known", "next"], "Name a version, or say --remove", "nbops models alias known next 3"),
        (
            ["alias", "known", "next", "1", "--remove"],
            "Name a version, or say --remove",
            "nbops models alias known next 3",
        ),
        (["alias", "known", "champion", "1"], "known@champion is protected", "nbops models propose known/1 --reason"),
        (["alias", "known", "Next", "1"], "'Next' cannot be an alias", "A small letter"),
        (["evaluate", "known/1", "gone.csv"], "There is no file 'gone.csv'", "The current folder is"),
        (["evaluate", "known/1", "flights"], "flights", ""),
        (["evaluate", "known/1", "test.csv", "--target", "minute"], "no column 'minute'", "Did you mean 'minutes'?"),
        (["evaluate", "known/1", "test.csv", "--time", "day", "--groups", "site"], "not by both", "Leave one out"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_remedy(
    typed: Type, here: Workspace, words: list[str], message: str, hint: str
) -> None:
    if here.sql("select * from models where name = 'known'").empty:
        made(here, "known")
    done = typed("models", *words)
    assert (done.status, done.out) == (64, "")
    assert message in done.err
    assert hint in done.err.partition("\nHint: ")[2]


# Versions


def test_a_version_is_evaluated_on_a_file(typed: Type, here: Workspace) -> None:
    version = made(here, "judged", evaluated=False)
    done = typed(
        "models", "evaluate", "judged/1", "test.csv", "--slice", "site", "--slice", "night", "--protected", "site", "--protected",
        "site,night", "--groups", "site", "--metric", "rmse", "--unit", "min", "--json",
    )  # fmt: skip
    told = done.told
    assert (told["reference"], told["rows"], told["blocks"], told["unit"]) == ("judged/1", 300, 2, "min")
    assert (told["metric"], told["target"]) == ("rmse", "minutes")
    assert {one["column"] for one in told["slices"]} == {"site", "night"}
    assert len(told["fairness"]) == 2
    assert version.evaluation.id == told["evaluation_id"]
    lines = typed("models", "evaluate", version.run_id, "test.csv").out.splitlines()
    assert lines[0].endswith("on 300 rows")
    assert lines[-1] == f"Evaluation {version.evaluation.id[-8:]} of run {version.run_id[-8:]} is kept."
    earlier = typed(
        "models", "propose", "judged/1", "--reason", "x", "--evaluation", told["evaluation_id"][-8:], "--json"
    )
    assert json.loads(earlier.out)["evaluation_id"] == told["evaluation_id"]


def test_who_vouches_for_what_a_model_brings_is_recorded(
    typed: Type, here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here.project / "twice.py").write_text("def twice(rows):\n    return 2 * rows['a'].to_numpy()\n")
    monkeypatch.syspath_prepend(str(here.project))
    with here.start_run("brought") as run:
        function = importlib.import_module("twice").twice
        code = [here.project / "twice.py"]
        run.log_model(function, code=code, reference=TRAIN[["a", "minutes"]], target="minutes")
    here.register_model(run, "brought")
    said = "select count(*) as n from events where verb = 'model.trusted' and subject = 'model:brought/1'"
    assert typed("models", "evaluate", "brought/1", "test.csv").status == 0
    assert here.sql(said)["n"].tolist() == [0]
    assert typed("models", "evaluate", "brought/1", "test.csv", "--target", "minutes", "--trust", "all").status == 0
    assert here.sql(said)["n"].tolist() == [1]


def test_a_version_of_data_is_evaluated_on(typed: Type, here: Workspace) -> None:
    made(here, "on-data", evaluated=False)
    (here.project / "sources").mkdir()
    (here.project / "sources/times.yaml").write_text("from: test.csv\n")
    assert typed("data", "collect", "times").status == 0
    told = typed("models", "evaluate", "on-data", "times", "--json").told
    assert (told["data"], told["rows"]) == ("snapshot:times/1", 300)


def test_what_a_version_needs_is_measured(typed: Type, here: Workspace) -> None:
    made(here, "sized")
    told = typed("models", "benchmark", "sized/1", "--json").told
    assert told["distinct_rows"] == 300
    assert [one["rows"] for one in told["points"]][:2] == [1, 16]
    assert told["footprint"]["model"] >= 0
    out = typed("models", "benchmark", "sized", "--data", "test.csv").out.splitlines()
    assert out[0] == "sized/1"
    assert out[1].startswith("A call with one row takes ")


def test_a_free_alias_is_moved_and_removed(typed: Type, here: Workspace) -> None:
    made(here, "free")
    moved = typed("models", "alias", "free", "candidate", 1, "--reason", "to try", "--json")
    assert moved.told == {"model": "free", "alias": "candidate", "version": 1}
    assert here.model("free").aliases == {"candidate": 1}
    assert typed("models", "alias", "free", "candidate", "--remove").out == "free@candidate stands for nothing.\n"
    assert here.model("free").aliases == {}


def test_a_champion_is_rolled_back_and_retired(typed: Type, here: Workspace) -> None:
    champion(here, "rolled")
    champion(here, "rolled", ("a", "b"))
    refused = typed("models", "retire", "rolled/2", "--reason", "too slow")
    assert (refused.status, "Move the alias first" in refused.err) == (64, True)
    done = typed("models", "rollback", "rolled", "--reason", "too slow")
    assert (done.status, done.out) == (0, "rolled@champion stands for version 1 again.\n")
    assert here.model("rolled").aliases == {"champion": 1}
    again = typed("models", "rollback", "rolled", "--reason", "still")
    assert (again.status, "propose another one" in again.err) == (64, True)
    assert typed("models", "retire", "rolled/2", "--reason", "too slow").out == "rolled/2 is retired.\n"
    assert here.version("rolled/2").state == "retired"
    proposed = typed("models", "propose", "rolled/2", "--reason", "after all")
    assert (proposed.status, "rolled/2 is retired" in proposed.err) == (64, True)


def test_a_frozen_model_is_not_promoted_until_it_is_thawed(typed: Type, here: Workspace) -> None:
    made(here, "cold")
    assert typed("models", "freeze", "cold", "--reason", "end of quarter").out == "cold is frozen: end of quarter\n"
    assert "end of quarter" in typed("models", "show", "cold").out
    refused = typed("models", "propose", "cold/1", "--reason", "better")
    assert (refused.status, refused.out) == (64, "")
    assert "cold is frozen: end of quarter" in refused.err
    assert "nbops models thaw cold" in refused.err
    assert typed("models", "thaw", "cold", "--reason", "over", "--json").told == {"about": "cold", "frozen": None}
    assert typed("models", "freeze", "cold/1", "--reason", "odd", "--json").told == {"about": "cold/1", "frozen": "odd"}
    assert "odd" in typed("models", "show", "cold/1").out
    assert typed("models", "thaw", "cold/1", "--reason", "seen").out == "cold/1 is not frozen.\n"
    assert typed("models", "propose", "cold/1", "--reason", "better").status == 0


# Reviews


def test_a_proposal_waits_and_is_approved(typed: Type, here: Workspace) -> None:
    made(here, "wanted")
    done = typed("models", "propose", "wanted/1", "--reason", "the first")
    review = here.sql("select review_id::varchar as id from reviews where model = 'wanted'")["id"][0]
    last = done.out.splitlines()[-1]
    assert done.status == 0
    assert last == (
        f"Review {review[-8:]} of wanted/1 for champion waits for approval: nbops reviews approve {review[-8:]} --reason …"
    )
    assert "Passed: nothing that the policy asks for is missing" in done.out
    assert f"Review {review[-8:]} of wanted/1 for champion is open: the first" in typed("models", "show", "wanted").out
    (listed,) = typed("reviews", "list", "--model", "wanted", "--json").told
    assert (listed["review_id"], listed["status"], listed["version"]) == (review, "open", 1)
    assert pd.Timestamp(listed["expires"]).tzinfo is not None
    assert review[-8:] in typed("review", "list").out
    shown = typed("reviews", "show", review[-8:]).out
    assert "wanted/1 for champion, which nothing holds yet" in shown
    approved = typed("reviews", "approve", review[-8:], "--reason", "checked with crew planning")
    assert (approved.status, approved.out) == (0, "wanted@champion stands for version 1.\n")
    assert typed("reviews", "list", "--model", "wanted").out == "No review waits.\n"
    assert "approved" in typed("reviews", "list", "--model", "wanted", "--all").out
    told = typed("reviews", "show", review, "--json").told
    assert (told["status"], told["passed"], told["outcome"]) == ("approved", True, "passed")
    assert [(one["act"], one["outcome"], one["reason"]) for one in told["acts"]] == [
        ("propose", "done", "the first"),
        ("approve", "done", "checked with crew planning"),
    ]
    assert all(pd.Timestamp(one["time"]).tzinfo is not None for one in told["acts"])
    over = typed("reviews", "approve", review, "--reason", "again")
    assert (over.status, over.out) == (64, "")
    assert "The review is approved." in over.err


def test_a_script_is_told_that_somebody_has_to_approve(typed: Type, here: Workspace) -> None:
    made(here, "asked")
    here.model("asked").describe(policy={"approvers": 2, "min_rows": 200, "min_blocks": 0})
    done = typed("models", "propose", "asked/1", "--reason", "the first", "--detailed-exit-code", "--json")
    assert done.status == 11
    review = json.loads(done.out)["review_id"]
    first = typed("reviews", "approve", review, "--reason", "seen", "--detailed-exit-code")
    assert (first.status, first.out) == (11, "1 of 2 approvals.\n")
    minutes = Path("minutes.txt")
    minutes.write_text("Approved in the meeting of 3 November.")
    second = typed(
        "reviews", "approve", review, "--reason", "the board's", "--attested-by", "Dr. Roe", "--evidence", minutes,
        "--until", "2999-12-31", "--detailed-exit-code", "--json",
    ).told  # fmt: skip
    act = second["acts"][-1]
    assert (second["status"], act["attested_by"]) == ("approved", "Dr. Roe")
    midnight = datetime(3000, 1, 1).astimezone()
    assert pd.Timestamp(act["until"]) == midnight
    assert here.store.get_blob(act["evidence"]) == minutes.read_bytes()


def test_what_the_gate_refuses_is_kept_and_cannot_be_approved(typed: Type, here: Workspace) -> None:
    champion(here, "worse", ("a", "b"))
    made(here, "worse")
    done = typed("models", "propose", "worse/2", "--reason", "simpler", "--detailed-exit-code")
    assert done.status == 30
    assert "Refused: 1 check failed (comparison)." in done.out
    assert done.out.splitlines()[-1].endswith("for champion was refused by the gate.")
    (waiting,) = typed("reviews", "list", "--model", "worse", "--json").told
    refused = typed("reviews", "approve", waiting["review_id"], "--reason", "I like it")
    assert (refused.status, refused.out) == (30, "")
    assert "The gate does not let it pass" in refused.err
    assert f"nbops reviews show {waiting['review_id'][-8:]}" in refused.err
    assert here.model("worse").aliases == {"champion": 1}


def test_what_the_policy_refuses_is_told(typed: Type, here: Workspace) -> None:
    version = made(here, "strict")
    here.model("strict").describe(policy={"author_may_approve": False, "min_rows": 200, "min_blocks": 0})
    review = version.propose(reason="the first")
    refused = typed("reviews", "approve", review.id, "--reason", "mine")
    assert (refused.status, refused.out) == (30, "")
    assert "its policy wants somebody else to approve" in refused.err
    unseen = typed("reviews", "approve", review.id, "--reason", "theirs", "--attested-by", "Dr. Roe")
    assert unseen.status == 30


def test_few_rows_are_no_ground_to_decide_on(typed: Type, here: Workspace) -> None:
    made(here, "few")
    here.model("few").describe(policy="solo")
    done = typed("models", "propose", "few/1", "--reason", "the first")
    assert (done.status, "Too few rows to decide on." in done.out) == (30, True)


def test_a_version_of_a_failed_run_passes_with_a_waiver(typed: Type, here: Workspace) -> None:
    here.model("failed").describe(policy=here.project / "policy.yaml")
    run = here.start_run("failed")
    fitted = LinearRegression().fit(TRAIN[["a"]], TRAIN["minutes"])
    run.log_model(fitted, reference=TRAIN[["a", "minutes"]], target="minutes")
    stored = run.evaluate(TEST)
    run.end("failed")
    here.register_model(run, "failed")
    assert typed("models", "propose", "failed/1", "--reason", "the first", "--alias", "candidate").status == 30
    waived = typed(
        "models",
        "propose",
        "failed/1",
        "--reason",
        "the first",
        "--waiver",
        "only the plot failed",
        "--evaluation",
        stored.id,
    )
    assert (waived.status, "waived: only the plot failed" in waived.out) == (0, True)


def test_a_review_goes_back_and_forth_and_ends(typed: Type, here: Workspace) -> None:
    version = made(here, "talked")
    review = version.propose(reason="the first")
    back = typed("reviews", "send-back", review.id, "--question", "why so few rows?")
    assert (back.status, back.out) == (
        0,
        f"Review {review.id} waits for an answer: nbops reviews answer {review.id} …\n",
    )
    early = typed("reviews", "approve", review.id, "--reason", "yes")
    assert (early.status, "The review is sent back." in early.err) == (64, True)
    assert typed("reviews", "answer", review.id, "winter only").out == f"Review {review.id} is open again.\n"
    silent = typed("reviews", "reject", review.id, "--reason", " ")
    assert (silent.status, "A reason is needed" in silent.err) == (30, True)
    assert typed("reviews", "reject", review.id, "--reason", "not yet").out == f"Review {review.id} is rejected.\n"
    other = version.propose(reason="again")
    assert typed("reviews", "withdraw", other.id, "--reason", "a mistake", "--json").told["status"] == "withdrawn"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "00000000"], "There is no review '00000000'"),
        (["approve", "00000000", "--reason", "x"], "There is no review"),
        (["approve", "ID", "--reason", "x", "--until", "soon"], "'soon' is no date"),
        (["approve", "ID", "--reason", "x", "--until", "2026-02-30"], "'2026-02-30' is no date"),
        (["approve", "ID", "--reason", "x", "--until", "2001-01-01"], "has passed"),
        (
            ["approve", "ID", "--reason", "x", "--attested-by", "Dr. Roe", "--evidence", "gone.txt"],
            "There is no file 'gone.txt'",
        ),
        (["approve", "ID"], "--reason"),
    ],
)
def test_what_a_review_does_not_understand_is_refused(
    typed: Type, here: Workspace, words: list[str], message: str
) -> None:
    if here.reviews("odd").empty:
        made(here, "odd").propose(reason="the first")
    review = here.reviews("odd")["review_id"][0]
    done = typed("reviews", *[str(review) if word == "ID" else word for word in words])
    assert (done.status, done.out) == (64, "")
    assert message in done.err
    assert here.review(str(review)).status == "open"


def test_an_approval_until_today_holds_for_the_rest_of_it(typed: Type, here: Workspace) -> None:
    review = made(here, "today").propose(reason="the first")
    now = datetime.now().astimezone()
    told = typed("reviews", "approve", review.id, "--reason", "for now", "--until", f"{now:%Y-%m-%d}", "--json").told
    until = pd.Timestamp(told["acts"][-1]["until"])
    assert now < until <= now + timedelta(hours=25)
