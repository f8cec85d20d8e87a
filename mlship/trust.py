"""Whether a model may be put into a project: dangerous files only when the user says so."""

from __future__ import annotations

from mlship.card import ModelCard
from mlship.errors import ModelError


def check(card: ModelCard, *, trust: bool) -> None:
    """Refuse a model that runs code of its own when it is loaded, unless it is trusted.

    Raises:
        ModelError: names what it imports, and where.
    """
    if card.dangers and not trust:
        named = ", ".join(str(each) for each in card.dangers[:10])
        raise ModelError(
            f"{card.path.name} runs code of its own when it is loaded",
            why=f"It uses {named}.",
            next="if you made it yourself and know why, add --trust",
        )
