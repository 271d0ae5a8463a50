"""A pipeline's steps may be scripts, SQL and notebooks side by side."""

from __future__ import annotations

import duckdb
import pytest

from tests.pipelines.parts import Pipeline, stand

pytestmark = pytest.mark.usefixtures("quick")

COLLECT = """\
# %% tags=["parameters"]
flights: "out" = "flights.csv"
# %%
with open(flights, "w") as file:
    file.write("day,delay\\n" + "".join(f"2013-01-0{i % 3 + 1},{i}\\n" for i in range(9)))
"""
LATE = """\
-- flights: in = flights.csv
-- late: out = late.csv
-- least: int = 3
select day, delay from flights where delay >= $least
"""
ALL = """\
-- parts: in = []  -- from: late
-- whole: out = whole.parquet
select count(*) as rows, 2 as files from parts
"""


def test_scripts_and_sql_are_steps_of_one_pipeline(pipeline: Pipeline) -> None:
    (pipeline.folder / "collect.py").write_text(COLLECT)
    (pipeline.folder / "late.sql").write_text(LATE)
    (pipeline.folder / "helpers.py").write_text("def f():\n    return 1\n")
    pipeline.step(
        "count", 'late: "in" = "late.csv"\nn_out: "out" = "n.txt"', "open(n_out, 'w').write(open(late).read())"
    )
    assert stand(pipeline.run()) == {"collect": "finished", "late": "finished", "count": "finished"}
    assert pipeline.text("n").count("\n") == 7
    assert set(stand(pipeline.run()).values()) == {"unchanged"}
    (pipeline.folder / "late.sql").write_text(f"-- Words are no code.\n{LATE}")
    assert set(stand(pipeline.run()).values()) == {"unchanged"}
    (pipeline.folder / "late.sql").write_text(LATE.replace(">=", ">"))
    assert stand(pipeline.run()) == {"collect": "unchanged", "late": "finished", "count": "finished"}


def test_a_sql_step_is_swept_and_another_takes_all_points(pipeline: Pipeline) -> None:
    (pipeline.folder / "collect.py").write_text(COLLECT)
    (pipeline.folder / "late.sql").write_text(LATE)
    (pipeline.folder / "whole.sql").write_text(ALL)
    pipeline.operate("steps: {late: {sweep: {least: [3, 8]}}}")
    told = pipeline.run()
    assert set(stand(told)) == {"collect", "late[least=3]", "late[least=8]", "whole"}
    with duckdb.connect() as con:
        assert con.execute(f"from '{pipeline.folder}/whole.parquet'").fetchall() == [(7, 2)]


def test_a_sql_step_that_fails_leaves_its_product_as_it_was(pipeline: Pipeline) -> None:
    (pipeline.folder / "collect.py").write_text(COLLECT)
    (pipeline.folder / "late.sql").write_text(LATE)
    pipeline.run()
    before = (pipeline.folder / "late.csv").read_text()
    (pipeline.folder / "late.sql").write_text(LATE.replace("select day", "select\n  dya"))
    told = pipeline.run()
    assert stand(told)["late"] == "failed"
    assert "(late.sql, line 5)" in told["tasks"]["late"]["sentence"]
    assert (pipeline.folder / "late.csv").read_text() == before


def test_a_statement_that_cannot_be_read_is_told_before_anything_runs(pipeline: Pipeline) -> None:
    (pipeline.folder / "collect.py").write_text(COLLECT)
    (pipeline.folder / "late.sql").write_text(LATE.replace("select day", "selct day"))
    told = pipeline.run()
    assert told["status"] == 64
    assert "late.sql, line 4" in told["error"]
    assert not (pipeline.folder / "flights.csv").exists()
