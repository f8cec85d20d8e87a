"""The rows that both models are asked: real ones, generated ones, and those at the edges.

All are rows that the service's schema lets through: finite numbers within float32, whole numbers
within their type, listed categories only, null where it is a value.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import Any

import numpy as np

from .answers import Row
from .spots import Spots

_MOST_EDGES, _PER_FEATURE = 6000, 60
_LARGEST = float(np.finfo(np.float32).max)
_FAR = (0.0, -1.0, 1.0, 1e30, -1e30, 1e-30, -1e-30, 1e6, -1e6, _LARGEST, -_LARGEST)
_TEXTS = ("a value that was never seen", "", " ", "ü漢")


def generated(features: list[dict[str, Any]], spots: list[Spots], count: int, seed: int,
              real: list[Row]) -> list[Row]:  # fmt: skip
    """Return ``count`` random rows: each value as real ones are, or as the model's numbers tell.

    Every fifth row is spread ten times wider.
    """
    dice = random.Random(seed)
    columns = [[row[i] for row in real] for i in range(len(features))]
    return [
        [
            _value(feature, spot, column, dice, 10.0 if number % 5 == 4 else 1.0)
            for feature, spot, column in zip(features, spots, columns, strict=True)
        ]
        for number in range(count)
    ]


def edges(features: list[dict[str, Any]], spots: list[Spots], base: list[Row], seed: int
          ) -> list[Row]:  # fmt: skip
    """Return rows with a value of one feature at an edge, the others as in some row of ``base``.

    Then whole rows of one kind: all zero, all huge, all null.
    """
    dice = random.Random(seed + 1)
    room = max(_MOST_EDGES // len(features), 12)
    rows: list[Row] = []
    for index, (feature, spot) in enumerate(zip(features, spots, strict=True)):
        values = _thinned(_edge_values(feature, spot, dice), min(room, 6 * _PER_FEATURE))
        for value in values:
            row = list(dice.choice(base))
            row[index] = value
            rows.append(row)
    numbers = [
        index
        for index, feature in enumerate(features)
        if feature["dtype"][0] in "fiu" and not feature["categories"]
    ]
    for far in (0.0, 1.0, -1.0, 1e6, 1e30, -1e30, _LARGEST, None):
        row = list(dice.choice(base))
        for index, feature in enumerate(features):
            if far is None and feature["nullable"]:
                row[index] = None
            elif far is not None and index in numbers:
                row[index] = _typed(feature, far)
        rows.append(row)
    return rows


def _value(feature: dict[str, Any], spot: Spots, real: list[Any], dice: random.Random,
           wide: float) -> Any:  # fmt: skip
    if feature["nullable"] and dice.random() < 0.1:
        return None
    if feature["categories"]:
        return dice.choice(feature["categories"])
    kind = feature["dtype"][0]
    known = [value for value in real if value is not None]
    if kind == "b":
        return dice.random() < 0.5
    if kind == "s":
        if dice.random() < 0.05:
            return _TEXTS[0]
        return dice.choice(known or spot.known or [feature["example"] or "text"])
    if known and wide == 1.0 and dice.random() < 0.7:
        return dice.choice(known)
    center, spread = _range(feature, spot, known)
    return _typed(feature, dice.gauss(center, spread * wide))


def _range(feature: dict[str, Any], spot: Spots, known: list[Any]) -> tuple[float, float]:
    """Return a center and a spread: of real values, of scalers, of thresholds, of the example."""
    values = known or [*spot.edges, *spot.centers]
    if not known and spot.spreads and spot.centers:
        return spot.centers[0], abs(spot.spreads[0]) * 1.5 or 1.0
    if len(values) > 1 and max(values) > min(values):
        center = sum(values) / len(values)
        return center, max(max(values) - center, center - min(values)) * 0.6
    example = feature["example"]
    center = float(values[0] if values else example if isinstance(example, int | float) else 0.0)
    return center, abs(center) / 2 or 1.0


def _edge_values(feature: dict[str, Any], spot: Spots, dice: random.Random) -> list[Any]:
    values: list[Any] = [None] if feature["nullable"] else []
    if feature["categories"]:
        return [*values, *feature["categories"]]
    kind = feature["dtype"][0]
    if kind == "b":
        return [*values, False, True]
    if kind == "s":
        return [*values, *spot.known, *_TEXTS]
    values += [_typed(feature, far) for far in _FAR]
    if kind in "iu":
        info = np.iinfo(feature["dtype"])
        values += [int(info.min), int(info.max), *(2**24 + 1,) * (info.bits > 24)]
        values += [2**31, 2**53 + 1] if info.bits == 64 else []
    thresholds = sorted(set(spot.edges))
    if len(thresholds) > _PER_FEATURE:
        thresholds = sorted(dice.sample(thresholds, _PER_FEATURE))
    for threshold in thresholds:
        values += [_typed(feature, each) for each in around(threshold)]
    values += [_typed(feature, center) for center in spot.centers[:3]]
    return values


def around(value: float) -> list[float]:
    """Return a number and its neighbours, as float64 and as float32 have them."""
    value = min(max(value, -_LARGEST), _LARGEST)
    near = np.float32(value)
    with np.errstate(over="ignore"):
        beside = [float(np.nextafter(near, np.float32(end))) for end in (math.inf, -math.inf)]
    values = [
        value,
        math.nextafter(value, math.inf),
        math.nextafter(value, -math.inf),
        float(near),
        *beside,
    ]
    return [each for each in values if abs(each) <= _LARGEST]


def _typed(feature: dict[str, Any], value: float) -> Any:
    """Return a number that the feature's type holds."""
    if feature["dtype"][0] == "f":
        most = 65504.0 if feature["dtype"] == "float16" else _LARGEST
        return min(max(float(value), -most), most)
    info = np.iinfo(feature["dtype"])
    return min(max(int(value), int(info.min)), int(info.max))


def _thinned(values: list[Any], most: int) -> list[Any]:
    """Return the first values and an even choice of the rest, each of them once."""
    seen: dict[Any, Any] = {(type(value), value): value for value in values}
    once = list(seen.values())
    if len(once) <= most:
        return once
    first, rest = once[: most // 3], once[most // 3 :]
    step = len(rest) / (most - len(first))
    return [*first, *(rest[int(i * step)] for i in range(most - len(first)))]


def fitting(features: list[dict[str, Any]], rows: Iterable[Row]) -> list[Row]:
    """Return those of a sample's rows that the service's schema lets through."""
    return [row for row in rows if all(map(_fits, features, row))]


def _fits(feature: dict[str, Any], value: Any) -> bool:
    if value is None:
        return bool(feature["nullable"])
    if feature["categories"]:
        return value in feature["categories"]
    kind = feature["dtype"][0]
    if kind in "bs":
        return isinstance(value, bool if kind == "b" else str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind == "f":
        return math.isfinite(value) and abs(value) <= _LARGEST
    info = np.iinfo(feature["dtype"])
    return isinstance(value, int) and info.min <= value <= info.max
