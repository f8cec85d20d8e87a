"""The model: an ONNX graph, run by ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from app import card


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
        return values.reshape(len(rows), -1).squeeze(axis=1) if values.size == len(rows) else values, None
{% endif %}
