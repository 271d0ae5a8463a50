"""From a table to a notebook that runs: what is seen in a file, what is made of it, and that it trains a model worth keeping."""

from __future__ import annotations

import ast
import json
import tomllib
import warnings
from pathlib import Path
from typing import Any

import click.testing
import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient

from nbops import config
from nbops.cli import cli, load_commands
from nbops.errors import Conflict, NotFound, UsageError
from nbops.execution.notebook import execute
from nbops.store.client import Store
from nbops.tracking import runs
from nbops.workspace import scaffold
from nbops.workspace._workspace import Workspace
from nbops.workspace.source import SAMPLE
from nbops.workspace.table import Table, look

LONGEST_CELL = 16
AWKWARD = [
    'say "hi"', "it's", "1st", "# rides", "a`b", "x|y", "<b>bold</b>", "tab\there", "line\nbreak", "{{ x }}", "{% raw %}",
    "```python x", "日本語", "class", "predicted", "error", " lead",
]  # fmt: skip


def customers(rows: int = 1200) -> pd.DataFrame:
    """Who leaves: known from age, plan and fee, with all that makes a table of real life awkward."""
    random = np.random.default_rng(0)
    age, plan, fee = (
        random.integers(18, 80, rows),
        random.choice(["basic", "plus", "pro"], rows),
        random.gamma(3, 20, rows),
    )
    leaves = (age - 50) / 10 + 2 * (plan == "basic") - fee / 40 + random.normal(0, 0.7, rows) > 0
    frame = pd.DataFrame(
        {
            "customer_id": [f"C-{number:05d}" for number in range(rows)],
            "age": age,
            "plan": plan,
            "fee": fee.round(2).astype(str),
            "town": random.choice([f"town {number}" for number in range(60)], rows),
            "note": [
                " ".join(random.choice(["late", "bill", "asked", "again", "about", "it"], 12)) for _ in range(rows)
            ],
            "currency": "EUR",
            "left": np.where(leaves, "yes", "no"),
        }
    )
    frame.loc[::50, "fee"] = "?"
    frame.loc[::40, "plan"] = None
    frame.loc[:9, "left"] = None
    return frame


def rides(rows: int = 600) -> pd.DataFrame:
    """Rides by day: warm days and one district bring more."""
    random = np.random.default_rng(1)
    warm, district = random.normal(15, 8, rows), random.choice(["Süd", "Nord"], rows)
    return pd.DataFrame(
        {
            "Tag": pd.date_range("2024-01-01", periods=rows).strftime("%d.%m.%Y"),
            "Wärme": warm.round(1),
            "Bezirk": district,
            "Fahrten": (300 + 20 * warm + 100 * (district == "Süd") + random.normal(0, 30, rows)).round(1),
        }
    )


def flowers(rows: int = 400) -> pd.DataFrame:
    """Three kinds by two lengths, with a kind that occurs once."""
    random = np.random.default_rng(2)
    kind = random.integers(0, 3, rows)
    frame = pd.DataFrame(
        {
            "long": kind * 2 + random.normal(0, 0.8, rows),
            "wide": -kind + random.normal(0, 0.8, rows),
            "kind": np.array(["rose", "tulip", "aster"])[kind],
        }
    )
    frame.loc[0, "kind"] = "orchid"
    return frame


