"""A version leads to its data and data to its versions, whatever the data was called, through every kind of step."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import nbops.data.commands  # noqa: F401 - teaches the writer its verbs
from nbops.errors import NotFound
from nbops.records import Dataset, new_id, now_us
from nbops.registry import lineage
from nbops.registry.lineage import Graph, around, down, up, using
from nbops.registry.requests import RegisterVersion
from nbops.store.client import Store
from nbops.tracking.requests import InputRow, KeepKey, LogRun, OutputRow
from tests.promotion.court import Court
from tests.store.inside import Inside, envelope, start

PAGE = Path(__file__).parents[2] / "docs" / "audit.md"


class World:
    """A store, and runs that read, write and register."""

    def __init__(self, folder: Path) -> None:
        self.inside = Inside(folder)
        self.store: Store = self.inside.near()

    def run(self, experiment: str = "train", *, parent: str | None = None, reads: dict[str, str] | None = None) -> str:
        """A run that logs what it reads: name -> digest."""
        run = start(experiment=experiment)
        begun = type(run)(**{name: getattr(run, name) for name in run.__struct_fields__} | {"parent_id": parent})
        data = [
            InputRow(name=name, dataset=Dataset(name=name, digest=digest, source="memory", rows=10, columns={}))
            for name, digest in (reads or {}).items()
        ]
        self._ask(begun, LogRun(run_id=begun.run_id, time=now_us(), inputs=data))
        return begun.run_id

    def declares(self, run: str, reads: dict[str, str | None], writes: dict[str, str]) -> None:
        """What the run's notebook declares: name -> digest."""
        inputs = {name: {"path": f"../data/{name}.parquet", "digest": digest} for name, digest in reads.items()}
        outputs = [OutputRow(name=name, path=f"models/{name}", digest=digest) for name, digest in writes.items()]
        self._ask(
            KeepKey(run_id=run, notebook="n.ipynb", static_key="s", key="k", skippable=True, reason=None,
                    parts=json.dumps({"parts": {"inputs": inputs}}), outputs=outputs)
        )  # fmt: skip

    def version(self, model: str, run: str) -> str:
        """A version of a run."""
        made = RegisterVersion(model=model, run_id=run, artifact="model", sha256=new_id(), manifest="{}")
        return f"{model}/{self._ask(made)[0]}"

    def promote(self, version: str, alias: str = "champion") -> None:
        """An alias that stands for a version from now on, as its review decided."""
        court = Court(self.inside)
        court.model, _, number = version.partition("/")
        assert court.act("bea", court.propose("ann", int(number), alias)).moved

    def snapshot(
        self, source: str, version: int, digest: str, *, run: str | None = None, made_of: tuple[str, int] | None = None
    ) -> None:
        """A version of data, as a collection leaves it."""
        self.inside.edit(
            "insert into core.snapshots values (?, ?, ?, 20, 1, '{}', '[]', null, null, null, uuid(), ?, now()::timestamp,"
            " 'ann', false, 1)",
            source, version, digest, run,
        )  # fmt: skip
        if made_of:
            self.inside.edit("insert into core.snapshot_inputs values (?, ?, ?, ?, 1)", source, version, *made_of)

    def _ask(self, *requests: object) -> list[object]:
        reply = self.inside.together(envelope(*requests))[0]  # type: ignore[arg-type]  # requests all
        assert reply.problem is None, reply.problem
        return list(reply.results)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.inside.close()


def digest(letter: str) -> str:
    return letter * 64


def keys(graph: Graph) -> set[str]:
    return {node.key for node in graph.nodes}


def test_a_version_leads_up_to_its_data_and_data_down_to_its_alias(world: World) -> None:
    run = world.run(reads={"train": digest("a"), "weather": digest("b")})
    version = world.version("air-time", run)
    world.promote(version)
    world.version("other", world.run(reads={"train": digest("c")}))
    data = {f"data:{digest('a')}", f"data:{digest('b')}"}
    assert keys(up(world.store, "air-time/1")) == {"version:air-time/1", f"run:{run}", *data}
    assert keys(up(world.store, "air-time@champion")) == {
        "alias:air-time@champion",
        "version:air-time/1",
        f"run:{run}",
        *data,
    }
    assert keys(down(world.store, "data:weather")) == {
        f"data:{digest('b')}", f"run:{run}", "version:air-time/1", "alias:air-time@champion",
    }  # fmt: skip
    assert keys(around(world.store, "models:/air-time/1")) == keys(up(world.store, "air-time@champion"))
    assert keys(down(world.store, f"run:{run[-8:]}")) == {f"run:{run}", "version:air-time/1", "alias:air-time@champion"}
    graph = around(world.store, "air-time")
    assert graph.roots == ("version:air-time/1",)
    assert {(edge.before[:5], edge.after[:7], edge.label) for edge in graph.edges} == {
        ("data:", f"run:{run[:3]}", "train"), ("data:", f"run:{run[:3]}", "weather"), (f"run:{run[:1]}", "version", "model"),
        ("versi", "alias:a", "promoted"),
    }  # fmt: skip


