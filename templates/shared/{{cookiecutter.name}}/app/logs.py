"""JSON logs, one object a line on stdout, each with the id of the request it belongs to."""

import logging
import re
import uuid
from contextvars import ContextVar
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS

from app.settings import settings

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
access = logging.getLogger("app.access")

_PROBES = {"/healthz", "/readyz", "/metrics"}


class RequestIdFilter(logging.Filter):
    """Adds the current request's id to a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": RequestIdFilter}},
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "{asctime}{levelname}{name}{message}{request_id}",
            "style": "{",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
            "datefmt": "%Y-%m-%dT%H:%M:%S%z",
            # uvicorn repeats its messages in colour.
            "reserved_attrs": [*RESERVED_ATTRS, "color_message"],
        }
    },
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "json",
            "filters": ["request_id"],
        }
    },
    "root": {"level": settings.log_level, "handlers": ["stdout"]},
}


def new_request_id(sent: str | None) -> str:
    """Take the caller's X-Request-ID when it is a plain token, else make one."""
    if sent and re.fullmatch(r"[\w.:-]{1,128}", sent, re.ASCII):
        return sent
    return uuid.uuid4().hex


def log_access(method: str, path: str, status: int, seconds: float) -> None:
    """Log one finished request; probes and scrapes only at DEBUG."""
    level = logging.DEBUG if path in _PROBES else logging.INFO
    if access.isEnabledFor(level):
        access.log(
            level,
            "%s %s %d",
            method,
            path,
            status,
            extra={
                "method": method,
                "path": path,
                "status": status,
                "duration_ms": round(seconds * 1000, 2),
            },
        )
