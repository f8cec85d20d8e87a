"""Micro-batching: requests that wait while the model runs share its next run.

Nobody waits for company: an idle model takes what is there. The queue is bounded by a deadline, so
under too much load some are refused at once and the others answered in time. Stands alone: it
knows nothing of models, of HTTP or of threads; batcher.py does the waiting.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

Rows = list[Any]
# One list for each thing that the model answers, with one item per row; None where it has none.
Columns = tuple[list[Any] | None, ...]
Outcome = Columns | Exception


class Future(Protocol):
    """What asyncio and concurrent.futures have in common."""

    def done(self) -> bool: ...
    def set_result(self, result: Any, /) -> None: ...
    def set_exception(self, exception: Any, /) -> None: ...


class Overloaded(Exception):
    """The model can't answer in time; ``retry_after`` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("Too many requests wait for the model.")
        self.retry_after = max(1, math.ceil(retry_after))


@dataclass(slots=True, eq=False)
class Job:
    """One request's rows, and where its answer goes."""

    rows: Rows
    future: Future
    arrived: float


class Pace:
    """How long a run takes: a fixed part and one per row, measured at start and followed since."""

    def __init__(self) -> None:
        self.fixed = self.per_row = 0.0
        self.drift = 1.0

    def measure(self, run: Callable[[Rows], Any], row: Any, many: int = 32) -> None:
        """Time one row and many; a model that is slow on one is not asked for many."""
        one = self._time(run, [row])
        if one > 0.25:
            self.per_row = one
            return
        # The least of several: the first of a kind is slow, and the machine may be busy.
        times = 5 if one < 0.02 else 2
        one = min(self._time(run, [row]) for _ in range(times))
        all_together = min(self._time(run, [row] * many) for _ in range(times))
        self.per_row = max(0.0, all_together - one) / (many - 1)
        self.fixed = max(0.0, one - self.per_row)

    def undisturbed(self, rows: int, runs: int = 1) -> float:
        """Return the seconds that so many rows in so many runs take on an idle machine."""
        return self.fixed * runs + self.per_row * rows

    def expected(self, rows: int, runs: int = 1) -> float:
        """Return the seconds that they will take on this machine as it is now."""
        return self.undisturbed(rows, runs) * self.drift

    def saw(self, rows: int, seconds: float) -> None:
        """Follow what runs really take: the machine may be busier than it was at start."""
        undisturbed = self.undisturbed(rows)
        if undisturbed > 0:
            self.drift += 0.1 * (min(seconds / undisturbed, 100.0) - self.drift)

    @property
    def worthwhile(self) -> int:
        """How many rows to join: on, until the fixed part is a fifth of a run. 1 is none."""
        return max(1, int(4 * self.fixed / self.per_row)) if self.per_row else 2**31

    @staticmethod
    def _time(run: Callable[[Rows], Any], rows: Rows) -> float:
        started = time.perf_counter()
        run(rows)
        return time.perf_counter() - started


class Queue:
    """What waits for the model, first come, first served. The caller guards it from races."""

    def __init__(
        self,
        run: Callable[[Rows], Columns],
        pace: Pace,
        *,
        max_rows: int,
        max_waiting: int,
        deadline: float,
        threads: int = 1,
        observe_wait: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """``run`` answers rows; at most ``max_rows`` are joined, 1 for none.

        At most ``max_waiting`` requests wait, and none beyond ``deadline`` seconds. Where joining
        does not pay, up to ``threads`` runs happen at once instead.
        """
        self._run = run
        self._pace = pace
        self._max_rows = min(max_rows, pace.worthwhile)
        self._max_waiting = max_waiting
        self.deadline = deadline
        self.runs_at_once = 1 if self._max_rows > 1 else threads
        self._observe_wait = observe_wait
        self._jobs: deque[Job] = deque()
        self._rows = 0
        self._busy_until = 0.0

    def __len__(self) -> int:
        return len(self._jobs)

    def __str__(self) -> str:
        if self._max_rows == 1:
            return "requests are answered one by one"
        return f"waiting requests are joined, up to {self._max_rows} rows"

    def add(self, rows: Rows, future: Future) -> Job:
        """Let a request wait; raise Overloaded where it would wait in vain."""
        now = time.monotonic()
        if self._jobs:  # whoever is next in line may wait, however slow the model is
            waiting = self._rows + len(rows)
            runs = -(-waiting // self._max_rows)
            ahead = self._pace.expected(waiting, runs) / self.runs_at_once
            seconds = max(0.0, self._busy_until - now) + ahead
            if seconds > self.deadline or len(self._jobs) >= self._max_waiting:
                raise Overloaded(seconds)
        job = Job(rows, future, now)
        self._jobs.append(job)
        self._rows += len(rows)
        return job

    def take(self) -> list[Job]:
        """Return the jobs of the next run; those that nobody waits for any more are left out."""
        self.drop_late()
        now = time.monotonic()
        taken: list[Job] = []
        count = 0
        while self._jobs and (not taken or count + len(self._jobs[0].rows) <= self._max_rows):
            job = self._pop()
            if not job.future.done():
                self._observe_wait(now - job.arrived)
                taken.append(job)
                count += len(job.rows)
        self._busy_until = now + self._pace.expected(count)
        return taken

    def drop_late(self) -> float:
        """Refuse those whose deadline has passed; return the seconds until the next one's does."""
        now = time.monotonic()
        while self._jobs and now - self._jobs[0].arrived >= self.deadline:
            job = self._pop()
            if not job.future.done():
                job.future.set_exception(Overloaded(self._pace.expected(self._rows)))
        return self._jobs[0].arrived + self.deadline - now if self._jobs else self.deadline

    def _pop(self) -> Job:
        job = self._jobs.popleft()
        self._rows -= len(job.rows)
        return job

    def is_quick(self, rows: int, seconds: float) -> bool:
        """Tell whether a run of so many rows, left undisturbed, takes less than that."""
        return self._pace.undisturbed(rows) < seconds

    def answer(self, rows: Rows) -> Columns:
        """Run the model without waiting for anybody."""
        started = time.perf_counter()
        try:
            return self._run(rows)
        finally:
            self._pace.saw(len(rows), time.perf_counter() - started)

    def run(self, jobs: list[Job]) -> list[Outcome]:
        """Return each job's columns, or its error; an error of one is not one of the others."""
        if len(jobs) == 1:
            return [self._run_one(jobs[0].rows)]
        columns = self._run_one([row for job in jobs for row in job.rows])
        if isinstance(columns, Exception):
            return [self._run_one(job.rows) for job in jobs]
        outcomes: list[Outcome] = []
        start = 0
        for job in jobs:
            end = start + len(job.rows)
            outcomes.append(tuple(None if c is None else c[start:end] for c in columns))
            start = end
        return outcomes

    def _run_one(self, rows: Rows) -> Outcome:
        try:
            return self.answer(rows)
        except Exception as error:
            return error


def settle(jobs: list[Job], outcomes: list[Outcome]) -> None:
    """Hand out the answers."""
    for job, outcome in zip(jobs, outcomes, strict=True):
        if job.future.done():  # the client has gone
            continue
        if isinstance(outcome, Exception):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)
