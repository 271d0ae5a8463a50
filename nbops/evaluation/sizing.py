"""What a model needs: cpu seconds of a call and of a row, memory, and so how many cores a load takes.

Cpu is measured with one thread, over batches of several sizes that take turns, so that what disturbs the machine disturbs all of them.
What the figures predict is then held against two batch sizes that they have not seen, one within the range that was measured and one
beyond it. Wall times are kept only of a machine that was free.
"""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nbops.errors import UsageError
from nbops.evaluation.footprint import Footprint, footprint
from nbops.evaluation.telling import percent
from nbops.records import Record
from nbops.render import values

FREE = 0.8
"""Cpu seconds over wall seconds below which a machine was busy."""

# Beyond, what an answer needs in between may be given back to the kernel after each call, and a row then cost three times as much.
_SIZES = (1, 16, 256, 1024, 4096, 16_384)
_FACTOR = 2  # half of the largest is not seen, nor is twice as much
_LEAST_SIZES = 3
_STRAIGHT = 0.05
_NEAR = 0.15  # a prediction that is further off is none
_SPAN = 0.004  # seconds that a measurement lasts at least, calls of small batches repeated
_CALLS = 50
_ROUNDS, _MOST_ROUNDS = 5, 15
_AGAIN = 2


class Measured(Record):
    """Cpu seconds of one call with so many rows, the median of the rounds."""

    rows: int
    cpu: float


class Machine(Record):
    """Where it was measured; `load` is the number of processes that wanted a core, averaged over a minute."""

    processor: str
    cores: int
    memory: int
    load: float | None
    python: str