def test_the_same_content_under_two_names_is_one_thing(world: World) -> None:
    runs = [world.run(reads={"train": digest("a")}), world.run(reads={"history": digest("a"), "again": digest("a")})]
    versions = [world.version("m", run) for run in runs]
    for name in ("data:train", "data:history", f"data:{digest('a')}", f"data:{digest('a')[:8]}"):
        assert keys(down(world.store, name)) == {
            f"data:{digest('a')}", *(f"run:{run}" for run in runs), *(f"version:{one}" for one in versions),
        }  # fmt: skip
    edges = {edge.after: edge.label for edge in down(world.store, "data:train").edges}
    assert edges[f"run:{runs[1]}"] == "again, history"


def test_one_name_of_several_contents_leads_to_all_of_them(world: World) -> None:
    for letter in "ab":
        world.version("m", world.run(reads={"train": digest(letter)}))
    world.version("m", world.run(reads={"test": digest("c")}))
    assert {node.id for node in down(world.store, "data:train").of_kind("version")} == {"m/2", "m/1"}
    assert [(use.model, use.version) for use in using(world.store, "train")] == [("m", 2), ("m", 1)]


def test_what_notebooks_declare_leads_from_one_to_the_next(world: World) -> None:
    first, second, third = world.run("prepare"), world.run("fit"), world.run("fit")
    world.declares(first, {"raw": digest("a")}, {"clean": digest("b")})
    world.declares(
        second, {"clean": f"{digest('b')} {digest('c')}", "lost": None, "gone": "missing"}, {"model": digest("d")}
    )
    # What a run logs under the name of a parameter is that parameter's data, told once.
    world.declares(third, {"clean": digest("e")}, {})
    world._ask(LogRun(run_id=third, time=now_us(), inputs=[  # noqa: SLF001 - the test's own
        InputRow(name="clean", dataset=Dataset(name="clean", digest=digest("b"), source="f", rows=None, columns={}))
    ]))  # fmt: skip
    version = world.version("m", second)
    assert keys(up(world.store, version)) == {
        "version:m/1", f"run:{second}", f"data:{digest('b')}", f"data:{digest('c')}", f"run:{first}", f"data:{digest('a')}",
    }  # fmt: skip
    assert keys(down(world.store, "data:raw")) >= {f"run:{second}", f"run:{third}", f"data:{digest('d')}"}
    assert keys(up(world.store, f"run:{third}")) == keys(up(world.store, version)) - {
        "version:m/1", f"run:{second}", f"data:{digest('c')}",
    } | {f"run:{third}"}  # fmt: skip
    assert keys(down(world.store, "data:../data/raw.parquet")) == keys(down(world.store, "data:raw"))


def test_versions_of_data_lead_through_the_steps_and_runs_that_made_them(world: World) -> None:
    collector = world.run("collect")
    world.snapshot("flights", 1, digest("a"))
    world.snapshot("flights", 2, digest("b"), run=collector)
    world.snapshot("clean", 1, digest("c"), made_of=("flights", 2))
    version = world.version("m", world.run(reads={"train": digest("c")}))
    graph = up(world.store, version)
    assert {node.name for node in graph.of_kind("data")} == {"clean/1", "flights/2"}
    assert f"run:{collector}" in keys(graph)
    assert [use.version for use in using(world.store, "flights")] == [1]
    assert [use.version for use in using(world.store, "flights/2")] == [1]
    assert using(world.store, "flights/1") == []


def test_a_sweeps_point_leads_up_to_its_sweep_and_not_to_the_other_points(world: World) -> None:
    sweep = world.run("sweep", reads={"train": digest("a")})
    points = [world.run("sweep", parent=sweep) for _ in range(3)]
    version = world.version("m", points[1])
    assert keys(up(world.store, version)) == {
        f"version:{version}",
        f"run:{points[1]}",
        f"run:{sweep}",
        f"data:{digest('a')}",
    }
    assert {f"run:{point}" for point in points} < keys(down(world.store, "data:train"))


def test_a_run_that_writes_what_it_read_ends(world: World) -> None:
    run = world.run(reads={"data": digest("a")})
    world.declares(run, {}, {"data": digest("a")})
    assert keys(around(world.store, f"run:{run}")) == {f"run:{run}", f"data:{digest('a')}"}
    assert keys(up(world.store, world.version("m", run))) == {"version:m/1", f"run:{run}", f"data:{digest('a')}"}
    assert "</svg>" in around(world.store, "m").to_svg()
    assert [use.version for use in using(world.store, "data")] == [1]


