"""What a sample taught about a model, kept in the project: rendering again needs no sample."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path

from mlship.card import Feature, ModelCard

FILE = ".mlship/schema.json"


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


def _feature(known: dict[str, object]) -> Feature:
    values = {field.name: known[field.name] for field in fields(Feature)}
    for name in ("shape", "categories"):
        values[name] = tuple(values[name])  # type: ignore[arg-type]
    return Feature(**values)  # type: ignore[arg-type]
