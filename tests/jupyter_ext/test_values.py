"""What is typed into the run dialog arrives as a value of its parameter's type, and nothing of it is evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nbops.execution.parameters.form import as_typed
from tests.conftest import Project
from tests.jupyter_ext.conftest import Server
from tests.jupyter_ext.test_routes import finished, notebook

EVIL = "__import__('pathlib').Path('evil').touch()"
# A browser's text is what UTF-8 can hold.
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    [
        "",
        "it's",
        '"',
        "'''\\\"",
        "a\nb",
        "$HOME `id`",
        "nan",
        "True",
        "007",
        "{x}",
        "!ls",
        "--force",
        "-p",
        EVIL,
        f"{{{EVIL}}}",
    ]
)
TYPES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int": st.integers() | st.sampled_from([2**63, -(2**64), 10**40]),
    "float": st.floats(),
    "str": TEXTS,
    "date": st.dates(),
    # Which of two equal hours it is, no text says.
    "datetime": st.datetimes().map(lambda moment: moment.replace(fold=0)),
    "Path": TEXTS.filter(lambda text: "\0" not in text).map(Path),
    "Literal['jan', 2, None]": st.sampled_from(["jan", 2, None]),
    "list[str]": st.lists(TEXTS, max_size=4),
    "dict[str, list[float]]": st.dictionaries(TEXTS, st.lists(st.floats(allow_nan=False), max_size=3), max_size=3),
}
NAMES = {f"p{number}": kind for number, kind in enumerate([*TYPES, *TYPES])}


def test_two_hundred_values_arrive_equal_and_none_is_evaluated(server: Server, project: Project) -> None:
    cell = "from datetime import *\nfrom pathlib import Path\nfrom typing import Literal\n" + "\n".join(
        f"{name}: {kind}" for name, kind in NAMES.items()
    )
    told = f"print(ascii([{', '.join(NAMES)}]))"
    made = notebook(project.folder, "values.ipynb", cell, told)
    points: list[dict[str, Any]] = []

    @settings(
        max_examples=10,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.fixed_dictionaries({name: TYPES[kind] for name, kind in NAMES.items()}))
    def draw(point: dict[str, Any]) -> None:
        points.append(point)

    draw()
    assert len(points) * len(NAMES) >= 200
    for point in points:
        values = {name: as_typed(value) for name, value in point.items()}
        checked = server.post("check", {"notebook": made, "values": values})
        assert checked["problems"] == []
        run = finished(server, server.post("runs", {"notebook": made, "values": values})["id"])
        assert run["status"] == "finished", run["cause"]
        cells = server.get(f"runs/{run['id']}/notebook")["content"]["cells"]
        printed = "".join(
            output["text"] if isinstance(output["text"], str) else "".join(output["text"])
            for output in cells[-1]["outputs"]
        )
        assert printed.strip() == ascii([point[name] for name in NAMES])
    assert not (project.folder / "evil").exists()
