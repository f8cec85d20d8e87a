"""The service answers like the model that was converted to ONNX: rows that this one was asked."""

import json
import math
from pathlib import Path
from typing import Any

import httpx
import pytest

ORIGINAL = json.loads((Path(__file__).parent / "original.json").read_text(encoding="utf-8"))
CASES = range(len(ORIGINAL["rows"]))
ABSOLUTE, RELATIVE = (ORIGINAL["tolerance"][each] for each in ("absolute", "relative"))


def alike(one: Any, other: Any) -> bool:
    """Labels are the same, numbers within the tolerance."""
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
{% if cookiecutter.labels == "named" %}
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
{% endif %}
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return type(one) is type(other) and bool(one == other)


def differing(body: dict[str, Any], cases: range) -> list[int]:
    """Return the cases whose answers are not those of the original."""
    kinds = ["predictions"] + (["probabilities"] if ORIGINAL["probabilities"] else [])
    return [
        case
        for place, case in enumerate(cases)
        if not all(alike(ORIGINAL[kind][case], body[kind][place]) for kind in kinds)
    ]


def test_all_rows_answer_like_the_original(client: httpx.Client) -> None:
    answer = client.post("/predict", json={"instances": ORIGINAL["rows"]})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["predictions"]) == len(CASES) > 0
    assert differing(answer.json(), CASES) == []


@pytest.mark.parametrize("case", CASES)
def test_each_row_alone_answers_like_the_original(client: httpx.Client, case: int) -> None:
    answer = client.post("/predict", json={"instances": [ORIGINAL["rows"][case]]})
    assert answer.status_code == 200, answer.text
    assert differing(answer.json(), range(case, case + 1)) == []
