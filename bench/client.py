"""A client on one connection that stays open."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

HEADERS = {"Content-Type": "application/json"}


class Failed(Exception):
    """The server did not answer 200."""


class Client:
    """POSTs to one path of a server on this machine; not for several threads."""

    def __init__(self, port: int, path: str, timeout: float = 60) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self.path = path

    def post(self, body: bytes) -> bytes:
        """Return the answer's body.

        Raises:
            Failed: it is no 200.
            OSError: nothing answers there.
        """
        self.connection.request("POST", self.path, body, HEADERS)
        response = self.connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise Failed(f"{response.status}: {content[:300].decode(errors='replace')}")
        return content

    def ask(self, body: Any) -> Any:
        """POST a value and return the answered one."""
        return json.loads(self.post(json.dumps(body).encode()))

    def seconds(self, body: bytes) -> float:
        """Return how long one answer took, from the first byte sent to the last received."""
        started = time.perf_counter()
        self.post(body)
        return time.perf_counter() - started

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
