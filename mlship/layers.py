"""The template layers and which of them make up a project."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mlship.card import ModelCard


def root() -> Path:
    """Return the folder of all layers: inside the wheel, or at the top of a checkout."""
    package = Path(__file__).parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"


# Which layer loads a model, by how it is written.
_RUNTIMES = {
    "joblib": "sklearn", "pickle": "sklearn", "skops": "sklearn",
    "json": "xgboost", "ubj": "xgboost", "txt": "lightgbm", "cbm": "catboost",
    "torchscript": "torch", "pt2": "torch", "saved_model": "tensorflow",
}  # fmt: skip


def for_project(card: ModelCard, server: str, options: Iterable[str]) -> list[Path]:
    """Return the layers of a project, from the most general to the most special.

    ``options`` are those of the manifests (``kubernetes.options``).
    """
    inputs = ["frame"] if card.takes == "frame" else []
    if any(feature.shape for feature in card.features):
        inputs.append("tensors")
    runtime = _RUNTIMES.get(card.format, card.format)
    proof = ["converted"] if card.original else []
    names = ("shared", server, *inputs, runtime, *proof, "docker")
    return [*(root() / layer for layer in names), *for_manifests(options)]


def for_manifests(options: Iterable[str]) -> list[Path]:
    """Return the layers that mlship.yaml alone decides: k8s/, and what it needs in the image."""
    return [root() / "kubernetes", *(root() / "options" / name for name in options)]
