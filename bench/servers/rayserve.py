"""Ray Serve with its batching: off by default, for it is many processes and half a gigabyte."""

from __future__ import annotations

from bench.servers.definition import ALL, APPS, Server
from bench.servers.plain import SKLEARN

SERVERS = (
    Server(
        name="ray",
        label="Ray Serve, batching",
        kind="peer",
        requirements=("ray[serve]==2.*", "onnxruntime>=1.20", *SKLEARN),
        argv=lambda place: [place.program("python"), str(APPS / "ray_serve.py")],
        models=ALL,
        variables={"PYTHONPATH": str(APPS), "RAY_USAGE_STATS_ENABLED": "0"},
        optional=True,
    ),
)
