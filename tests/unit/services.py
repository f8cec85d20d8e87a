"""A service on this machine that is as slow, or as broken, as the test wants."""

import asyncio
import json
import threading
import time

from httptools import HttpRequestParser

ANSWER = json.dumps({"predictions": ["x"]}).encode()


def answer(status=200, *headers, body=ANSWER):
    lines = (f"HTTP/1.1 {status} Reason", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


class LoadedService:
    """Answers each POST with ``script(number)``: bytes, or None to close the connection.

    Attributes:
        per_second: how many it can answer; the others queue up. None: any number.
        stall: (from, to) in seconds after the first request: answers nothing meanwhile.
        delay: seconds before each answer.
        requests: (path, headers, body) of the first hundred.
    """

    def __init__(self, tls=None):
        self.script = lambda number: answer()
        self.per_second = self.stall = None
        self.delay = 0
        self.requests, self.number, self.connections, self.closed = [], 0, 0, 0
        self.first = None
        self._free_at = 0
        self.loop = asyncio.new_event_loop()
        self._server = self.loop.run_until_complete(
            self.loop.create_server(lambda: _Session(self), "127.0.0.1", 0, ssl=tls)
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self._server.close()

    def when(self):
        """Return when the next answer is due, on the loop's clock."""
        now = time.monotonic()
        self.first = self.first or now
        at = now + self.delay
        if self.per_second:
            self._free_at = at = max(now, self._free_at) + 1 / self.per_second
        if self.stall and self.stall[0] <= now - self.first < self.stall[1]:
            at = max(at, self.first + self.stall[1])
        return at


class _Session(asyncio.Protocol):
    def __init__(self, service):
        self.service = service
        self.parser = HttpRequestParser(self)

    def connection_made(self, transport):
        self.transport = transport
        self.service.connections += 1

    def connection_lost(self, error):
        self.service.closed += 1

    def data_received(self, data):
        self.parser.feed_data(data)

    def on_message_begin(self):
        self.path, self.headers, self.body = b"", {}, b""

    def on_url(self, url):
        self.path += url

    def on_header(self, name, value):
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        service = self.service
        if len(service.requests) < 100:
            service.requests.append((self.path.decode(), self.headers, self.body))
        reply = service.script(service.number)
        service.number += 1
        service.loop.call_at(service.when(), self.reply, reply)

    def reply(self, reply):
        if reply is None:
            self.transport.abort()
            return
        self.transport.write(reply)
        if b"Connection: close" in reply or b"HTTP/1.0" in reply:
            self.transport.close()