def test_champions_of_now_and_then_are_told_with_their_times(world: World) -> None:
    versions = [world.version("m", world.run(reads={"train": digest("a")})) for _ in range(3)]
    world.promote(versions[0])
    world.promote(versions[1])
    world.promote(versions[2], "candidate")
    found = using(world.store, "train", alias="champion")
    assert [(use.version, use.until is None) for use in found] == [(2, True), (1, False)]
    assert found[1].until == found[0].since
    assert [(use.version, use.alias) for use in using(world.store, "train")] == [
        (3, "candidate"),
        (2, "champion"),
        (1, "champion"),
    ]
    # An alias that moved on is not what stands for a version.
    assert keys(down(world.store, versions[0])) == {"version:m/1"}


def test_the_documented_sql_finds_the_same_champions(world: World) -> None:
    (sql,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    world.snapshot("flights", 1, digest("a"))
    world.snapshot("clean", 1, digest("b"), made_of=("flights", 1))
    versions = [world.version("m", world.run(reads={"rows": digest(letter)})) for letter in "abc"]
    for version in versions:
        world.promote(version)
    rows = world.store.read(sql).rows
    assert [(row[0], row[1]) for row in rows] == [("m", 1), ("m", 2)]
    assert [use.version for use in using(world.store, "flights", alias="champion")] == [2, 1]


def test_what_is_not_there_is_named_with_the_nearest(world: World) -> None:
    world.promote(world.version("air-time", world.run(reads={"flights": digest("a")})))
    for reference, hint in [
        ("air-tme", "Did you mean 'air-time'?"),
        ("air-time/7", "It has 1."),
        ("air-time@champoin", "Did you mean 'air-time@champion'?"),
        ("data:flight", "Did you mean 'flights'?"),
        ("data:", "`nbops data list` shows sources"),
        ("song:x/y/z", 'Write "NAME"'),
    ]:
        with pytest.raises(NotFound) as missing:
            up(world.store, reference)
        assert missing.value.hint.startswith(hint), reference
    with pytest.raises(NotFound):
        up(world.store, "run:00000000")


def test_too_much_is_cut_and_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "MOST", 20)
    monkeypatch.setattr(lineage, "_EDGES", 30)
    runs = [world.run(reads={"train": digest("a")}) for _ in range(40)]
    graph = down(world.store, "data:train")
    assert graph.cut
    assert len(graph.nodes) == 21
    assert runs[-1] in {node.id for node in graph.of_kind("run")}
    assert "There is more" in graph.to_text()
    assert "There is more" in graph.to_svg()
    assert not up(world.store, f"run:{runs[0]}").cut


def test_a_kind_that_is_not_known_yet_is_followed_like_the_others(world: World) -> None:
    version = world.version("m", world.run(reads={"train": digest("a")}))
    ((sql,),) = world.inside.rows("select sql from duckdb_views() where view_name = 'lineage' and schema_name = 'main'")
    body = re.sub(r"^CREATE VIEW \S+ AS", "", sql.strip().rstrip(";"), flags=re.IGNORECASE)
    world.inside.edit(
        f"create or replace view main.lineage as {body} union all select 'version', 'm/1', 'predictions', 'p/9', 'scored'"
    )
    graph = down(world.store, "data:train")
    assert [(node.id, node.name) for node in graph.of_kind("predictions")] == [("p/9", "p/9")]
    assert version in graph.to_text()
    assert "predictions" in graph.to_svg()


def test_a_graph_is_told_as_text_and_as_a_picture_without_scripts(world: World) -> None:
    world.snapshot("flights", 3, digest("a"))
    run = world.run(reads={"<script>": digest("a"), "weather": digest("b")})
    world.promote(world.version("air-time", run))
    graph = around(world.store, "air-time/1")
    lines = graph.to_text().splitlines()
    assert re.fullmatch(r"version air-time/1 \(\d{4}-\d\d-\d\d by ann\)", lines[0])
    assert [line.split("(")[0].rstrip() for line in lines[1:]] == [
        "made from:", f"  run a run {run[-8:]}", "    data weather", "    data flights/3 as <script>",
        "made into:", "  alias air-time@champion",
    ]  # fmt: skip
    picture = graph._repr_html_()
    (tree,) = ET.fromstring(picture)  # noqa: S314 - our own markup
    assert (tree.tag, tree.get("role")) == ("svg", "img")
    assert (tree.get("aria-label") or "").startswith("Lineage of air-time/1: ")
    assert not list(tree.iter("script"))
    assert {"flights/3", "air-time/1", "air-time@champion"} <= {"".join(node.itertext()) for node in tree.iter("text")}
