"""From a ModelCard and a Config to the plain values that templates print.

All logic of the templates is here: they only print, loop and choose.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mlship import kubernetes, printed, requirements, server
from mlship.card import ModelCard
from mlship.config import Config
from mlship.text import literal, plain

# Libraries of the system that a framework's wheels need and slim images lack.
_SYSTEM_PACKAGES = {"lightgbm": "libgomp1"}

# Bytes of a model from which a second copy in the builder's cache costs more than it is worth.
_LARGE = 10**8

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
    "app/endpoint.py": "POST /predict",
    "app/middleware.py": "around each request: id, metrics, access log",
    "app/batching.py": "the queue for the model: who waits together is answered together",
    "app/batcher.py": "waiting in that queue",
    "app/main.py": "the routes",
    "app/problems.py": "errors as problem details",
    "app/settings.py": "every setting, by environment variable",
    "app/metrics.py": "Prometheus metrics",
    "app/logs.py": "JSON logs with request ids",
    "app/processes.py": "SIGTERM, draining, metrics over several processes, the cores",
}
_SERVER_NOTES = {
    "fastapi": {
        "app/__main__.py": "starts uvicorn",
    },
    "flask": {
        "app/openapi.py": "the OpenAPI document",
        "gunicorn.conf.py": "gunicorn's settings",
    },
}
_LAST_NOTES = {
    "tests/": "the contract above, as tests; golden rows to know the model by",
    "Dockerfile": "the image: locked libraries, then the model, then code; not root",
    ".dockerignore": "sends only those to the builder",
    "slim.py": "what the image leaves out of the libraries; makes its layers reproducible",
    "k8s/base/kustomization.yaml": "ties the manifests together; names the image",
    "k8s/base/config.env": "the server's settings in the cluster",
    "k8s/base/deployment.yaml": "the pods: probes, resources, restricted security, draining",
    "k8s/base/service.yaml": "one address for all pods",
    "k8s/base/networkpolicy.yaml": "who may talk to the pods",
    "k8s/base/serviceaccount.yaml": "an identity without rights",
    "k8s/overlays/dev/kustomization.yaml": "one pod with all of its logs",
    "k8s/overlays/prod/kustomization.yaml": "as many pods as the load takes",
    "k8s/overlays/prod/pdb.yaml": "keeps pods while nodes are drained",
    ".github/workflows/ci.yml": "runs the checks and builds the image",
    ".mlship/files.json": "which files mlship wrote, so that `--force` leaves yours alone",
}


# Frameworks whose models may take seconds for one instance.
_SLOW = {"transformers", "python", "mlflow", "torch", "keras", "tensorflow"}
# Those where an answer may depend on the instances beside it: padding, a user's own code.
_ALONE = {"transformers", "python", "mlflow"}


class _Options(dict[str, str]):
    """Options of a card as Python literals; a layer may ask for one that this model lacks."""

    def __missing__(self, name: str) -> str:
        return ""


def model_file(path: Path) -> str:
    """Return the path of the model inside the project, its name made harmless."""
    suffix = "" if path.is_dir() else path.suffix.lower()
    stem = path.stem if suffix else path.name
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).lstrip(".-")
    return f"model/{stem or 'model'}{suffix}"


def sample(card: ModelCard) -> str:
    """Return the example request as JSON text: one instance by name."""
    example = dict(zip((f.name for f in card.features), card.example, strict=True))
    body = {"instances": [example]}
    text = json.dumps(body, indent=2, ensure_ascii=False)
    # One number a line is for a table; a tensor goes on one.
    return text if text.count("\n") < 20 + 2 * len(example) else json.dumps(body)


def build(
    card: ModelCard, config: Config, python_reason: str, root: Path = Path()
) -> dict[str, Any]:
    """Return the values of ``cookiecutter.*`` in the templates; ``root`` is the project.

    Raises:
        ProjectError: a patch of the user's that mlship.yaml names is not there.
    """
    labels = f"{card.framework} {card.framework_version or ''}".strip().replace("onnx", "ONNX")
    if card.original:
        labels += ", run by ONNX Runtime"
    count = len(card.features)
    features = f"{count} features" if count > 1 else card.features[0].name
    title = f"{card.task} model of {features} ({labels})"
    minor = int(config.python.split(".")[1])
    options = _Options({name: printed.written(value) for name, value in card.options})
    return {
        **kubernetes.context(config, root),
        "platform": kubernetes.platform_yaml(config),
        "model_file": config.model.file,
        "model_file_literal": literal(config.model.file),
        "is_folder": card.path.is_dir(),
        "inner": options.get("inner", ""),
        "sha256": config.model.sha256,
        "size_label": _size(card.size),
        "is_large": card.size > _LARGE,
        "title": plain(title[:1].upper() + title[1:]),
        "framework_label": plain(labels),
        "description": plain(card.description),
        "description_literal": literal(plain(card.description)),
        "task": card.task,
        "format": card.format,
        "takes": card.takes,
        "options": options,
        # What the inputs of an ONNX graph take, which a converted one may ask in another type.
        "kinds": list(card.original.dtypes) if card.original else [f.dtype for f in card.features],
        "labels": card.original.labels if card.original else "same",
        "proof": [plain(line) for line in card.original.summary] if card.original else [],
        "original_literal": json.dumps(card.original.file) if card.original else "",
        "original_label": plain(card.original.file) if card.original else "",
        "inputs": [literal(name) for name in card.input_names],
        "outputs": [literal(name) for name in card.output_names],
        **printed.answers(card),
        **printed.instances(card),
        "sample": sample(card),
        "requirements": requirements.runtime(card, config.server),
        "dev_requirements": list(requirements.DEVELOPMENT),
        "python_next": f"3.{minor + 1}",
        "python_reason": plain(python_reason),
        "untyped": ", ".join(f'"{name}.*"' for name in _untyped(card, config)),
        "server_label": server.LABELS[config.server],
        "code_paths": server.code_paths(config.server, config.include),
        "included": ", ".join(literal(name) for name in config.include),
        # Code of the user's own may ask more of it than to run a model.
        "slims_onnxruntime": requirements.runs_onnx(card) and not config.include,
        "system_packages": " ".join(
            package
            for library, package in _SYSTEM_PACKAGES.items()
            if any(requirement.startswith(library) for requirement in card.requirements)
        ),
        "join_rows": 512 if _can_join(card) else 1,
        "deadline_seconds": 30 if card.framework in _SLOW else 2,
        # Others have threads of their own from the moment they are loaded, which no fork survives.
        "preloads": config.server == "flask"
        and card.framework == "scikit-learn"
        and not card.original,
        "threads": _threads(card, config),
        "threads_note": server.THREADS_NOTE[config.server],
        "command_json": json.dumps(server.image_command(config.server)),
        "command_local": " ".join(server.local_command(config.server, Path(".venv"))),
        "file_notes": _notes(card, config),
        # Read by cookiecutter: blocks leave no blank lines, line ends are Unix's everywhere.
        "_jinja2_env_vars": {"lstrip_blocks": True, "trim_blocks": True},
        "_new_lines": "\n",
    }


def _threads(card: ModelCard, config: Config) -> int:
    """Return the default of THREADS; code of the user's own may wait for something else."""
    waits = config.server == "fastapi" and card.framework in ("python", "mlflow")
    return 40 if waits else server.THREADS[config.server]


