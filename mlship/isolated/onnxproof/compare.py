"""Holds the answers of a graph against those of the model, row by row.

Labels have to be the same, of the same type. Scores and numbers may differ by ``ABSOLUTE`` (of
the usual size of the answers, for a regression) plus ``ABSOLUTE`` of the model's own: a float32
keeps seven digits. Of PyTorch's float32, which adds up many products in an order of its own, both
are ``WIDE``. A row on which the model itself has no finite answer is not compared.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import Any

from .answers import Answers

ABSOLUTE, WIDE = 1e-5, 1e-4
_LABELLED = ("classification", "clustering", "outlier-detection")


@dataclass
class Comparison:
    """What a comparison found.

    Attributes:
        compared: the rows that were.
        different: the rows whose answers differ, in order.
        worst, where: how much of what is tolerated the worst score or number takes, 1 for all of
            it; and its row, None without any.
    """

    compared: list[int] = field(default_factory=list)
    different: list[int] = field(default_factory=list)
    worst: float = 0.0
    where: int | None = None


def within(request: dict[str, Any]) -> float:
    """Return what both numbers of the tolerance are for a request's model."""
    doubles = any(feature["dtype"] == "float64" for feature in request["features"])
    return WIDE if request["framework"] == "torch" and not doubles else ABSOLUTE


def compare(
    task: str, wanted: Answers, found: Answers, scale: float, share_of: float = ABSOLUTE
) -> Comparison:
    """Compare all rows that ``wanted`` has an answer for.

    ``scale`` is as of ``scale()``, ``share_of`` as of ``within()``.
    """
    result = Comparison()
    labelled = task in _LABELLED
    for index, value in enumerate(wanted.values):
        if index in wanted.why:
            continue
        result.compared.append(index)
        if index in found.why:
            result.different.append(index)
            continue
        same = same_label(value, found.values[index]) if labelled else True
        pairs = [] if labelled else [(value, found.values[index])]
        if wanted.scores is not None and found.scores is not None:
            pairs.append((wanted.scores[index], found.scores[index]))
        for one, other in pairs:
            share, fits = distance(one, other, scale, share_of)
            same = same and fits
            if share > result.worst or result.where is None:
                result.worst, result.where = max(share, result.worst), index
        if not same:
            result.different.append(index)
    return result


def scale(task: str, wanted: Answers) -> float:
    """Return the usual size of a regression's answers, 1 for probabilities."""
    if task in _LABELLED:
        return 1.0
    known = [value for i, value in enumerate(wanted.values) if i not in wanted.why]
    if known and isinstance(known[0], dict):  # the smallest output is not to drown in the others
        parts = [_usual([value[name] for value in known], scores=True) for name in known[0]]
        return min((part for part in parts if part), default=1.0)
    return _usual(known, scores=task == "inference") or 1.0


def _usual(values: list[Any], *, scores: bool) -> float:
    """Return the median size; where they look like ``scores`` of classes, a tenth at least."""
    numbers = [n for value in values for n in flat(value)]
    if not numbers or not isinstance(numbers[0], float):
        return 0.0
    usual = float(statistics.median(abs(n) for n in numbers))
    return max(usual, 0.1) if scores and min(numbers) >= 0 and max(numbers) <= 1 else usual


def same_label(one: Any, other: Any) -> bool:
    """Tell whether two labels are equal and JSON has them as the same type."""
    return type(one) is type(other) and bool(one == other)


def distance(one: Any, other: Any, scale: float, share_of: float = ABSOLUTE) -> tuple[float, bool]:
    """Return how much of the tolerance lies between two answers, and whether that fits."""
    first, second = flat(one), flat(other)
    alike = form(one) == form(other) and len(first) == len(second)
    if not alike or any(type(a) is not type(b) for a, b in zip(first, second, strict=True)):
        return math.inf, False
    exact = [a == b for a, b in zip(first, second, strict=True) if not isinstance(a, float)]
    if not all(exact):
        return math.inf, False  # whole numbers are labels and places
    share = max(
        (
            abs(a - b) / (share_of * (scale + abs(a)))
            for a, b in zip(first, second, strict=True)
            if isinstance(a, float)
        ),
        default=0.0,
    )
    return share, share <= 1


def form(value: Any) -> Any:
    """Return the sides of nested lists, by the names of the outputs where there are such."""
    if isinstance(value, dict):
        return {name: form(each) for name, each in value.items()}
    sides = []
    while isinstance(value, list):
        sides.append(len(value))
        value = value[0] if value else None
    return sides


def flat(value: Any) -> list[Any]:
    """Return the numbers of nested lists."""
    if isinstance(value, dict):
        value = list(value.values())
    return [n for each in value for n in flat(each)] if isinstance(value, list) else [value]
