"""The template layers and which of them make up a project."""

from __future__ import annotations

from pathlib import Path

from mlship.card import ModelCard


def root() -> Path:
    """Return the folder of all layers: inside the wheel, or at the top of a checkout."""
    package = Path(__file__).parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"


def for_project(card: ModelCard, server: str) -> list[Path]:
    """Return the layers of a project, from the most general to the most special."""
    runtime = "onnx" if card.framework == "onnx" else "sklearn"
    return [root() / layer for layer in ("shared", server, runtime, "docker", "kubernetes")]
