"""People of one group share a store: each acts under their own name, whoever's process owns it; nobody else gets in."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ANN, BEA, EVE = 61001, 61002, 61003
TEAM = 61100

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="to be several users at once takes root")

COURT = """
import os, sys, msgspec, nbops
from nbops.errors import NbopsError
from nbops.promotion.requests import *
from nbops.records import new_id, now_us
from nbops.registry.card import Card, Policy
from nbops.registry.requests import *
from nbops.tracking.requests import StartRun
store = nbops.open().store

def version():
    begun = StartRun(run_id=new_id(), experiment="flights", name="a run", started=now_us(), host="here", pid=1)
    made = RegisterVersion(model="air", run_id=begun.run_id, artifact="a", sha256=new_id(), manifest="{}")
    return store.write(begun, made)[1]

def holder():
    return [row[0] for row in store.read("select version from aliases where model = 'air'").rows]

def judgement():
    return Judgement(holder=(holder() or [None])[0], passed=True, verdict="{}")

def propose(number):
    review = new_id()
    store.write(Propose(review_id=review, model="air", version=number, alias="champion", reason="better", judgement=judgement()))
    return review

def act(review, verb="approve", **more):
    asked = Act(review_id=review, act=verb, reason="looked at it", judgement=judgement(), **more)
    done = msgspec.convert(store.write(asked)[0], Acted)
    return f"{done.outcome} {done.moved}"

def refused(request):
    try:
        store.write(request)
    except NbopsError as error:
        return f"{type(error).__name__}: {error.message}"
    return "done"

def review():
    return store.read("select review_id::varchar from reviews where status in ('open', 'sent back')").rows[0][0]
"""


def interpreter(folder: Path) -> Path:
    """One with nbops that every user may start; that of the tests may lie in somebody's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    ours = Path(sys.executable).resolve()
    found = next(
        (path for path in (ours, Path("/usr/bin", version), Path("/usr/local/bin", version)) if everybodys(path)), None
    )
    packages = Path(sysconfig.get_path("purelib"))
    if found is None or not everybodys(packages):
        pytest.skip(f"no {version} with nbops that other users may start")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(found)
    (folder / "pyvenv.cfg").write_text(f"home = {found.parent}\n")
    site = folder / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    (site / "tests.pth").write_text(f"import site; site.addsitedir({str(packages)!r})\n")
    return folder / "bin" / "python"


def everybodys(path: Path) -> bool:
    return path.exists() and all(
        one.stat().st_mode & 0o005 == 0o005 for one in (path.resolve(), *path.resolve().parents)
    )


