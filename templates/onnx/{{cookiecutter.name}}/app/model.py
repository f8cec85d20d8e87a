"""The model: an ONNX graph, run by ONNX Runtime."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from app import card
from app.processes import cores

# Since 1.3x ONNX Runtime reports its use to Microsoft, unless told before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime  # noqa: E402
{% if cookiecutter.takes == "inputs" %}

DTYPES = {
{% for feature in cookiecutter.features %}
    {{ cookiecutter.inputs[loop.index0] }}: {{ {"string": "np.object_", "bool": "np.bool_"}.get(cookiecutter.kinds[loop.index0], "np." ~ cookiecutter.kinds[loop.index0]) }},
{% endfor %}
}
{% endif %}


class Model:
    """Safe to ask from several threads at once."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores()
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
{% if cookiecutter.takes == "inputs" %}
        self._ranks = {node.name: len(node.shape) for node in self._session.get_inputs()}
{% endif %}

    def predict(self, rows: list[list[Any]]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
{% if cookiecutter.takes == "inputs" %}
        inputs = {}
        for name, column in zip(card.INPUTS, zip(*rows, strict=True), strict=True):
{% if cookiecutter.nullable_texts %}
            if DTYPES[name] is np.object_:
                column = tuple("" if value is None else value for value in column)
{% endif %}
            array: Any = np.asarray(column, dtype=DTYPES[name])
            # A column of scalars is [rows, 1] to most graphs.
            inputs[name] = array[:, None] if array.ndim < self._ranks[name] else array
{% elif cookiecutter.kinds[0] == "string" %}
        inputs = {card.INPUTS[0]: np.asarray(rows, dtype=np.object_)}
{% elif cookiecutter.kinds[0] == "bool" %}
        inputs = {card.INPUTS[0]: np.asarray(rows, dtype=np.bool_)}
{% else %}
        inputs = {card.INPUTS[0]: np.asarray(rows, dtype=np.{{ cookiecutter.kinds[0] }})}
{% endif %}
{% if cookiecutter.probabilities %}
        labels, probabilities = self._session.run(card.OUTPUTS, inputs)
        if isinstance(probabilities, list):  # a ZipMap: one dict of class to probability per row
            probabilities = np.array([[row[c] for c in card.CLASSES] for row in probabilities])
{% if cookiecutter.labels == "index" %}
        # The graph numbers the classes.
        return np.array(card.CLASSES)[labels.reshape(len(rows))], probabilities
{% elif cookiecutter.labels in ("bool", "float") %}
        # The graph has them as whole numbers.
        return labels.reshape(len(rows)).astype({{ cookiecutter.labels }}), probabilities
{% else %}
        return labels.reshape(len(rows)), probabilities
{% endif %}
{% elif cookiecutter.outputs | length > 1 or cookiecutter.labels == "named" %}
        outputs = [values.tolist() for values in self._session.run(card.OUTPUTS, inputs)]
        # One object per row, by the names of the outputs.
        answers = zip(*outputs, strict=True)
        return [dict(zip(card.OUTPUTS, answer, strict=True)) for answer in answers], None
{% else %}
        (values,) = self._session.run(card.OUTPUTS, inputs)
{% if cookiecutter.labels == "index" %}
        values = np.array(card.CLASSES)[values]
{% elif cookiecutter.labels in ("bool", "float") %}
        values = values.astype({{ cookiecutter.labels }})
{% endif %}
        # A regressor's [rows, 1] becomes one number per row.
        return values.reshape(len(rows)) if values.size == len(rows) else values, None
{% endif %}
