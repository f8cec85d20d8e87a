"""What a proof found, as plain JSON values: counts, differences, and answers to be kept."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from .answers import Answers
from .compare import Comparison, flat

if TYPE_CHECKING:
    from .proof import Proof

_SHOWN = 5
_GOLDEN = {"real": 16, "generated": 12, "edge": 12, "jump": 8, "split": 8}
# Labels this close to a tie may turn with another processor's rounding.
_CLEAR = 1e-4
# Numbers that the kept rows have in all, and that a shown tensor has.
_MOST_KEPT, _MOST_SHOWN = 150_000, 64


def counts(proof: Proof) -> dict[str, int]:
    """Return how many rows of each kind were compared, and how many the model did not answer."""
    kinds = Counter(
        kind for index, kind in enumerate(proof.kinds) if index not in proof.answers.why
    )
    return {
        "compared": len(proof.rows) - len(proof.answers.why),
        "real": kinds["real"],
        "generated": kinds["generated"],
        "edge": kinds["edge"] + kinds["jump"] + kinds["split"],
        "without an answer": len(proof.answers.why),
        "asked alone too": proof.alone,
    }


def differences(
    proof: Proof, different: list[int], found: Answers, alone: Answers
) -> list[dict[str, Any]]:
    """Return a few of the rows that differ, of every kind, with both answers."""
    order = {"real": 0, "generated": 1, "edge": 2, "jump": 3, "split": 4}
    chosen = sorted(different, key=lambda index: order[proof.kinds[index]])[: _SHOWN - 1]
    chosen += [index for index in different[-1:] if index not in chosen]
    return [
        {
            "kind": proof.kinds[index],
            "row": brief(proof.rows[index]),
            "original": brief(answer(proof.answers, index)),
            "onnx": brief(answer(found, index)),
            **({"onnx alone": brief(answer(alone, index))}
               if answer(alone, index) != answer(found, index) else {}),
        }
        for index in chosen
    ]  # fmt: skip


def worst(proof: Proof, held: Comparison, found: Answers) -> dict[str, Any] | None:
    """Return the row whose score or number comes nearest to what is not tolerated."""
    if held.where is None:
        return None
    if math.isinf(held.worst):
        return None  # answers of another form
    return {
        "share": held.worst,
        "difference": _gap(answer(proof.answers, held.where), answer(found, held.where)),
        "kind": proof.kinds[held.where],
        "row": brief(proof.rows[held.where]),
        "original": brief(answer(proof.answers, held.where)),
        "onnx": brief(answer(found, held.where)),
    }


def _gap(one: Any, other: Any) -> float:
    pairs = zip(flat(one), flat(other), strict=False)
    numbers = [abs(a - b) for a, b in pairs if isinstance(a, float) and isinstance(b, float)]
    return max(numbers, default=0.0)


def golden(proof: Proof, tolerance: dict[str, float]) -> dict[str, Any]:
    """Return some rows of each kind with the model's own answers, for the project's tests."""
    chosen: list[int] = []
    for kind, most in _GOLDEN.items():
        places = [i for i, each in enumerate(proof.kinds) if each == kind and _clear(proof, i)]
        step = max(len(places) / most, 1)
        chosen += [places[int(n * step)] for n in range(min(most, len(places)))]
    values = [len(flat([proof.rows[i], proof.answers.values[i]])) for i in chosen]
    step = max(-(-sum(values) // _MOST_KEPT), 1)
    chosen = chosen[::step]
    scores = proof.answers.scores
    return {
        "rows": [proof.rows[index] for index in chosen],
        "predictions": [proof.answers.values[index] for index in chosen],
        "probabilities": [scores[index] for index in chosen] if scores is not None else None,
        # Ten times what the proof allows: other processors round in other places.
        "tolerance": {key: 10 * value for key, value in tolerance.items()},
    }


def _clear(proof: Proof, index: int) -> bool:
    """Tell whether a row has an answer that is no near tie."""
    if index in proof.answers.why:
        return False
    scores = proof.answers.scores
    if scores is None:
        return True
    best = sorted(scores[index])[-2:]
    return len(best) < 2 or best[1] - best[0] > _CLEAR


def answer(answers: Answers, index: int) -> Any:
    """Return one answer as people read it: what JSON has no number for is a word."""
    if index in answers.why and answers.why[index] != "not finite":
        return f"no answer: {answers.why[index]}"
    value = _named(answers.values[index])
    if answers.scores is None:
        return value
    return {"prediction": value, "probabilities": _named(answers.scores[index])}


def brief(value: Any) -> Any:
    """Return a value for people: of a large tensor, its first numbers and how many there are."""
    if isinstance(value, dict):
        return {name: brief(each) for name, each in value.items()}
    if isinstance(value, list) and any(isinstance(each, list) for each in value):
        if all(isinstance(each, list) for each in value) and len(flat(value)) > _MOST_SHOWN:
            return [*flat(value)[:8], f"and so on: {len(flat(value))} in all"]
        return [brief(each) for each in value]
    return value


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _named(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_named(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def words(error: BaseException) -> str:
    """Return the beginning of an error's text on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:400]