def written(folder: Path, frame: pd.DataFrame, name: str = "table.csv", **options: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if name.endswith(".parquet"):
        frame.to_parquet(folder / name)
    else:
        frame.to_csv(folder / name, index=False, **options)
    return folder / name


def seen(folder: Path, columns: dict[str, Any], target: str, name: str = "table.csv") -> Table:
    return look(written(folder, pd.DataFrame(columns), name), target)


def numbers(rows: int = 100) -> Any:
    return np.random.default_rng(3).normal(size=rows)


def node(made: scaffold.Made) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = nbformat.read(made.notebook, as_version=4)
        nbformat.validate(found)
    return found


def code(made: scaffold.Made) -> str:
    return "\n".join(cell.source for cell in node(made).cells if cell.cell_type == "code")


def prose(made: scaffold.Made) -> str:
    return "\n".join(cell.source for cell in node(made).cells if cell.cell_type == "markdown")


# The notebook runs


@pytest.mark.parametrize(
    ("frame", "target", "options", "parameters", "metric", "sign"),
    [
        pytest.param(customers(), "left", {}, {"max_iter": 30}, "roc_auc", 1, id="two classes"),
        pytest.param(
            rides(), "Fahrten", {"sep": ";", "decimal": ",", "encoding": "latin-1"}, {"alpha": 0.5}, "mae", -1, id="a number, by date"
        ),
    ],
)  # fmt: skip
def test_notebook_trains_a_model_that_beats_the_baseline(
    frame: pd.DataFrame,
    target: str,
    options: dict[str, Any],
    parameters: dict[str, float],
    metric: str,
    sign: int,
    store: Store,
) -> None:
    folder = store.settings.project
    file = written(folder, frame, **options)
    made = scaffold.create(folder, file, target)
    outcome = execute(store, made.notebook, parameters=parameters)
    assert outcome.cause is None
    metrics = runs.metrics(store, outcome.run_id)
    assert sign * metrics[metric] > sign * metrics[f"baseline_{metric}"] + 0.1
    assert parameters.items() <= runs.params(store, outcome.run_id).items()
    workspace = Workspace(store.settings)
    assert [text for cell in nbformat.read(outcome.notebook, as_version=4).cells for text in errors(cell)] == []
    assert sorted(set(workspace.run(outcome.run_id).artifacts["kind"])) == ["dict", "figure", "model", "table"]
    features = [*made.table.numbers, *made.table.categories]
    rows = read_as(made, file)[features].head()
    assert len(workspace.load_model(outcome.run_id).predict(rows)) == 5


def errors(cell: Any) -> list[str]:
    return [output.text for output in cell.get("outputs", []) if output.get("name") == "stderr"]


def read_as(made: scaffold.Made, file: Path) -> pd.DataFrame:
    """The table as the notebook has it after its cell `load`."""
    cell = next(cell for cell in node(made).cells if cell.id == "load")
    space: dict[str, Any] = {"data": str(file), "target": made.table.target.name}
    exec(compile(cell.source, "load", "exec"), space)  # noqa: S102 - the cell that was just made
    found: pd.DataFrame = space["table"]
    return found


def test_notebook_records_its_parameters_in_jupyterlab_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = store.settings.project
    made = scaffold.create(folder, written(folder, flowers()), "kind", name="flowers")
    monkeypatch.setenv("JPY_SESSION_NAME", str(made.notebook))
    NotebookClient(node(made), resources={"metadata": {"path": str(made.notebook.parent)}}).execute()
    (found,) = store.read("select run_id::varchar, experiment, status from runs").rows
    assert [*found[1:]] == ["flowers", "finished"]
    assert runs.params(store, found[0]) == {
        "data": "../table.csv", "target": "kind", "test_share": 0.3, "seed": 0, "C": 1.0, "max_iter": 1000
    }  # fmt: skip
    metrics = runs.metrics(store, found[0])
    assert metrics["accuracy"] > metrics["baseline_accuracy"] + 0.3


# The notebook reads well


KINDS = {
    "customers": (customers(), "left"),
    "rides": (rides(), "Fahrten"),
    "flowers": (flowers(), "kind"),
    "thirty rows": (flowers(30), "long"),
    "awkward names": (pd.DataFrame({name: numbers() for name in AWKWARD}), "# rides"),
    "wide": (pd.DataFrame({f"pixel{number}": numbers() for number in range(100)}), "pixel7"),
}


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> scaffold.Made:
    frame, target = KINDS[request.param]
    return scaffold.create(tmp_path, written(tmp_path, frame), target)


def test_notebook_is_valid_and_has_no_outputs(made: scaffold.Made) -> None:
    found = node(made)
    assert (found.nbformat, found.nbformat_minor, found.metadata.kernelspec.name) == (4, 5, "python3")
    assert [cell.id for cell in found.cells if cell.get("outputs") or cell.get("execution_count")] == []
    assert [cell.id for cell in found.cells if "parameters" in cell.metadata.get("tags", [])] == ["parameters"]


def test_cells_are_short_python_and_begin_with_the_parameters(made: scaffold.Made) -> None:
    cells = [cell for cell in node(made).cells if cell.cell_type == "code"]
    assert cells[0].id == "parameters"
    for cell in cells:
        ast.parse(cell.source)
        lines = cell.source.splitlines()
        assert len(lines) <= LONGEST_CELL
        assert max(map(len, lines)) <= 130
        assert not any(line != line.rstrip() for line in lines)


def test_parameters_are_those_that_the_model_and_the_run_use(made: scaffold.Made) -> None:
    parameters, *rest = [cell.source for cell in node(made).cells if cell.cell_type == "code"]
    names = {
        line.target.id
        for line in ast.parse(parameters).body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    }
    used = {found.id for found in ast.walk(ast.parse("\n".join(rest))) if isinstance(found, ast.Name)}
    begun = next(source for source in rest if "start_run" in source)
    assert {"data", "target", "test_share", "seed"} < names <= used
    assert all(f"{name}={name}" in begun for name in names)


def test_every_column_is_used_or_left_out_with_a_reason(made: scaffold.Made) -> None:
    table = made.table
    columns = {str(name) for name in read_as(made, table.source.file).columns}
    assert {*table.numbers, *table.categories, *table.left_out, table.target.name} == columns
    assert all(reason in scaffold._REASONS for reason in table.left_out.values())  # noqa: SLF001 - each has its words


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), min_size=2, max_size=4, unique=True
    )
)
def test_no_column_name_can_break_out_of_its_place(names: list[str], tmp_path: Path) -> None:
    columns = {
        name: list(values) for name, values in zip(names, np.random.default_rng(0).normal(size=(4, 20)), strict=False)
    }
    written(tmp_path, pd.DataFrame(columns), "any.parquet")
    table = look(tmp_path / "any.parquet", names[0])
    found = scaffold.notebook(table, data="../any.parquet", path="notebooks/train.ipynb")
    plain = scaffold.notebook(
        seen(tmp_path, {"a": numbers(20), "b": numbers(20)}, "a"), data="../table.csv", path="notebooks/train.ipynb"
    )
    assert [cell.id for cell in found.cells if cell.id != "about-columns"] == [
        cell.id for cell in plain.cells if cell.id != "about-columns"
    ]
    space: dict[str, Any] = {}
    for cell in found.cells:
        if cell.id in {"parameters", "columns"}:
            exec(compile(cell.source, cell.id, "exec"), space)  # noqa: S102 - the cells that were just made
    assert (space["target"], {*space["features"]}) == (names[0], {*names[1:]})


