"""Answers of a model, row by row, in one form for both runtimes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Row = list[Any]
# Rows whose own answer is asked for when a batch fails; the rest counts as failed.
_MOST_SINGLE = 4000


@dataclass
class Answers:
    """What a model answered.

    Attributes:
        values: one prediction a row, as a list of Python values; None where there is none.
        scores: one list of probabilities a row, or None; None for all without probabilities.
        why: for a row without an answer, the first words of the error, or ``not finite``.
    """

    values: list[Any]
    scores: list[Any] | None
    why: dict[int, str]


def ask(
    predict: Callable[[Sequence[Row]], tuple[Any, Any]],
    rows: Sequence[Row],
    probabilities: bool,
    most: int = 0,
) -> Answers:
    """Return the answers to all rows: in batches of ``most`` (0: one), halved where they fail."""
    found = Answers([None] * len(rows), [None] * len(rows) if probabilities else None, {})
    single = [0]
    step = most or max(len(rows), 1)
    todo = [(at, min(at + step, len(rows))) for at in range(0, len(rows), step)]
    while todo:
        start, end = todo.pop()
        try:
            values, scores = predict(rows[start:end])
            listed = np.asarray(values).tolist()
            if len(listed) != end - start:
                raise ValueError(f"{len(listed)} answers to {end - start} rows")
        except Exception as error:
            single[0] += end - start == 1
            if end - start == 1 or single[0] > _MOST_SINGLE:
                words = " ".join(str(error).split())[:200]
                found.why.update(dict.fromkeys(range(start, end), words or type(error).__name__))
            else:
                middle = (start + end) // 2
                todo += [(middle, end), (start, middle)]
            continue
        found.values[start:end] = listed
        if found.scores is not None:
            found.scores[start:end] = np.asarray(scores).tolist()
    for index, value in enumerate(found.values):
        score = found.scores[index] if found.scores is not None else None
        if index not in found.why and not (_finite(value) and _finite(score)):
            found.why[index] = "not finite"
    return found


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or bool(np.isfinite(value))
