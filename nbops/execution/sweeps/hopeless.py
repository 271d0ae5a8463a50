"""Running points that will not be the best, told by what they have logged so far."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping

from nbops.execution.sweeps.results import HOPELESS
from nbops.execution.sweeps.samplers import Sampler
from nbops.records import Better
from nbops.store.client import Store

# So many points have to have come by a step before another one is judged by them.
_LEAST = 5


class Watch:
    """Looks at the points of the metric that running points log with a step, and says which of them to stop."""

    def __init__(self, store: Store, metric: str, better: Better, *, sampler: Sampler | None, median: bool) -> None:
        self._store = store
        self._metric = metric
        self._better: Callable[[list[float]], float] = min if better == "lower" else max
        self._sampler = sampler
        self._median = median
        self._best: dict[int, dict[int, float]] = {}
        """By point and step the best value until then."""
        self._finished: set[int] = set()

    def look(self, running: Mapping[str, int]) -> dict[int, str]:
        """The causes why points are to be stopped, by their numbers; `running` are numbers by runs."""
        found: dict[int, str] = {}
        for number, step, value in self._news(running):
            best = self._best.setdefault(number, {})
            best[step] = self._better([value, *list(best.values())[-1:]])
            if number in found:
                continue
            others = [self._best[other][step] for other in self._finished if step in self._best.get(other, {})]
            told = f"{HOPELESS} at step {step} ({self._metric} {best[step]:.6g}"
            median = statistics.median(others) if self._median and len(others) >= _LEAST else best[step]
            if self._better([best[step], median]) != best[step]:
                found[number] = f"{told}, median {median:.6g})"
            elif self._sampler and self._sampler.hopeless(number, step, value):
                found[number] = f"{told})"
        return found

    def finished(self, run_id: str, number: int) -> None:
        """A point has ended well: others are measured by it."""
        self.look({run_id: number})
        self._finished.add(number)

    def _news(self, running: Mapping[str, int]) -> list[tuple[int, int, float]]:
        if not running:
            return []
        sql = """
            select run_id::varchar, step, value from core.metrics
            where run_id in (select unnest(?::uuid[])) and key = ? and step is not null and not isnan(value)
            order by seq
            """
        rows = self._store.read(sql, [list(running), self._metric]).rows
        known = self._best
        return [(running[run], step, value) for run, step, value in rows if step not in known.get(running[run], {})]
