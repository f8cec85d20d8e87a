"""JSON logs, one object a line on stdout, each with the id of the request it belongs to."""

import logging
import random
import re
from contextvars import ContextVar
from typing import Any

from pydantic_core import to_json
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


class AccessFormatter(logging.Formatter):
    """The same JSON for the one message whose fields are known: a fraction of the time."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        fields = {
            "time": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            **record.__dict__["access"],
        }
        return to_json(fields).decode()


TIME = "%Y-%m-%dT%H:%M:%S%z"
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
            "datefmt": TIME,
            # uvicorn repeats its messages in colour.
            "reserved_attrs": [*RESERVED_ATTRS, "color_message"],
        },
        "access": {"()": AccessFormatter, "datefmt": TIME},
    },
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "json",
            "filters": ["request_id"],
        },
        "access": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "access",
        },
    },
    "loggers": {"app.access": {"handlers": ["access"], "propagate": False}},
    "root": {"level": settings.log_level, "handlers": ["stdout"]},
}


def new_request_id(sent: bytes | None) -> str:
    """Take the caller's X-Request-ID when it is a plain token, else make one."""
    if sent and re.fullmatch(rb"[\w.:-]{1,128}", sent):
        return sent.decode()
    return f"{random.getrandbits(128):032x}"


def log_access(method: str, path: str, status: int, seconds: float) -> None:
    """Log one finished request; probes and scrapes only at DEBUG."""
    level = logging.DEBUG if path in _PROBES else logging.INFO
    if access.isEnabledFor(level):
        # Not access.log(): it would look for the line of code that called it.
        fields = (method, path, status)
        record = logging.LogRecord(access.name, level, "", 0, "%s %s %d", fields, None)
        milliseconds = round(seconds * 1000, 2)
        record.access = {
            "method": method,
            "path": path,
            "status": status,
            "duration_ms": milliseconds,
        }
        access.handle(record)