class Sizing(Record):
    """What was measured, and what it predicts. Seconds are of cpu on one core unless they are called wall.

    `fixed` and `per_row` are of a straight line, the least squares of relative error; `straight` says that it tells the points within
    5 %, else a line from point to point does, continued beyond the last. `unseen` was not used for either, nor was `beyond`, twice the
    largest of the points; `error` and `error_beyond` are how far the predictions for them were off, as shares of what was measured. A
    `busy` machine gives no wall times.
    """

    points: tuple[Measured, ...]
    fixed: float
    per_row: float
    straight: bool
    unseen: Measured
    error: float
    distinct_rows: int
    busy: bool
    share_of_core: float
    wall_of_one: float | None
    footprint: Footprint | None
    machine: Machine
    beyond: Measured | None = None
    error_beyond: float | None = None

    def cpu(self, rows: int) -> float:
        """Cpu seconds of one call with that many rows; beyond the largest measured batch only `error_beyond` vouches for it."""
        if self.straight or len(self.points) == 1:
            return self.fixed + self.per_row * rows
        places = range(1, len(self.points))
        place = next((place for place in places if rows <= self.points[place].rows), places[-1])
        one, two = self.points[place - 1], self.points[place]
        return one.cpu + (two.cpu - one.cpu) / (two.rows - one.rows) * (rows - one.rows)

    def cores(self, rows_per_second: float, *, batch: int = 1, use: float = 0.6) -> float:
        """Cores for a load that comes in calls of `batch` rows, when each is to be busy for the share `use` of its time."""
        return rows_per_second * self.cpu(batch) / batch / use

    def rows_per_hour(self, *, batch: int = 4096, use: float = 1.0) -> float:
        """How many rows one core answers for in an hour, in calls of `batch` rows."""
        return 3600 * use * batch / self.cpu(batch)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The figures for people."""
        rows = values.counted(self.unseen.rows, "row")
        told = [
            (
                f"A call with one row takes {_span(self.cpu(1))} of cpu, and a row of many {_span(self.cpu(4096) / 4096)}: one core does "
                f"{_round(self.rows_per_hour())} rows an hour in batches of 4,096."
            ),
            (
                f"For {rows} at once, which were not used for these figures, they predict {_span(self.cpu(self.unseen.rows))} and "
                f"{_span(self.unseen.cpu)} were measured ({percent(abs(self.error))} off)."
            ),
        ]
        if self.beyond is not None and self.error_beyond is not None:
            largest = values.counted(self.points[-1].rows, "row")
            end = "." if abs(self.error_beyond) <= _NEAR else f": reckon with batches of at most {largest}."
            told.append(
                f"For {self.beyond.rows:,}, beyond the largest batch used ({largest}), they predict {_span(self.cpu(self.beyond.rows))} "
                f"and {_span(self.beyond.cpu)} were measured ({percent(abs(self.error_beyond))} off){end}"
            )
        if self.footprint is not None:
            batch = self.footprint.batch
            most = (
                f" and at most {values.size(batch)} more for {values.counted(self.footprint.rows, 'row')}"
                if batch is not None
                else ""
            )
            told.append(
                f"In memory the model takes {values.size(self.footprint.model)} beside {values.size(self.footprint.base)} of Python and "
                f"its libraries{most}; loading takes {_span(self.footprint.load_cpu)} of cpu."
            )
        if self.busy:
            told.append(
                f"The machine was busy: the measurement had {percent(self.share_of_core)} of a core, so there are no wall times. "
                "Measure again when nothing else runs."
            )
        elif self.wall_of_one is not None:
            told.append(f"The answer for one row comes after {_span(self.wall_of_one)}, in half of all calls.")
        return tuple(told)


def size(
    predict: Callable[[Any], object],
    rows: Any,
    *,
    load: Callable[[], Callable[[Any], object]] | None = None,
    seconds: float = 2.0,
) -> Sizing:
    """Measure what it costs to have `predict` answer for `rows`, a frame or an array (n, columns) like those it will meet.

    About `seconds` are spent; the largest batch is the largest that leaves room for several rounds, 16,384 rows at most, and the unseen
    ones are half of it and twice as much. Fewer rows than that are repeated, which is a little too easy for the processor's caches.
    With `load`, which gives the function that predicts and can be pickled, loading and memory are measured in a fresh process. Raises
    UsageError without rows, ModelError when `load` does not work there, and whatever `predict` raises.
    """
    there = int(rows.shape[0]) if hasattr(rows, "shape") else len(rows)
    if there < 1:
        raise UsageError(
            "There are no rows to measure with.",
            hint="Give some of the rows that the model will meet, best a thousand.",
        )
    take = _Taker(rows, there)
    predict(take(1, 0))  # what is imported at the first call is no cost of a call
    with _one_thread():
        plan = _plan(predict, take, seconds)
        rounds = _rounds(predict, take, plan)
    points = _rising([_measured(size, rounds) for size in plan.sizes])
    unseen, beyond = (_measured(size, rounds) for size in plan.unseen)
    fixed, per_row = _line(points)
    straight = all(abs(fixed + per_row * point.rows - point.cpu) <= _STRAIGHT * point.cpu for point in points)
    taken = [sample for one in rounds for sample in one.values()]
    share = min(sum(sample.cpu for sample in taken) / sum(sample.wall for sample in taken), 1.0)
    made = Sizing(
        points=tuple(points),
        fixed=fixed,
        per_row=per_row,
        straight=straight,
        unseen=unseen,
        error=0.0,
        distinct_rows=there,
        busy=share < FREE,
        share_of_core=share,
        wall_of_one=statistics.median(one[1].wall / one[1].calls for one in rounds) if share >= FREE else None,
        footprint=None if load is None else footprint(load, take(1, 0), take(unseen.rows, 0), unseen.rows),
        machine=machine(),
        beyond=beyond,
    )
    import msgspec

    error, error_beyond = (made.cpu(one.rows) / one.cpu - 1 for one in (unseen, beyond))
    return msgspec.structs.replace(made, error=error, error_beyond=error_beyond)


def machine() -> Machine:
    """This one, now."""
    import psutil

    try:
        told = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        told = []
    names = (line.partition(":")[2].strip() for line in told if line.startswith("model name"))
    return Machine(
        processor=next(names, "") or platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=int(psutil.virtual_memory().total),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        python=platform.python_version(),
    )


class _Sample(NamedTuple):
    """Seconds of some calls in a row."""

    cpu: float
    wall: float
    calls: int


class _Taker:
    """Gives any number of the rows, from anywhere on, beginning again after the last."""

    def __init__(self, rows: Any, there: int) -> None:
        self._rows, self._there = rows, there

    def __call__(self, count: int, start: int) -> Any:
        import numpy as np

        places = (start + np.arange(count)) % self._there
        return self._rows.iloc[places] if hasattr(self._rows, "iloc") else self._rows[places]


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Neither BLAS nor OpenMP nor joblib divides the work: cpu that threads spend waiting for each other is not the model's."""
    import joblib
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), joblib.parallel_config(backend="sequential"):
        yield


class _Plan(NamedTuple):
    """Sizes of batches, those to learn from and those to try; how many calls of each make a measurement; and how often all are measured."""

    sizes: list[int]
    unseen: tuple[int, int]
    calls: dict[int, int]
    rounds: int


