"""The servers that are compared, one family a file."""

from __future__ import annotations

from bench.servers import bare, bento, generated, lit, mlflow, mlserver, plain, rayserve
from bench.servers.definition import ALL, Answers, Place, Server

SERVERS: tuple[Server, ...] = (
    *generated.SERVERS,
    *plain.SERVERS,
    *bento.SERVERS,
    *mlserver.SERVERS,
    *lit.SERVERS,
    *mlflow.SERVERS,
    *rayserve.SERVERS,
    *bare.SERVERS,
)
MODELS = ("iris", "forest", "linear", "cnn")
BY_NAME = {server.name: server for server in SERVERS}

__all__ = ["ALL", "BY_NAME", "MODELS", "SERVERS", "Answers", "Place", "Server"]
