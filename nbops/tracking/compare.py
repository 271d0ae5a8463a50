"""Runs side by side, as a view that shows itself: a table in a terminal, HTML with a plot in a notebook."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbops.data import degraded
from nbops.errors import NotFound, UsageError
from nbops.records import Better, Record, short
from nbops.render import html, svg, text
from nbops.render.model import Cell, Column, Html, best
from nbops.render.view import View
from nbops.store.client import Store
from nbops.tracking import courses, search, search_sql

if TYPE_CHECKING:
    import pandas as pd

MOST = 100
_CURVES = 6
_TOLD = ("experiment", "status", "commit", "source")
# A metric without a definition still has a direction when its name says it.
_LOWER = ("loss", "error", "mae", "mse", "rmse", "mape", "logloss", "log_loss", "brier", "deviance")
_HIGHER = ("acc", "accuracy", "auc", "roc_auc", "f1", "r2", "precision", "recall", "score")


class Row(Record):
    """One line of a comparison: a cell for each run, None where a run has none."""

    place: str
    key: str
    cells: tuple[object, ...]
    better: Better | None = None
    unit: str | None = None

    @property
    def winners(self) -> list[int]:
        """The places of the best; none where nothing says which way is better."""
        return best(self.cells, self.better) if self.better else []

    @property
    def same(self) -> bool:
        """Whether all runs have this value."""
        first = self.cells[0]
        return all(value == first or (value != value and first != first) for value in self.cells)  # noqa: PLR0124 - NaN


class Comparison(View):
    """What `compare` gives: `runs` are labels in order, `rows` what is compared; `frame` has it as a DataFrame.

    `everything` shows what is the same in all runs, too; `source` is the store and the runs' full ids.
    """

    kind = "comparison"
    caption = "Comparison of runs"
    always: Collection[str] = ("metrics",)

    def __init__(
        self, runs: Sequence[str], rows: Sequence[Row], *, everything: bool, source: tuple[Store, Sequence[str]]
    ) -> None:
        self.runs = tuple(runs)
        self.rows = tuple(rows)
        self.everything = everything
        self._source = source

    @property
    def shown(self) -> tuple[Row, ...]:
        """What differs, and what is `always` shown; all rows when everything was asked for."""
        return tuple(row for row in self.rows if self.everything or row.place in self.always or not row.same)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per compared value and one column per run."""
        import pandas as pd

        index = pd.MultiIndex.from_tuples([(row.place, row.key) for row in self.rows], names=["kind", "name"])
        return pd.DataFrame([row.cells for row in self.rows], index=index, columns=list(self.runs))

    def best(self, metric: str) -> str:
        """The label of the run with the best value of a metric. Raises UsageError when nothing says which way is better."""
        for row in self.rows:
            if row.place == "metrics" and row.key == metric and (winners := row.winners):
                return self.runs[winners[0]]
        raise UsageError(
            f"Nothing says which of these runs has the best {metric!r}.",
            hint=f"Define it: nbops.define_metric({metric!r}, better='lower').",
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        rows = [
            {"kind": row.place, "name": row.key, "better": row.better, "values": list(row.cells)} for row in self.shown
        ]
        return {"runs": list(self.runs), "rows": rows}

    def to_text(self) -> str:
        """Lines for a terminal."""
        return text.table(*self._table(), note=self.note, along="rows")

    def to_html(self) -> Html:
        """HTML and SVG without scripts."""
        curves = html.beside(*(self.curves(metric, width=360) for metric in self.courses[:_CURVES]))
        return html.stack(self.table(), self.plot(), curves if self.courses else "")

    def only(self, metrics: Collection[str], params: Collection[str], *, everything: bool) -> Comparison:
        """The comparison without the other metrics and parameters."""
        chosen = {"metrics": metrics, "params": params}
        rows = [row for row in self.rows if row.place not in chosen or row.key in chosen[row.place]]
        return Comparison(self.runs, rows, everything=everything, source=self._source)

    def table(self) -> Html:
        """What is shown, with one column for each run."""
        return html.table(*self._table(), caption=self.caption, note=self.note, along="rows")

    def plot(self) -> Html:
        """Metrics and what differs of the parameters as parallel coordinates; empty where there is too little to draw."""
        drawn = [row for row in self.rows if row.place == "metrics"]
        drawn += [row for row in self.rows if row.place == "params" and not row.same]
        if len(self.runs) < 3 or len(drawn) < 2:
            return Html("")
        columns: list[Column | str] = [
            Column(row.key, "number", row.unit) if row.place == "metrics" else row.key for row in drawn[:8]
        ]
        lines = list(zip(*(row.cells for row in drawn[:8]), strict=True))
        return svg.parallel(columns, lines, highlight=drawn[0].winners)

    def scatter(self, x: str, y: str) -> Html:
        """One mark for each run at two of its values, called as in `search_runs`; the best `y` is named. Raises NotFound."""
        across, up = self._row(x), self._row(y)
        winners = up.winners
        points = [
            svg.Point(*point, highlight=index in winners)
            for index, point in enumerate(zip(self.runs, across.cells, up.cells, strict=True))
        ]
        return svg.scatter(points, x_label=across.key, y_label=up.key)

    @property
    def courses(self) -> list[str]:
        """The metrics that have more than one value in one of the runs."""
        return courses.names(*self._source)

    def curves(self, metric: str, *, width: int = 560) -> Html:
        """The course of a metric in each of the runs, by step."""
        store, run_ids = self._source
        return svg.line(courses.lines(store, run_ids, self.runs, metric), x_label="step", title=metric, width=width)

    def _row(self, column: str) -> Row:
        known = {f"{row.place}.{row.key}": row for row in self.rows}
        if column not in known:
            raise NotFound.of("column", column, known, otherwise=f"There are: {', '.join(known)}.")
        return known[column]

    def _table(self) -> tuple[list[Column | str], list[list[object]]]:
        columns: list[Column | str] = [Column(""), *(Column(label, "number") for label in self.runs)]
        lines: list[list[object]] = []
        for row in self.shown:
            label = f"{row.key} ({row.unit})" if row.unit else row.key
            winners = row.winners
            told = self.cells_of(row)
            cells = [Cell(value, "best" if i in winners else None) for i, value in enumerate(told)]
            lines.append([Cell(label, note=row.place), *cells])
        return columns, lines

    def cells_of(self, row: Row) -> Sequence[object]:
        """The cells of a row as they are shown."""
        return row.cells

    @property
    def note(self) -> str:
        """How many rows are not shown, and whether the metrics compare."""
        hidden = len(self.rows) - len(self.shown)
        told = [f"{hidden} values that are the same in all are not shown"] if hidden else []
        # What models were trained on may differ, what they are judged on should not.
        inputs = [row for row in self.rows if row.place == "inputs" and not row.key.startswith("train")]
        other = [row.key for row in inputs if len({*row.cells} - {None}) > 1]
        if other:
            told.append(f"metrics may not compare: the runs read different data as {', '.join(map(repr, other))}")
        return "; ".join([*told, *self._old])

    @property
    def _old(self) -> list[str]:
        """Which of them rest on old data."""
        store, run_ids = self._source
        found = degraded.of_runs(store, run_ids)
        names: dict[str, list[str]] = {}
        for label, run_id in zip(self.runs, run_ids, strict=True):
            if run_id in found:
                names.setdefault(found[run_id].rstrip("."), []).append(label)
        return [f"{', '.join(which)} rests on old data: {told}" for told, which in names.items()]


def compare(
    store: Store, run_ids: Sequence[str], *, labels: Mapping[str, str] | None = None, everything: bool = False
) -> Comparison:
    """The comparison of runs given by their full ids, in that order. Raises UsageError for fewer than two."""
    chosen = list(dict.fromkeys(run_ids))
    if not 2 <= len(chosen) <= MOST:
        raise UsageError(
            f"{len(chosen)} {'run was' if len(chosen) == 1 else 'runs were'} given to compare.",
            hint=f"Name 2 to {MOST} runs; in Python, compare(model=NAME) takes all versions of a model.",
        )
    found, names, rows = rows_of(store, chosen)
    shown = [(labels or {}).get(run, name) for run, name in zip(found, names, strict=True)]
    return Comparison(shown, rows, everything=everything, source=(store, found))


def rows_of(store: Store, run_ids: Sequence[str]) -> tuple[list[str], list[str], list[Row]]:
    """The ids of the runs that there are, what they are called, and what can be compared of them."""
    columns: dict[str, list[object]] = search.table(store, search_sql.these_query(list(run_ids))).to_pydict()
    defined = {
        key: (better, unit) for key, better, unit in store.read("select key, better, unit from metric_definitions").rows
    }
    found = list(map(str, columns["run_id"]))
    names = [f"{name} {short(run)}".lstrip() for run, name in zip(found, columns["name"], strict=True)]
    rows = []
    for column in _order(list(columns)):
        place, _, key = column.partition(".") if "." in column else ("run", "", column)
        better, unit = defined.get(key, (direction(key), None)) if place == "metrics" else (None, None)
        rows.append(Row(place=place, key=key, cells=tuple(columns[column]), better=better, unit=unit))
    return found, names, [*rows, *_inputs(store, found)]


def _inputs(store: Store, run_ids: list[str]) -> list[Row]:
    found: dict[str, dict[str, str]] = {}
    sql = (
        "select run_id::varchar, name, digest from run_inputs where run_id in (select unnest(?::uuid[])) order by name"
    )
    for run_id, name, digest in store.read(sql, [run_ids]).rows:
        found.setdefault(name, {})[run_id] = digest[:12]
    return [Row(place="inputs", key=name, cells=tuple(map(digests.get, run_ids))) for name, digests in found.items()]


def _order(columns: list[str]) -> list[str]:
    metrics, params, tags = (
        [c for c in columns if c.startswith(f"{place}.")] for place in ("metrics", "params", "tags")
    )
    return [*metrics, *params, *tags, *(c for c in columns if c in _TOLD)]


def direction(key: str) -> Better | None:
    """Which way a metric is better, as far as its name says it."""
    words = re.split("[/._-]", key.lower())
    if key.lower() in _LOWER or any(word in _LOWER for word in words):
        return "lower"
    return "higher" if key.lower() in _HIGHER or any(word in _HIGHER for word in words) else None
