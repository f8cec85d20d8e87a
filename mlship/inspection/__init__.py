"""Reading a model file without running it: ``inspect(path)`` gives a ``ModelCard``.

No framework is imported and nothing that the file names is executed.
"""

from __future__ import annotations

from pathlib import Path

from mlship.card import ModelCard
from mlship.digest import sha256_of
from mlship.errors import ModelError


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

        return _checked(read_onnx(path, sha256_of(path)))
    if path.suffix.lower() in {".joblib", ".pkl", ".pickle"}:
        from mlship.inspection.sklearn import read_sklearn

        return _checked(read_sklearn(path, sha256_of(path)))
    raise ModelError(
        f"mlship can't read {path.name}",
        why="It reads .onnx files, and scikit-learn models saved as .joblib or .pkl.",
        next="save the model with joblib.dump(model, 'model.joblib') or convert it to ONNX",
    )


def _checked(card: ModelCard) -> ModelCard:
    """Refuse names that no text file can hold, and names given twice."""
    names = [feature.name for feature in card.features]
    try:
        "".join([*names, *map(str, card.classes)]).encode()
    except UnicodeEncodeError:
        raise ModelError(
            f"{card.path.name} has a feature or class whose name is no valid text",
            next="rename it and save the model again",
        ) from None
    if len(set(names)) != len(names):
        raise ModelError(
            f"{card.path.name} has two features of the same name",
            next="rename one and fit the model again",
        )
    return card
