"""LitServe, without and with its batching."""

from __future__ import annotations

from bench.servers.definition import ALL, APPS, Place, Server
from bench.servers.plain import SKLEARN

REQUIREMENTS = ("litserve>=0.2.19", "onnxruntime>=1.20", *SKLEARN)


def _argv(place: Place) -> list[str]:
    return [place.program("python"), str(APPS / "lit.py")]


SERVERS = (
    Server(
        name="litserve",
        label="LitServe",
        kind="peer",
        requirements=REQUIREMENTS,
        argv=_argv,
        models=ALL,
    ),
    Server(
        name="litserve-batched",
        label="LitServe, batching",
        kind="peer",
        requirements=REQUIREMENTS,
        argv=_argv,
        models=ALL,
        variables={"BENCH_BATCH": "1"},
    ),
)
