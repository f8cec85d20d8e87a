"""Waiting for the model, which the service loads in the background."""

import threading
import time
from typing import Any

from app import service

# A test should fail and show the log, not end without a word.
service.give_up = lambda: None


def wait_until_ready(client: Any) -> None:
    """Return when the service answers; fail when it can't load its model."""
    deadline = time.monotonic() + 120
    while True:
        loading = any(thread.name == "load-model" for thread in threading.enumerate())
        if client.get("/readyz").status_code == 200:
            return
        assert loading, "the model could not be loaded: see the log"
        assert time.monotonic() < deadline, "the model was not ready within 120 s"
        time.sleep(0.05)
