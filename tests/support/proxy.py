"""A company's proxy: the only way to hosts that no name server knows, for those with a password."""

import socket
import threading
from http.server import BaseHTTPRequestHandler

from tests.support.loopback import Loopback, basic, refuse

USER, PASSWORD = "acme-builder", "s3cr3t-of-the-proxy"


class Proxy(Loopback):
    """Tunnels to any host (RFC 9110, CONNECT), each of which is on loopback."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(self._handler())

    @property
    def url(self) -> str:
        """Return the proxy's URL with credentials."""
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self
        wanted = basic(USER, PASSWORD)

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                if self.headers.get("Proxy-Authorization") != wanted:
                    refuse(self, 407, "Proxy-Authenticate")
                    return
                proxy.asked.append(self.path)
                port = int(self.path.rpartition(":")[2])
                with socket.create_connection(("127.0.0.1", port)) as target:
                    self.send_response(200)
                    self.end_headers()
                    back = threading.Thread(target=_pour, args=(target, self.connection))
                    back.start()
                    _pour(self.connection, target)
                    back.join()
                self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        return Handler


def _pour(source: socket.socket, into: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            into.sendall(data)
        into.shutdown(socket.SHUT_WR)
    except OSError:
        pass
