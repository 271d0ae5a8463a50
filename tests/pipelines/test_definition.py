"""What a folder says is read without running anything; every mistake is told with file, line and the nearest name."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.errors import ConfigError, NotFound, UsageError
from nbops.pipelines import declaration, definition, expressions, graph, planning
from nbops.pipelines.declaration import Heal, Operations, Span
from nbops.pipelines.steps import Tree
from nbops.workspace._workspace import Workspace
from tests.pipelines.parts import Pipeline


@pytest.fixture
def flights(tmp_path: Path) -> Pipeline:
    """A sound pipeline, collect, train, evaluate, report, in a project with one channel."""
    (tmp_path / "nbops.toml").write_text('[notify.channels]\ncrew = "crew@example.org"\n')
    made = Pipeline(tmp_path)
    made.step("collect", 'flights: "out" = "flights.csv"\nday: str = "2013-01-01"')
    made.step("train", 'flights: "in" = "flights.csv"\nmax_iter: int = 50  # 10..1000\nmodel: "out" = "model.skops"')
    made.step("evaluate", 'model: "in" = "model.skops"\nscore: "out" = "score.json"')
    made.step("report", 'score: "in" = "score.json"')
    return made


def refused(pipeline: Pipeline, given: dict[str, object] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        definition.load(pipeline.folder, given)
    return caught.value


def test_the_graph_is_what_the_parameters_cells_say(flights: Pipeline) -> None:
    made = definition.load(flights.folder)
    assert [*made.steps] == ["collect", "train", "evaluate", "report"]
    assert {(edge.maker, edge.reader) for edge in made.edges} == {
        ("collect", "train"),
        ("train", "evaluate"),
        ("evaluate", "report"),
    }


def test_notebooks_that_declare_nothing_are_no_steps(flights: Pipeline) -> None:
    made = definition.load(flights.step("scratch", "x = 1").folder)
    assert made.aside == {"scratch.ipynb": "its parameters declare neither an input nor an output"}


YAML = [
    ("steps:\n  trian: {retries: 2}\n", 2, "There is no step 'trian'", "Did you mean 'train'?"),
    ("stesp:\n  train: {}\n", 1, "'stesp' is no key", "Did you mean 'steps'?"),
    ("steps:\n  train:\n    retires: 3\n", 3, "'retires' is no key", "Did you mean 'retries'?"),
    ("steps:\n  train:\n    timeout: soon\n", 3, "'soon' is no span of time", "docs/pipelines.md"),
    ("steps:\n  train: {}\n  train: {}\n", 3, "'train' stands here again; it is also on line 2", "Keep one"),
    ("steps:\n  train: {sweep: {max_itr: [1]}}\n", 2, "Unknown parameter 'max_itr'", "Did you mean 'max_iter'?"),
    ("steps:\n  train: {sweep: {max_iter: [5000]}}\n", 2, "is not within 10..1000", "Give a value within"),
    ("steps:\n  train: {sweep: {max_iter: []}}\n", 2, "has no values", "Such as [1, 10]"),
    ("steps:\n  train: {parameters: {max_iter: many}}\n", 2, "given was 'many'", "int"),
    ("steps:\n  train: {parameters: {max_iter: 20}, sweep: {max_iter: [20]}}\n", 2, "is set and swept", "Leave one"),
    ("steps:\n  train: {sweep: {model: [a]}}\n", 2, "is no setting but a file", "Sweep what"),
    ("steps:\n  report: {when: evalute.mae < 9}\n", 2, "There is no step 'evalute'", "Did you mean 'evaluate'?"),
    ("steps:\n  report: {when: evaluate.mae <}\n", 2, "is no condition", "Compare metrics"),
    ("steps:\n  report: {when: __import__('os').system('x')}\n", 2, "calls", "Known: min"),
    ("steps:\n  report: {after: [trian]}\n", 2, "There is no step 'trian'", "Did you mean 'train'?"),
    (
        "steps:\n  collect: {after: [report]}\n",
        0,
        "wait for each other: collect -> train -> evaluate -> report -> collect",
        "Take one",
    ),
    ("parameters:\n  max_itre: 20\n", 2, "No step has a parameter 'max_itre'", "Did you mean 'max_iter'?"),
    ("consumers:\n  flihgts: [crew@example.org]\n", 2, "No step makes 'flihgts'", "Did you mean 'flights'?"),
    ("consumers: {flights: []}\n", 1, "'flights' has no consumers", "Such as"),
    (
        "consumers:\n  flights: [crew@example.org,\n    crwe]\n",
        3,
        "'crwe' is neither a mail address nor",
        "Did you mean 'crew'?",
    ),
    ("consumers: {flights: [nobody]}\n", 1, "'nobody' is neither", "Channels are crew, log, operators, reviewers"),
    ("alerts:\n  to: [ops]\n", 2, "'ops' is neither a mail address nor", "[notify.channels] of nbops.toml"),
    ("consumers: {flights: crew@example.org}\n", 1, "consumers does not fit", "docs/pipelines.md"),
    ("contracts:\n  flihgts: c.yaml\n", 2, "No step makes 'flihgts'", "Did you mean 'flights'?"),
    (
        "contracts:\n  score: c.yaml\n",
        2,
        "'score' is written to score.json, and contracts are for .parquet and .csv",
        "leave the contract out",
    ),
    ("contracts:\n  flights: missing.yaml\n", 2, "There is no contract", "nbops data infer"),
    ("steps:\n  extra: {file: trian.ipynb}\n", 2, "There is no file 'trian.ipynb'", "Did you mean 'train.ipynb'?"),
    ("steps:\n  train: {sweep: {max_iter: [50, 60, 50]}}\n", 2, "The sweep of 'max_iter' has 50 twice", "Leave one"),
    ("steps:\n  report: {when: evaluate.mae << 3}\n", 2, "'<<' is not allowed in it", "with < <= > >= == !="),
    ("steps:\n  report: {when: ~evaluate.mae < 3}\n", 2, "'~' is not allowed in it", "with < <= > >= == !="),
    ("steps:\n  report: {when: evaluate.mae => 3}\n", 2, "invalid syntax at '=> 3'", "with < <= > >= == !="),
    ("steps:\n  report: {when: evaluate.mae < limit}\n", 2, "'limit' is no metric of a step", "Compare metrics"),
    ("steps:\n  report: {when: evaluate.mae.x < 2}\n", 2, "'evaluate.mae.x' is no metric", "Compare metrics"),
    (
        "defaults:\n  heal: {transeint: {retries: 1}}\n",
        2,
        "'transeint' is no class of failures",
        "Did you mean 'transient'? Known: transient, data_access,",
    ),
    ("steps:\n  train: {heal: {zzz: {retries: 1}}}\n", 2, "'zzz' is no class of failures", "Known: transient"),
    (
        "steps:\n  train:\n    kernel: julia-1.9\n",
        3,
        "the kernel 'julia-1.9', which is not installed",
        "Known: python3",
    ),
    ("steps:\n  train:\n    kernel: pyhton3\n", 3, "the kernel 'pyhton3', which", "Did you mean 'python3'?"),
    ("steps:\n  train: {approval: {expires: tomorrow}}\n", 2, "'tomorrow' is no span of time", "docs/pipelines.md"),
    ("steps:\n  train: {approval: {by: [me]}, always: true}\n", 2, "always runs and waits", "Leave one"),
    ("defaults: {memory: lots}\n", 1, "'lots' is no amount of bytes", "docs/pipelines.md"),
    ("steps:\n  train:\n    memory: 2 MiB\n", 3, "'2 MiB' is less than a kernel needs", "docs/pipelines.md"),
    ("steps: {train: {memry: 2 GiB}}\n", 1, "'memry' is no key", "Did you mean 'memory'?"),
    ("lanes: many\n", 1, "lanes does not fit", "docs/pipelines.md"),
    ("- steps\n", 1, "is no mapping", "It begins with"),
    ("steps: [train\n", 2, "expected", "It is YAML"),
    ("schedule: {missed: sometimes}\n", 1, "schedule", "docs/pipelines.md"),
]


@pytest.mark.parametrize(("text", "line", "what", "remedy"), YAML, ids=[str(number) for number in range(len(YAML))])
def test_a_mistake_in_yaml_is_told_with_its_line(
    flights: Pipeline, text: str, line: int, what: str, remedy: str
) -> None:
    error = refused(flights.operate(text))
    told = f"{error.message} {error.hint}"
    assert what in told
    assert remedy in told
    assert f"line {line}" in told if line else ".ipynb" in told


@pytest.mark.parametrize(
    "text",
    [
        "steps: {train: {sweep: {max_itr: [1, 2, 3]}}}",
        "steps: {train: {sweep: {max_iter: [50, 50, 50]}}}",
        "steps: {train: {heal: {transeint: {retries: 1}}}}",
        "defaults: {heal: {transeint: {retries: 1}}}",
    ],
)
def test_one_mistake_is_told_once(flights: Pipeline, text: str) -> None:
    assert "mistakes" not in refused(flights.operate(text)).message


CELLS = [
    (
        "train",
        'data: "in" = "flihgts.csv"\nmodel: "out" = "model.skops"',
        "reads flihgts.csv",
        "Did you mean 'flights.csv'?",
    ),
    ("train", 'flights: "in" = "other.csv"', "collect writes it to flights.csv", "Give both the same path"),
    ("train", 'data: "in" = ""  # from: flight', "takes 'flight', which no step makes", "Did you mean 'flights'?"),
    ("train", 'flights: "in" = open("x").read()', "known only when the cell runs", "Write its path as text"),
    (
        "train",
        'flights: "in" = "flights.csv"\nmodel: "out" = make()',
        "has to be the path of one file",
        "Write it as text",
    ),
    (
        "train",
        'flights: "in" = "flights.csv"\nother: "out" = "score.json"',
        "both write score.json",
        "a file of its own",
    ),
    (
        "train",
        'flights: "in" = "flights.csv"\nkept: "out" = "flights.csv"',
        "both write flights.csv",
        "a file of its own",
    ),
    (
        "train",
        'flights: "in" = "flights.csv"\nalpha: float\nmodel: "out" = "model.skops"',
        "has no default",
        "-p alpha",
    ),
    ("train", "flights: 'in' = 'flights.csv'\n)", "cannot be read: line 2", "Mend that cell"),
]


@pytest.mark.parametrize(("name", "cell", "what", "remedy"), CELLS, ids=[str(number) for number in range(len(CELLS))])
def test_a_mistake_in_a_notebook_is_told_with_its_cell(
    flights: Pipeline, name: str, cell: str, what: str, remedy: str
) -> None:
    error = refused(flights.step(name, cell))
    told = f"{error.message} {error.hint}"
    assert what in told
    assert remedy in told
    assert f"{name}.ipynb" in told or "evaluate.ipynb" in told


def test_all_mistakes_are_told_at_once(flights: Pipeline) -> None:
    flights.operate("stesp: {}\nsteps:\n  trian: {}\n").step("report", 'score: "in" = "scroe.json"')
    assert refused(flights).message.count("\n- ") == 3


@pytest.fixture
def sources(tmp_path: Path) -> Pipeline:
    """A table that is made of two others, one of which refers to the other in its contract."""
    (tmp_path / "nbops.toml").touch()
    for name in ("sources", "contracts", "steps"):
        (tmp_path / name).mkdir()
    for name in ("orders", "shops"):
        (tmp_path / "sources" / f"{name}.yaml").write_text(f"from: {name}.csv\nkey: id\n")
    (tmp_path / "sources" / "sums.sql").write_text("select shop, count(*) as orders from orders group by shop\n")
    (tmp_path / "contracts" / "orders.yaml").write_text(
        "columns: {id: {type: integer}, shop: {foreign_key: shops.id}}\n"
    )
    return Pipeline(tmp_path / "steps")


def test_a_source_is_collected_after_what_it_is_made_of_and_what_its_contract_refers_to(sources: Pipeline) -> None:
    sources.operate("steps: {a: {source: sums, out: {s: sums.parquet}}, b: {source: orders}, c: {source: shops}}")
    made = definition.load(sources.folder)
    assert [*made.steps] == ["c", "b", "a"]
    assert {(edge.maker, edge.reader) for edge in made.edges} == {("c", "b"), ("b", "a")}


def test_the_plan_says_that_a_source_is_always_asked(sources: Pipeline, here: Workspace) -> None:
    sources.operate("steps: {a: {source: shops}}")
    (task,) = planning.make(here.store, definition.load(sources.folder)).tasks
    assert (task.verdict, task.why) == ("run", "its source is asked for what is new")


def test_a_source_that_the_project_does_not_declare_is_refused_before_anything_runs(sources: Pipeline) -> None:
    error = refused(sources.operate("steps:\n  a: {source: oders}\n"))
    told = f"{error.message} {error.hint}"
    assert "pipeline.yaml, line 2" in told
    assert "The project declares no source 'oders'" in told
    assert "Did you mean 'orders'?" in told


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("steps:\n  a: {source: shops, out: {s: shops.csv}}\n", "A source is written as Parquet, and 's' is shops.csv"),
        (
            "contracts: {s: ../contracts/orders.yaml}\nsteps:\n  a: {source: shops, out: {s: shops.parquet}}\n",
            "'s' comes from the source 'shops', which has a contract of its own",
        ),
    ],
)
def test_what_a_source_makes_is_parquet_by_its_own_contract(sources: Pipeline, text: str, what: str) -> None:
    assert what in refused(sources.operate(text)).message


def test_values_of_a_sweep_that_would_be_called_the_same_are_refused(tmp_path: Path) -> None:
    made = Pipeline(tmp_path).step("a", 'x: float = 0\na: "out" = "a.txt"')
    told = refused(made.operate("steps: {a: {sweep: {x: [0.12345678, 0.12345679]}}}")).message
    assert "has 0.12345678 and 0.12345679, both called 0.123457" in told


KERNEL = {"name": "conda-env-crew-py", "display_name": "crew", "language": "python"}


def asks_for(pipeline: Pipeline, name: str) -> None:
    """The notebook of a step asks for a kernel that nobody has."""
    path = pipeline.folder / f"{name}.ipynb"
    told = json.loads(path.read_text())
    told["metadata"]["kernelspec"] = KERNEL
    path.write_text(json.dumps(told))


def test_a_kernel_that_is_not_there_is_told_before_anything_runs(flights: Pipeline) -> None:
    asks_for(flights, "train")
    error = refused(flights)
    assert "train.ipynb: it asks for the kernel 'conda-env-crew-py', which is not installed" in error.message
    assert "`kernel:` in pipeline.yaml" in error.hint
    flights.operate("steps: {train: {kernel: python3}}")
    assert [*definition.load(flights.folder).steps] == ["collect", "train", "evaluate", "report"]


def test_a_script_asks_for_its_kernel_in_its_head(flights: Pipeline) -> None:
    (flights.folder / "train.ipynb").unlink()
    head = '# ---\n# jupyter:\n#   kernelspec:\n#     name: crew\n# ---\n\n# %% tags=["parameters"]\n'
    (flights.folder / "train.py").write_text(head + 'flights: "in" = "flights.csv"\nmodel: "out" = "model.skops"\n')
    assert "train.py: it asks for the kernel 'crew'" in refused(flights).message


def test_kernels_that_cannot_be_looked_up_are_left_to_the_run(
    flights: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks_for(flights, "train")
    kernel = tmp_path / "jupyter" / "kernels" / KERNEL["name"]
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text("{")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    assert "train" in definition.load(flights.folder).steps


def test_what_nobody_hears_keeps_no_release_from_running(flights: Pipeline) -> None:
    flights.operate("consumers: {flights: [nobody]}")
    tree = Tree(flights.folder, flights.folder)
    assert [*definition.load(flights.folder, tree=tree).steps] == ["collect", "train", "evaluate", "report"]


def test_a_value_for_what_is_swept_is_refused(flights: Pipeline) -> None:
    flights.operate("steps: {train: {sweep: {max_iter: [50, 100]}}}")
    assert "'max_iter' is what train sweeps over" in refused(flights, {"max_iter": 200}).message


def test_on_is_a_key_and_no_a_word(flights: Pipeline) -> None:
    flights.operate("description: no\nalerts: {on: [failed], to: [crew]}\nsteps: {train: {skip: false}}")
    made = definition.load(flights.folder)
    assert (made.operations.alerts.on, made.operations.description) == (("failed",), "no")
    assert made.steps["train"].operation.skip is False


def test_what_is_said_about_healing_is_heard(flights: Pipeline) -> None:
    flights.operate("defaults: {heal: {transient: {wait: 5 s}}}\nsteps: {train: {heal: {timeout: {retries: 0}}}}")
    made = definition.load(flights.folder)
    assert made.operations.defaults.heal == {"transient": Heal(wait=Span(5))}
    assert made.steps["train"].operation.heal == {"timeout": Heal(retries=0)}


def test_a_file_that_is_no_notebook_is_told(flights: Pipeline) -> None:
    (flights.folder / "broken.ipynb").write_text("{}")
    assert "broken.ipynb" in refused(flights).message


def test_a_folder_without_steps_says_what_a_step_is(tmp_path: Path) -> None:
    assert 'flights: "out"' in refused(Pipeline(tmp_path)).hint


def test_a_folder_that_is_not_there_is_told_with_where_it_was_looked_for(flights: Pipeline, tmp_path: Path) -> None:
    def told(path: Path) -> str:
        with pytest.raises(NotFound) as caught:
            definition.load(path)
        return str(caught.value)

    (tmp_path / "nightly").mkdir()
    assert f"There is no folder 'nihgtly' in {tmp_path}.\nHint: Did you mean 'nightly'?" == told(tmp_path / "nihgtly")
    assert f"There is no folder 'a/b' in {tmp_path}.\nHint: Give a folder" in told(tmp_path / "a" / "b")
    assert f"'train.ipynb' in {tmp_path} is no folder.\nHint: Give a folder" in told(tmp_path / "train.ipynb")


def test_a_name_that_two_steps_make_has_to_be_said_with_its_step(flights: Pipeline) -> None:
    flights.step("train2", 'model: "out" = "model2.skops"')
    flights.step("both", 'model: "in" = ""\ndone: "out" = "done"')
    assert "# from: train.model" in refused(flights).hint
    flights.step("both", 'model: "in" = ""  # from: train2.model\ndone: "out" = "done"')
    assert ("train2", "both") in {(edge.maker, edge.reader) for edge in definition.load(flights.folder).edges}


def test_points_of_two_sweeps_meet_where_they_agree(tmp_path: Path) -> None:
    made = Pipeline(tmp_path)
    made.step("a", 'x: int = 0\na: "out" = "a.txt"').step("b", 'a: "in" = "a.txt"\ny: int = 0\nb: "out" = "b.txt"')
    made.step("c", 'a: "in" = "a.txt"\nb: "in" = "b.txt"\nc: "out" = "c.txt"')
    made.operate("steps: {a: {sweep: {x: [1, 2]}}, b: {sweep: {y: [3, 4]}}}")
    found = graph.tasks(definition.load(tmp_path))
    assert [task.key for task in found if task.name == "c"] == ["c[x=1 y=3]", "c[x=1 y=4]", "c[x=2 y=3]", "c[x=2 y=4]"]
    assert len({path for task in found for path in task.outs.values()}) == len(found)


def test_values_that_no_file_name_can_have_give_files_of_their_own(tmp_path: Path) -> None:
    made = Pipeline(tmp_path).step("a", 'x: str = ""\na: "out" = "a.txt"')
    made.operate("steps: {a: {sweep: {x: ['../../etc/passwd', 'a/b', 'a b', '" + "z" * 300 + "', '']}}}")
    outs = [path for task in graph.tasks(definition.load(tmp_path)) for path in task.outs.values()]
    assert len({*outs}) == 5
    assert {Path(path).parent for path in outs} == {tmp_path}
    assert all(len(Path(path).name) < 100 for path in outs)


def test_a_plan_says_what_would_run_and_why(flights: Pipeline, here: Workspace) -> None:
    planned = planning.make(here.store, definition.load(flights.folder))
    assert [one.verdict for one in planned.tasks] == ["run", "perhaps", "perhaps", "perhaps"]
    assert planned.tasks[0].why == "no earlier run of this notebook finished"
    assert "if collect changes what it reads" in planned.to_text()


def test_the_schema_takes_what_we_take() -> None:
    told = declaration.schema()
    assert {*told["$defs"]["Operation"]["properties"]} >= {"sweep", "when", "in", "out", "approval"}
    assert json.loads(json.dumps(told)) == told
    assert {*told["$defs"]["Operations"]["properties"]} == {
        field.encode_name for field in msgspec.structs.fields(Operations)
    }


# Conditions.

KNOWN: dict[str, dict[str, object]] = {"train": {"mae": 8.5, "n": [1.0, 3.0]}, "check": {"ok": 1.0}}


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("train.mae < 9", True), ("train.mae < 8 or check.ok", True), ("not check.ok", False), ("min(train.n) >= 1", True),
        ("8 < train.mae <= 9", True), ("train.mae * 2 - 1 > 15", True), ("count(train.n) == 2", True), ("-train.mae < 0", True),
    ],
)  # fmt: skip
def test_a_condition_holds_or_not(text: str, held: bool) -> None:
    assert expressions.holds(text, KNOWN) is held


@pytest.mark.parametrize("text", ["train.r2 > 0", "train.n < 2", "nobody.x > 1", "train.mae / 0 > 1"])
def test_a_condition_that_cannot_be_decided_is_no_answer(text: str) -> None:
    with pytest.raises(UsageError):
        expressions.holds(text, KNOWN)


@given(st.text(max_size=60))
def test_whatever_stands_there_is_a_condition_or_refused(text: str) -> None:
    try:
        found = expressions.parse(text)
    except UsageError:
        return
    assert found.names