class Team:
    """A project folder that Ann made for a group."""

    def __init__(self, folder: Path, group: str) -> None:
        self.folder = folder
        self.python = interpreter(folder.parent / "python")
        folder.chmod(0o2775)
        os.chown(folder, ANN, TEAM)
        (folder / "nbops.toml").write_text(f'[store]\ngroup = "{group}"\nidle_minutes = 0.2\n')
        (folder / "nbops.toml").chmod(0o644)
        self.homes = {user: folder.parent / f"home-{user}" for user in (ANN, BEA, EVE)}
        for user, home in self.homes.items():
            home.mkdir(mode=0o700)
            os.chown(home, user, user)

    def run(self, user: int, code: str, *, member: bool = True) -> str:
        """What a process of a user prints."""
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.homes[user]), "NBOPS_PROJECT": str(self.folder)}
        done = subprocess.run(
            [self.python, "-c", COURT + code], cwd=self.homes[user], env=environ, user=user, group=user,
            extra_groups=[TEAM] if member else [], umask=0o022, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def owner(self) -> int:
        """The user whose process owns the store."""
        return Path(f"/proc/{self.owner_pid()}").stat().st_uid

    def end(self) -> None:
        """Kill the owner, whoever's it is."""
        line = f"\0nbops._owner\0{self.folder}/.nbops\0".encode()
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if line in path.read_bytes():
                    os.kill(int(path.parent.name), signal.SIGKILL)

    def owner_pid(self) -> int:
        return int(self.run(ANN, "print(store.hello().pid)"))


def made(group: str) -> Iterator[Team]:
    # Where pytest's own folders lie, nobody else may look.
    parent = Path(tempfile.mkdtemp(prefix="nbops-team-"))
    parent.chmod(0o755)
    (parent / "project").mkdir()
    team = Team(parent / "project", group)
    yield team
    team.end()
    shutil.rmtree(parent)


@pytest.fixture
def team() -> Iterator[Team]:
    yield from made(str(TEAM))


@needs_root
def test_who_made_a_version_cannot_approve_it_by_any_verb_and_another_member_can(team: Team) -> None:
    told = team.run(
        ANN,
        """
number = version()
store.write(DescribeModel(model="air", card=Card(policy=Policy(author_may_approve=False))))
asked = propose(number)
print(act(asked))
print(act(asked, attested_by="uid 61001", evidence="a" * 64))
print(act(asked, attested_by="Dr. Roe", evidence="a" * 64))
print(refused(DescribeModel(model="air", card=Card(policy=Policy(author_may_approve=True, protected=())))))
print(act(asked))
print(refused(MoveAlias(model="air", alias="champion", version=number)))
print(refused(Rollback(model="air", alias="champion", why="because")))
print(refused(Freeze(model="air", frozen=True, why="because")), refused(Freeze(model="air", frozen=False, why="because")))
print(act(asked, "send back"), act(asked, "answer"), act(asked))
print(act(asked, "withdraw"), act(propose(number)))
print(holder())
""",
    ).splitlines()
    assert told == [
        "refused False", "refused False", "refused False", "done", "refused False",
        "Conflict: air@champion is protected: it moves by an approved review only.",
        "NotFound: air@champion stands for no version.", "done done",
        "done False done False refused False", "done False refused False", "[]",
    ]  # fmt: skip
    assert team.run(BEA, "print(act(review()), holder())") == "done True [1]"
    history = team.run(
        ANN, "print(store.read('select requested_by, changed_by, status from reviews order by created').rows)"
    )
    assert history == "[['uid 61001', 'uid 61001', 'withdrawn'], ['uid 61001', 'uid 61002', 'approved']]"
    assert team.run(EVE, "print(refused(Freeze(model='air', frozen=True, why='spite')))", member=False).startswith(
        ("StoreUnavailable", "PathRefused")
    )


@needs_root
def test_the_store_goes_on_whoever_owns_it(team: Team) -> None:
    kept = team.run(ANN, "version(); print(store.put_blob(b'of ann').sha256)")
    assert team.owner() == ANN
    team.run(BEA, "store.stop_owner(); store.hello()")
    assert team.owner() == BEA
    told = team.run(BEA, f"print(store.get_blob({kept!r}), store.put_blob(b'of ann').size, version())")
    assert told == "b'of ann' 6 2"
    run = "with nbops.start_run() as run:\n    run.log_metric('mae', 6.5)\nprint(run.id, store.spooling)"
    assert team.run(ANN, f"{run}\nprint(version())").endswith("\n3")
    team.run(ANN, "store.stop_owner(); store.hello()")
    assert team.owner() == ANN
    actors = team.run(BEA, "print(store.read('select actor from model_versions order by version').rows)")
    assert actors == "[['uid 61001'], ['uid 61002'], ['uid 61001']]"
    modes = {path: path.lstat().st_mode & 0o7777 for path in (team.folder / ".nbops").rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o2770}
    assert not [
        path for path, mode in modes.items() if mode & 0o007 and path.name != ".gitignore" and "runs" not in path.parts
    ]


@needs_root
def test_what_one_member_spooled_another_ones_owner_folds(team: Team) -> None:
    team.run(ANN, "version()")
    team.run(BEA, """
from nbops.store.client import Store
from nbops.store.spool import Spool
from nbops.store.wire import Envelope, encode
spool = Spool(store.places, store="", writer=new_id(), host=store.host)
begun = StartRun(run_id=new_id(), experiment="flights", name="spooled", started=now_us(), host="here", pid=1)
spool.append(Envelope(tx=new_id(), commands=[msgspec.Raw(encode(begun))]))
spool.seal()
store.control("fold")
""")  # fmt: skip
    assert (
        team.run(ANN, "print(store.read(\"select actor from runs where name = 'spooled'\").rows)") == "[['uid 61002']]"
    )


@needs_root
def test_each_member_executes_notebooks_with_kernels_of_their_own(team: Team) -> None:
    work = """
import subprocess
notebook = {"cells": [{"cell_type": "code", "id": "a", "metadata": {}, "source": "import os; print('as', os.getuid())", "outputs": [],
                       "execution_count": None}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
import json
open("work.ipynb", "w").write(json.dumps(notebook))
environ = {**os.environ, "NBOPS_EXECUTION_FORK_SERVER": "true", "NBOPS_EXECUTION_FORK_SERVER_MINUTES": "0.05"}
words = [sys.executable, "-m", "nbops", "run", "work.ipynb", "out.ipynb", "--force"]
done = subprocess.run(words, env=environ, capture_output=True, text=True)
print(done.returncode, done.stderr, json.load(open("out.ipynb"))["cells"][0]["outputs"][0]["text"])
"""
    for user in (ANN, BEA, ANN):
        told = team.run(user, work)
        assert told.startswith("0 "), told
        assert f"as {user}" in told
    assert {path.name for path in (team.folder / ".nbops" / "run").glob("kernels*")} == {
        f"kernels-{ANN}",
        f"kernels-{BEA}",
    }
    found = team.run(BEA, "print(store.read('select actor, status from runs order by start_time').rows)")
    assert found == "[['uid 61001', 'finished'], ['uid 61002', 'finished'], ['uid 61001', 'finished']]"


@needs_root
def test_a_store_that_was_private_becomes_the_groups_at_the_next_use(team: Team) -> None:
    text = (team.folder / "nbops.toml").read_text()
    (team.folder / "nbops.toml").write_text(text.replace(f'group = "{TEAM}"\n', ""))
    kept = team.run(ANN, "version(); print(store.put_blob(b'of ann').sha256)")
    assert (team.folder / ".nbops").stat().st_mode & 0o777 == 0o700
    assert "StoreUnavailable" in team.run(BEA, "print(refused(Freeze(model='air', frozen=True, why='odd')))")
    os.kill(team.owner_pid(), signal.SIGTERM)
    (team.folder / "nbops.toml").write_text(text)
    team.run(ANN, "store.stop_owner(); store.hello()")
    assert (
        team.run(BEA, f"print(store.get_blob({kept!r}), refused(Freeze(model='air', frozen=True, why='odd')))")
        == "b'of ann' done"
    )


@needs_root
def test_a_group_that_one_is_no_member_of_is_told(team: Team) -> None:
    (team.folder / "nbops.toml").write_text('[store]\ngroup = "61999"\n')
    told = team.run(
        ANN, "try:\n    store.hello()\nexcept NbopsError as error:\n    print(type(error).__name__, error.message)"
    )
    assert (
        told
        == "ConfigError The store cannot be shared with the group '61999' (store.group): this user is not a member."
    )
