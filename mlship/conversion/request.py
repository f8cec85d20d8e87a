"""What the program in ``mlship/isolated`` is told of a model; its ``__main__.py`` has the form."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mlship.card import Feature, ModelCard, values
from mlship.conversion.environment import converters
from mlship.printed import column
from mlship.requirements import name_of

GENERATED, SEED, MOST_REAL = 2000, 0, 10_000
# Numbers of all rows together, where these are tensors; but so many rows at least.
_NUMBERS, _FEWEST = 2_000_000, 12


def of(card: ModelCard, rows: Sequence[list[Any]]) -> dict[str, Any]:
    """Return the request as JSON values."""
    most = max(_NUMBERS // values(card), _FEWEST)
    names = {name_of(requirement) for requirement in (*card.requirements, *converters(card))}
    return {
        "model": str(card.path.absolute()),
        "framework": card.framework,
        "format": card.format,
        "task": card.task,
        "takes": card.takes,
        "features": [_feature(feature) for feature in card.features],
        "classes": list(card.classes),
        "probabilities": card.probabilities,
        "options": dict(card.options),
        "inputs": list(card.input_names),
        "outputs": list(card.output_names),
        # A booster's own file knows classes by number only.
        "from_numbers": card.format in ("json", "ubj", "txt"),
        "rows": list(rows)[: min(MOST_REAL, most)],
        "generated": min(GENERATED, most),
        "seed": SEED,
        "memory": memory(),
        "packages": sorted({*names, "numpy"}),
    }


def _feature(feature: Feature) -> dict[str, Any]:
    return {
        "name": feature.name,
        "dtype": feature.dtype,
        "shape": list(feature.shape),
        "nullable": feature.nullable,
        "categories": list(feature.categories),
        "example": feature.value,
        "column": column(feature),
    }


def memory() -> int:
    """Return the most bytes that the process may take: three quarters of the machine's memory."""
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 16 << 30
    return max(pages * size * 3 // 4, 4 << 30)