def _plan(predict: Callable[[Any], object], take: _Taker, seconds: float) -> _Plan:
    """What `seconds` allow, though never fewer than three sizes."""
    sizes: list[int] = []
    calls: dict[int, int] = {}
    tried = turn = extra = 0.0
    for size in _SIZES:
        # Wall seconds, lest a model that waits or a machine that is busy takes for ever.
        cost = max(min(_sample(predict, [take(size, place * size)]).wall for place in range(2)), 1e-6)
        tried += 2 * cost
        calls[size] = max(1, min(_CALLS, round(_SPAN / cost)))
        longer = turn + (calls[size] + 1) * cost
        # Every other round has the unseen batches, too, the larger of which takes twice as long, and its first call as much again.
        more = (calls[size] + _FACTOR) * cost
        if len(sizes) >= _LEAST_SIZES and tried + _ROUNDS * (longer + more) > seconds:
            break
        sizes.append(size)
        turn, extra = longer, more
    largest = sizes[-1]
    unseen = largest // _FACTOR, largest * _FACTOR
    for size in unseen:
        calls[size] = max(1, min(_CALLS, calls[largest] * largest // size))
    return _Plan(sizes, unseen, calls, max(_ROUNDS, min(_MOST_ROUNDS, int((seconds - tried) / (turn + extra)))))


def _rounds(predict: Callable[[Any], object], take: _Taker, plan: _Plan) -> list[dict[int, _Sample]]:
    """A measurement of each size, over and over; the unseen ones in every other round."""
    rounds: list[dict[int, _Sample]] = []
    for turn in range(plan.rounds):
        found: dict[int, _Sample] = {}
        for size in (*plan.sizes, *plan.unseen) if turn % 2 == 0 else plan.sizes:
            batches = [take(size, (turn * _CALLS + call) * size) for call in range(plan.calls[size])]
            # The first call of a size has the kernel find memory for it, page by page, which later ones have.
            predict(batches[0])
            found[size] = _undisturbed(predict, batches)
        rounds.append(found)
    return rounds


def _undisturbed(predict: Callable[[Any], object], batches: Sequence[Any]) -> _Sample:
    """A measurement; one that lost its core in between is repeated, and the one that lost it least is taken."""
    found = [_sample(predict, batches)]
    while len(found) <= _AGAIN and found[-1].cpu < FREE * found[-1].wall and found[-1].cpu < 0.1:
        found.append(_sample(predict, batches))
    return max(found, key=lambda sample: sample.cpu / sample.wall)


def _sample(predict: Callable[[Any], object], batches: Sequence[Any]) -> _Sample:
    wall, cpu = time.perf_counter(), time.process_time()
    for batch in batches:
        predict(batch)
    return _Sample(time.process_time() - cpu, time.perf_counter() - wall, len(batches))


def _measured(size: int, rounds: Sequence[Mapping[int, _Sample]]) -> Measured:
    """The median cpu of a call, of measurements that were not disturbed where there are some."""
    samples = [one[size] for one in rounds if size in one]
    free = [sample for sample in samples if sample.cpu >= FREE * sample.wall]
    cpu = statistics.median(sample.cpu / sample.calls for sample in (free if len(free) >= 2 else samples))
    return Measured(size, max(cpu, 1e-9))


def _rising(points: Sequence[Measured]) -> list[Measured]:
    """The same with noise taken out where more rows seem to take less."""
    import numpy as np
    from sklearn.isotonic import IsotonicRegression

    cpu = np.exp(IsotonicRegression().fit_transform(range(len(points)), np.log([point.cpu for point in points])))
    return [Measured(point.rows, float(one)) for point, one in zip(points, cpu, strict=True)]


def _line(points: Sequence[Measured]) -> tuple[float, float]:
    """Fixed cost and cost of a row, neither below zero, with the least squares of relative error."""
    import numpy as np
    from scipy.optimize import nnls

    rows, cpu = np.array([point.rows for point in points], float), np.array([point.cpu for point in points])
    found, _ = nnls(np.column_stack([1 / cpu, rows / cpu]), np.ones(len(points)))
    return float(found[0]), float(found[1])


def _span(seconds: float) -> str:
    """Seconds however few."""
    for unit, scale in (("ns", 1e9), ("µs", 1e6), ("ms", 1e3)):
        if seconds * scale < 999.5:
            return f"{seconds * scale:.3g} {unit}"
    return values.duration(seconds)


def _round(count: float) -> str:
    """A large number with three digits that count."""
    for word, scale in (("billion", 1e9), ("million", 1e6)):
        if count >= scale:
            return f"{values.number(float(f'{count / scale:.3g}'))} {word}"
    return values.number(int(float(f"{count:.3g}")))
