"""The work folder: environments, models, projects. All of it is made once and used again."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mlship.commands.uv import program

# The newest one that all peers run on.
PYTHON = "3.11"
SCRIPTS = Path(__file__).parent / "train"
# Any newer torch is the index's own build, with several GB of CUDA.
_CONSTRAINTS = ["torch==2.13.0"]


def run(argv: list[Any], **options: Any) -> str:
    """Run a program that must succeed, and return what it printed.

    Raises:
        RuntimeError: it failed; holds the end of its output.
    """
    words = [str(each) for each in argv]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise RuntimeError(f"$ {' '.join(words)}\n{(done.stdout + done.stderr)[-3000:]}")
    return str(done.stdout)


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Model:
    """A trained model and the truth about it."""

    name: str
    folder: Path
    shape: tuple[int, ...]
    classes: list[Any]
    rows: list[Any]
    predictions: list[Any]
    probabilities: list[list[float]]


@dataclass(frozen=True)
class Work:
    """The work folder."""

    folder: Path

    def sub(self, *names: str) -> Path:
        """Return a folder in it, made where it is missing."""
        path = self.folder.joinpath(*names)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _variables(self) -> dict[str, str]:
        variables = dict(os.environ)
        if links := variables.get("PIP_FIND_LINKS"):
            variables.setdefault("UV_FIND_LINKS", ",".join(links.split()))
        path = self.sub() / "constraints.txt"
        path.write_text("\n".join(_CONSTRAINTS) + "\n")
        variables["UV_CONSTRAINT"] = str(path)
        return variables

    def environment(self, requirements: tuple[str, ...]) -> Path:
        """Return a virtual environment of these, which all that have the same share."""
        path = self.sub("envs") / _digest(requirements)
        mark = path / "bench-ready"
        if not mark.is_file():
            uv, variables = program(), self._variables()
            run([uv, "venv", "--quiet", "--clear", "--python", PYTHON, path], env=variables)
            python = path / "bin" / "python"
            run([uv, "pip", "install", "--quiet", "--python", python, *requirements],
                env=variables)  # fmt: skip
            mark.write_text("\n".join(requirements))
        return path

    def train(self) -> None:
        """Make all models, unless they are there and made by these scripts."""
        for script in sorted(SCRIPTS.glob("*.py")):
            mark = self.sub("models") / f"{script.stem}-{_digest(script.read_text())}"
            if not mark.exists():
                run([program(), "run", "--quiet", "--no-project", "--python", PYTHON,
                     "--script", script, self.sub("models")], env=self._variables())  # fmt: skip
                mark.touch()

    def model(self, name: str) -> Model:
        """Return a model that `train` has made."""
        return _read(self.folder / "models" / name)


@cache
def _read(folder: Path) -> Model:
    truth = json.loads((folder / "truth.json").read_text())
    # Beside the model for the servers, which need not read the truth.
    card = {"shape": truth["shape"], "classes": truth["classes"]}
    (folder / "card.json").write_text(json.dumps(card))
    return Model(
        name=folder.name,
        folder=folder,
        shape=tuple(truth["shape"]),
        classes=truth["classes"],
        rows=truth["rows"],
        predictions=truth["predictions"],
        probabilities=truth["probabilities"],
    )


def versions(environment: Path) -> dict[str, str]:
    """Return what an environment has installed: versions by name."""
    listed = run([program(), "pip", "list", "--quiet", "--format", "json",
                  "--python", environment / "bin" / "python"])  # fmt: skip
    return {each["name"]: each["version"] for each in json.loads(listed)}


def default_folder() -> Path:
    """Return where the work folder is unless another is named."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "mlship-bench"


def python() -> str:
    """Return the interpreter that runs mlship."""
    return sys.executable
