"""From the result of a proof to the card of the ONNX model and the files that tell of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlship.card import ModelCard, Original
from mlship.digest import sha256_of, size_of
from mlship.inspection.torch_notes import NO_VERSION, TORCH_BUILDS

# What only those have to know whose project has PyTorch.
_OF_TORCH = (TORCH_BUILDS, NO_VERSION)
PROOF, ANSWERS = "conversion.json", "tests/original.json"


def of(
    card: ModelCard, python: str, model: Path, result: dict[str, Any]
) -> tuple[ModelCard, dict[str, str]]:
    """Return the converted card, and the project's files that tell how it was proven.

    Args:
        model: the ONNX file.
        result: what the program in ``mlship/isolated`` wrote.
    """
    graph, versions, taken = result["graph"], result["versions"], result["tried"][-1]
    placed = model.with_name(f"{card.path.stem}.onnx")
    model.rename(placed)
    converted = replace(
        card,
        path=placed,
        format="onnx",
        takes="matrix" if card.takes == "matrix" else "inputs",
        # This very ONNX Runtime was compared.
        requirements=("numpy>=1.26", f"onnxruntime=={versions['onnxruntime']}"),
        python_range=ModelCard.python_range,
        python_reason="ONNX Runtime",
        input_names=tuple(graph["inputs"]),
        output_names=tuple(graph["outputs"]),
        options=(),
        warnings=tuple(each for each in card.warnings if each not in _OF_TORCH),
        dangers=(),
        modules=(),
        sha256=sha256_of(placed),
        size=size_of(placed),
        original=Original(
            card.path.name,
            card.sha256,
            python,
            tuple(graph["dtypes"]),
            graph["labels"],
            _summary(result, versions),
        ),
    )
    proof = {
        "original": {
            "file": card.path.name,
            "sha256": card.sha256,
            "made with": f"{card.framework} {card.framework_version or ''}".strip(),
            "description": card.description,
        },
        "onnx": {"sha256": converted.sha256, **graph},
        "rows": result["rows"],
        "tolerance": {"labels": "identical, of the same type", **taken["tolerance"]},
        "nearest to the tolerance": taken["worst"],
        "tried": [_without_details(tried) for tried in result["tried"]],
        "versions": versions,
        "seconds": result["seconds"],
    }
    return converted, {PROOF: _text(proof), ANSWERS: _text(result["golden"], indent=None)}


def _without_details(tried: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tried.items() if key not in ("worst", "tolerance")}


def _text(values: Any, indent: int | None = 2) -> str:
    return json.dumps(values, indent=indent, ensure_ascii=False) + "\n"


def _summary(result: dict[str, Any], versions: dict[str, str]) -> tuple[str, ...]:
    rows, taken = result["rows"], result["tried"][-1]
    tolerance, worst = taken["tolerance"], taken["worst"]
    lines = [
        f"{rows['compared']:,} rows gave the same answers: {rows['real']:,} of the sample, "
        f"{rows['generated']:,} generated, {rows['edge']:,} at edges such as thresholds.",
        f"{rows['asked alone too']:,} of them were asked one by one too.",
    ]
    if rows["without an answer"]:
        lines.append(f"{rows['without an answer']:,} rows, on which the model itself has no finite "
                     "answer, were not compared.")  # fmt: skip
    if worst:
        lines.append(
            f"Numbers may differ by {tolerance['absolute']:.2g} plus {tolerance['relative']:.2g} "
            f"of the answer; the worst came to {100 * worst['share']:.2g} percent of that."
        )
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (*lines, f"Versions: {shown}")


def shortened(value: Any, length: int) -> str:
    """Return a value on one line, cut in the middle of a long one."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= length else f"{text[: length - 4]} ..."
