"""Waiting for the model in threads: whoever finds it free runs it for all that wait."""

import threading
import time
from concurrent.futures import Future

from app.batching import Columns, Queue, Rows, settle

# Seconds. Below it, a run is over before another thread could join it.
QUICK = 0.0002
# Seconds. Where the last run was shared, a run waits so long for the next to share it.
CROWDED = 0.0002


class Batcher:
    """Answers rows, joined with those of other requests that wait as well."""

    def __init__(self, queue: Queue, window: float = 0) -> None:
        """``window``: the seconds that an idle model waits for company."""
        self._queue = queue
        self._window = window
        self._crowded = False
        self._guard = threading.Lock()
        self._free = threading.Semaphore(queue.runs_at_once)

    def predict(self, rows: Rows) -> Columns:
        """Return the columns of these rows; raise Overloaded, or what the model raised."""
        if self._queue.is_quick(len(rows), QUICK):
            return self._queue.answer(rows)
        future: Future[Columns] = Future()
        with self._guard:
            self._queue.add(rows, future)
        while not future.done():
            if not self._free.acquire(timeout=self._queue.deadline):
                with self._guard:
                    self._queue.drop_late()
                break
            try:
                if future.done():
                    break
                if window := self._window or (CROWDED if self._crowded else 0):
                    time.sleep(window)  # the others can't come while this thread has the GIL
                with self._guard:
                    jobs = self._queue.take()
                self._crowded = len(jobs) > 1
                if not jobs:  # somebody else is at ours
                    break
                settle(jobs, self._queue.run(jobs))
            finally:
                self._free.release()
        return future.result()
