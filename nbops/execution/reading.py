"""A notebook before it is executed: read from its file, with the names that its cells assign. Nothing in it is evaluated."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbops.errors import ParameterError, UsageError, nearest


@contextmanager
def light_imports() -> Iterator[None]:
    """Import nbformat without the grammar of internationalised addresses.

    jsonschema would load it for a format that no notebook schema uses, at about a second of cpu time.
    """
    if "rfc3987_syntax" in sys.modules or "jsonschema" in sys.modules:
        yield
        return
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # the documented way to make an import fail
    try:
        yield
    finally:
        del sys.modules["rfc3987_syntax"]


def read(notebook: Path) -> Any:
    """The notebook of a file, in the newest form of its format. Raises UsageError when it is none."""
    with light_imports():
        import nbformat

    try:
        return nbformat.read(notebook, as_version=4)
    except (ValueError, KeyError, AttributeError, TypeError, nbformat.ValidationError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"{notebook} is not a notebook: {first}.", hint="Open it in JupyterLab and save it again."
        ) from error


def language_of(node: Any) -> str:
    """The language of a notebook, as it says itself; Python when it does not."""
    told = node.metadata.get("language_info", {}).get("name") or node.metadata.get("kernelspec", {}).get("language")
    return told or "python"


def parameters(node: Any, language: str) -> tuple[list[str] | None, dict[str, object]]:
    """The names of the first parameters cell, and the defaults that it gives: literals as values, other expressions as their text.

    None instead of the names when nothing here reads the language.
    """
    tagged = [cell for cell in node.cells if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", [])]
    if not tagged:
        return [], {}
    if language.lower() in {"python", "ipython"}:
        assigned = assignments(tagged[0].source)
        return list(assigned), {
            name: _value(expression) for name, expression in assigned.items() if expression is not None
        }
    with light_imports():
        from papermill.exceptions import PapermillException
        from papermill.translators import papermill_translators

    try:
        told = papermill_translators.find_translator("", language).inspect(tagged[0])
    except (NotImplementedError, PapermillException):
        # Papermill writes parameters of this language at most, it does not read them.
        return None, {}
    return [item.name for item in told], {item.name: item.default for item in told}


def _value(expression: ast.expr) -> object:
    try:
        return ast.literal_eval(expression)
    except (ValueError, TypeError):
        return ast.unparse(expression)


def refuse_unknown(given: Mapping[str, object], known: Sequence[str], notebook: Path) -> None:
    """Raise ParameterError for a parameter that a notebook does not have, with the nearest one that it has."""
    for name in given:
        if name in known:
            continue
        if not known:
            raise ParameterError(
                f"{notebook.name} has no parameters, so {name!r} cannot be set.",
                hint="Put the settings into one cell and give that cell the tag 'parameters'.",
            )
        near = nearest(name, known)
        raise ParameterError(
            f"Unknown parameter {name!r} for {notebook.name}. Known: {', '.join(known)}.",
            hint=f"Did you mean {near!r}?" if near else "Use one of the known names, or add it to the parameters cell.",
        )


def assignments(source: str) -> dict[str, ast.expr | None]:
    """The names that a cell assigns, with the expression where one belongs to the name alone. What only IPython reads is passed over."""
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
                values = node.value.elts if isinstance(node.value, (ast.Tuple, ast.List)) else []
                pairs = zip(
                    target.elts, values if len(values) == len(target.elts) else [None] * len(target.elts), strict=True
                )
                found.update((item.id, value) for item, value in pairs if isinstance(item, ast.Name))
    return found
