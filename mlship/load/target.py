"""Where the load goes, and the one request that is sent again and again."""

from __future__ import annotations

import json
import re
import ssl
import urllib.parse
from dataclasses import dataclass
from typing import Any

from mlship.errors import UsageError

# What may stand in a path as it is; a percent sign was put there on purpose.
_SAFE = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True)
class Target:
    """An address, and the request as the bytes that go over the wire."""

    url: str
    host: str
    port: int
    tls: ssl.SSLContext | None
    request: bytes


def parse(url: str, body: bytes | dict[str, Any]) -> Target:
    """Return the target of a POST of ``body`` to exactly this URL.

    Raises:
        UsageError: it is no http or https URL.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        host = (parts.hostname or "").encode("idna").decode()
        path = urllib.parse.quote(parts.path, safe=_SAFE) or "/"
        query = f"?{urllib.parse.quote(parts.query, safe=_SAFE + '?')}" if parts.query else ""
        head = f"POST {path}{query} HTTP/1.1\r\nHost: {_netloc(host, parts.port)}\r\n".encode(
            "ascii"
        )
        if not re.fullmatch(r"[\w.:%-]+", host) or parts.username is not None:
            raise ValueError
    except (KeyError, ValueError):  # a UnicodeError is a ValueError
        raise UsageError(
            f"{url!r} is not the URL of a service", next="mlship bench http://127.0.0.1:8000"
        ) from None
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    head += (
        b"User-Agent: mlship-bench\r\nAccept: application/json\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(sent)
    )
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    return Target(url, host, port, tls, head + sent)


def _netloc(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{port}" if port else name
