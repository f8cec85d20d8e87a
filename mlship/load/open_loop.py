"""Offering requests at a constant rate, whatever the service does.

That is what many independent users do. A client that waits for each answer before it asks again
asks less the moment the service stalls, and so hides the very stall that it should measure
(coordinated omission). Here each request has a time at which it is due, and its latency counts
from then: a service that stops for a second makes a second's worth of requests late.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from mlship.load import target as targets
from mlship.load.pool import Pool
from mlship.load.result import Result, Tally
from mlship.load.ticker import Ticker

T = TypeVar("T")
Phase = tuple[float, float]
Watch = Callable[[Tally], None]

# Wakes up at most so often; at higher rates several requests are due at once.
_TICK = 0.00025
_SWEEP = 0.02
_WATCH = 0.25


def run(
    target: str,
    body: bytes | dict[str, Any],
    rate: float,
    seconds: float,
    connections: int = 256,
    timeout: float = 10,
    *,
    patience: float | None = None,
    warmup: float = 1,
    watch: Watch | None = None,
) -> Result:
    """POST ``body`` to the URL ``target``, ``rate`` times a second, and return what came of it.

    It ends when the last answer is there, at most ``timeout`` seconds after the last request.

    Args:
        target: the whole URL, http or https, with its path.
        body: JSON, or the bytes of it.
        rate: requests per second; they are due at equal distances.
        seconds: for how long.
        connections: the most to open.
        timeout: seconds from when a request was due until it is given up.
        patience: how many of them it may wait for a free connection, all if None.
        warmup: seconds at half the rate before that, not counted.
        watch: called with the counts at the start, then about four times a second.

    Raises:
        UsageError: ``target`` is no URL.
    """
    return run_phases(
        target,
        body,
        [(rate, seconds)],
        connections,
        timeout,
        patience=patience,
        warmup=warmup,
        watch=watch,
    )


def run_phases(
    target: str,
    body: bytes | dict[str, Any],
    phases: Sequence[Phase],
    connections: int = 256,
    timeout: float = 10,
    *,
    patience: float | None = None,
    warmup: float = 1,
    watch: Watch | None = None,
) -> Result:
    """Do what ``run`` does, with a rate that changes: phases of (requests per second, seconds).

    They follow each other without a gap, and the result's timeline spans them all.
    """

    async def both() -> Result:
        pool = Pool(targets.parse(target, body), connections, timeout, patience)
        try:
            if warmup:
                await offer(pool, [(phases[0][0] / 2, warmup)])
            return await offer(pool, phases, watch)
        finally:
            pool.close()

    return in_loop(both())


def in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, with uvloop where it is installed."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        from asyncio import new_event_loop
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


async def offer(
    pool: Pool,
    phases: Sequence[Phase],
    watch: Watch | None = None,
    enough: Callable[[Tally], bool] = lambda _: False,
) -> Result:
    """Offer requests as the phases say, wait for the answers, and return what came of it.

    Stops early when ``enough`` says so.
    """
    collecting = gc.isenabled()
    gc.disable()  # a collection takes tens of milliseconds, and nothing here makes cycles
    seconds = sum(duration for _, duration in phases)
    planned = sum(_requests(*phase) for phase in phases)
    rate = round(sum(rate * duration for rate, duration in phases) / seconds, 6)
    pool.count_in(tally := Tally(planned, seconds, rate))
    schedule = _Schedule(pool, phases)
    watched = tally.start
    if watch:
        watch(tally)
    try:
        while not schedule.over or tally.finished < tally.offered:
            await asyncio.sleep(_SWEEP)
            pool.sweep()
            if not schedule.over and enough(tally):
                schedule.stop()
            if watch and time.monotonic() - watched >= _WATCH:
                watched = time.monotonic()
                watch(tally)
    finally:
        schedule.stop()
        if collecting:
            gc.enable()
    return tally.result()


class _Schedule:
    """Hands each request to the pool when it is due."""

    def __init__(self, pool: Pool, phases: Sequence[Phase]) -> None:
        self.over = False
        self._pool = pool
        self._times = _due_times(pool.tally.start, phases)
        self._next = next(self._times, None)
        self._end = pool.tally.start + pool.tally.seconds
        self._ticker = Ticker(self._tick)
        self._ticker.at(pool.tally.start)

    def stop(self) -> None:
        if not self.over:
            self.over = True
            self._pool.tally.over()
            self._ticker.close()

    def _tick(self) -> None:
        # Read once: a client too slow for the rate must get to reading the answers as well.
        now = time.monotonic()
        due, lag = self._next, self._pool.tally.lag
        while due is not None and due <= now:
            lag.record(now - due)
            self._pool.offer(due)
            due = next(self._times, None)
        self._next = due
        if due is None and now >= self._end:
            self.stop()
        else:
            self._ticker.at(max(due or self._end, now + _TICK))


def _requests(rate: float, seconds: float) -> int:
    return max(1, round(rate * seconds)) if rate > 0 else 0


def _due_times(start: float, phases: Sequence[Phase]) -> Iterator[float]:
    for rate, seconds in phases:
        for number in range(_requests(rate, seconds)):
            yield start + number / rate
        start += seconds
