"""A model that decays asks for its successor: trained by the same notebook on newer data, held against the champion, left to a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat import v4

from nbops.errors import UsageError
from nbops.monitoring import incidents
from nbops.monitoring.kept import ActOnRetrain
from nbops.promotion import retrain, reviews, ticking
from nbops.promotion.retrain import Wish
from nbops.registry import evaluations
from nbops.tracking import runs
from nbops.workspace._model import Version
from nbops.workspace._workspace import Workspace
from tests.monitoring.watched import FEATURES, Watched, begin, later, register, week
from tests.shared import Type

TRAIN = """
import nbops
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

rows = pd.read_parquet("../rows.parquet")
rows = rows[(rows["time"] >= pd.Timestamp(start, tz="UTC")) & (rows["time"] < pd.Timestamp(until, tz="UTC"))]
first = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["carrier"]), remainder="passthrough")
model = make_pipeline(first, LinearRegression()).fit(rows[["a", "b", "carrier"]], rows["minutes"])
nbops.start_run().log_model(model, reference=rows[["time", "a", "b", "carrier", "minutes"]], time="time", target="minutes")
"""
RETRAIN: dict[str, Any] = {"notebook": "notebooks/train.ipynb", "months": 1}


@pytest.fixture(scope="module")
def minutes(quick: None, here: Workspace) -> Version:
    """A version in a project with a notebook that trains its like; since December all is two minutes later."""
    folder = here.project / "notebooks"
    folder.mkdir()
    cells = [
        v4.new_code_cell('start = "2025-11-01"\nuntil = "2025-12-01"', metadata={"tags": ["parameters"]}),
        v4.new_code_cell(TRAIN),
    ]
    nbformat.write(v4.new_notebook(cells=cells), folder / "train.ipynb")
    failing = [v4.new_code_cell("start = until = ''", metadata={"tags": ["parameters"]}), v4.new_code_cell("1 / 0")]
    nbformat.write(v4.new_notebook(cells=failing), folder / "fails.ipynb")
    pd.concat([later(week(number), 2.0) for number in range(-5, 0)]).to_parquet(here.project / "rows.parquet")
    return register(here, "minutes")


def in_use(here: Workspace, version: Version, name: str, **gate: Any) -> Watched:
    """It is the champion, and is retrained by the policy."""
    made = Watched(here, version, name, retrain=RETRAIN, estimate=False)
    made.reign(**gate)
    return made


def takes_over(here: Workspace, arrives: Watched, review_id: str) -> None:
    """The new version is approved; that the old one predicts on beside it, as badly as before, keeps no incident open."""
    here.review(review_id).approve(reason="it is better")
    for number in (6, 7, 8):
        rows = later(week(number), 2.0)
        arrives.use(rows)
        here.log_predictions("arrives/2", rows, id="id", time="time")
    assert arrives.rows("incidents", "status", "cause = 'performance: mae'") == [("open",)]
    arrives.look(9)
    assert arrives.rows("incidents", "status", "cause = 'performance: mae'") == [("healed",)]
    bad = "start >= timestamp '2026-02-16' and kind = 'realised' and slice is null and standing = 'beyond'"
    assert {version for (version,) in arrives.rows("performance", "version", bad)} == {1}, "what it does is known"
    assert incidents.standings(here.store, "model:arrives")["performance: mae"].word == "fine"


def only(here: Workspace, name: str) -> Wish:
    (found,) = retrain.wishes(here.store, name, everything=True)
    return found


def test_nothing_is_trained_while_data_are_broken_and_what_is_better_waits_for_a_person(
    here: Workspace, minutes: Version, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here.project)
    arrives = in_use(here, minutes, "arrives", min_blocks=36)
    arrives.use(*(later(week(number), 2.0) for number in (0, 1)))
    # The second week's carriers are lost on their way.
    here.log_predictions(
        "arrives/1", arrives.says(week(1)).assign(carrier=None), id="id", time="time", features=FEATURES
    )
    blocked = ticking.tick(here.store, "arrives", until=begin(2))
    assert [
        change.act for one in blocked.monitored for change in one.changes if change.cause == "performance: mae"
    ] == ["opened", "seen"]
    (wish,) = blocked.wishes
    assert (wish.state, wish.run_id) == ("blocked", None)
    assert wish.message == "Data are broken: carrier has no value in any row; before 0 % of the rows had none."
    acts = arrives.here.store.read("select act from retrain_acts where request_id = ?::uuid", [wish.request_id]).rows
    ticking.tick(here.store, "arrives", until=begin(2))
    assert (
        acts
        == [["blocked"]]
        == arrives.here.store.read("select act from retrain_acts where request_id = ?::uuid", [wish.request_id]).rows
    )

    # They are found again, and there is a training at once; 35 days are too few for this gate.
    arrives.predict(later(week(1), 2.0))
    arrives.use(*(later(week(number), 2.0) for number in (2, 3, 4)))
    told = typed("schedule", "tick", "arrives", "--until", begin(5).isoformat())
    assert told.out.startswith("Looked at 4 windows of 1 model.\n"), told
    wish = only(here, "arrives")
    assert (wish.state, wish.challenger) == ("waiting", 2), wish.message
    assert "35 days" in str(wish.message)
    run = runs.info(here.store, str(wish.run_id))
    assert runs.params(here.store, run.run_id) == {"start": "2025-12-01", "until": "2026-01-01"}
    assert here.model("arrives").aliases == {"champion": 1}

    arrives.use(later(week(5), 2.0))
    assert typed("schedule", "tick", "arrives", "--until", begin(6).isoformat()).status == 0
    wish = only(here, "arrives")
    assert (wish.state, wish.challenger) == ("proposed", 2)
    assert here.model("arrives").aliases == {"champion": 1}, "a person decides"
    case = reviews.get(here.store, str(wish.review_id))
    assert (case.model, case.version, case.status) == ("arrives", 2, "open")

    # The verdict is of the labelled rows after the training's data, and of nothing else.
    rows = pd.concat([later(week(number), 2.0) for number in range(6)], ignore_index=True)
    held = evaluations.latest(here.store, str(wish.run_id), here.model("arrives").version(2).sha256)
    assert held.assessment.rows == len(rows)
    lost = {
        number: np.abs(here.model("arrives").version(number).load().predict(rows[FEATURES]) - rows["minutes"]).mean()
        for number in (1, 2)
    }
    assert lost[2] < lost[1] / 2
    assert "MAE" in str(wish.message)
    assert ticking.tick(here.store, "arrives", until=begin(6)).wishes == ()

    # The next one within the policy's four weeks of data is refused without a training.
    listed = typed("monitor", "retrain", "arrives", "--reason", "once more", "--until", "2026-01-20", "--json").told
    assert [one["state"] for one in listed] == ["requested"]
    assert [one.state for one in retrain.tick(here.store, "arrives", until=begin(6))] == ["refused"]
    (again,) = [one for one in retrain.wishes(here.store, "arrives", everything=True) if one.state == "refused"]
    assert (again.run_id, again.message) == (
        None, "The last training was on data until 01 January 2026, and the policy wants more time between two."
    )  # fmt: skip
    takes_over(here, arrives, case.review_id)


def test_hours_of_a_few_days_are_no_blocks_to_judge_a_new_version_by(here: Workspace, minutes: Version) -> None:
    early = in_use(here, minutes, "early", min_blocks=10)
    early.use(week(0))
    retrain.ask(here.store, "early", reason="to see", until=begin(0))
    four = begin(0) + timedelta(days=4)
    (wish,) = retrain.tick(here.store, "early", until=four)
    assert (wish.state, wish.message) == (
        "waiting", "Rows after its training have labels on 4 days so far, up to 08 January 2026."
    )  # fmt: skip


def test_what_fails_is_kept_and_can_be_asked_for_again(here: Workspace, minutes: Version) -> None:
    failing = in_use(here, minutes, "failing")
    failing.policy(retrain={"notebook": "notebooks/fails.ipynb"})
    failing.use(week(0))
    key = retrain.ask(here.store, "failing", reason="to see", until=begin(0))
    assert retrain.ask(here.store, "failing", reason="again", until=begin(0)) == key
    (failed,) = retrain.tick(here.store, "failing")
    assert failed.state == "failed"
    assert "ZeroDivisionError" in str(failed.message)
    retrain.ask(here.store, "failing", reason="repaired", until=begin(0))
    failing.policy(retrain={"notebook": "notebooks/gone.ipynb"})
    (refused,) = retrain.tick(here.store, "failing")
    assert (refused.state, refused.message) == ("refused", "There is no notebook notebooks/gone.ipynb in the project.")


def test_a_training_that_died_twice_without_a_word_is_given_up(here: Workspace, minutes: Version) -> None:
    dying = in_use(here, minutes, "dying")
    key = retrain.ask(here.store, "dying", reason="to see")
    for expected in ("requested", "started"):
        here.store.write(ActOnRetrain(request_id=key, expected=expected, act="started"))
    (given_up,) = retrain.tick(here.store, "dying")
    assert (given_up.state, given_up.message) == ("failed", "The training ended twice without a word.")
    assert dying.rows("retrain_requests", "run_id") == [(None,)]


def test_what_another_process_is_at_is_left_to_it(here: Workspace, minutes: Version) -> None:
    in_use(here, minutes, "busy")
    key = retrain.ask(here.store, "busy", reason="to see")
    with retrain._alone(here.store, key) as alone:  # noqa: SLF001 - as the other process holds it
        assert alone
        assert retrain.tick(here.store, "busy") == []
    assert only(here, "busy").state == "requested"
    here.store.write(ActOnRetrain(request_id=key, expected="requested", act="withdrawn"))
    assert retrain.wishes(here.store, "busy") == []


def test_nobody_trains_what_nobody_said_how_to_train(here: Workspace, minutes: Version) -> None:
    Watched(here, minutes, "untold")
    with pytest.raises(UsageError, match="Nobody said how untold is trained") as refused:
        retrain.ask(here.store, "untold", reason="old")
    assert "nbops monitor policy untold" in refused.value.hint
    with pytest.raises(UsageError, match="A reason is needed"):
        retrain.ask(here.store, "untold", reason=" ")


def test_a_policy_may_want_a_training_from_time_to_time(
    here: Workspace, minutes: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monthly = in_use(here, minutes, "monthly")
    monthly.policy(retrain={"notebook": "notebooks/gone.ipynb", "months": 1, "every": "28d"})
    monthly.use(week(0))
    assert ticking.tick(here.store, "monthly", until=begin(3)).wishes == ()
    # February ends more than four weeks after it came into use.
    (wish,) = ticking.tick(here.store, "monthly", until=begin(9)).wishes
    assert (wish.cause, wish.reason, wish.state) == ("schedule", "It is time by the policy.", "refused")
    assert [str(one) for one in monthly.rows("retrain_requests", "data_from::date, data_until::date")[0]] == [
        "2026-02-01",
        "2026-03-01",
    ]
    assert ticking.tick(here.store, "monthly", until=begin(9)).wishes == ()
