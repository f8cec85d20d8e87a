"""The model: an ONNX graph, run by ONNX Runtime."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from app import card

# Since 1.3x ONNX Runtime reports its use to Microsoft, unless told before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime  # noqa: E402


class Model:
    """Safe to ask from several threads at once."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        # Requests run side by side; threads inside one would only contend for the same cores.
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def predict(self, rows: list[list[Any]]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
        inputs = {card.INPUT: np.asarray(rows, dtype=np.{{ cookiecutter.dtype }})}
{% if cookiecutter.probabilities %}
        labels, probabilities = self._session.run(card.OUTPUTS, inputs)
        if isinstance(probabilities, list):  # a ZipMap: one dict of class to probability per row
            probabilities = np.array([[row[c] for c in card.CLASSES] for row in probabilities])
        return labels.reshape(len(rows)), probabilities
{% else %}
        (values,) = self._session.run(card.OUTPUTS, inputs)
        # A regressor's [rows, 1] becomes one number per row.
        return values.reshape(len(rows)) if values.size == len(rows) else values, None
{% endif %}
