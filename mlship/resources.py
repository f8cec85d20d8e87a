"""How much memory a pod of a model needs, by its library and size."""

from __future__ import annotations

from mlship.card import ModelCard
from mlship.config import Quantities, Resources

# MiB that a process takes after it imported the library and loaded a tiny model (measured), with
# room for requests of the largest size.
_BASE = {"torch": 1024, "transformers": 1280, "keras": 1280, "tensorflow": 1792, "mlflow": 768}
_DEFAULT = 512
_STEP = 256


def for_model(card: ModelCard) -> Resources:
    """Return requests and limits: the library's own need plus three times the file."""
    base = _DEFAULT if card.original else _BASE.get(card.framework, _DEFAULT)
    extra = 3 * card.size // 2**20
    limit = base + -(-extra // _STEP) * _STEP if extra > 32 else base
    return Resources(
        requests=Quantities(cpu="250m", memory=f"{limit // 2}Mi"),
        limits=Quantities(cpu="1", memory=f"{limit}Mi"),
    )