# What is seen


@pytest.mark.parametrize(
    ("values", "task", "labels"),
    [
        pytest.param(["no", "yes"] * 20, "binary", None, id="words"),
        pytest.param([0, 1] * 20, "binary", None, id="0 and 1"),
        pytest.param([True, False] * 20, "binary", None, id="truth values"),
        pytest.param([0, 1, None, 1] * 10, "binary", "int", id="0, 1 and missing"),
        pytest.param([True, False, None, True] * 10, "binary", "bool", id="truth values and missing"),
        pytest.param([1, 2, 3, 4] * 10, "multiclass", None, id="marks"),
        pytest.param(["a", "b", "c", "d"] * 10, "multiclass", None, id="letters"),
        pytest.param(list(range(40)), "regression", None, id="many whole numbers"),
        pytest.param([0.5, 1.25, 7.75, 2.5] * 10, "regression", None, id="a few fractions"),
        pytest.param([f"{number}.5" for number in range(38)] + ["?", "?"], "regression", None, id="numbers among words"),
    ],
)  # fmt: skip
def test_task_follows_from_the_target(values: list[Any], task: str, labels: str | None, tmp_path: Path) -> None:
    target = seen(tmp_path, {"x": numbers(40), "y": values}, "y").target
    assert (target.task, target.labels) == (task, labels)


