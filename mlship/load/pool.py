"""The connections: kept, grown when none is free, and given to whoever waits longest."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections import deque

from mlship.load.connection import Connection
from mlship.load.result import Tally
from mlship.load.target import Target

# Fewer than servers keep idle connections (gunicorn 2 s): they never close one just as it is used.
_IDLE_SECONDS = 1.5
# A stall of the service must not make the client busy with opening hundreds at once.
_OPENING = 16


class Pool:
    """Up to ``limit`` connections to one target.

    Attributes:
        tally: the counts of the run that goes on.
        timeout: seconds from when a request was due until it is given up.
        patience: the part of them that it may wait for a connection. With less than ``timeout``,
            what is sent at last is sent while an answer still counts: a queue of requests that
            are each answered a moment too late would be the client's doing, not the service's.
    """

    def __init__(
        self, target: Target, limit: int, timeout: float, patience: float | None = None
    ) -> None:
        self.target, self.limit, self.timeout = target, limit, timeout
        self.patience = timeout if patience is None else min(patience, timeout)
        self.tally = Tally(0, 0, 0)
        self._idle: deque[Connection] = deque()
        self._waiting: deque[float] = deque()
        self._open: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._address = ""

    def count_in(self, tally: Tally) -> None:
        """Count in this tally from now on: a new one for each run."""
        self.tally = tally
        tally.connections = len(self._open)

    def offer(self, due: float) -> None:
        """Send a request, or let it wait for a connection: its wait counts as latency."""
        self.tally.offered += 1
        if self._idle:
            # The one that was free longest: with the load spread over all connections, a
            # service of several processes gets it spread over them, too.
            self._idle.popleft().send(due)
            return
        self._waiting.append(due)
        if len(self._open) >= self.limit:
            self.tally.waited += 1
        self._grow()

    def opened(self, connection: Connection) -> None:
        """Take a new connection into use."""
        self._open.add(connection)
        self.tally.connections = len(self._open)
        self._address = connection.peer()
        self.freed(connection)

    def freed(self, connection: Connection) -> None:
        """Give a free connection to the request that waits longest."""
        if self._waiting:
            connection.send(self._waiting.popleft())
        else:
            connection.since = time.monotonic()
            self._idle.append(connection)

    def lost(self, connection: Connection, why: str) -> None:
        """Forget a connection that ended; the request in flight failed with it."""
        self._open.discard(connection)
        self.tally.connections = len(self._open)
        if connection.due is not None:
            self.tally.broken(connection.due, why)
            connection.due = None
        elif connection in self._idle:
            self._idle.remove(connection)
        self._grow()

    def sweep(self) -> None:
        """Give up requests that take too long; close connections that are free too long."""
        now = time.monotonic()
        overdue = now - self.timeout
        while self._waiting and self._waiting[0] <= now - self.patience:
            self.tally.timed_out(self._waiting.popleft())
        for connection in [c for c in self._open if c.due is not None and c.due <= overdue]:
            self.tally.timed_out(connection.due or 0.0)
            connection.due = None
            connection.close()
        while self._idle and self._idle[0].since < now - _IDLE_SECONDS:
            self._idle.popleft().close()

    def close(self) -> None:
        """End all connections; what happens to them now counts no more."""
        self.tally = Tally(0, 0, 0)
        for task in self._opening:
            task.cancel()
        for connection in self._open:
            connection.due = None
            connection.close()
        self._waiting.clear()

    def _grow(self) -> None:
        wanted = min(
            len(self._waiting) - len(self._opening),
            self.limit - len(self._open) - len(self._opening),
            _OPENING - len(self._opening),
        )
        for _ in range(wanted):
            task = asyncio.get_running_loop().create_task(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        target = self.target
        why = "no connection in time"
        try:
            async with asyncio.timeout(self.timeout):
                await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self),
                    self._address or target.host,  # looked up once
                    target.port,
                    ssl=target.tls,
                    server_hostname=target.host if target.tls else None,
                )
            return
        except TimeoutError:
            pass
        except OSError as error:
            why = _reason(error)
        if task := asyncio.current_task():
            self._opening.discard(task)
        if self._waiting:
            self.tally.broken(self._waiting.popleft(), why)
        self._grow()


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error)
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)  # asyncio's own text holds the address
    return error.strerror or str(error)
