"""Fixtures of the unit tests: a project made by hand, and programs that only pretend."""

import hashlib
from pathlib import Path

import pytest

MODEL = "weights"
MODEL_SHA256 = hashlib.sha256(MODEL.encode()).hexdigest()
CONFIG = f"""\
name: iris
version: 0.2.0
server: flask
python: "3.12"
model:
  file: model/iris.onnx
  sha256: {MODEL_SHA256}
image: registry.example.com/team/iris
port: 9000
namespace: ml
replicas: 3
autoscale:
  max: 8
  cpu: 60
resources:
  requests:
    cpu: 500m
    memory: 1Gi
  limits:
    cpu: 2
    memory: 2Gi
"""

FILES = {
    "mlship.yaml": CONFIG,
    "Dockerfile": "FROM scratch\n",
    "requirements.lock": "numpy==2.0\n",
    "requirements-dev.lock": "numpy==2.0\n",
    "README.md": "# iris\n",
    "sample.json": '{"instances": [{"a": 1.5, "b": 2}]}\n',
    "gunicorn.conf.py": "bind = ''\n",
    "app/__init__.py": "",
    "app/main.py": "app = None\n",
    "model/iris.onnx": MODEL,
}


def write_project(folder: Path) -> Path:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def project(tmp_path) -> Path:
    return write_project(tmp_path / "iris")


def write_program(path: Path, script: str) -> str:
    """Write an executable of the shell; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def write_docker(path: Path, version: str, *, buildx: bool = False, daemon: bool = True) -> str:
    """Write a docker that knows its version, its plugin and whether a daemon answers."""
    unreachable = "echo first >&2; echo 'Cannot connect to the Docker daemon.' >&2; exit 1"
    return write_program(
        path,
        f"""case "$*" in
--version) echo "Docker version {version}, build abc" ;;
"buildx version") exit {0 if buildx else 1} ;;
"version --format {{{{.Server.Version}}}}") {"echo 28.0.1" if daemon else unreachable} ;;
*) exit 64 ;;
esac""",
    )


def write_podman(path: Path) -> str:
    return write_program(path, "[ $1 = --version ] && echo 'podman version 4.9.3'")
