"""Reading a model file without running it: ``inspect(path)`` gives a ``ModelCard``.

No framework is imported and nothing that the file names is executed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from mlship.card import ModelCard
from mlship.errors import ModelError


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inspect(path: Path) -> ModelCard:
    """Read the model at ``path`` and return what it says about itself.

    Raises:
        ModelError: the file is missing, damaged, or of a kind that mlship does not read.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ModelError(
            f"The model {path} {what}",
            why="mlship reads one model file: .onnx, or a scikit-learn model in .joblib or .pkl.",
            next="mlship init NAME --model PATH/TO/model.joblib",
        )
    if path.suffix.lower() == ".onnx":
        from mlship.inspection.onnx import read_onnx

        return read_onnx(path, sha256_of(path))
    if path.suffix.lower() in {".joblib", ".pkl", ".pickle"}:
        from mlship.inspection.sklearn import read_sklearn

        return read_sklearn(path, sha256_of(path))
    raise ModelError(
        f"mlship can't read {path.name}",
        why="It reads .onnx files, and scikit-learn models saved as .joblib or .pkl.",
        next="save the model with joblib.dump(model, 'model.joblib') or convert it to ONNX",
    )
