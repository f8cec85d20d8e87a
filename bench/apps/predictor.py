"""The model, as every peer that runs a Python function gets it.

Runs in the peer's environment. ``BENCH_MODEL`` is the model's folder, ``BENCH_RUNTIME`` what loads
it: ``sklearn`` or ``onnx``.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Predict = Callable[[Any], tuple[Any, Any]]

FOLDER = Path(os.environ["BENCH_MODEL"])
CARD = json.loads((FOLDER / "card.json").read_text())
SHAPE = CARD["shape"]
CLASSES = np.asarray(CARD["classes"])


def load() -> Predict:
    """Return a function from rows to their labels and probabilities, already warm."""
    predict = _onnx() if os.environ["BENCH_RUNTIME"] == "onnx" else _sklearn()
    predict(np.zeros((1, *SHAPE)))
    return predict


def _sklearn() -> Predict:
    import joblib

    model = joblib.load(FOLDER / "model.joblib")

    def predict(rows: Any) -> tuple[Any, Any]:
        # Asked once: the label is the likeliest class, as predict() would find it again.
        scores = model.predict_proba(np.asarray(rows, dtype=np.float64))
        return CLASSES[scores.argmax(axis=1)], scores

    return predict


def _onnx() -> Predict:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # it has one core
    session = onnxruntime.InferenceSession(
        FOLDER / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    outputs = [output.name for output in session.get_outputs()]

    def predict(rows: Any) -> tuple[Any, Any]:
        found = session.run(outputs, {name: np.asarray(rows, dtype=np.float32)})
        # A graph of skl2onnx answers labels too; the network only probabilities.
        labels = found[0] if len(found) == 2 else CLASSES[found[0].argmax(axis=1)]
        return labels, found[-1]

    return predict


def answer(labels: Any, probabilities: Any) -> dict[str, Any]:
    """Return what a server answers, ready for JSON."""
    return {"predictions": labels.tolist(), "probabilities": probabilities.tolist()}
