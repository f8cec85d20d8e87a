"""A server of a test: on a free port of this machine, for whoever has the password."""

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Loopback:
    """Serves while the context lasts."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    @property
    def port(self) -> int:
        return self.server.server_port

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def basic(user: str, password: str) -> str:
    """Return the header's value of somebody who knows both (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def refuse(handler: BaseHTTPRequestHandler, code: int, header: str) -> None:
    """Answer that a password is needed."""
    handler.send_response(code)
    handler.send_header(header, "Basic realm=acme")
    handler.send_header("Content-Length", "0")
    handler.end_headers()
