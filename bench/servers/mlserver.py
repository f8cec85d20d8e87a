"""MLServer: the Open Inference Protocol, its own scikit-learn runtime, adaptive batching."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

from bench.servers.definition import ALL, APPS, Answers, Place, Rows, Server
from bench.servers.plain import SKLEARN

OUTPUTS = [{"name": "predict"}, {"name": "predict_proba"}]


def _prepare(place: Place) -> None:
    settings = {
        "host": "127.0.0.1",
        "http_port": place.port,
        "grpc_port": place.port + 1,
        "metrics_endpoint": None,
        "gzip_enabled": False,
        "debug": False,
        # In the server's process: on one core a process of its own only copies arrays.
        "parallel_workers": 0,
    }
    (place.folder / "settings.json").write_text(json.dumps(settings))
    own = place.shape and len(place.shape) == 1
    model = {
        "name": "model",
        "implementation": "mlserver_sklearn.SKLearnModel" if own else "mlserver_model.Model",
        "parameters": {"uri": str(place.model / "model.joblib")} if own else {},
        # The batcher waits until one of both is reached.
        "max_batch_size": 64,
        "max_batch_time": 0.002,
    }
    (place.folder / "model-settings.json").write_text(json.dumps(model))


def _flat(value: Any, depth: int) -> list[float]:
    for _ in range(depth - 1):
        value = list(itertools.chain.from_iterable(value))
    return list(value)


def _body(rows: Rows, shape: tuple[int, ...]) -> Any:
    """Return the rows as one flat list, which the protocol asks for and MLServer reads fastest."""
    tensor = {
        "name": "instances",
        "shape": [len(rows), *shape],
        "datatype": "FP64",
        "data": _flat(rows, len(shape) + 1),
    }
    return {"inputs": [tensor], "outputs": OUTPUTS}


def _read(answer: Any) -> Answers:
    found = {output["name"]: output for output in answer["outputs"]}
    scores = found["predict_proba"]
    width = math.prod(scores["shape"][1:])
    data = scores["data"]
    rows = [data[start : start + width] for start in range(0, len(data), width)]
    return Answers(found["predict"]["data"], rows)


SERVERS = (
    Server(
        name="mlserver",
        label="MLServer, batching",
        kind="peer",
        requirements=("mlserver==1.7.*", "mlserver-sklearn==1.7.*", "onnxruntime>=1.20", *SKLEARN),
        argv=lambda place: [place.program("mlserver"), "start", str(place.folder)],
        models=ALL,
        path="/v2/models/model/infer",
        variables={"PYTHONPATH": str(APPS)},
        prepare=_prepare,
        body=_body,
        read=_read,
    ),
)
