"""Rows to know a model by: made from its schema and sample, without loading it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from mlship.card import Feature, ModelCard, values
from mlship.golden import FILE, Golden, written

_MOST, _MOST_NUMBERS = 32, 20_000
# Only its owner knows what such a model takes besides the example.
_ONLY_EXAMPLES = {"python", "transformers"}
_BITS = {"int8": 7, "int16": 15, "int32": 31, "int64": 53,
         "uint8": 8, "uint16": 16, "uint32": 32, "uint64": 53}  # fmt: skip


def files(card: ModelCard, sample: Path | None, root: Path) -> dict[str, str]:
    """Return the file of golden rows by its path; none for a model that has those of its proof.

    The answers come later, from the project's own environment: ``init`` loads no model. A former
    file that knows this very model stays.
    """
    if card.original:
        return {}
    former = root / FILE
    if former.is_file():
        text = former.read_text(encoding="utf-8")
        if _model_of(text) == card.sha256:
            return {FILE: text}
    rows = of(card, _real(card, sample) if sample else [])
    return {FILE: written(Golden(rows))} if rows else {}


def of(card: ModelCard, real: list[list[Any]]) -> list[list[Any]]:
    """Return the example, rows of the sample, and variations of the example, each once.

    None where they would be too large for a file of the project.
    """
    most = min(_MOST, _MOST_NUMBERS // values(card))
    if most < 1:
        return []
    dice = random.Random(card.sha256)  # the same rows for the same model
    rows = [list(card.example), *real]
    if card.framework not in _ONLY_EXAMPLES:
        rows += [[_varied(feature, dice) for feature in card.features] for _ in range(most)]
    unique = {json.dumps(row): row for row in rows}
    return list(unique.values())[:most]


def _real(card: ModelCard, sample: Path) -> list[list[Any]]:
    from mlship.sampling import rows

    nullable = [feature.nullable for feature in card.features]
    found = rows.read(sample, card.features, _MOST)
    return [
        row
        for row in found[: _MOST // 2]
        if all(cell is not None or null for cell, null in zip(row, nullable, strict=True))
    ]


def _model_of(text: str) -> str:
    try:
        return str(json.loads(text).get("model"))
    except (ValueError, AttributeError):
        return ""


def _varied(feature: Feature, dice: random.Random) -> Any:
    if feature.nullable and dice.random() < 0.1:
        return None
    if feature.categories:
        return dice.choice(feature.categories)
    kind, value = feature.dtype[0], feature.value
    known = feature.example is not None
    if feature.shape:
        if kind != "f":
            return value
        return _scaled(value, dice.random()) if known else _noise(value, dice)
    if kind == "b":
        return dice.random() < 0.5
    if kind == "f":
        # Sums of large numbers in single precision differ between processors.
        reach = 2.5 if feature.dtype == "float64" else 1
        step = dice.gauss(0, 0.5) * (abs(value) or 1) if known else _anywhere(dice, -1, reach)
        return float(f"{value + step:.6g}")
    if kind in "iu":
        most = 2 ** _BITS[feature.dtype] - 1
        least = 0 if kind == "u" else -most
        step = (
            dice.randint(-3, 3) * max(abs(value) // 10, 1)
            if known
            else int(_anywhere(dice, 0, 2.5))
        )
        return min(max(value + step, least), most)
    return value


def _anywhere(dice: random.Random, least: float, most: float) -> float:
    """Return a number of any magnitude (powers of ten): nothing tells what a model was trained on.

    Numbers around 0 alone would often have the same answer, whatever the model.
    """
    return dice.gauss(0, 1) * 10 ** dice.uniform(least, most)


def _noise(value: Any, dice: random.Random) -> Any:
    if isinstance(value, list):
        return [_noise(each, dice) for each in value]
    return float(f"{dice.gauss(0, 1):.6g}")


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, list):
        return [_scaled(each, factor) for each in value]
    return float(f"{value * factor:.6g}")