def test_task_can_be_told_where_both_make_sense(tmp_path: Path) -> None:
    file = written(tmp_path, pd.DataFrame({"x": numbers(60), "mark": [1, 2, 3, 4, 5, 6] * 10, "word": ["a", "b"] * 30}))
    assert look(file, "mark").target.alternative == "regression"
    assert look(file, "mark", "regression").target.task == "regression"
    assert look(file, "word").target.alternative is None
    with pytest.raises(UsageError, match="no numbers"):
        look(file, "word", "regression")


def test_columns_that_teach_nothing_are_left_out(tmp_path: Path) -> None:
    table = look(written(tmp_path, customers()), "left")
    assert table.left_out == {"customer_id": "unique", "note": "text", "currency": "constant"}
    assert (table.numbers, table.categories) == (("age", "fee"), ("plan", "town"))
    assert table.repairs.numeric == ("fee",)
    assert (table.target.rows, table.target.unlabelled) == (1200, 10)


@pytest.mark.parametrize(
    ("name", "values", "verdict"),
    [
        ("row", list(range(1, 101)), "unique"),
        ("CustomerId", [7919 * number % 99991 for number in range(100)], "identifier"),
        ("acid", [7919 * number % 99991 for number in range(100)], "number"),
        ("store_id", [1, 2, 3, 4] * 25, "category"),
        ("gone", [None] * 100, "empty"),
        ("once", [1.5] + [None] * 99, "number"),
        ("flag", [True, False, None, True] * 25, "category"),
        ("day", [f"{number % 28 + 1:02d}/{number % 12 + 1:02d}/2024" for number in range(100)], "date"),
        ("when", [f"2024-03-{number % 28 + 1:02d}T10:00:00+0{number % 2 + 1}:00" for number in range(100)], "date"),
        ("size", ["10-20", "20-30", "30+", "0-10"] * 25, "category"),
        ("version", ["1.2.3", "1.2.4", "1.3.0", "2.0.1"] * 25, "category"),
    ],
)
def test_column_is_judged_by_what_it_holds(name: str, values: list[Any], verdict: str, tmp_path: Path) -> None:
    table = seen(tmp_path, {name: values, "x": numbers(), "y": numbers()}, "y")
    found = {**dict.fromkeys(table.numbers, "number"), **dict.fromkeys(table.categories, "category"), **table.left_out}
    assert found[name] == verdict


def test_what_only_parquet_holds_is_judged_too(tmp_path: Path) -> None:
    frame = pd.DataFrame({
        "lists": [[1, 2]] * 50,
        "some": pd.array([1, None] * 25, dtype="Int64"),
        "kind": pd.Categorical(["a", "b"] * 25),
        "took": pd.to_timedelta(range(50), "s"),
        "endless": [np.inf, *numbers(49)],
        "y": numbers(50),
    }).set_index(pd.Index(numbers(50), name="from the index"))  # fmt: skip
    table = look(written(tmp_path, frame, "table.parquet"), "y")
    assert table.source.then == ".reset_index()"
    assert table.left_out == {"lists": "nested", "took": "odd"}
    assert table.repairs.infinite == ("endless",)
    assert {*table.numbers} == {"from the index", "some", "endless"}
    found = read_as(scaffold.create(tmp_path, tmp_path / "table.parquet", "y"), tmp_path / "table.parquet")
    assert np.isfinite(found["endless"].dropna()).all()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"sep": ";"}, {"sep": ";"}),
        ({"sep": "\t"}, {"sep": "\t"}),
        ({"sep": ";", "decimal": ","}, {"sep": ";", "decimal": ","}),
        ({"encoding": "utf-8-sig"}, {"encoding": "utf-8-sig"}),
        ({"encoding": "latin-1"}, {"encoding": "cp1252"}),
        ({"encoding": "utf-16"}, {"encoding": "utf-16"}),
        ({"sep": "|", "quotechar": "'", "encoding": "cp1252"}, {"sep": "|", "encoding": "cp1252"}),
    ],
)
def test_separator_encoding_and_decimals_are_found(
    options: dict[str, Any], expected: dict[str, str], tmp_path: Path
) -> None:
    frame = pd.DataFrame({"Straße": ["Köln, Süd", "Mühl", "Aue"] * 10, "größe": numbers(30), "y": numbers(30)})
    file = written(tmp_path, frame, **options)
    table = look(file, "y")
    assert table.source.options == expected
    read: Any = pd.read_csv(file, **table.source.options)
    pd.testing.assert_frame_equal(read, frame, check_dtype=False)


