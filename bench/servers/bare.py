"""Without a framework: what a patient person gets who writes ASGI by hand, and the ceiling."""

from __future__ import annotations

from bench.servers.definition import ALL, Server
from bench.servers.plain import SKLEARN, uvicorn

REQUIREMENTS = ("uvicorn[standard]", "orjson", "numpy>=2")

SERVERS = (
    Server(
        name="bare-onnx",
        label="bare ASGI + ONNX Runtime",
        kind="bare",
        requirements=(*REQUIREMENTS, "onnxruntime>=1.20"),
        argv=lambda place: uvicorn("bare:app", place),
        runtime="onnx",
        models=ALL,
        variables={"BENCH_BARE": "direct"},
    ),
    Server(
        name="bare-batched",
        label="bare ASGI + micro-batching",
        kind="bare",
        requirements=(*REQUIREMENTS, *SKLEARN),
        argv=lambda place: uvicorn("bare:app", place),
        variables={"BENCH_BARE": "batched"},
    ),
    Server(
        name="ceiling",
        label="ceiling: parses, computes nothing",
        kind="ceiling",
        requirements=REQUIREMENTS,
        argv=lambda place: uvicorn("bare:app", place),
        models=ALL,
        variables={"BENCH_BARE": "constant"},
    ),
)
