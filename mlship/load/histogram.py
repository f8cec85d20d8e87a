"""Latencies counted in buckets that grow with the value: small, whatever the number of requests."""

from __future__ import annotations

import math
from collections.abc import Iterator

# A bucket ends 2 % above its start, so its middle is at most 1 % from anything in it.
_GROWTH = 1.02
_SCALE = 1 / math.log(_GROWTH)
_MIDDLE = math.sqrt(_GROWTH)
_SMALLEST = 1e-6


class Histogram:
    """How many values of which size, in seconds; from 1 µs up, each known to 1 %.

    Attributes:
        total: how many values there are.
        max: the largest, exactly; 0 when there is none.
    """

    __slots__ = ("_counts", "max", "total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.total = 0
        self.max = 0.0

    def record(self, seconds: float) -> None:
        """Count one value."""
        bucket = int(math.log(seconds / _SMALLEST) * _SCALE) if seconds > _SMALLEST else 0
        counts = self._counts
        counts[bucket] = counts.get(bucket, 0) + 1
        self.total += 1
        if seconds > self.max:
            self.max = seconds

    def quantile(self, q: float) -> float | None:
        """Return the seconds that the share ``q`` of all values does not exceed, None of none."""
        rank = max(1, math.ceil(q * self.total))
        if rank >= self.total:
            return self.max if self.total else None
        for bucket in sorted(self._counts):
            rank -= self._counts[bucket]
            if rank <= 0:
                return min(_start(bucket) * _MIDDLE, self.max)
        return self.max

    def above(self, seconds: float) -> int:
        """Return how many values are larger, to within the buckets' width."""
        return sum(n for bucket, n in self._counts.items() if _start(bucket) * _MIDDLE > seconds)

    def buckets(self) -> Iterator[tuple[float, int]]:
        """Yield each bucket that holds something: where it ends in seconds, and its count."""
        for bucket in sorted(self._counts):
            yield _start(bucket + 1), self._counts[bucket]


def _start(bucket: int) -> float:
    return _SMALLEST * float(_GROWTH**bucket)