def test_decimal_commas_are_read_beside_words_for_nothing(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [f"{number},25" for number in range(40)], "y": range(40)})
    frame.loc[7, "x"] = "k.A."
    file = written(tmp_path, frame, sep=";")
    made = scaffold.create(tmp_path, file, "y")
    assert made.table.repairs.numeric == ("x",)
    found = read_as(made, file)["x"]
    assert (found[8], int(found.isna().sum())) == (8.25, 1)


def test_dates_are_read_as_the_file_writes_them(tmp_path: Path) -> None:
    made = scaffold.create(tmp_path, written(tmp_path, rides(), sep=";", decimal=","), "Fahrten")
    assert made.table.repairs.dates == {"Tag": {"format": "%d.%m.%Y", "errors": "coerce"}}
    assert read_as(made, made.table.source.file)["Tag"].iloc[31] == pd.Timestamp("2024-02-01")


def test_one_date_splits_past_from_future(tmp_path: Path) -> None:
    made = scaffold.create(tmp_path, written(tmp_path, rides()), "Fahrten")
    assert made.table.order == "Tag"
    assert "shuffle=False" in code(made)
    twice = written(tmp_path, rides().assign(Monat=rides()["Tag"]), "twice.csv")
    assert look(twice, "Fahrten").order is None
    gaps = rides()
    gaps.loc[5, "Tag"] = None
    assert look(written(tmp_path, gaps, "gaps.csv"), "Fahrten").order is None


def test_class_that_only_the_future_knows_is_not_split_by_date(tmp_path: Path) -> None:
    frame = rides().assign(kind=["early"] * 500 + ["late"] * 100)
    assert look(written(tmp_path, frame), "kind").order is None


@pytest.mark.parametrize(
    ("leak", "found"),
    [
        (lambda y: np.where(y == "yes", "cancelled", "kept"), True),
        (lambda y: pd.Series(y).map({"yes": "reason"}), True),
        (lambda y: (y == "yes") * 10 + np.random.default_rng(5).random(len(y)), True),
        (lambda y: np.where(np.random.default_rng(5).random(len(y)) < 0.97, y, "no"), False),
        (lambda y: np.random.default_rng(5).random(len(y)), False),
    ],
)
def test_column_that_alone_tells_the_target_is_pointed_at(leak: Any, *, found: bool, tmp_path: Path) -> None:
    truth = np.random.default_rng(4).choice(["yes", "no"], 300)
    made = scaffold.create(
        tmp_path, written(tmp_path, pd.DataFrame({"x": numbers(300), "leak": leak(truth), "y": truth})), "y"
    )
    assert made.table.suspects == (("leak",) if found else ())
    assert ("Look twice at `leak`" in prose(made)) is found
    assert "leak" in made.table.features


