"""Golden rows: instances and the answers that the model gave, to hold an image against.

A converted model has those of its original in ``tests/original.json``. Of others
``tests/golden.json`` has the rows from ``mlship init`` on, and the answers from the first
verification on, given by the server in the project's own environment.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlship.errors import ProjectError

FILE = "tests/golden.json"
# As in the conversion's proof; models that compute in float32 with sums of any order need more.
_ABSOLUTE, _WIDE = 1e-5, 1e-4
_SUMS = ("torch", "keras", "tensorflow", "jax", "transformers")


@dataclass(frozen=True)
class Golden:
    """Rows and their answers.

    Attributes:
        rows: instances, as ``POST /predict`` takes them.
        predictions: one per row; empty when nobody has asked the model yet.
        probabilities: one list per row, None where the model has none.
        tolerance: ``absolute`` and ``relative``, of numbers; labels have to be the same.
        model: the sha256 of the model that answered; empty for the original of a converted one.
        source: where the answers come from, in words.
    """

    rows: list[Any]
    predictions: list[Any] = field(default_factory=list)
    probabilities: list[Any] | None = None
    tolerance: dict[str, float] = field(
        default_factory=lambda: {"absolute": _ABSOLUTE, "relative": _ABSOLUTE}
    )
    model: str = ""
    source: str = ""


def read(root: Path, model: str) -> Golden:
    """Return the project's golden rows; with answers only if they are of ``model`` (a sha256).

    Raises:
        ProjectError: a file of them can't be read.
    """
    from mlship.conversion.evidence import ANSWERS  # `init` needs none of it

    original, path = root / ANSWERS, root / FILE
    if original.is_file():
        return replace(_load(original), source="the model before its conversion")
    if path.is_file():
        found = _load(path)
        same = found.model == model and found.predictions
        kept = found if same else Golden(found.rows)
        return replace(kept, source=f"{FILE}, recorded in the project's own environment")
    return Golden(_load(root / "sample.json", "instances").rows)


def _load(path: Path, rows: str = "rows") -> Golden:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        found = values[rows]
        if not isinstance(found, list) or not found:
            raise ValueError(f"it has no {rows}")
        names = ("predictions", "probabilities", "tolerance", "model")
        golden = Golden(found, **{name: values[name] for name in names if name in values})
        _check(golden)
        return golden
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProjectError(
            f"{path} can't be read", why=f"{type(error).__name__}: {error}",
            next=f"git checkout {path}, or mlship init NAME --force from the folder above",
        ) from None  # fmt: skip


def _check(golden: Golden) -> None:
    for name in ("predictions", "probabilities"):
        answers = getattr(golden, name)
        if answers and len(answers) != len(golden.rows):
            raise ValueError(f"it has {len(golden.rows)} rows and {len(answers)} {name}")
    for kind in ("absolute", "relative"):
        if not isinstance(golden.tolerance[kind], int | float):
            raise TypeError(f"tolerance.{kind} is no number")


def answered(
    golden: Golden, kept: list[int], answers: list[dict[str, Any]], model: str, lock: str
) -> Golden:
    """Return the rows that were answered (numbers of them) with their answers.

    ``lock`` is the text of the lock: the libraries tell how exact their sums are.
    """
    wide = any(f"\n{name}==" in f"\n{lock}" for name in _SUMS)
    share = _WIDE if wide else _ABSOLUTE
    scored = all(isinstance(answer.get("probabilities"), list) for answer in answers)
    return Golden(
        [golden.rows[index] for index in kept],
        [answer["predictions"][0] for answer in answers],
        [answer["probabilities"][0] for answer in answers] if scored else None,
        {"absolute": share, "relative": share},
        model,
        "the project's own environment",
    )


def written(golden: Golden) -> str:
    """Return the text of ``tests/golden.json``."""
    values: dict[str, Any] = {"rows": golden.rows}
    if golden.predictions:
        values |= {
            "model": golden.model, "predictions": golden.predictions,
            "probabilities": golden.probabilities, "tolerance": golden.tolerance,
        }  # fmt: skip
    return json.dumps(values, ensure_ascii=False) + "\n"


def differing(golden: Golden, answer: dict[str, Any], rows: range) -> list[int]:
    """Return the numbers of those rows whose answers are not the golden ones."""
    kinds = [("predictions", golden.predictions)]
    if golden.probabilities is not None:
        kinds.append(("probabilities", golden.probabilities))
    found = []
    for name, wanted in kinds:
        given = answer.get(name)
        if not isinstance(given, list) or len(given) != len(rows):
            return list(rows)
        found += [
            row
            for row, value in zip(rows, given, strict=True)
            if not alike(wanted[row], value, golden.tolerance)
        ]
    return sorted(set(found))


def alike(one: Any, other: Any, tolerance: dict[str, float]) -> bool:
    """Tell whether answers are the same: labels identical, numbers within the tolerance."""
    if isinstance(one, list):
        same = isinstance(other, list) and len(one) == len(other)
        return same and all(alike(a, b, tolerance) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict):
        same = isinstance(other, dict) and one.keys() == other.keys()
        return same and all(alike(one[key], other[key], tolerance) for key in one)
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(
            one, other, rel_tol=tolerance["relative"], abs_tol=tolerance["absolute"]
        )
    return type(one) is type(other) and bool(one == other)
