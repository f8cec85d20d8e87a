"""ONNX by default where it is proven: ``convert`` gives the same model for ONNX Runtime.

The model is loaded in a process of its own, in an environment that has the libraries it was
trained with (``environment.py``), by the program in ``mlship/isolated``. There both are asked the
same thousands of rows; only a graph that answers alike on every one is taken.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlship.card import ModelCard, values
from mlship.commands import proving
from mlship.conversion import environment, evidence, request
from mlship.errors import ModelError, ToolFailed
from mlship.runner import Runner
from mlship.text import plain

ISOLATED = Path(__file__).parent.parent / "isolated"
_SECONDS = 600
_MOST_VALUES = 300_000  # of an instance; a picture of 299 x 299 has 268,203
_NATIVE = "--runtime native serves it with its own libraries"


@dataclass(frozen=True)
class Conversion:
    """A proven conversion.

    Attributes:
        card: of the ONNX model; its ``path`` lies in the folder that ``convert`` was given.
        files: text files for the project, by their path in it.
    """

    card: ModelCard
    files: dict[str, str]


def reason_against(card: ModelCard) -> str:
    """Return why a model can't be converted, judged by its card alone; empty when it may be."""
    forms = {"joblib", "pickle", "skops", "json", "ubj", "txt", "torchscript", "pt2"}
    known = ("scikit-learn", "xgboost", "lightgbm", "torch")
    if card.framework not in known or card.format not in forms:
        names = "scikit-learn, XGBoost, LightGBM and PyTorch"
        return f"mlship converts {names} models, not {card.framework}"
    if card.framework == "torch":
        return _against_tensors(card)
    if card.path.is_dir():
        return "it is a folder"
    if card.takes == "texts":
        return "texts are split in another way in ONNX"
    if card.output_classes:
        return "it has several outputs"
    if card.framework != "scikit-learn" and card.takes == "frame":
        return "its categories have names that ONNX does not know"
    if dict(card.options).get("linear"):
        return "the converter knows boosted trees only"
    if any(feature.shape for feature in card.features):
        return "it takes tensors"
    return ""


def _against_tensors(card: ModelCard) -> str:
    """Return why a PyTorch model can't be converted; empty when it may be."""
    for feature in card.features:
        if None in feature.shape:
            return (f"its input {plain(feature.name)} has sides of any length, and a comparison "
                    "would hold for those lengths only that were tried")  # fmt: skip
    if values(card) > _MOST_VALUES:
        return f"an instance has {values(card):,} numbers, too many to compare enough of"
    return ""


def convert(
    card: ModelCard,
    python: str,
    folder: Path,
    runner: Runner,
    *,
    rows: Sequence[list[Any]] = (),
    include: Sequence[Path] = (),
) -> Conversion:
    """Convert a model, prove it, and return the card of the result.

    Args:
        python: such as ``3.11``: the Python of the project.
        folder: an empty one, which gets the ONNX model.
        rows: of the user's sample, in the order of the features.
        include: the user's own modules.

    Raises:
        ModelError: no conversion answers like the model; says on which rows.
        ToolFailed: the environment could not be made, or the process ended without an answer.
    """
    against = reason_against(card)
    if against:
        raise ModelError(f"{card.path.name} is not converted to ONNX", why=f"{against}.",
                         next=_NATIVE)  # fmt: skip
    program = environment.ensure(card, python, runner)
    asked, answered = folder / "request.json", folder / "result.json"
    asked.write_text(json.dumps(request.of(card, rows)), encoding="utf-8")
    paths = [ISOLATED, *(path.parent for path in include)]
    command = proving.prove(program, asked, answered, paths, folder)
    runner.echo(command)
    done = runner.ask(command, _SECONDS)
    try:
        result = json.loads(answered.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ToolFailed(
            f"{card.path.name} could not be converted: the process ended with code {done.code}",
            why="\n".join(done.stderr.strip().splitlines()[-6:]),
            next=_NATIVE,
        ) from None
    if "graph" not in result:
        raise _unproven(card, result)
    return Conversion(*evidence.of(card, python, folder / "model.onnx", result))


def _unproven(card: ModelCard, result: dict[str, Any]) -> ModelError:
    """Return what each candidate failed at, the closest one with its rows."""
    name = card.path.name
    if "error" in result:
        return ModelError(f"{name} could not be converted to ONNX", why=result["error"],
                          next=_NATIVE)  # fmt: skip
    differing = [tried for tried in result["tried"] if "different" in tried]
    if not differing:
        why = "\n".join(f"{t['candidate']}: {t['error']}" for t in result["tried"][:1])
        return ModelError(f"{name} has no conversion to ONNX", why=why, next=_NATIVE)
    best = min(differing, key=lambda tried: tried["different"])
    count, compared = best["different"], result["rows"]["compared"]
    lines = [f"{count:,} of {compared:,} rows differ ({best['candidate']}), such as:"]
    for each in best["differences"][:3]:
        lines += [
            f"  {evidence.shortened(each['row'], 110)} ({each['kind']})",
            f"    the model: {evidence.shortened(each['original'], 100)}",
            f"    ONNX:      {evidence.shortened(each['onnx'], 100)}",
        ]
    return ModelError(f"{name} answers differently in ONNX", why="\n".join(lines), next=_NATIVE)
