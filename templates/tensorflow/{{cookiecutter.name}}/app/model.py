"""The model: a TensorFlow SavedModel, asked through its signature."""

import os
from pathlib import Path
from typing import Any

{% if "text" in cookiecutter.options %}
import numpy as np

{% endif %}
from app import card

# Its notes about instruction sets are not ours to act on.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf  # noqa: E402

# Requests run side by side; threads inside one would only contend for the same cores.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
{% if cookiecutter.takes in ["inputs", "frame"] %}

# Of the inputs, in order.
DTYPES = [
{% for feature in cookiecutter.features %}
    "{{ feature.dtype }}",
{% endfor %}
]
{% endif %}


class Model:
    """Safe to ask from several threads at once."""

    def __init__(self, path: Path) -> None:
        # The signature alone would not keep the variables alive.
        self._loaded = tf.saved_model.load(str(path))
        self._answer = self._loaded.signatures["serving_default"]

    def predict(self, rows: list[list[Any]]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
{% if cookiecutter.takes == "matrix" %}
        inputs = {card.INPUTS[0]: tf.constant(rows, dtype="{{ cookiecutter.dtype }}")}
{% elif cookiecutter.takes == "texts" %}
{% if "columns" in cookiecutter.options %}
        inputs = {card.INPUTS[0]: tf.constant(rows, dtype="string")}
{% else %}
        inputs = {card.INPUTS[0]: tf.constant([text for (text,) in rows], dtype="string")}
{% endif %}
{% else %}
        columns = [
            tf.constant([row[i] for row in rows], dtype=dtype) for i, dtype in enumerate(DTYPES)
        ]
{% if "columns" in cookiecutter.options %}
        columns = [tf.expand_dims(c, 1) if c.shape.rank == 1 else c for c in columns]
{% endif %}
        inputs = dict(zip(card.INPUTS, columns, strict=True))
{% endif %}
        outputs = self._answer(**inputs)
{% if cookiecutter.outputs | length == 1 %}
        values = outputs[card.OUTPUTS[0]].numpy()
{% if "text" in cookiecutter.options %}
        values = np.char.decode(values.astype(bytes), "utf-8")
{% endif %}
        # [rows, 1] becomes one value per row.
        return values.reshape(len(rows)) if values.size == len(rows) else values, None
{% else %}
        values = [outputs[name].numpy() for name in card.OUTPUTS]
{% if "text" in cookiecutter.options %}
        values = [np.char.decode(v.astype(bytes)) if v.dtype == object else v for v in values]
{% endif %}
        # One object per row, by the names of the outputs.
        answers = zip(*(column.tolist() for column in values), strict=True)
        return [dict(zip(card.OUTPUTS, answer, strict=True)) for answer in answers], None
{% endif %}
