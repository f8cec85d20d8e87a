"""The projects that mlship makes, started with their own command."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from bench.servers.definition import ALL, TABULAR, Answers, Place, Server
from mlship.server import LABELS, local_command

# DRAIN_SECONDS is how long they wait for a load balancer after SIGTERM: here is none.
VARIABLES = {"LOG_LEVEL": "WARNING", "DRAIN_SECONDS": "0"}


def read(answer: Any) -> Answers:
    """Read an answer. A graph without labels answers its scores as predictions."""
    predictions = answer["predictions"]
    if "probabilities" in answer:
        return Answers(predictions, answer["probabilities"])
    return Answers([scores.index(max(scores)) for scores in predictions], predictions)


def _server(server: Literal["fastapi", "flask"], runtime: Literal["sklearn", "onnx"]) -> Server:
    def argv(place: Place) -> list[str]:
        return local_command(server, Path(place.environment))

    name = LABELS[server].split()[0]
    return Server(
        name=f"mlship-{server}-{'onnx' if runtime == 'onnx' else 'native'}",
        label=f"mlship {name}, {'ONNX' if runtime == 'onnx' else 'native'}",
        kind="ours",
        requirements=(),
        argv=argv,
        runtime=runtime,
        models=ALL if runtime == "onnx" else TABULAR,
        variables=VARIABLES,
        read=read,
        generated=server,
    )


SERVERS = (
    _server("fastapi", "onnx"),
    _server("fastapi", "sklearn"),
    _server("flask", "onnx"),
    _server("flask", "sklearn"),
)
