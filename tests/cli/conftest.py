"""The command line is tested as a person types it; most of it on a project that the tests of a module share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from nbops import cli
from tests.shared import here, nothing_left, run, shared

__all__ = ["here", "nothing_left", "run", "shared"]


class Answer(NamedTuple):
    status: int
    out: str
    err: str


Type = Callable[..., Answer]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Type a command in the current folder."""

    def type_(*words: object) -> Answer:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["nbops", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        told = capsys.readouterr()
        return Answer(left.value.code or 0, told.out, told.err)  # type: ignore[arg-type]  # main leaves with numbers

    return type_
