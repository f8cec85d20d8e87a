"""The tensors that a deep-learning model takes, as the features of a card."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mlship.card import Dtype, Feature, Takes
from mlship.errors import ModelError

# A wider row is one list of numbers instead of as many features.
_MAX_WIDTH = 1000
# Of one instance; an image of 4096 x 1365 in three colours. JSON is no way to send more.
_MAX_VALUES = 1 << 24
_MAX_RANK = 8


@dataclass(frozen=True)
class Tensor:
    """An input or output; ``shape`` is that of one instance, None for a side of any length."""

    name: str
    dtype: Dtype
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in ("batch", *self.shape))
        return f"{self.name}: {self.dtype} [{sides}]"


@dataclass(frozen=True)
class Row:
    """How one instance is put: ``features``, what the layer ``takes``, and its ``options``.

    The option ``columns`` says that the model wants its scalars as [batch, 1].
    """

    features: tuple[Feature, ...]
    takes: Takes
    options: tuple[tuple[str, Any], ...] = ()


def row_of(inputs: list[Tensor]) -> Row:
    """Return how an instance of a model with these inputs is put.

    One matrix of decimal numbers of known width becomes as many features x0, x1, ...; one input
    of strings becomes a text; anything else one feature an input.

    Raises:
        ModelError: an instance has more values than a request can carry, or none.
    """
    for each in inputs:
        known = [1 if side is None else side for side in each.shape]
        if len(known) > _MAX_RANK or min(known, default=1) < 1 or math.prod(known) > _MAX_VALUES:
            raise ModelError(
                f"An instance for the input {each.name[:80]!r} can't be sent as JSON",
                why=f"One row has the shape {list(known)[:_MAX_RANK]}.",
                next="export the model with inputs of a sensible shape",
            )
    only = inputs[0]
    if len(inputs) == 1 and only.dtype.startswith("float") and len(only.shape) == 1:
        width = only.shape[0]
        if width is not None and width <= _MAX_WIDTH:
            return Row(tuple(Feature(f"x{i}", only.dtype) for i in range(width)), "matrix")
    scalars = [each for each in inputs if each.shape in ((), (1,))]
    columns = bool(scalars) and all(each.shape == (1,) for each in scalars)
    features = tuple(
        Feature(each.name, each.dtype, () if columns and each.shape == (1,) else each.shape)
        for each in inputs
    )
    texts = len(features) == 1 and features[0].dtype == "string" and not features[0].shape
    takes: Takes = "texts" if texts else "inputs"
    return Row(features, takes, (("columns", True),) if columns else ())
