"""What a run found: counted while it goes, and frozen afterwards."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from mlship.load.histogram import Histogram

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


@dataclass(frozen=True)
class Second:
    """What became of the requests that were due in one second, whenever their answer came.

    Attributes:
        ok: answers 200.
        shed: answers 503 with Retry-After: the service protects itself.
        refused: answers with any other status.
        broken: no connection, or one that ended without an answer.
        timed_out: no answer in time.
        p99: in seconds, of the answers 200; None when there was none.
    """

    ok: int
    shed: int
    refused: int
    broken: int
    timed_out: int
    p99: float | None


@dataclass(frozen=True)
class Result:
    """One run. The kinds of answers are those of Second; latencies count from when due.

    Attributes:
        rate: requests per second that were due.
        seconds: for how long requests were due.
        elapsed: seconds until the last answer.
        statuses: how often which status, among the refused.
        errors: how often which reason, among the broken.
        latency: of the answers 200.
        shed_latency: of the answers that shed.
        lag: how late the client itself was; part of the latency, but not the service's fault.
        waited: requests that found no connection free.
        connections: how many were open at the end.
        sent: bytes, and ``received`` too.
        cpu: the client's use of one core while requests were due; 1.0 is all of it.
        timeline: second by second.
    """

    rate: float
    seconds: float
    elapsed: float
    ok: int
    shed: int
    refused: int
    broken: int
    timed_out: int
    statuses: dict[int, int]
    errors: dict[str, int]
    latency: Histogram
    shed_latency: Histogram
    lag: Histogram
    waited: int
    connections: int
    sent: int
    received: int
    cpu: float
    timeline: tuple[Second, ...]

    @property
    def failed(self) -> int:
        """How many requests got anything but a 200."""
        return self.shed + self.refused + self.broken + self.timed_out

    @property
    def throughput(self) -> float:
        """Answers 200 per second."""
        return self.ok / self.elapsed if self.elapsed else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, latencies in milliseconds."""
        return {
            "rate": round(self.rate, 3),
            "seconds": round(self.seconds, 3),
            "throughput": round(self.throughput, 3),
            "requests": self.ok + self.failed,
            "ok": self.ok,
            "shed": self.shed,
            "refused": self.refused,
            "broken": self.broken,
            "timed_out": self.timed_out,
            "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
            "errors": dict(self.errors),
            "latency_ms": _summary(self.latency),
            "shed_latency_ms": _summary(self.shed_latency),
            "client": {
                "lag_ms": _summary(self.lag),
                "cpu": round(self.cpu, 3),
                "waited_for_connection": self.waited,
                "connections": self.connections,
            },
            "bytes": {"sent": self.sent, "received": self.received},
            "histogram_ms": [[milliseconds(end), n] for end, n in self.latency.buckets()],
            "timeline": [
                {
                    **{kind: getattr(second, kind) for kind in KINDS},
                    "p99_ms": milliseconds(second.p99),
                }
                for second in self.timeline
            ],
        }


KINDS = ("ok", "shed", "refused", "broken", "timed_out")


def milliseconds(seconds: float | None) -> float | None:
    """Return seconds as milliseconds, to the microsecond."""
    return None if seconds is None else round(seconds * 1000, 3)


def _summary(found: Histogram) -> dict[str, float | None]:
    summary = {name: milliseconds(found.quantile(q)) for name, q in QUANTILES.items()}
    return {**summary, "max": milliseconds(found.max if found.total else None)}


class _Counts:
    """The requests of one second, while it is not over."""

    __slots__ = (*KINDS, "latency")

    def __init__(self) -> None:
        self.ok = self.shed = self.refused = self.broken = self.timed_out = 0
        self.latency = Histogram()

    def frozen(self) -> Second:
        kinds = {kind: getattr(self, kind) for kind in KINDS}
        return Second(**kinds, p99=self.latency.quantile(0.99))


class Tally:
    """The counts of a run that goes on; readable at any time.

    Attributes:
        planned: requests that will be due if nobody stops the run.
        offered: requests that were due so far.
        finished: how many of these were answered or failed.
    """

    def __init__(self, planned: int, seconds: float, rate: float) -> None:
        self.planned, self.seconds, self.rate = planned, seconds, rate
        self.offered = self.finished = self.ok = self.failed = 0
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.latency, self.shed_latency, self.lag = Histogram(), Histogram(), Histogram()
        self.waited = self.connections = self.sent = self.received = 0
        self.start = self.last = time.monotonic()
        self._cpu_start = time.process_time()
        self._cpu: float | None = None
        self._timeline: list[_Counts] = []

    def answered(self, due: float, status: int, shed: bool) -> None:
        """Count an answer that has come now."""
        self.last = now = time.monotonic()
        self.finished += 1
        second = self._second(due)
        if status == 200:
            self.ok += 1
            second.ok += 1
            second.latency.record(now - due)
            self.latency.record(now - due)
            return
        self.failed += 1
        if shed:
            second.shed += 1
            self.shed_latency.record(now - due)
        else:
            second.refused += 1
            self.statuses[status] += 1

    def broken(self, due: float, why: str) -> None:
        """Count a request that the connection failed."""
        self.last = time.monotonic()
        self.finished += 1
        self.failed += 1
        self._second(due).broken += 1
        self.errors[why] += 1

    def timed_out(self, due: float) -> None:
        """Count a request that is given up."""
        self.last = time.monotonic()
        self.finished += 1
        self.failed += 1
        self._second(due).timed_out += 1

    def over(self) -> None:
        """Note that no more requests are due: from here on the client has less to do."""
        if self._cpu is None:
            now = time.monotonic()
            self.seconds = min(self.seconds, now - self.start) or self.seconds
            self._cpu = (time.process_time() - self._cpu_start) / (now - self.start or 1)

    def _second(self, due: float) -> _Counts:
        index = int(due - self.start)
        while len(self._timeline) <= index:
            self._timeline.append(_Counts())
        return self._timeline[index]

    def result(self) -> Result:
        """Return what was found so far."""
        self.over()
        timeline = tuple(second.frozen() for second in self._timeline)
        kinds = {kind: sum(getattr(each, kind) for each in timeline) for kind in KINDS}
        return Result(
            rate=self.rate,
            seconds=self.seconds,
            elapsed=max(self.seconds, self.last - self.start),
            **kinds,
            statuses=dict(self.statuses),
            errors=dict(self.errors),
            latency=self.latency,
            shed_latency=self.shed_latency,
            lag=self.lag,
            waited=self.waited,
            connections=self.connections,
            sent=self.sent,
            received=self.received,
            cpu=self._cpu or 0.0,
            timeline=timeline,
        )
