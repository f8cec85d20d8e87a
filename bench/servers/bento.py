"""BentoML 1.4, without and with its adaptive batching."""

from __future__ import annotations

from typing import Any

from bench.servers.definition import ALL, APPS, Answers, Place, Server
from bench.servers.plain import SKLEARN

# Each model's runtime has its place in the one environment.
REQUIREMENTS = ("bentoml==1.4.*", "uvicorn[standard]", "onnxruntime>=1.20", *SKLEARN)
VARIABLES = {"BENTOML_DO_NOT_TRACK": "True"}


def _argv(module: str, place: Place) -> list[str]:
    return [
        place.program("bentoml"), "serve", f"{module}:Service", "--quiet",
        "--working-dir", str(APPS), "--host", "127.0.0.1", "--port", str(place.port),
    ]  # fmt: skip


def _read_pairs(answer: Any) -> Answers:
    return Answers([pair["prediction"] for pair in answer],
                   [pair["probabilities"] for pair in answer])  # fmt: skip


SERVERS = (
    Server(
        name="bentoml",
        label="BentoML",
        kind="peer",
        requirements=REQUIREMENTS,
        argv=lambda place: _argv("bento_plain", place),
        models=ALL,
        variables=VARIABLES,
    ),
    Server(
        name="bentoml-batched",
        label="BentoML, batching",
        kind="peer",
        requirements=REQUIREMENTS,
        argv=lambda place: _argv("bento_batched", place),
        models=ALL,
        variables=VARIABLES,
        read=_read_pairs,
    ),
)
