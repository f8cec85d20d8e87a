"""Rows at which a model's answers jump, found by halving: thresholds that no attribute tells of.

Between two rows that differ in one number only and have different answers, the number is halved
until no double lies between. Where the answers still differ by more than rounding explains, the
model compares that number with something, however far inside; both rows are worth asking.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from .answers import Answers, Row
from .compare import flat
from .rows import around

_PAIRS, _HALVINGS = 120, 80


def found(
    ask: Callable[[list[Row]], Answers], features: list[dict[str, Any]], base: Sequence[Row],
    least: float, seed: int,
) -> list[Row]:  # fmt: skip
    """Return the rows on both sides of each jump of more than ``least``, and near them."""
    numeric = [i for i, feature in enumerate(features) if feature["dtype"][0] == "f"]
    dice = random.Random(seed)
    pairs = [(dice.choice(base), dice.choice(base), dice.choice(numeric))
             for _ in range(_PAIRS if numeric else 0)]  # fmt: skip
    pairs = [(a, b, i) for a, b, i in pairs if None not in (a[i], b[i]) and a[i] != b[i]]
    if not pairs:
        return []
    low, high = [float(a[i]) for a, _, i in pairs], [float(b[i]) for _, b, i in pairs]
    at_low, at_high = (_numbers(ask(_rows(pairs, values))) for values in (low, high))
    for _ in range(_HALVINGS):
        middle = [a / 2 + b / 2 for a, b in zip(low, high, strict=True)]
        if all(m in (a, b) for m, a, b in zip(middle, low, high, strict=True)):
            break
        at_middle = _numbers(ask(_rows(pairs, middle)))
        for index, value in enumerate(middle):
            one, here, other = at_low[index], at_middle[index], at_high[index]
            if _apart(one, here) <= _apart(here, other):
                low[index], at_low[index] = value, here
            else:
                high[index], at_high[index] = value, here
    rows: list[Row] = []
    for index, pair in enumerate(pairs):
        if least < _apart(at_low[index], at_high[index]) < float("inf"):
            values = dict.fromkeys((*around(low[index]), *around(high[index])))
            rows += _rows([pair] * len(values), list(values))
    return rows


def _rows(pairs: Sequence[tuple[Row, Row, int]], values: Sequence[float]) -> list[Row]:
    made = []
    for (row, _, place), value in zip(pairs, values, strict=True):
        made.append([*row[:place], value, *row[place + 1 :]])
    return made


def _numbers(answers: Answers) -> list[list[float] | None]:
    """Return the scores of each row, else its numbers; None without an answer."""
    given = answers.values if answers.scores is None else answers.scores
    return [None if i in answers.why else flat(value) for i, value in enumerate(given)]


def _apart(one: list[float] | None, other: list[float] | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else float("inf")
    return max((abs(a - b) for a, b in zip(one, other, strict=True)), default=0.0)
