"""What `nbops init` makes of a table: settings with their defaults, and a notebook, whose words and code are in templates/train.md.j2."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nbops.errors import Conflict, UsageError
from nbops.records import Record
from nbops.workspace.source import SAMPLE
from nbops.workspace.table import RARE, Kind, Reason, Table, look

if TYPE_CHECKING:
    from jinja2 import Template
    from nbformat import NotebookNode

SMALL = 1000
"""Tables with fewer rows get a linear model: trees would learn them by heart."""
WIDE = 60
"""Beyond so many columns the notebook chooses them by type instead of listing them."""


class Made(Record):
    """What was written; `settings` is None where the project had some already."""

    notebook: Path
    settings: Path | None
    table: Table


def create(
    project: Path, file: Path, target: str, *, name: str = "train", task: Kind | None = None, force: bool = False
) -> Made:
    """Write `notebooks/NAME.ipynb` for the table in `file`, and `nbops.toml` unless the project has settings.

    The table stays where it is. Raises Conflict for a notebook that exists (unless `force`), UsageError for an unfit name, and
    what `table.look` raises.
    """
    import nbformat

    path = project / "notebooks" / f"{_stem(name)}.ipynb"
    if path.exists() and not force:
        raise Conflict(f"{path} exists already.", hint="Choose another --name, or replace it with --force.")
    table = look(file.expanduser().resolve(), target, task)
    node = notebook(
        table, data=_from(path.parent, table.source.file, project), path=path.relative_to(project).as_posix()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{nbformat.writes(node)}\n", encoding="utf-8")
    settings = project / "nbops.toml"
    known = settings.exists()
    if not known:
        settings.write_text(_template("nbops.toml").render(), encoding="utf-8")
    return Made(notebook=path, settings=None if known else settings, table=table)


def notebook(table: Table, *, data: str, path: str) -> NotebookNode:
    """The notebook for a table, without outputs. `data` is the table's path as the notebook says it, `path` its own."""
    return assembled(_template("train.md.j2").render(_words(table, data, path)))


def written(template: str, **words: object) -> NotebookNode:
    """The notebook that a template says with these words."""
    return assembled(_template(template).render(**words))


def assembled(page: str) -> NotebookNode:
    """A page as a notebook without outputs: prose is Markdown, a python fence with a name is a code cell with that id."""
    from nbformat import v4

    prose, *rest = _FENCE.split(page)
    cells = []
    for name, code, following in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        if prose.strip():
            cells.append(v4.new_markdown_cell(prose.strip(), id=f"about-{name}"))
        tags = {"tags": [name]} if name == "parameters" else {}
        cells.append(v4.new_code_cell(code.strip(), id=name, metadata=tags))
        prose = following
    if prose.strip():
        cells.append(v4.new_markdown_cell(prose.strip(), id="next"))
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return cast("NotebookNode", v4.new_notebook(cells=cells, metadata=metadata))


_FENCE = re.compile(r"^```python ([a-z]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


_REASONS: dict[Reason, str] = {
    "unique": "another value in nearly every row, so nothing repeats that could be learned",
    "identifier": "named like an identifier",
    "constant": "the same value everywhere",
    "empty": "no values",
    "text": "free text, which needs a way in of its own, such as `TfidfVectorizer`",
    "date": "a date; what matters of it can become a number, such as `.dt.weekday`, and then join the lists below",
    "nested": "lists or mappings instead of single values",
    "odd": "neither numbers nor words",
}
_SCORING = {
    "regression": ("neg_mean_absolute_error", "Growth of the mean absolute error"),
    "binary": ("roc_auc", "Loss of ROC AUC"),
    "multiclass": ("accuracy", "Loss of accuracy"),
}


def _words(table: Table, data: str, path: str) -> dict[str, Any]:
    target, repairs = table.target, table.repairs
    small = target.rows - target.unlabelled < SMALL
    regression = target.task == "regression"
    settings = ["max_iter", "learning_rate"] if not small else ["alpha"] if regression else ["C", "max_iter"]
    read = {name: options for name, options in repairs.dates.items() if options}
    gone = {"constant", "empty", "date", "nested"}
    return {
        "table": table,
        "target": target,
        "data": data,
        "notebook": path,
        "experiment": Path(path).stem,
        "rows": f"{target.rows:,}",
        "small": small,
        "wide": len(table.features) > WIDE,
        "fewest": RARE,
        "sample": f"{SAMPLE:,}",
        "repaired": read or repairs.nested or repairs.numeric or table.source.then,
        "dates": [
            (json.loads(options), names) for options, names in _grouped({n: json.dumps(o) for n, o in read.items()})
        ],
        "left_out": [(_REASONS[cast("Reason", reason)], names) for reason, names in _grouped(table.left_out)],
        "dropped": [name for name, reason in table.left_out.items() if reason not in gone],
        "settings": [f"{name}={name}" for name in settings],
        "example": f"{settings[0]} {10 if small else 400}",
        "suffix": "Regressor" if regression else "Classifier",
        "linear": "Ridge" if regression else "LogisticRegression",
        "guess": "predicted" if target.name != "predicted" else "prediction",
        "miss": "error" if target.name != "error" else "miss",
        "scoring": _SCORING[target.task][0],
        "lost": _SCORING[target.task][1],
        "model": re.sub(r"[^A-Za-z0-9]+", "-", target.name).strip("-").lower() or "model",
    }


def _grouped(texts: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    return [(text, [key for key, other in texts.items() if other == text]) for text in dict.fromkeys(texts.values())]


def _template(name: str) -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("nbops.workspace"),
        autoescape=False,  # noqa: S701 - it makes Markdown and Python, not HTML: a filter quotes each value for its place
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        code=_code, arguments=_arguments, span=_span, spans=_spans, shell=shlex.quote, plain=_plain
    )
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
    lines = ["   "]
    for item in items:
        if len(lines[-1]) + len(item) > 100:
            lines.append("   ")
        lines[-1] += f" {item},"
    return "\n".join(["[", *lines, "]"])


def _arguments(options: Mapping[str, object]) -> str:
    return "".join(f", {key}={_code(value)}" for key, value in options.items())


def _span(text: str) -> str:
    """A name as Markdown shows it untouched: a code span, whatever is in it."""
    line = " ".join(text.split()) or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def _plain(text: str) -> str:
    """A sentence as Markdown shows it: nothing in it is markup."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~-])", r"\\\1", " ".join(text.split()))


def _spans(texts: Iterable[str], most: int) -> str:
    shown = [_span(text) for text in texts]
    parts = [*shown[:most], f"{len(shown) - most} more"] if len(shown) > most else shown
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _stem(name: str) -> str:
    stem = name.removesuffix(".ipynb")
    if not re.fullmatch(r"[^\W_][\w .-]*", stem):
        raise UsageError(
            f"{name!r} cannot be the name of a notebook.",
            hint="Use letters, digits, '-', '_', '.' and spaces; it goes into the folder notebooks.",
        )
    return stem


def _from(folder: Path, file: Path, project: Path) -> str:
    """The table's path as the notebook says it: relative within the project."""
    return Path(os.path.relpath(file, folder)).as_posix() if file.is_relative_to(project) else str(file)
