"""A scheduler in the foreground: it makes a round whenever something is due or has ended, and now and then, until it is told to end.

The clock is looked at after each sleep, and no sleep is long: a clock that is set, or a machine that slept, is noticed soon. What was
begun goes on when this ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from nbops.errors import StoreError
from nbops.pipelines.schedules.scheduler import Round, Scheduler
from nbops.records import at

BEAT = timedelta(seconds=30)
"""The longest sleep."""
_AGAIN = 0.5


class Bell:
    """What wakes a sleeper: a child that ended, or a signal to end."""

    def __init__(self) -> None:
        self.over = False
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)

    def sleep(self, seconds: float) -> None:
        """Sleep that long, or until something happens."""
        if not self.over and select.select([self._reading], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._reading, 4096)

    def end(self) -> None:
        """Let the sleeper end."""
        self.over = True
        os.write(self._writing, b".")

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take signals meanwhile; of the main thread alone."""

        def over(*_: object) -> None:
            self.over = True

        handlers = {number: signal.signal(number, over) for number in (signal.SIGTERM, signal.SIGINT)}
        handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def work(
    scheduler: Scheduler,
    bell: Bell,
    *,
    watch: Callable[[Round], None] = lambda _: None,
    trouble: Callable[[StoreError], None] = lambda _: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    take_over: bool = False,
) -> None:
    """Make rounds until the bell says that it is over. A store that is away for a while is waited for. Raises Conflict on a second host."""
    beaten: datetime | None = None
    while not bell.over:
        now = clock()
        try:
            # Set back or forward, the clock tells nothing of when that was.
            if beaten is None or not timedelta(0) <= now - beaten < BEAT:
                scheduler.beat("run", take_over=take_over)
                beaten, take_over = now, False
            done = scheduler.round(now)
        except StoreError as error:
            trouble(error)
            bell.sleep(BEAT.total_seconds() / 6)
            continue
        if done:
            watch(done)
        bell.sleep(_until_next(scheduler, done, clock()))


def _until_next(scheduler: Scheduler, done: Round, now: datetime) -> float:
    """How long to sleep: children that have ended ring, others are looked for."""
    if done.begun or done.ended or done.left:
        # One that ended may let another begin.
        return _AGAIN if scheduler.unsettled() else 0.0
    longest = _AGAIN if scheduler.unsettled() else BEAT.total_seconds()
    if done.next is None:
        return longest
    return min(max((at(done.next) - now).total_seconds(), 0.0), longest)
