"""The rows that a PyTorch model and its graph are asked: as many numbers as its tensors have.

All are rows that the service's schema lets through. Whole numbers stay small in most rows, since
they are places in a table more often than not: a model has no answer to one beyond its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from . import rows
from .answers import Row

# One value of these everywhere: what a row of zeros, of ones, of a white image holds.
_WHOLE = (0.0, 1.0, -1.0, 0.5, 255.0, 1e-6, -1e-6, 1e3, -1e3, 1e6, -1e6)
_BOUNDS = (2, 4, 10, 100, 1000, 30_000)


def generated(features: list[dict[str, Any]], count: int, seed: int, real: list[Row]) -> list[Row]:
    """Return ``count`` random rows: around a real row or the example, around zero, negative, wide.

    Whole numbers are below a bound of the row's own.
    """
    dice = np.random.default_rng(seed)
    base = real or [[feature["example"] for feature in features]]
    made = []
    for number in range(count):
        middle, bound = base[number % len(base)], _BOUNDS[number % len(_BOUNDS)]
        made.append([_random(f, v, dice, number, bound) for f, v in
                     zip(features, middle, strict=True)])  # fmt: skip
    return made


def edges(features: list[dict[str, Any]], base: list[Row]) -> list[Row]:
    """Return rows of one value throughout, and rows in which one input alone has it."""
    made: list[Row] = []
    for value in _WHOLE:
        made.append([_filled(feature, value) for feature in features])
    for index, feature in enumerate(features[:16]):
        for value in (0.0, -1e3, 1e3) if len(features) > 1 else ():
            row = list(base[(index + len(made)) % len(base)])
            row[index] = _filled(feature, value)
            made.append(row)
    return made


def fitting(features: list[dict[str, Any]], some: Iterable[Row]) -> list[Row]:
    """Return those of a sample's rows that the service's schema lets through."""
    return [row for row in some if all(map(_fits, features, row))]


def _random(feature: dict[str, Any], middle: Any, dice: np.random.Generator, number: int,
            bound: int) -> Any:  # fmt: skip
    sides, kind = tuple(feature["shape"]), feature["dtype"][0]
    if feature["categories"]:
        options = feature["categories"]
        places = dice.integers(0, len(options), sides)
        return _nested(places, lambda place: options[place])
    if kind == "b":
        return (dice.random(sides) < 0.5).tolist()
    if kind in "iu":
        most = int(np.iinfo(feature["dtype"]).max)
        return dice.integers(0, min(bound, most), sides).tolist()
    noise = dice.normal(size=sides)
    center = np.asarray(middle, dtype=float)
    values = (
        center + noise * np.maximum(np.abs(center), 1.0) * 0.3,
        noise,
        -np.abs(noise),
        noise * 10,
        dice.random(sides),
        noise * 100,
    )[number % 6]
    return np.clip(np.round(values, 4), *_range(feature)).tolist()


def _filled(feature: dict[str, Any], value: float) -> Any:
    """Return a tensor of one value, the nearest one that its type holds."""
    sides, kind = tuple(feature["shape"]), feature["dtype"][0]
    if feature["categories"]:
        options = feature["categories"]
        return _nested(np.full(sides, int(value) % len(options)), lambda place: options[place])
    if kind == "b":
        return np.full(sides, value > 0).tolist()
    low, high = _range(feature)
    near = min(max(value, low), high)
    return np.full(sides, near if kind == "f" else int(near)).tolist()


def _nested(places: Any, value: Any) -> Any:
    listed = places.tolist() if isinstance(places, np.ndarray) else int(places)
    return _mapped(listed, value)


def _mapped(listed: Any, value: Any) -> Any:
    return [_mapped(each, value) for each in listed] if isinstance(listed, list) else value(listed)


def _range(feature: dict[str, Any]) -> tuple[float, float]:
    if feature["dtype"][0] in "iu":
        info = np.iinfo(feature["dtype"])
        return info.min, info.max
    most = 65504.0 if feature["dtype"] == "float16" else float(np.finfo(np.float32).max)
    return -most, most


def _fits(feature: dict[str, Any], value: Any) -> bool:
    """Tell whether nested lists have the shape, and their values the type."""
    layer = [value]
    for side in feature["shape"]:
        if not all(isinstance(each, list) and len(each) == side for each in layer):
            return False
        layer = [item for each in layer for item in each]
    return len(rows.fitting([feature], [[item] for item in layer])) == len(layer)


def size(features: list[dict[str, Any]]) -> int:
    """Return how many numbers a row has."""
    return sum(math.prod(feature["shape"]) for feature in features)
