"""The highest rate that a service answers within a goal: double until it fails, then halve in."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from mlship.errors import ServiceError
from mlship.load import target as targets
from mlship.load.open_loop import Watch, in_loop, offer
from mlship.load.pool import Pool
from mlship.load.result import Result, Tally

Verdict = Literal["meets", "slow", "sheds", "fails", "client"]

_TIMEOUT = 10.0
_SEARCH_SECONDS = 90.0
_SETTLE_SECONDS = 10.0
_CALM_SECONDS = 0.5
_STEP_SECONDS = 2.0
# Below that, the difference is smaller than that between two runs.
_CLOSE = 1.06
# What a rate loses when it held for a step, but not for the whole confirmation.
_BACK_OFF = 0.9
_CONFIRMATIONS = 4
# A core as good as used up: the rest goes to the kernel and to other programs.
_BUSY = 0.9
# A client later than this share of the goal has something to do with missing it.
_LATE_SHARE = 0.1
# Seconds that matter to people who look at milliseconds.
_LATE = 0.005


@dataclass(frozen=True)
class Step:
    """One run of the search.

    Attributes:
        verdict: "meets" the goal; else what came first: the service "fails" (other answers,
            broken connections, timeouts), "sheds" load, is too "slow", or this "client" was.
        confirms: whether it is a run of full length, at a rate found before.
    """

    result: Result
    verdict: Verdict
    confirms: bool


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        best: the confirmation that met the goal; None when there is none.
        limit: the verdict at the lowest rate that did not meet it; None when all did.
        steps: all runs, in order.
    """

    best: Result | None
    limit: Verdict | None
    steps: tuple[Step, ...]


def search(
    target: str,
    body: bytes | dict[str, Any],
    goal: float,
    seconds: float = 10,
    connections: int = 256,
    *,
    watch: Watch | None = None,
    on_step: Callable[[Step], None] = lambda _: None,
) -> Found:
    """Find the highest rate at which each answer is a 200 and their p99 is within ``goal``.

    The steps take 2 to 5 s, all of them about 90 s at most; a step that has failed for certain ends
    early. Then up to four runs confirm what was found.

    Args:
        target: the whole URL, http or https, with its path.
        body: JSON, or the bytes of it.
        goal: seconds for the p99 of the latency, which counts from when a request was due.
        seconds: for how long the rate must hold in the end.
        connections: the most to open.
        watch: called with the counts of a run about four times a second.
        on_step: called after each.

    Raises:
        UsageError: ``target`` is no URL.
        ServiceError: the service stops answering.
    """

    async def find() -> Found:
        pool = Pool(targets.parse(target, body), connections, _TIMEOUT)
        try:
            return await _Search(pool, goal, seconds, watch, on_step).find()
        finally:
            pool.close()

    return in_loop(find())


def judge(result: Result, goal: float) -> Verdict:
    """Tell whether a run met the goal (in seconds), and if not, who is to blame for what."""
    p99 = result.latency.quantile(0.99)
    if result.refused or result.broken:
        return "fails"
    if result.shed:
        return "sheds"
    if p99 is not None and p99 <= goal and not result.timed_out:
        return "meets"  # however late the client was: that is in the latency
    if too_slow_to_tell(result, goal):
        return "client"
    return "fails" if result.timed_out else "slow"


def too_slow_to_tell(result: Result, goal: float) -> bool:
    """Tell whether this client, or its machine, accounts for missing the goal."""
    if result.cpu > _BUSY:
        return True
    late = result.lag.quantile(0.99) or 0.0
    p99 = result.latency.quantile(0.99)
    if p99 is None or result.timed_out or late < _LATE_SHARE * goal:
        return False
    return p99 - 2 * late <= goal  # reading an answer comes as late as sending its request did


