"""What an executed notebook starts, in whatever way, cannot approve; a person can, in a terminal and in a notebook run by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbformat import v4

from nbops.promotion.requests import Act, Acted, Judgement, Propose
from nbops.records import new_id
from nbops.registry.card import Card, Policy
from nbops.registry.requests import DescribeModel, Freeze, RegisterVersion, Rollback
from nbops.store.wire import Reply, Request, encode
from nbops.workspace._workspace import Workspace
from tests.conftest import wait_until
from tests.promotion.asking import ASK, SETUP, WAYS
from tests.store.inside import envelope, start


class Person:
    """Somebody with a model in the project's store, and a folder for what a notebook asks."""

    def __init__(self, here: Workspace, folder: Path) -> None:
        self.store = here.store
        self.folder = folder
        self.model = f"m{new_id()}"

    def version(self) -> int:
        begun = start()
        made = RegisterVersion(model=self.model, run_id=begun.run_id, artifact="a", sha256=new_id(), manifest="{}")
        return int(self.store.write(begun, made)[1])

    def proposal(self, version: int) -> str:
        review = new_id()
        self.store.write(Propose(review_id=review, model=self.model, version=version, alias="champion", reason="better",
                                 judgement=self.judgement()))  # fmt: skip
        return review

    def judgement(self) -> Judgement:
        return Judgement(holder=self.holder(), passed=True, verdict="{}")

    def holder(self) -> int | None:
        found = self.store.read("select version from aliases where model = ?", [self.model]).rows
        return found[0][0] if found else None

    def approve(self, review: str) -> Acted:
        act = Act(review_id=review, act="approve", reason="looked at it", judgement=self.judgement())
        return msgspec.convert(self.store.write(act)[0], Acted)

    def leave(self, way: str, *requests: Request) -> None:
        """Put what a cell is to ask for where it finds it."""
        (self.folder / f"{way}.envelope").write_bytes(encode(envelope(*requests)))

    def answer(self, way: str) -> Reply:
        """What the owner answered."""
        path = self.folder / f"{way}.answer"
        wait_until(path.exists)
        return msgspec.msgpack.decode(path.read_bytes(), type=Reply)

    def execute(self, *cells: str, forked: bool = False) -> None:
        """Have a runner of its own execute cells, which must go well, and see it end."""
        (self.folder / "asking.py").write_text(ASK)
        project = str(self.store.settings.project)
        first = f"FOLDER, PROJECT = {str(self.folder)!r}, {project!r}\n{SETUP}"
        path = self.folder / "work.ipynb"
        nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(cell.strip()) for cell in (first, *cells)]), path)
        done = subprocess.run(
            [sys.executable, "-m", "nbops", "-C", project, "run", str(path), str(self.folder / "out.ipynb")],
            env={**os.environ, "NBOPS_EXECUTION_FORK_SERVER": str(forked).lower()},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def person(here: Workspace, tmp_path: Path) -> Person:
    return Person(here, tmp_path)


@pytest.mark.parametrize("forked", [False, True], ids=["ordinary kernel", "forked kernel"])
def test_no_way_leads_from_an_executed_notebook_to_an_approval(person: Person, forked: bool) -> None:
    review = person.proposal(person.version())
    for way in WAYS:
        act = Act(review_id=review, act="approve", reason=way, judgement=person.judgement())
        person.leave(way, act)
    person.execute(*WAYS.values(), forked=forked)
    for way in WAYS.keys() - {"spool"}:
        reply = person.answer(way)
        assert reply.problem is None, (way, reply.problem)
        done = msgspec.convert(reply.results[0], Acted)
        assert (done.outcome, done.moved) == ("refused", False), way
        assert done.message.startswith("To approve is for a person to do: "), way
    assert person.holder() is None
    kept = list(person.store.places.rejected.glob("*.msgpack"))
    assert any(b"does not come by a spool" in path.read_bytes() for path in kept)
    acts = person.store.read("select reason, outcome, actor from review_acts where act = 'approve'").rows
    told = {reason for reason, outcome, _ in acts if outcome == "refused"}
    assert told >= WAYS.keys() - {"spool"}
    # The same act by a person.
    assert person.approve(review).moved


def test_an_executed_notebook_may_ask_and_explain_but_not_decide(person: Person) -> None:
    first, second = person.version(), person.version()
    strict = Card(policy=Policy(author_may_approve=True), gate={"minimum": {"rows": 100}})
    person.store.write(DescribeModel(model=person.model, card=strict))
    for version in (first, second):
        assert person.approve(person.proposal(version)).moved
    third = person.version()
    review, model = person.proposal(third), person.model
    person.store.write(Freeze(model=model, version=first, frozen=True, why="odd"))
    refused = {
        "reject": Act(review_id=review, act="reject", reason="no"),
        "send back": Act(review_id=review, act="send back", reason="why?"),
        "attested": Act(review_id=review, act="approve", reason="yes", judgement=person.judgement(), attested_by="Dr. Roe",
                        evidence="a" * 64),
        "rollback": Rollback(model=model, alias="champion", why="errors grow"),
        "thaw": Freeze(model=model, version=first, frozen=False, why="fine"),
        "policy": DescribeModel(model=model, card=Card(policy=Policy(protected=()), gate=strict.gate)),
        "gate": DescribeModel(model=model, card=Card(policy=strict.policy)),
        "new policy": DescribeModel(model=f"n{model}", card=Card(policy=Policy(must_pass=False))),
    }  # fmt: skip
    allowed = {
        "describe": DescribeModel(model=model, card=msgspec.structs.replace(strict, purpose="block times")),
        "freeze": Freeze(model=model, version=second, frozen=True, why="an incident"),
        "register": RegisterVersion(model=model, run_id=_run_of(person, third), artifact="b", sha256=new_id(), manifest="{}"),
        "propose": Propose(review_id=new_id(), model=model, version=4, alias="champion", reason="newer", judgement=person.judgement()),
        "withdraw": Act(review_id=review, act="withdraw", reason="a newer one is there"),
    }  # fmt: skip
    for way, request in {**refused, **allowed}.items():
        person.leave(way, request)
    person.execute(f"for way in {[*refused, *allowed]}:\n    asking.ask(PROJECT, name(way))")
    for way in refused:
        assert "is for a person to do: it comes from inside an executed notebook" in _refusal(person.answer(way)), way
    for way in allowed:
        assert _refusal(person.answer(way)) == "", way
    assert person.holder() == second
    assert not person.store.read("select 1 from models where name = ?", [f"n{model}"]).rows


def test_a_notebook_that_is_run_by_hand_may_approve_also_after_it_executed_another(
    person: Person, here: Workspace
) -> None:
    review = person.proposal(person.version())
    person.leave("hand", Act(review_id=review, act="approve", reason="looked at it", judgement=person.judgement()))
    (person.folder / "asking.py").write_text(ASK)
    inner = person.folder / "inner.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("1")]), inner)
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        code = f"""
FOLDER, PROJECT = {str(person.folder)!r}, {str(here.store.settings.project)!r}
{SETUP}
from pathlib import Path
import nbops
from nbops.execution import notebook
assert notebook.execute(nbops.open(PROJECT).store, Path({str(inner)!r})).status == "finished"
subprocess.run(words("hand"), check=True)"""
        reply = client.execute_interactive(code, timeout=120, output_hook=lambda _: None)
        assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert person.holder() == 1


def _run_of(person: Person, version: int) -> str:
    sql = "select run_id from model_versions where model = ? and version = ?"
    return str(person.store.read(sql, [person.model, version]).rows[0][0])


def _refusal(reply: Reply) -> str:
    """What the owner said against it; empty when it was done."""
    if reply.problem:
        return reply.problem.message
    outcome = reply.results[0]
    return str(outcome["message"]) if isinstance(outcome, dict) and outcome["outcome"] != "done" else ""
