"""One connection that is kept: sends the request, reads the answer, and is free again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

if TYPE_CHECKING:
    from mlship.load.pool import Pool


class Connection(asyncio.Protocol):
    """One request at a time, as services behind a load balancer see them.

    Attributes:
        due: when the request in flight was due, None while there is none.
        since: when it became free.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport
        self.due: float | None = None
        self.since = 0.0
        self._status = 0
        self._shed = self._sized = self._keep = self._complete = False

    def send(self, due: float) -> None:
        """Send the request now, whenever it was due."""
        self.due = due
        self._status = 0
        self._shed = self._sized = self._keep = self._complete = False
        request = self._pool.target.request
        self._pool.tally.sent += len(request)
        self._transport.write(request)

    def peer(self) -> str:
        """Return the address at the other end."""
        return str(self._transport.get_extra_info("peername")[0])

    def close(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self._transport = cast(asyncio.Transport, transport)
        self._pool.opened(self)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: D102
        if error is None and self._status >= 200 and not self._sized and self.due is not None:
            self._finish(keep=False)  # an answer without a length ends with its connection
        self._pool.lost(self, "connection reset" if error else "connection closed")

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._pool.tally.received += len(data)
        if self.due is None:
            self.close()  # nothing was asked
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._pool.lost(self, "no HTTP")
            self.close()
            return
        if self._complete:
            self._finish(keep=self._keep)

    def _finish(self, *, keep: bool) -> None:
        due, self.due = cast(float, self.due), None
        # A 503 without Retry-After is a service that fails, not one that protects itself.
        self._pool.tally.answered(due, self._status, self._shed and self._status == 503)
        if keep:
            self._pool.freed(self)
        else:
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header of the answer; the parser calls this and the next two."""
        name = name.lower()
        if name == b"content-length" or name == b"transfer-encoding":
            self._sized = True
        elif name == b"retry-after":
            self._shed = True

    def on_headers_complete(self) -> None:
        """Note the status, and whether the connection stays: known only here."""
        self._status = self._parser.get_status_code()
        self._keep = self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        """Note the end, unless more is to come: 100 only says that the service listens."""
        self._complete = self._status >= 200
