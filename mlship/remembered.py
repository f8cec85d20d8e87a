"""What a project knows that its model's file does not say: rendering again needs nothing else.

What a sample taught about a model, and what a converted model was before.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from mlship.card import Feature, ModelCard, Original
from mlship.digest import sha256_of, size_of
from mlship.errors import ProjectError

FILE = ".mlship/schema.json"
ORIGINAL = ".mlship/original.json"
# Of a card, what JSON has as lists.
_TUPLES = ("classes", "requirements", "python_range", "input_names", "output_names", "warnings")


def save(project: Path, card: ModelCard) -> None:
    """Write the features of a card that a sample refined."""
    path = project / FILE
    path.parent.mkdir(exist_ok=True)
    known = {
        "model": card.sha256,
        "takes": card.takes,
        "features": [asdict(feature) for feature in card.features],
    }
    path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


def recall(project: Path, card: ModelCard) -> ModelCard | None:
    """Return the card with the features kept in ``project``, None when another model's are."""
    try:
        known = json.loads((project / FILE).read_text(encoding="utf-8"))
        if known["model"] != card.sha256:
            return None
        features = tuple(_feature(each) for each in known["features"])
        return replace(card, features=features, takes=known["takes"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save_original(project: Path, card: ModelCard) -> None:
    """Write the card of a converted model, which can't be read from the ONNX file again."""
    path = project / ORIGINAL
    path.parent.mkdir(exist_ok=True)
    known = card.as_json()
    for name in ("path", "options", "dangers", "modules", "output_classes"):
        del known[name]
    path.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def recall_original(project: Path, model: Path) -> ModelCard:
    """Return the card of the converted model at ``model``, inside of ``project``.

    Raises:
        ProjectError: the card is gone, or of another file.
    """
    try:
        known: dict[str, Any] = json.loads((project / ORIGINAL).read_text(encoding="utf-8"))
        found, size = sha256_of(model), size_of(model)
        if known.pop("sha256") != found:
            raise ValueError("the model is another one than was converted")
        known.update(sha256=found, size=size, path=model)
        known["features"] = tuple(map(_feature, known["features"]))
        original = known["original"]
        for name in ("dtypes", "summary"):
            original[name] = tuple(original[name])
        known["original"] = Original(**original)
        for name in _TUPLES:
            known[name] = tuple(known[name])
        return ModelCard(**known)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProjectError(
            f"{project.name} does not know any more what its model was converted from",
            why=f"{ORIGINAL}: {error}",
            next=f"mlship init {project.name} --force --model ORIGINAL",
        ) from None


def _feature(known: dict[str, object]) -> Feature:
    values = {field.name: known[field.name] for field in fields(Feature)}
    for name in ("shape", "categories"):
        values[name] = tuple(values[name])  # type: ignore[arg-type]
    return Feature(**values)  # type: ignore[arg-type]