@pytest.mark.parametrize("target", ["predicted", "error"])
def test_columns_that_the_notebook_adds_never_hide_the_target(target: str, tmp_path: Path) -> None:
    made = scaffold.create(tmp_path, written(tmp_path, pd.DataFrame({"x": numbers(50), target: numbers(50)})), target)
    source = code(made)
    assert f'result["{target}"] =' not in source
    assert f"assign({target}=" not in source


def test_notebook_says_what_else_a_number_could_be(tmp_path: Path) -> None:
    marks = scaffold.create(
        tmp_path, written(tmp_path, pd.DataFrame({"x": numbers(60), "mark": [1, 2, 3, 4, 5, 6] * 10})), "mark"
    )
    assert "--task regression --force" in prose(marks)
    words = scaffold.create(tmp_path, written(tmp_path, customers(50), "c.csv"), "left", name="words")
    assert "--task" not in prose(words)


def test_copy_of_a_number_in_another_unit_is_pointed_at(tmp_path: Path) -> None:
    minutes = numbers(200)
    assert seen(tmp_path, {"x": numbers(200)[::-1], "hours": minutes / 60, "minutes": minutes}, "minutes").suspects == (
        "hours",
    )


def test_classes_with_hardly_a_row_are_left_out_in_the_open(tmp_path: Path) -> None:
    made = scaffold.create(tmp_path, written(tmp_path, flowers()), "kind")
    assert (made.table.target.rare, made.table.target.task) == (1, "multiclass")
    assert "orchid" not in {*read_as(made, made.table.source.file)["kind"]}


def test_large_file_is_looked_at_by_its_first_rows_and_all_of_its_target(tmp_path: Path) -> None:
    rows = SAMPLE + 100
    frame = pd.DataFrame({"x": np.arange(rows) % 7 + 0.5, "y": ["one"] * SAMPLE + ["two"] * 100})
    for name in ("table.csv", "table.parquet"):
        table = look(written(tmp_path, frame, name), "y")
        assert (table.sampled, table.target.rows, table.target.classes, table.suspects) == (
            True,
            rows,
            ("one", "two"),
            (),
        )


def test_columns_that_share_a_name_are_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,a,y\n" + "\n".join(f"{n % 5}.5,{n % 3}.5,{n}" for n in range(30)))
    assert look(tmp_path / "table.csv", "y").numbers == ("a", "a.1")


# What is refused


