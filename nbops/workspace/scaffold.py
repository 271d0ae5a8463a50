"""What `nbops init` makes of a table: settings with their defaults, and one notebook that trains a first model.

A `Table` flows in, cells flow out; `create` alone writes. The words and the code of the notebook are in templates/train.md.j2,
which reads like the notebook itself.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.errors import Conflict, UsageError
from nbops.records import Record
from nbops.workspace.table import RARE, SAMPLE, Kind, Reason, Table, look

if TYPE_CHECKING:
    from nbformat import NotebookNode

TINY = 200
"""Tables with fewer rows get a linear model: trees would learn them by heart."""
WIDE = 60
"""Beyond so many columns the notebook chooses them by type instead of listing them."""


class Made(Record):
    """What was written; `settings` is None where the project had some already."""

    notebook: Path
    settings: Path | None
    table: Table


def create(project: Path, file: Path, target: str, *, name: str = "train", task: Kind | None = None, force: bool = False) -> Made:
    """Write `notebooks/NAME.ipynb` for the table in `file`, and `nbops.toml` unless the project has settings.

    The table stays where it is. Raises Conflict for a notebook that exists (unless `force`), and what `table.look` raises.
    """
    path = project / "notebooks" / f"{_stem(name)}.ipynb"
    if path.exists() and not force:
        raise Conflict(f"{path} exists already.", hint="Choose another --name, or replace it with --force.")
    table = look(file.expanduser().resolve(), target, task)
    text = _text(notebook(table, _from(path.parent, table.file, project), path.relative_to(project).as_posix()))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    settings = project / "nbops.toml"
    if settings.exists():
        return Made(notebook=path, settings=None, table=table)
    settings.write_text(_template("nbops.toml").render(), encoding="utf-8")
    return Made(notebook=path, settings=settings, table=table)


def notebook(table: Table, data: str, path: str) -> NotebookNode:
    """The notebook for a table, without outputs. `data` is the table's path as the notebook will say it, `path` its own."""
    from nbformat import v4

    cells = []
    parts = _FENCE.split(_template("train.md.j2").render(_words(table, data, path)))
    for prose, cell, code in zip(parts[::3], [*parts[1::3], ""], [*parts[2::3], ""], strict=True):
        if prose.strip():
            cells.append(v4.new_markdown_cell(prose.strip(), id=f"{cell or 'next'}-text"))
        if cell:
            cells.append(v4.new_code_cell(code.strip(), id=cell, metadata={"tags": [cell]} if cell == "parameters" else {}))
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


_FENCE = re.compile(r"^```python ([a-z]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


# The words of the template

_REASONS: dict[Reason, str] = {
    "unique": "another value in nearly every row, so nothing repeats that could be learned",
    "identifier": "named like an identifier",
    "constant": "the same value everywhere",
    "empty": "no values",
    "text": "free text, which needs a way in of its own, such as `TfidfVectorizer`",
    "date": "a date; what matters of it can become a number, such as `table[…].dt.weekday`, and then join the lists below",
    "nested": "lists or mappings instead of single values",
    "odd": "neither numbers nor words",
}


def _words(table: Table, data: str, path: str) -> dict[str, Any]:
    """Everything that the template speaks of."""
    tiny = table.rows - table.unlabelled < TINY
    regression = table.task == "regression"
    settings = ["max_iter", "learning_rate"] if not tiny else ["alpha"] if regression else ["C", "max_iter"]
    return {
        "table": table,
        "target": table.target,
        "data": data,
        "notebook": path,
        "experiment": Path(path).stem,
        "repaired": any(table.repairs.values()),
        "rows": f"{table.rows:,}",
        "features": len(table.features),
        "tiny": tiny,
        "wide": len(table.features) > WIDE,
        "fewest": RARE,
        "sample": f"{SAMPLE:,}",
        "numbers": table.numbers,
        "categories": table.categories,
        "left_out": [(_REASONS[reason], names) for reason, names in _grouped(table.left_out)],
        "dropped": [name for name, reason in table.left_out.items() if reason not in {"constant", "empty", "date", "nested"}],
        "dates": [(json.loads(options), names) for options, names in _grouped({n: json.dumps(o) for n, o in table.dates.items()})],
        "settings": [f"{name}={name}" for name in settings],
        "example": f"{settings[0]} {'400' if not tiny else '10'}",
        "suffix": "Regressor" if regression else "Classifier",
        "linear": "Ridge" if regression else "LogisticRegression",
        "scoring": _SCORING[table.task][0],
        "lost": _SCORING[table.task][1],
        "model": re.sub(r"[^A-Za-z0-9]+", "-", table.target).strip("-").lower() or "model",
    }


_SCORING = {
    "regression": ("neg_mean_absolute_error", "Growth of the mean absolute error"),
    "binary": ("roc_auc", "Loss of ROC AUC"),
    "multiclass": ("accuracy", "Loss of accuracy"),
}


def _grouped(reasons: Mapping[str, Any]) -> list[tuple[Any, list[str]]]:
    ordered = sorted(reasons.items(), key=lambda item: list(reasons.values()).index(item[1]))
    return [(reason, [name for name, _ in items]) for reason, items in groupby(ordered, key=lambda item: item[1])]


# Text


def _template(name: str) -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # The notebook is Markdown and Python, not HTML: each value passes a filter that quotes it for where it stands.
    environment = Environment(
        loader=PackageLoader("nbops.workspace"), autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )  # fmt: skip
    environment.filters.update(code=_code, arguments=_arguments, name=_name, names=_names, shell=shlex.quote)
    return environment.get_template(name)


def _code(value: object) -> str:
    """A Python literal; a list too long for a line gets several."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (list, tuple)):
        return repr(value)
    items = [_code(item) for item in value]
    if sum(len(item) + 2 for item in items) <= 90:
        return f"[{', '.join(items)}]"
    lines = [""]
    for item in items:
        if len(lines[-1]) + len(item) > 110:
            lines.append("")
        lines[-1] += f"{item}, " 
    return "[\n" + "".join(f"    {line.rstrip()}\n" for line in lines) + "]"


def _arguments(options: Mapping[str, object]) -> str:
    return "".join(f", {key}={_code(value)}" for key, value in options.items())


def _name(text: str) -> str:
    """A name as Markdown shows it untouched: a code span, whatever is in it."""
    line = " ".join(text.split()) or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def _names(texts: Iterable[str], most: int) -> str:
    shown = [_name(text) for text in texts]
    more = [f"{len(shown) - most} more"] if len(shown) > most else []
    parts = [*shown[:most], *more]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


# Files


def _stem(name: str) -> str:
    stem = name.removesuffix(".ipynb")
    if not re.fullmatch(r"[^\W_][\w .-]*", stem):
        raise UsageError(f"{name!r} cannot be the name of a notebook.", hint="Use letters, digits, '-', '_', '.' and spaces; it goes to the folder notebooks.")
    return stem


def _from(folder: Path, file: Path, project: Path) -> str:
    """The table's path as the notebook says it: relative within the project, so that the whole can be moved."""
    import os.path

    return Path(os.path.relpath(file, folder)).as_posix() if file.is_relative_to(project) else str(file)


def _text(node: NotebookNode) -> str:
    import nbformat

    return f"{nbformat.writes(node)}\n"
