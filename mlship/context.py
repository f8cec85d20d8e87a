"""From a ModelCard and a Config to the plain values that templates print.

All logic of the templates is here: they only print, loop and choose.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlship import requirements, server
from mlship.card import ModelCard
from mlship.config import Config

_FILE_NOTES = {
    "mlship.yaml": "what mlship's commands know of this project",
    "pyproject.toml": "the libraries asked for, and the settings of ruff, mypy and pytest",
    "requirements.lock": "the exact libraries of the image, with hashes",
    "requirements-dev.lock": "the same plus what tests and checks need",
    "sample.json": "a request to try",
    "model/": "the model file",
    "app/card.py": "what is known of the model",
    "app/schema.py": "the typed request and response",
    "app/model.py": "loads the model and asks it",
    "app/integrity.py": "refuses a changed model file",
    "app/service.py": "the model's life: starting, ready, draining",
    "app/main.py": "the routes",
    "app/problems.py": "errors as problem details",
    "app/settings.py": "every setting, by environment variable",
    "app/metrics.py": "Prometheus metrics",
    "app/logs.py": "JSON logs with request ids",
    "app/processes.py": "SIGTERM, draining, and metrics over several processes",
}
_SERVER_NOTES = {
    "fastapi": {
        "app/middleware.py": "around each request: id, size limit, metrics, access log",
        "app/__main__.py": "starts uvicorn",
    },
    "flask": {
        "app/openapi.py": "the OpenAPI document",
        "gunicorn.conf.py": "gunicorn's settings",
    },
}
_LAST_NOTES = {
    "tests/": "the contract above, as tests",
    "Dockerfile": "the image: locked libraries, then code, then the model; not root",
    ".dockerignore": "sends only those to the builder",
    "k8s/kustomization.yaml": "ties the manifests together; names the image",
    "k8s/config.env": "the server's settings in the cluster",
    "k8s/deployment.yaml": "the pods: probes, resources, restricted security, draining",
    "k8s/service.yaml": "one address for all pods",
    "k8s/hpa.yaml": "the autoscaler",
    "k8s/pdb.yaml": "keeps pods while nodes are drained",
    "k8s/networkpolicy.yaml": "who may talk to the pods",
    "k8s/serviceaccount.yaml": "an identity without rights",
    ".github/workflows/ci.yml": "runs the checks and builds the image",
    ".mlship/files.json": "which files mlship wrote, so that `--force` leaves yours alone",
}


def literal(value: str) -> str:
    """Return a Python string literal, quoted as formatters do: double unless that escapes more."""
    text = json.dumps(value, ensure_ascii=False)
    if '"' in value and "'" not in value:
        return "'" + text[1:-1].replace('\\"', '"') + "'"
    return text


def plain(text: str) -> str:
    """Return text without anything that means something to Markdown, TOML or a Dockerfile."""
    return re.sub(r"[^\w .,:;()+=-]", "", text)[:200]


def model_file(path: Path) -> str:
    """Return the path of the model inside the project, its name made harmless."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip(".-")
    return f"model/{stem or 'model'}{path.suffix.lower()}"


def sample(card: ModelCard) -> dict[str, Any]:
    """Return the example request: one instance by name."""
    return {"instances": [_example(card)]}


def _example(card: ModelCard) -> dict[str, float | int]:
    whole = card.features[0].dtype.startswith("int")
    values = [int(v) if whole else v for v in card.example]
    return {feature.name: value for feature, value in zip(card.features, values, strict=True)}


def build(card: ModelCard, config: Config, python_reason: str) -> dict[str, Any]:
    """Return the values of ``cookiecutter.*`` in the templates."""
    dtype = card.features[0].dtype
    whole = dtype.startswith("int")
    label_type = type(card.classes[0]).__name__ if card.classes else "str"
    framework = f"{card.framework} {card.framework_version or ''}".strip().replace("onnx", "ONNX")
    title = f"{card.task} model of {len(card.features)} features ({framework})"
    minor = int(config.python.split(".")[1])
    command = server.image_command(config.server)
    answers = f"{card.task}, one of {len(card.classes)} classes" if card.classes else card.task
    return {
        **asdict(config),
        "model_file": config.model.file,
        "model_file_literal": literal(config.model.file),
        "sha256": config.model.sha256,
        "size_label": _size(card.size),
        "title": plain(title[:1].upper() + title[1:]),
        "framework_label": plain(framework),
        "description": plain(card.description),
        "description_literal": literal(plain(card.description)),
        "task": card.task,
        "answers": answers + (", with probabilities" if card.probabilities else ""),
        "format": card.format,
        "dtype": dtype,
        "dataframe": "pandas" in card.requirements,
        "int_bits": int(dtype[3:]) if whole else 0,
        "number_type": "int" if whole else "float",
        "json_type": "integer" if whole else "number",
        "label_type": label_type,
        "classes": [literal(c) if isinstance(c, str) else repr(c) for c in card.classes],
        "probabilities": card.probabilities,
        "prediction_type": label_type if card.classes else _prediction_type(card),
        "features": [
            {"name": name, "literal": literal(name), "example": repr(value)}
            for name, value in _example(card).items()
        ],
        "input_name": literal(card.input_name) if card.input_name else "",
        "output_names": [literal(name) for name in card.output_names],
        "sample": json.dumps(sample(card), indent=2, ensure_ascii=False),
        "requirements": requirements.runtime(card, config.server),
        "dev_requirements": list(requirements.DEVELOPMENT),
        "python_next": f"3.{minor + 1}",
        "python_reason": plain(python_reason),
        "server_label": server.LABELS[config.server],
        "code_paths": server.CODE_PATHS[config.server],
        "threads": server.THREADS[config.server],
        "threads_note": server.THREADS_NOTE[config.server],
        "command_json": json.dumps(command),
        "command_local": " ".join(server.local_command(config.server, Path(".venv"))),
        "file_notes": list({**_FILE_NOTES, **_SERVER_NOTES[config.server], **_LAST_NOTES}.items()),
        # Read by cookiecutter: blocks leave no blank lines, line ends are Unix's everywhere.
        "_jinja2_env_vars": {"lstrip_blocks": True, "trim_blocks": True},
        "_new_lines": "\n",
    }  # fmt: skip


def _prediction_type(card: ModelCard) -> str:
    return "float | list[float]" if card.task == "regression" else "int"


def _size(size: int) -> str:
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"
