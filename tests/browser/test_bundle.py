"""The bundle that is installed is the one that the sources make: neither node nor a browser is needed to tell."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import nbops

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "extensions" / "jupyterlab"
BUNDLE = ROOT / "nbops" / "labextension"
PARTS = ("package.json", "package-lock.json", "tsconfig.json", "schema", "src", "style")


def digest(folder: Path) -> str:
    """What `seal.mjs` writes into the bundle: sha256 over path, length and content of each source, by path."""
    files = [
        file
        for part in PARTS
        for file in ([folder / part] if (folder / part).is_file() else (folder / part).rglob("*"))
    ]
    found = hashlib.sha256()
    for path, file in sorted((file.relative_to(folder).as_posix(), file) for file in files if file.is_file()):
        content = file.read_bytes()
        found.update(f"{path}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def test_bundle_is_made_of_these_sources() -> None:
    assert (BUNDLE / "sources.sha256").read_text("ascii").strip() == digest(SOURCES), "`make labextension` builds it"


def test_a_changed_source_is_noticed(tmp_path: Path) -> None:
    for part in ("package.json", "package-lock.json", "tsconfig.json"):
        (tmp_path / part).write_bytes((SOURCES / part).read_bytes())
    before = digest(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "new.ts").touch()
    assert digest(tmp_path) != before


def test_bundle_is_small_and_what_is_loaded_at_start_smaller() -> None:
    sizes = {file.name: file.stat().st_size for file in BUNDLE.rglob("*") if file.is_file()}
    later = [size for name, size in sizes.items() if name.startswith("pages.")]
    # Pages and dialogs are a file of their own, which comes when one of them is opened.
    assert len(later) == 1
    assert sum(sizes.values()) - later[0] <= 150_000
    assert sum(sizes.values()) <= 180_000


def test_versions_and_protocols_agree() -> None:
    from nbops.jupyter_ext.verbs import PROTOCOL

    assert json.loads((BUNDLE / "package.json").read_text("utf-8"))["version"] == nbops.__version__
    assert f"export const PROTOCOL = {PROTOCOL};" in (SOURCES / "src" / "api.ts").read_text("utf-8")


def test_every_command_and_setting_is_documented() -> None:
    commands = set()
    for file in SOURCES.joinpath("src").rglob("*.ts"):
        commands |= set(re.findall(r"(?:add|onRun)\(\s*'(nbops:[\w-]+)'", file.read_text("utf-8")))
    page = (ROOT / "docs" / "jupyterlab.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(nbops:[\w-]+)` \|", page, re.MULTILINE)) == commands
    settings = json.loads((SOURCES / "schema" / "plugin.json").read_text("utf-8"))["properties"]
    assert [name for name in settings if f"`{name}`" not in page] == []


def test_bundle_names_no_place_on_the_network() -> None:
    # Only what an error or a licence of a library says.
    text = "".join(file.read_text("utf-8") for file in BUNDLE.rglob("*.js"))
    assert set(re.findall(r"https?://[\w.-]+", text)) <= {"http://www.w3.org"}
