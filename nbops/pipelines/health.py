"""How healthy a pipeline is: what was healed, how often and at what cost, and how many of its runs end well only because of that."""

from __future__ import annotations

from collections.abc import Sequence

from nbops.errors import NotFound
from nbops.records import Record
from nbops.render import text
from nbops.render.model import Html
from nbops.render.values import counted, duration
from nbops.render.view import View
from nbops.store.client import Store

COLUMNS = ["week of", "step", "failure", "healed", "in vain", "cost", "chronic"]
_RUNS = """
select
    count(*), count(*) filter (where outcome in ('done', 'unchanged', 'healed', 'degraded')),
    count(*) filter (where outcome in ('healed', 'degraded')), count(*) filter (where outcome = 'degraded')
from (
    select outcome from pipeline_runs
    where pipeline = ? and trigger <> 'drill' and outcome <> 'running' order by start_time desc limit ?
)
"""
_WEEKS = """
select week::varchar as monday, step, failure_class, sum(healed)::bigint, sum(failed)::bigint, sum(cost_seconds)
from pipeline_heals where pipeline = ? group by all order by monday desc, 4 desc, step limit 50
"""
_CHRONIC = """
select step, failure_class, healed_runs, runs, signal from pipeline_chronic where pipeline = ? order by healed_runs desc, step
"""
_LAST = 30


class Heals(Record):
    """What was healed of a class in a step in a week (its Monday); the cost in seconds."""

    week: str
    step: str
    failure_class: str
    healed: int
    failed: int
    cost_seconds: float | None


class Chronic(Record):
    """A healing that repeats: in so many of the last runs."""

    step: str
    failure_class: str
    healed_runs: int
    runs: int
    signal: str

    def __str__(self) -> str:
        return f"{self.step} was healed of {self.failure_class} in {self.healed_runs} of the last {self.runs} runs: {self.signal}"


class Health(View):
    """The health of a pipeline over its last 30 runs, and its healings by week."""

    kind = "pipeline health"

    def __init__(self, pipeline: str, runs: Sequence[int], weeks: list[Heals], chronic: list[Chronic]) -> None:
        self.pipeline = pipeline
        self.runs, self.well, self.healed, self.degraded = runs
        self.weeks = weeks
        self.chronic = chronic

    @property
    def share(self) -> float:
        """The share of the runs that ended well which did so only by healing."""
        return self.healed / self.well if self.well else 0.0

    @property
    def summary(self) -> str:
        """In one line."""
        told = f"{self.pipeline}: {self.well} of the last {counted(self.runs, 'run')} ended well"
        old = f", {self.degraded} of them on old data" if self.degraded else ""
        return f"{told}, {self.share:.0%} of these only by healing{old}"

    def to_text(self) -> str:
        """The summary, what is chronic, and the weeks."""
        rows = self._rows()
        lines = [self.summary, *(f"Chronic: {one}" for one in self.chronic)]
        return "\n".join([*lines, *([text.table(COLUMNS, rows)] if rows else ["Nothing had to be healed."])])

    def to_html(self) -> Html:
        """As the text; what is chronic is marked in the table, too."""
        from nbops.render import html

        rows = self._rows()
        said = [f"{self.summary}.", *(f"Chronic: {one}." for one in self.chronic)]
        return html.stack(*said, html.table(COLUMNS, rows) if rows else "Nothing had to be healed.")

    def to_dict(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "pipeline": self.pipeline, "runs": self.runs, "well": self.well, "healed": self.healed, "degraded": self.degraded,
            "share": self.share, "weeks": self.weeks, "chronic": self.chronic,
        }  # fmt: skip

    def _rows(self) -> list[list[object]]:
        chronic = {(one.step, one.failure_class) for one in self.chronic}
        return [
            [one.week, one.step, one.failure_class, one.healed, one.failed or None, duration(one.cost_seconds),
             "yes" if (one.step, one.failure_class) in chronic else None]
            for one in self.weeks
        ]  # fmt: skip


def of(store: Store, pipeline: str, last: int = _LAST) -> Health:
    """The health of a pipeline. Raises NotFound."""
    known = names(store)
    if pipeline not in known:
        raise NotFound.of("pipeline", pipeline, known, otherwise="`nbops run FOLDER` runs one.")
    (runs,) = store.read(_RUNS, [pipeline, last]).rows
    weeks = [Heals(*row) for row in store.read(_WEEKS, [pipeline]).rows]
    return Health(pipeline, runs, weeks, chronic(store, pipeline))


def chronic(store: Store, pipeline: str) -> list[Chronic]:
    """What is healed again and again."""
    return [Chronic(*row) for row in store.read(_CHRONIC, [pipeline]).rows]


def names(store: Store) -> list[str]:
    """The pipelines that have run."""
    return [row[0] for row in store.read("select distinct pipeline from pipeline_runs order by 1").rows]
