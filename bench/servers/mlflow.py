"""MLflow's own model server."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

from bench.servers.definition import ALL, APPS, Answers, Place, Rows, Server
from bench.servers.plain import SKLEARN


def _prepare(place: Place) -> None:
    saved = place.folder / "saved"
    shutil.rmtree(saved, ignore_errors=True)
    runtime = "sklearn" if len(place.shape) == 1 else "onnx"
    variables = {**os.environ, "BENCH_MODEL": str(place.model), "BENCH_RUNTIME": runtime}
    subprocess.run(
        [place.program("python"), APPS / "mlflow_save.py", saved],
        cwd=place.folder, env=variables, check=True, capture_output=True,
    )  # fmt: skip


def _argv(place: Place) -> list[str]:
    return [
        place.program("mlflow"), "models", "serve", "--model-uri", str(place.folder / "saved"),
        "--env-manager", "local", "--host", "127.0.0.1", "--port", str(place.port),
        "--workers", "1", "--timeout", "60",
    ]  # fmt: skip


def _body(rows: Rows, shape: tuple[int, ...]) -> Any:
    return {"inputs": rows}


def _read(answer: Any) -> Answers:
    found = answer["predictions"]
    return Answers(found["predictions"], found["probabilities"])


SERVERS = (
    Server(
        name="mlflow",
        label="MLflow",
        kind="peer",
        requirements=("mlflow==3.*", "uvicorn[standard]", "onnxruntime>=1.20", *SKLEARN),
        argv=_argv,
        models=ALL,
        path="/invocations",
        variables={
            "PYTHONPATH": str(APPS),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "UVICORN_LOG_LEVEL": "warning",
            "UVICORN_ACCESS_LOG": "false",
        },
        prepare=_prepare,
        body=_body,
        read=_read,
    ),
)
