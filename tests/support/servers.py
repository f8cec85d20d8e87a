"""A generated project's server, started for real."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx

from mlship import server
from mlship.project import find


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Server:
    """Runs the argv that `mlship serve` and the image run; logs go to a file."""

    def __init__(self, project: Path, logs: Path, wait: bool = True, **settings: object) -> None:
        config = find(project).config
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.logs = logs
        argv = server.local_command(config.server, Path(".venv"))
        variables = {"HOST": "127.0.0.1", "PORT": self.port, "DRAIN_SECONDS": 0, **settings}
        with logs.open("wb") as out:
            self.process = subprocess.Popen(
                argv,
                cwd=project,
                env={**os.environ, **{k: str(v) for k, v in variables.items()}},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self.client = httpx.Client(base_url=self.url, timeout=30, follow_redirects=True)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.logs.read_text()
            try:
                if self.client.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not ready within {seconds} s: {self.logs.read_text()}")

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Stop and return the exit code."""
        self.client.close()
        if self.process.poll() is None:
            self.terminate()
        try:
            return self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
