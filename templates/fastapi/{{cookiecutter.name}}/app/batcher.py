"""Waiting for the model in asyncio: quick runs on the event loop itself, others in a thread."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from app.batching import Columns, Job, Outcome, Queue, Rows, settle

# Seconds. The hop to a thread costs a tenth of that; health checks can wait as long.
QUICK = 0.002


class Batcher:
    """Answers rows, joined with those of other requests that wait as well."""

    def __init__(self, queue: Queue, window: float = 0) -> None:
        """``window``: the seconds that an idle model waits for company."""
        self._queue = queue
        self._window = window
        self._free = queue.runs_at_once
        self._pool = ThreadPoolExecutor(self._free, "model")
        self._due: asyncio.Handle | None = None
        self._sweep: asyncio.Handle | None = None

    async def predict(self, rows: Rows) -> Columns:
        """Return the columns of these rows; raise Overloaded, or what the model raised."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Columns] = loop.create_future()
        self._queue.add(rows, future)
        self._wake(loop, self._window)
        return await future

    def _wake(self, loop: asyncio.AbstractEventLoop, window: float = 0) -> None:
        if self._free and not self._due:
            # Not now: after the requests that this turn of the loop has still to read.
            if window:
                self._due = loop.call_later(window, self._start, loop)
            else:
                self._due = loop.call_soon(self._start, loop)
        elif not self._free and not self._sweep:
            self._sweep = loop.call_later(self._queue.drop_late(), self._drop_late, loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = None
        jobs = self._queue.take()
        if jobs and self._queue.is_quick(sum(len(job.rows) for job in jobs), QUICK):
            settle(jobs, self._queue.run(jobs))
        elif jobs:
            self._free -= 1
            running = loop.run_in_executor(self._pool, self._queue.run, jobs)
            running.add_done_callback(lambda done: self._finish(loop, jobs, done.result()))
        if self._queue:
            self._wake(loop)

    def _finish(
        self, loop: asyncio.AbstractEventLoop, jobs: list[Job], outcomes: list[Outcome]
    ) -> None:
        self._free += 1
        settle(jobs, outcomes)
        if self._queue:
            self._wake(loop)

    def _drop_late(self, loop: asyncio.AbstractEventLoop) -> None:
        """While a run takes long, nobody waits for it beyond the deadline."""
        seconds = self._queue.drop_late()
        self._sweep = loop.call_later(seconds, self._drop_late, loop) if self._queue else None