def lateness(result: Result) -> str:
    """Return a sentence on how this client was too slow for the rate; empty when it was not."""
    lag = result.lag.quantile(0.99) or 0.0
    share = lag / (result.latency.quantile(0.99) or lag or 1.0)
    if result.cpu <= _BUSY and (lag < _LATE or share < 0.2):
        return ""
    return (
        f"This client was late itself, by {lag * 1000:.3g} ms (p99), using {result.cpu:.0%} of a "
        "core.\nThe latencies include that; another machine, or a less busy one, tells more."
    )


class _Search:
    def __init__(
        self,
        pool: Pool,
        goal: float,
        seconds: float,
        watch: Watch | None,
        on_step: Callable[[Step], None],
    ) -> None:
        self._pool, self._goal, self._seconds = pool, goal, seconds
        self._watch, self._on_step = watch, on_step
        self._steps: list[Step] = []
        self._usual = 0.0

    async def find(self) -> Found:
        low, high, limit = await self._between(await self._start())
        end = time.monotonic() + _SEARCH_SECONDS
        while low and high and high / low > _CLOSE and time.monotonic() < end:
            middle = _rounded(math.sqrt(low * high))
            if middle in (low, high):
                break
            verdict = await self._tried(middle)
            if verdict == "meets":
                low = middle
            else:
                high, limit = middle, verdict
        best = None
        for _ in range(_CONFIRMATIONS if low else 0):
            step = await self._step(low or 0, self._seconds, confirms=True)
            if step.verdict == "meets":
                best = step.result
                break
            limit = step.verdict
            await self._settle()
            low = _rounded((low or 0) * _BACK_OFF)
        return Found(best, limit, tuple(self._steps))

    async def _start(self) -> float:
        """Warm up, and return a rate that ought to be easy: half of one request after another."""
        warm = await offer(self._pool, [(20, _CALM_SECONDS)])
        typical = warm.latency.quantile(0.5)
        if typical is None:
            raise _silent()
        self._usual = max(self._goal, 2 * typical)
        return _rounded(min(1000.0, max(2.0, 0.5 / typical)))

    async def _between(self, rate: float) -> tuple[float | None, float | None, Verdict | None]:
        """Return a rate that meets the goal, a higher one that does not, and why not."""
        low = high = limit = None
        end = time.monotonic() + _SEARCH_SECONDS / 2
        while (low is None or high is None) and rate >= 1 and time.monotonic() < end:
            verdict = await self._tried(rate)
            if verdict == "meets":
                low, rate = rate, _rounded(rate * 2)
            else:
                high, limit = rate, verdict
                rate = _rounded(rate / 4)
        return low, high, limit

    async def _tried(self, rate: float) -> Verdict:
        """Try a rate for some seconds; twice before a failure is believed.

        Other programs on the machine can make a step fail, but none makes it succeed.
        """
        seconds = min(5.0, max(_STEP_SECONDS, 20 / rate))
        for _ in range(2):
            step = await self._step(rate, seconds)
            if step.verdict == "meets":
                break
            await self._settle()
        return step.verdict

    async def _step(self, rate: float, seconds: float, *, confirms: bool = False) -> Step:
        def failed(tally: Tally) -> bool:
            return bool(tally.failed) or tally.latency.above(self._goal) > tally.planned / 100

        result = await offer(self._pool, [(rate, seconds)], self._watch, failed)
        step = Step(result, judge(result, self._goal), confirms)
        self._steps.append(step)
        self._on_step(step)
        return step

    async def _settle(self) -> None:
        """Let the service finish what it still works on, though nobody waits for the answer."""
        end = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < end:
            result = await offer(self._pool, [(20, _CALM_SECONDS)])
            if not result.failed and (result.latency.quantile(0.9) or 0.0) <= self._usual:
                return
        if not result.ok:
            raise _silent()


def _silent() -> ServiceError:
    return ServiceError(
        "The service stopped answering",
        why=f"No request was answered within {_TIMEOUT:g} s.",
        next="see what it logged; `mlship predict` asks it once",
    )


def _rounded(rate: float) -> float:
    """Return the rate with three digits: more would promise too much."""
    return round(rate, 2 - math.floor(math.log10(rate))) if rate > 0 else rate
