"""The worked example of docs/models.md, carried out: its files written, its notebook's code executed, its commands typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import Project
from tests.shared import Type

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
EXAMPLE = PAGE.read_text(encoding="utf-8").partition("\n## A worked example\n")[2].partition("\n## ")[0]


def shown(language: str) -> str:
    """The one block of that language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", EXAMPLE, re.DOTALL)
    return str(found)


def test_the_worked_example_comes_out_as_it_is_shown(
    project: Project, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.folder / "policy.yaml").write_text(shown("yaml"), encoding="utf-8")
    project.run(shown("python"))
    monkeypatch.chdir(project.folder)
    ids: dict[str, str] = {}
    commands = re.findall(r"^\$ nbops (.*)\n((?:(?!\$).*\n)*)", shown("console"), re.MULTILINE)
    assert len(commands) == 7
    for command, lines in commands:
        words = shlex.split(command)
        if words[:2] == ["reviews", "approve"]:
            (waiting,) = typed("reviews", "list", "--json").told
            ids[words[2]] = words[2] = waiting["review_id"]
        done = typed(*words)
        assert done.status == 0, done
        assert {*lines.splitlines()} <= {line.strip() for line in done.out.splitlines()}
    assert len(ids) == 2
    told = typed("models", "show", "tumour", "--json").told
    assert (told["aliases"], [one["state"] for one in told["versions"]]) == ({"champion": 1}, ["retired", "registered"])
