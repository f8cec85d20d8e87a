"""The projects that are measured, made by the command line as a user makes them."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from bench.work import Model, Work, _digest, python, run
from mlship import environment
from mlship.digest import sha256_of
from mlship.project import find
from mlship.runner import Runner

MLSHIP = (python(), "-m", "mlship")
TEMPLATES = Path(__file__).parents[1]


def project(work: Work, server: str, runtime: str, model: Model) -> Path:
    """Return the project of a model, with its own environment installed from its own lock."""
    name = f"{model.name}-{server}-{'onnx' if runtime == 'onnx' else 'native'}"
    folder = work.sub("projects")
    path, mark = folder / name, folder / f".{name}"
    source, options = _source(runtime, model)
    state = _digest(_mlship(), sha256_of(source), options)
    if not (path.is_dir() and mark.is_file() and mark.read_text() == state):
        shutil.rmtree(path, ignore_errors=True)
        run([*MLSHIP, "init", name, "--model", source, "--server", server, *options,
             "--no-input", "--force"], cwd=folder)  # fmt: skip
        environment.ensure(path, find(path).config.python, Runner())
        mark.write_text(state)
    return path


@cache
def _mlship() -> str:
    """Return a digest of the mlship that writes the projects: it changes while it is developed."""
    files = [path for part in ("mlship", "templates") for path in (TEMPLATES / part).rglob("*")]
    return _digest(
        *(sha256_of(path) for path in sorted(files) if path.is_file() and path.suffix != ".pyc")
    )


def _source(runtime: str, model: Model) -> tuple[Path, tuple[str, ...]]:
    """Return the file that a project is made from, and the options that choose its runtime."""
    native = model.folder / "model.joblib"
    if not native.exists():
        return model.folder / "model.onnx", ()
    return native, ("--runtime", "onnx" if runtime == "onnx" else "native")