@pytest.mark.parametrize(
    ("content", "target", "kind", "told"),
    [
        pytest.param(b"", "y", UsageError, "cannot be read|no rows", id="nothing"),
        pytest.param(b"x,y\n", "y", UsageError, "no rows", id="names only"),
        pytest.param(b"x,y\n" + b"1,2\n" * 20, "z", NotFound, "no column 'z'", id="unknown target"),
        pytest.param(b"x,y\n" + b"1,2\n" * 20, "y", UsageError, "only one value", id="one value"),
        pytest.param(b"x,y\n" + b"1,\n" * 20, "y", UsageError, "no values", id="no value"),
        pytest.param(b"x,y\n1,2\n3,4\n5,6\n", "y", UsageError, "Only 3 rows", id="three rows"),
        pytest.param(b"y\n" + b"1\n2\n" * 20, "y", UsageError, "no column of table is left", id="nothing beside"),
        pytest.param(b"x,y\n1,2\n" * 3 + b"1,2,3,4\n", "y", UsageError, "Expected 2 fields", id="ragged"),
        pytest.param(b"PK\x03\x04 and so on", "y", UsageError, "Excel", id="a workbook"),
        pytest.param(b"\x1f\x8b and so on", "y", UsageError, "gzip", id="packed"),
        pytest.param(b"a\0b\0c", "y", UsageError, "not text", id="bytes"),
        pytest.param(b"PAR1 and so on", "y", UsageError, "Parquet", id="broken Parquet"),
        pytest.param(b"name,n\n" + b"".join(b"n%d,1\n" % n for n in range(99)), "name", UsageError, "no classes", id="names as classes"),
        pytest.param(b"x,y\n" + b"".join(b"1,2024-01-%02d\n" % n for n in range(1, 29)), "y", UsageError, "holds dates", id="dates"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_refused_with_a_remedy(
    content: bytes, target: str, kind: type[Exception], told: str, tmp_path: Path
) -> None:
    (tmp_path / "table").write_bytes(content)
    with pytest.raises(kind, match=told) as caught:
        scaffold.create(tmp_path, tmp_path / "table", target)
    assert "Hint: " in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


def test_near_names_of_file_and_column_are_offered(tmp_path: Path) -> None:
    file = written(tmp_path, customers(50), "customers.csv")
    with pytest.raises(NotFound, match=r"Did you mean 'customers\.csv'"):
        look(tmp_path / "customer.csv", "left")
    with pytest.raises(NotFound, match="Did you mean 'left'"):
        look(file, "Left")


# The files


def test_nothing_is_overwritten_unless_forced(tmp_path: Path) -> None:
    file = written(tmp_path, rides())
    (tmp_path / "nbops.toml").write_text("[sql]\ntimeout = 5\n")
    assert scaffold.create(tmp_path, file, "Fahrten").settings is None
    notebook = tmp_path / "notebooks" / "train.ipynb"
    notebook.write_text("mine")
    with pytest.raises(Conflict, match=r"train\.ipynb exists"):
        scaffold.create(tmp_path, file, "Fahrten")
    assert notebook.read_text() == "mine"
    scaffold.create(tmp_path, file, "Fahrten", force=True)
    assert notebook.read_text() != "mine"
    assert (tmp_path / "nbops.toml").read_text() == "[sql]\ntimeout = 5\n"


@pytest.mark.parametrize("name", ["../train", "a/b", "/train", "", ".hidden"])
def test_notebook_stays_in_its_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        scaffold.create(tmp_path, written(tmp_path, rides()), "Fahrten", name=name)


def test_table_stays_where_it_is(tmp_path: Path) -> None:
    inside = scaffold.create(tmp_path / "p", written(tmp_path / "p" / "data", rides()), "Fahrten")
    outside = scaffold.create(tmp_path / "p", written(tmp_path / "q", rides()), "Fahrten", name="other")
    assert 'data: "in" = "../data/table.csv"' in code(inside)
    assert f'data: "in" = "{tmp_path / "q" / "table.csv"}"' in code(outside)


def test_settings_are_all_there_each_with_its_default(tmp_path: Path) -> None:
    scaffold.create(tmp_path, written(tmp_path, rides()), "Fahrten")
    text = (tmp_path / "nbops.toml").read_text()
    assert config.settings(tmp_path, environ={}).origins == {"project": "argument"}
    lines = [line.removeprefix("# ") if " = " in line else line for line in text.splitlines()]
    found = {
        f"{section}.{key}": value
        for section, table in tomllib.loads("\n".join(lines)).items()
        for key, value in table.items()
    }
    assert found == config.KEYS


def test_command_tells_what_was_made_and_decided_and_what_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_commands()
    written(tmp_path, customers(), "customers.csv")
    (tmp_path / ".git").mkdir()
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    arguments = ["init", "--data", "../customers.csv", "--target", "left"]
    done = click.testing.CliRunner().invoke(cli, arguments, catch_exceptions=False)
    wrote, decided, following = done.output.splitlines()
    assert wrote == "Wrote notebooks/train.ipynb and nbops.toml."
    assert decided == (
        "Binary classification of left (no, yes): 1,200 rows (10 without a target), 4 features,"
        " left out: customer_id (unique), note (text), currency (constant)."
    )
    assert following == "Next: nbops run notebooks/train.ipynb, or open it in JupyterLab and run all cells."
    done = click.testing.CliRunner().invoke(cli, [*arguments, "--name", "second", "--json"], catch_exceptions=False)
    assert json.loads(done.output)["features"] == ["age", "fee", "plan", "town"]
    assert (tmp_path / "inner" / "notebooks" / "second.ipynb").is_file()
