"""Starts the server: `python -m app`."""

import gc
import logging.config
import signal
import sys

import uvicorn

from app.integrity import verify_or_exit
from app.logs import LOGGING
from app.processes import share_cores, share_metrics
from app.settings import settings


def main() -> None:
    """Run uvicorn until it is told to stop; a clean stop exits with 0."""
    gc.disable()  # imports make no garbage; service.py enables it again
    logging.config.dictConfig(LOGGING)
    share_cores()
    if settings.workers > 1:
        share_metrics()
        verify_or_exit()
    # uvicorn raises SIGTERM again once it has shut down; that is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        "app.main:app",
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        log_config=LOGGING,
        log_level=settings.log_level.lower(),
        access_log=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.shutdown_seconds,
        server_header=False,
        proxy_headers=False,  # nothing here asks for the client's address
    )


if __name__ == "__main__":
    main()
