"""The run key changes with everything that a run depends on, and with nothing else; what differs is told in words."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.execution.skipping import packages
from nbops.execution.skipping.digests import MISSING, Digests
from nbops.execution.skipping.keys import Input, Parts, cell_digest, differences, run_key, static_key
from nbops.tracking import installed

BASE = Parts(
    kernel="python3",
    language="python",
    python="3.11.7",
    folder=".",
    cells=("a", "b", "c", "d"),
    parameters={"alpha": "float 0.1", "name": "str 'x'"},
    inputs={"data": Input("../data.csv", "1" * 64)},
    contracts={"daily": "f"},
    distributions={"pandas": "3.0.1", "numpy": "2.4"},
    modules={"src/features.py": "f"},
)
CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"kernel": "ir"}, "the kernel python3 -> ir"),
    ({"language": "r"}, "the language python -> r"),
    ({"python": "3.12.1"}, "Python 3.11.7 -> 3.12.1"),
    ({"folder": ".."}, "the folder it runs in . -> .."),
    ({"cells": ("a", "b", "c", "e")}, "cell 4 changed"),
    ({"cells": ("a", "b", "c", "d", "e")}, "cell 5 is new"),
    ({"cells": ("a", "c", "d")}, "what was cell 2 is gone"),
    ({"parameters": {"alpha": "float 0.2", "name": "str 'x'"}}, "parameter alpha 0.1 -> 0.2"),
    ({"parameters": {"alpha": "float 0.1", "name": "Path 'x'"}}, "parameter name 'x' (str) -> 'x' (Path)"),
    ({"parameters": {"alpha": "float 0.1"}}, "parameter name is gone"),
    ({"parameters": {**BASE.parameters, "new": "int 1"}}, "parameter new is new"),
    ({"inputs": {"data": Input("../data.csv", "2" * 64)}}, "input ../data.csv changed (sha256 22222222)"),
    ({"contracts": {"daily": "g"}}, "the contract of daily changed"),
    ({"contracts": {}}, "the contract of daily is gone"),
    ({"contracts": {**BASE.contracts, "more": "f"}}, "the contract of more is new"),
    ({"distributions": {"pandas": "3.1.0", "numpy": "2.4"}}, "pandas 3.0.1 -> 3.1.0"),
    ({"distributions": {"pandas": "3.0.1"}}, "numpy 2.4 -> nothing"),
    ({"modules": {"src/features.py": "g"}}, "src/features.py changed"),
    ({"modules": {}}, "src/features.py is gone"),
    ({"engine": 0}, "nbops' way of executing 1 -> 0"),
]


@pytest.mark.parametrize(("change", "sentence"), CHANGES)
def test_each_part_changes_the_key_and_is_told(change: dict[str, Any], sentence: str) -> None:
    changed = msgspec.structs.replace(BASE, **change)
    assert run_key(changed) != run_key(BASE)
    assert differences(BASE, changed) == [sentence]
    assert (static_key(changed) == static_key(BASE)) == (set(change) <= {"distributions", "modules"})


def test_the_order_of_names_does_not_count() -> None:
    turned = msgspec.structs.replace(BASE, parameters=dict(reversed(BASE.parameters.items())))
    assert (run_key(turned), differences(BASE, turned)) == (run_key(BASE), [])


CODE = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=40)


@given(st.lists(CODE, min_size=1, max_size=4), st.integers(0, 3), st.text(" \t", max_size=3))
def test_space_at_the_end_of_a_line_does_not_count(lines: list[str], at: int, space: str) -> None:
    padded = [line + space if index == at else line for index, line in enumerate(lines)]
    assert cell_digest("\n".join(padded) + "\n", ["a", "b"]) == cell_digest("\n".join(lines), ["b", "a", "b"])


@given(CODE, st.integers(0, 40), st.characters(codec="utf-8", categories=["L", "N", "P", "S"]))
def test_every_other_character_counts(code: str, at: int, character: str) -> None:
    assert cell_digest(code[:at] + character + code[at:], []) != cell_digest(code, [])
    assert cell_digest(code, [character]) != cell_digest(code, [])


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=5)), st.dictionaries(st.text(max_size=5), st.text(max_size=5))
)
def test_equal_keys_are_equal_parts(first: dict[str, str], second: dict[str, str]) -> None:
    one, other = (msgspec.structs.replace(BASE, parameters=item) for item in (first, second))
    assert (run_key(one) == run_key(other)) == (first == second) == (differences(one, other) == [])


# Digests of files


def test_a_digest_is_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, memory = tmp_path / "a.csv", tmp_path / "digests.json"
    path.write_text("1")
    time.sleep(2.1)
    digests = Digests(memory)
    digest = digests.file(path)
    digests.save()
    read: list[Path] = []

    def digest_of(path: Path) -> str:
        read.append(path)
        return "new"

    monkeypatch.setattr("nbops.execution.skipping.digests.file_digest", digest_of)
    assert (Digests(memory).file(path), read) == (digest, [])
    path.write_text("2")
    assert (Digests(memory).file(path), read) == ("new", [path])


def test_a_file_that_was_just_written_is_not_remembered(tmp_path: Path) -> None:
    path, memory = tmp_path / "a.csv", tmp_path / "digests.json"
    path.write_text("1")
    digests = Digests(memory)
    first = digests.file(path)
    status = path.stat()
    path.write_text("2")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    digests.save()
    assert digests.file(path) != first
    assert not memory.exists()


def test_a_memory_that_cannot_be_read_or_written_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1")
    (tmp_path / "digests.json").write_text('{"x": 3}')
    assert Digests(tmp_path / "digests.json").file(tmp_path / "a.csv")
    os.utime(tmp_path / "a.csv", (0, 0))
    nowhere = Digests(tmp_path / "no" / "digests.json")
    assert nowhere.file(tmp_path / "a.csv")
    nowhere.save()


def test_a_folder_is_its_files_by_name_and_content(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    (folder / "deep").mkdir(parents=True)
    digests = Digests(tmp_path / "digests.json")
    seen = [digests.content("parts", tmp_path).digest]
    for name in ("a", "deep/b"):
        (folder / name).write_text("x")
        seen.append(digests.content("parts", tmp_path).digest)
    (folder / "a").rename(folder / "c")
    seen.append(digests.content("parts", tmp_path).digest)
    assert len(set(seen)) == 4
    assert digests.content("parts/*", tmp_path).digest == digests.content("parts/**/*", tmp_path).digest


def test_a_folder_holds_what_its_links_lead_to(tmp_path: Path) -> None:
    for name in ("parts", "real"):
        (tmp_path / name).mkdir()
    (tmp_path / "real" / "a.csv").write_text("1")
    (tmp_path / "parts" / "link").symlink_to("../real")
    (tmp_path / "real" / "round").symlink_to("../parts")
    digests = Digests(tmp_path / "digests.json")
    before = digests.content("parts", tmp_path)
    (tmp_path / "real" / "a.csv").write_text("2")
    assert digests.content("parts", tmp_path).digest != before.digest
    assert len(before.stamps) == 1


def test_what_is_no_file_is_told_apart_from_what_cannot_be_known(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    digests = Digests(tmp_path / "digests.json")
    found = {text: digests.content(text, tmp_path).digest for text in ("no.csv", "*.no", "s3://a/b", "pipe", "")}
    assert found == {"no.csv": MISSING, "*.no": MISSING, "s3://a/b": None, "pipe": None, "": None}


# Distributions


def install(folder: Path, name: str, version: str, *files: str, top: str = "") -> None:
    """What pip leaves of a distribution."""
    for old in folder.glob(f"{name}-*"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    if top:
        (info / "top_level.txt").write_text(top)


def test_versions_are_read_from_names_and_follow_an_upgrade(tmp_path: Path) -> None:
    folder = tmp_path / "site-packages"
    install(folder, "Some_Thing", "1.0rc1")
    assert packages.versions([str(folder)]) == {"some-thing": "1.0rc1"}
    install(folder, "Some_Thing", "2.0")
    assert packages.versions([str(folder), str(tmp_path)]) == {"some-thing": "2.0"}


def test_packages_are_of_the_distributions_that_brought_them(tmp_path: Path) -> None:
    folder, memory = tmp_path / "site-packages", tmp_path / "packages.json"
    install(folder, "whole", "1", "whole/__init__.py", "whole-1.dist-info/METADATA")
    install(folder, "single", "1", "one.py", "two.cpython-311-x86_64-linux-gnu.so")
    install(folder, "old.style", "1", top="older\n_older\n")
    install(folder, "google-a", "1", "google/a.py")
    install(folder, "google-b", "1", "google/b.py")
    names = ["whole", "one", "_older", "google", "unknown"]
    expected = {"whole", "single", "old-style", "google-a", "google-b"}
    assert packages.distributions(names, [str(folder)], memory) == expected


def test_who_owns_a_package_is_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, memory = tmp_path / "site-packages", tmp_path / "packages.json"
    install(folder, "whole", "1", "whole/__init__.py")
    assert packages.distributions(["whole"], [str(folder)], memory) == {"whole"}
    looked: list[Any] = []

    def look(folders: Any) -> dict[str, list[str]]:
        looked.append(folders)
        return {}

    monkeypatch.setattr(packages, "_look", look)
    assert (packages.distributions(["whole"], [str(folder)], memory), looked) == ({"whole"}, [])
    install(folder, "more", "1", "more/__init__.py")
    installed._scanned.clear()  # noqa: SLF001 - the folder may have changed within one tick of its clock
    assert (packages.distributions(["whole"], [str(folder)], memory), len(looked)) == (set(), 1)
