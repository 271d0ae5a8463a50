"""One project, and so one owner, for all tests of a module: folders whose tests need no more take these fixtures over."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from nbops import cli
from nbops.tracking import recording
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace
from tests.conftest import Project


class Answer(NamedTuple):
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """The JSON document of a command that must succeed."""
        assert self.status == 0, self
        return json.loads(self.out)


Type = Callable[..., Answer]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Type a command in the current folder: what the process of its own would do, in this one."""

    def type_(*words: object) -> Answer:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["nbops", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        printed = capsys.readouterr()
        return Answer(left.value.code or 0, printed.out, printed.err)  # type: ignore[arg-type]  # main leaves with numbers

    return type_


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project that the tests of a module share."""
    made = Project(tmp_path_factory.mktemp("shared"))
    yield made
    # The commit and environment of the last runs are found out after their end.
    recording._flusher.finish()  # noqa: SLF001 - nothing else tells when it has nothing left to do
    made.close()


@pytest.fixture(scope="module")
def here(shared: Project) -> Workspace:
    """The handle of the shared project."""
    return Workspace(shared.settings())


@pytest.fixture
def run(here: Workspace, request: pytest.FixtureRequest) -> Iterator[Run]:
    """An open run of an experiment that is named like the test."""
    made = here.start_run(request.node.name)
    yield made
    made.end()


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """A test ends the runs that it begins; else the next one would meet them."""
    yield
    left = recording.open_recordings()
    for one in left:
        one.end("stopped")
    assert not left


@pytest.fixture(scope="module")
def quick(shared: Project) -> Iterator[None]:
    """Kernels of the shared project are forked from a server, which leaves at the end. Ask for it before `here`."""
    from nbops.execution.kernels import servers

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBOPS_EXECUTION_FORK_SERVER", "true")
        yield
    servers.stop(shared.places.kernels)
