"""A notebook before it is executed: its file, and the names that its cells assign. Nothing in it is evaluated."""

from __future__ import annotations

import ast
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbops.errors import NotFound, UsageError, nearest


@contextmanager
def light_imports() -> Iterator[None]:
    """Import nbformat without the grammar of internationalised addresses.

    jsonschema would load it, for about a second of cpu, for a format that no notebook schema uses.
    """
    formats = () if "jsonschema" in sys.modules else ("rfc3987_syntax", *(_FORMATS if _local else ()))
    blocked = [name for name in (*formats, *(_REMOTE if _local else ())) if name not in sys.modules]
    for name in blocked:
        sys.modules[name] = None  # type: ignore[assignment]  # the documented way to make an import fail
    try:
        yield
    finally:
        for name in blocked:
            del sys.modules[name]


def only_files() -> None:
    """In a process of nbops' own, whose notebooks are files: from now on nothing is imported for others."""
    global _local  # noqa: PLW0603 - a process is of one kind for its whole life
    _local = True


_local = False
_SAVING_SECONDS = 1.0
# What papermill imports for notebooks on Hadoop, and jsonschema for formats that notebooks do not have.
_REMOTE = ("pyarrow",)
_FORMATS = ("rfc3986_validator", "isoduration", "fqdn", "uri_template", "webcolors")


STEPS = (".ipynb", ".py", ".sql")
"""The suffixes of files that may be steps."""


_GIVE = {
    "notebook": "Give the path of an .ipynb, .py or .sql file.",
    "folder": "Give a folder of notebooks; `nbops run` takes a single one as well.",
    "notebook or folder": "Give the path of an .ipynb, .py or .sql file, or of a folder of them.",
}


def absent(path: Path, kind: str = "notebook") -> NotFound:
    """That a whole path leads to no `notebook`, no `folder`, or neither (`notebook or folder`): what was looked for, in which folder.

    The hint names what is called nearly so there.
    """
    home = next(folder for folder in path.parents if folder.is_dir())
    name = path.relative_to(home).as_posix()
    if path.exists():
        return NotFound(f"{name!r} in {home} is no {kind}.", hint=_GIVE[kind])
    folders, files = "folder" in kind, "notebook" in kind
    try:
        there = [one.name for one in home.iterdir() if (files and one.suffix in STEPS) or (folders and one.is_dir())]
    except OSError:
        there = []
    near = nearest(path.relative_to(home).parts[0], there)
    return NotFound(f"There is no {kind} {name!r} in {home}.", hint=f"Did you mean {near!r}?" if near else _GIVE[kind])


def read(notebook: Path) -> Any:
    """The notebook of a file, in the newest form of its format; scripts in the percent format and SQL are made one.

    Raises UsageError when it is none.
    """
    with light_imports():
        import nbformat

    if not is_notebook(notebook):
        from nbops.execution.steps import percent, sql

        return percent.read(notebook) if notebook.suffix == ".py" else sql.read(notebook)
    while True:
        try:
            return nbformat.read(notebook, as_version=4)
        except (ValueError, KeyError, AttributeError, TypeError, nbformat.ValidationError) as error:
            # Jupyter writes into the file that is there: a part of it may be read.
            if 0 <= time.time() - notebook.stat().st_mtime < _SAVING_SECONDS:
                time.sleep(0.05)
                continue
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UsageError(
                f"{notebook} is not a notebook: {first}.", hint="Open it in JupyterLab and save it again."
            ) from error


def is_notebook(path: Path) -> bool:
    """Whether a step's file is a notebook itself, and not a script that is read as one."""
    return path.suffix not in STEPS[1:]


def is_executable(path: Path) -> bool:
    """Whether a file can be executed as a notebook, by its suffix; a script also by a cell's mark."""
    if path.suffix != ".py":
        return path.suffix in STEPS
    try:
        return re.search(rb"^#\s*%%", path.read_bytes(), re.MULTILINE) is not None
    except OSError:
        return False


def language_of(node: Any) -> str:
    """The language that a notebook names, else Python."""
    told = node.metadata.get("language_info", {}).get("name") or node.metadata.get("kernelspec", {}).get("language")
    return told or "python"


def assignments(source: str) -> dict[str, ast.expr | None]:
    """The names that a cell assigns, with the expression where one belongs to the name alone. IPython's own lines are passed over."""
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        return {}
    found: dict[str, ast.expr | None] = {}
    for node in tree.body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                found[target.id] = None if isinstance(node, ast.AugAssign) else node.value
            elif isinstance(target, (ast.Tuple, ast.List)):
                parts = node.value.elts if isinstance(node.value, (ast.Tuple, ast.List)) else []
                values = parts if len(parts) == len(target.elts) else [None] * len(target.elts)
                pairs = zip(target.elts, values, strict=True)
                found.update((item.id, value) for item, value in pairs if isinstance(item, ast.Name))
    return found