def _can_join(card: ModelCard) -> bool:
    """Tell whether instances of different requests may share one run of the model."""
    free = any(None in feature.shape for feature in card.features)
    return not free and card.framework not in _ALONE


def _untyped(card: ModelCard, config: Config) -> list[str]:
    """Return the packages of the project that mypy finds no types for."""
    server_library = {"fastapi": "fastapi_offline", "flask": "flask_swagger_ui"}[config.server]
    libraries = {"scikit-learn": "sklearn", "onnx": "onnxruntime"}
    name = "onnx" if card.original else card.framework
    names = {libraries.get(name, name), server_library}
    if card.format == "joblib":
        names.add("joblib")
    if card.format == "skops":
        names.add("skops")
    names.update({"transformers": ["torch"], "keras": ["jax", "tensorflow"]}.get(name, []))
    if card.takes == "frame":
        names.add("pandas")
    return sorted(names)


def _notes(card: ModelCard, config: Config) -> list[tuple[str, str]]:
    notes = {**_FILE_NOTES, **_SERVER_NOTES[config.server], **_LAST_NOTES}
    if card.original:
        notes["conversion.json"] = "how the conversion to ONNX was proven"
        notes[".mlship/original.json"] = "the model before it was converted, for `--force`"
    for option in kubernetes.options(config):
        notes.update(kubernetes.FILE_NOTES[option])
    if card.takes == "frame":
        notes["app/table.py"] = "rows as a DataFrame"
    if any(feature.shape for feature in card.features):
        notes["app/shapes.py"] = "nested lists of a shape, as a type"
    return list(notes.items())


def _size(size: int) -> str:
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} bytes"
