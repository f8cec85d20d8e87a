"""gunicorn's settings; it reads this file by itself: `gunicorn app.main:app`."""

from typing import Any

from gunicorn.glogging import Logger

from app.integrity import verify_or_exit
from app.logs import LOGGING
from app.processes import MEMORY_DIR, drain_on_sigterm, is_draining, share_cores, share_metrics
from app.settings import settings

share_cores()
if settings.workers > 1:
    share_metrics()  # before the application imports prometheus_client

loglevel = settings.log_level.lower()
bind = f"{settings.host}:{settings.port}"
workers = settings.workers
worker_class = "gthread"
threads = settings.threads
keepalive = settings.keep_alive_seconds
graceful_timeout = settings.shutdown_seconds
worker_tmp_dir = MEMORY_DIR
# gunicorn's own loggers, instead of handlers of their own, use ours.
logconfig_dict = {
    **LOGGING,
    "loggers": {**LOGGING["loggers"], "gunicorn.error": {"propagate": True}},
}
# Its unix socket would need a writable disk.
control_socket_disable = True
{% if cookiecutter.preloads %}
# What was loaded before the workers are forked lies in memory once.
preload_app = settings.workers > 1
{% endif %}


class logger_class(Logger):
    """Without gunicorn's own access log, which takes its time even when nobody reads it."""

    def access(self, *request: Any) -> None:
        """Do nothing: app/logs.py has one."""


def on_starting(server: Any) -> None:
    """In gunicorn's parent process, before anything else."""
    if settings.workers > 1:
        verify_or_exit()


def when_ready(server: Any) -> None:
    """In gunicorn's parent process, before the workers start."""
    drain_on_sigterm(settings.drain_seconds)


def post_worker_init(worker: Any) -> None:
    """In each worker, before its first request."""
    from app.service import service

{% if cookiecutter.preloads %}
    if preload_app:
        service.start()
{% endif %}
    # Of several workers, /readyz asks only one: so none takes requests before it can answer them.
    while workers > 1 and not service.loaded.wait(timeout=1):
        worker.notify()  # or gunicorn takes it for dead


def pre_request(worker: Any, request: Any) -> None:
    """Before the application sees a request, of which only the headers were read."""
    # A client that sends its body slowly must not hold one of the threads for ever.
    request.unreader.sock.settimeout(settings.read_seconds)
    if is_draining():  # close each connection after its answer: the next goes elsewhere
        worker.cfg.set("keepalive", 0)
