"""Holds the answers of a graph against those of the model, row by row.

Labels have to be the same, of the same type. Scores and numbers may differ by ``ABSOLUTE`` (of
the usual size of the answers, for a regression) plus ``RELATIVE`` of the model's own: a float32
keeps seven digits. A row on which the model itself has no finite answer is not compared.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import Any

from .answers import Answers

ABSOLUTE, RELATIVE = 1e-5, 1e-5
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


def compare(task: str, wanted: Answers, found: Answers, scale: float) -> Comparison:
    """Compare all rows that ``wanted`` has an answer for; ``scale`` as of ``scale()``."""
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
            share, fits = distance(one, other, scale)
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
    sizes = [abs(n) for i, v in enumerate(wanted.values) if i not in wanted.why for n in flat(v)]
    return statistics.median(sizes) or 1.0 if sizes else 1.0


def same_label(one: Any, other: Any) -> bool:
    """Tell whether two labels are equal and JSON has them as the same type."""
    return type(one) is type(other) and bool(one == other)


def distance(one: Any, other: Any, scale: float) -> tuple[float, bool]:
    """Return how much of the tolerance lies between two answers, and whether that fits."""
    first, second = flat(one), flat(other)
    alike = isinstance(one, list) == isinstance(other, list) and len(first) == len(second)
    if not alike or {type(n) for n in first} != {type(n) for n in second}:
        return math.inf, False
    share = max(
        (abs(a - b) / (ABSOLUTE * scale + RELATIVE * abs(a)) for a, b in zip(first, second,
                                                                             strict=True)),
        default=0.0,
    )  # fmt: skip
    return share, share <= 1


def flat(value: Any) -> list[Any]:
    """Return the numbers of nested lists."""
    if isinstance(value, dict):
        value = list(value.values())
    return [n for each in value for n in flat(each)] if isinstance(value, list) else [value]
