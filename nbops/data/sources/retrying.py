"""Attempts at what may heal: how often, how long between them, and when all of them together have taken too long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from nbops.data.sources.origin import Wait
from nbops.errors import SourceError

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")
LONGEST = 300.0
"""Seconds: no server makes us wait longer between two attempts."""


class Transient(Exception):
    """An attempt failed in a way that another one may not; `after` are the seconds that the server asks for."""

    def __init__(self, reason: str, *, hint: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.after = after


class Attempts:
    """Attempts at one thing: at most `most` of them, within so many seconds by `clock`."""

    def __init__(self, most: int, within: float, sleep: Callable[[float], None], clock: Callable[[], float]) -> None:
        self._most = most
        self._within = within
        self._sleep = sleep
        self._clock = clock
        self._begun = clock()
        self.count = 0
        self.waits: list[Wait] = []

    @property
    def left(self) -> float:
        """Seconds until everything has taken too long; below zero it has."""
        return self._within - (self._clock() - self._begun)

    def check(self) -> None:
        """Raise Transient when everything has taken too long: no other attempt follows, but what is there may be gone on with."""
        if self.left <= 0:
            raise Transient(
                f"it was not there after {self._within:g} seconds",
                hint="Raise `within`, or look why the source is slow; a download goes on where it ended, if the server lets it.",
            )

    def run(self, name: str, once: Callable[[], T]) -> T:
        """What `once` gives, tried again while it raises Transient. `name` begins the sentence of the SourceError otherwise."""
        import tenacity

        jitter = tenacity.wait_random_exponential(multiplier=1, max=60)

        def wait(state: RetryCallState) -> float:
            failure = _failure(state)
            return float(jitter(state)) if failure.after is None else min(max(failure.after, 0.0), LONGEST)

        def note(state: RetryCallState) -> None:
            self.waits.append(Wait(seconds=round(state.upcoming_sleep, 3), reason=_failure(state).reason))

        def attempt() -> T:
            self.count += 1
            return once()

        before = self.count
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Transient),
            stop=lambda state: self.count - before >= self._most or state.upcoming_sleep >= self.left,
            wait=wait,
            sleep=self._sleep,
            before_sleep=note,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except Transient as failure:
            times = "1 attempt" if self.count == before + 1 else f"{self.count - before} attempts"
            raise SourceError(f"{name}: {failure.reason}, after {times}.", hint=failure.hint) from failure


def _failure(state: RetryCallState) -> Transient:
    failure = state.outcome.exception() if state.outcome else None
    assert isinstance(failure, Transient)  # noqa: S101 - tenacity waits after nothing else
    return failure
