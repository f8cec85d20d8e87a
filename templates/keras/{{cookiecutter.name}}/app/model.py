"""The model: Keras 3, computed by {{ "JAX" if cookiecutter.options.backend == '"jax"' else "TensorFlow" }}."""

import os
from pathlib import Path
from typing import Any

import numpy as np
{% if cookiecutter.classes or cookiecutter.outputs or "inputs_by_name" in cookiecutter.options %}

from app import card
{% endif %}

{% if cookiecutter.options.backend == '"jax"' %}
# Requests run side by side; threads inside one would only contend for the same cores.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("KERAS_BACKEND", {{ cookiecutter.options.backend }})
import jax  # noqa: E402
import keras  # noqa: E402
{% else %}
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", {{ cookiecutter.options.backend }})
import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

# Requests run side by side; threads inside one would only contend for the same cores.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
{% endif %}
{% if cookiecutter.takes in ["inputs", "frame"] %}

# Of the inputs, in order.
DTYPES = [
{% for feature in cookiecutter.features %}
    "{{ feature.dtype }}",
{% endfor %}
]
{% endif %}


class Model:
    """Safe to ask from several threads at once (Keras's own predict() is not, on JAX)."""

    def __init__(self, path: Path) -> None:
{% if "unsafe" in cookiecutter.options %}
        # A Lambda layer is Python bytecode: the service checks the file's sha256 first.
        self._model = keras.saving.load_model(path, compile=False, safe_mode=False)
{% else %}
        self._model = keras.saving.load_model(path, compile=False)
{% endif %}
{% if cookiecutter.options.backend == '"jax"' %}
        self._weights = [
            [variable.value for variable in self._model.trainable_variables],
            [variable.value for variable in self._model.non_trainable_variables],
        ]
        self._compiled = jax.jit(self._forward)
{% else %}
        self._compiled = tf.function(self._forward, reduce_retracing=True)
{% endif %}

{% if cookiecutter.options.backend == '"jax"' %}
    def _forward(self, weights: Any, inputs: Any) -> Any:
        outputs, _ = self._model.stateless_call(*weights, inputs, training=False)
        return jax.tree.leaves(outputs)
{% else %}
    def _forward(self, inputs: Any) -> Any:
        return tf.nest.flatten(self._model(inputs, training=False))
{% endif %}

    def predict(self, rows: list[list[Any]]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
        count = len(rows)
{% if cookiecutter.options.backend == '"jax"' %}
        # JAX compiles once per shape: batches are filled up to a power of two.
        rows = rows + rows[:1] * ((1 << (count - 1).bit_length()) - count)
{% endif %}
{% if cookiecutter.takes == "matrix" %}
        inputs = np.asarray(rows, dtype=np.{{ cookiecutter.dtype }})
{% elif cookiecutter.takes == "texts" %}
{% if "columns" in cookiecutter.options %}
        inputs = tf.constant(rows, dtype="string")
{% else %}
        inputs = tf.constant([text for (text,) in rows], dtype="string")
{% endif %}
{% else %}
{% if cookiecutter.options.backend == '"jax"' %}
        columns = [
            np.asarray([row[i] for row in rows], dtype=dtype) for i, dtype in enumerate(DTYPES)
        ]
{% if "columns" in cookiecutter.options %}
        columns = [c[:, np.newaxis] if c.ndim == 1 else c for c in columns]
{% endif %}
{% else %}
        columns = [
            tf.constant([row[i] for row in rows], dtype=dtype) for i, dtype in enumerate(DTYPES)
        ]
{% if "columns" in cookiecutter.options %}
        columns = [tf.expand_dims(c, 1) if c.shape.rank == 1 else c for c in columns]
{% endif %}
{% endif %}
{% if "inputs_by_name" in cookiecutter.options %}
        inputs = dict(zip(card.INPUTS, columns, strict=True))
{% elif cookiecutter.features | length == 1 %}
        (inputs,) = columns
{% else %}
        inputs = columns
{% endif %}
{% endif %}
{% if cookiecutter.options.backend == '"jax"' %}
        outputs = [np.asarray(o)[:count] for o in self._compiled(self._weights, inputs)]
{% else %}
        outputs = [np.asarray(output) for output in self._compiled(inputs)]
{% endif %}
{% if cookiecutter.outputs %}
        # One object per row, by the names of the outputs.
        answers = zip(*(column.tolist() for column in outputs), strict=True)
        return [dict(zip(card.OUTPUTS, answer, strict=True)) for answer in answers], None
{% elif "binary" in cookiecutter.options %}
        positive = outputs[0].reshape(count)
        probabilities = np.stack([1 - positive, positive], axis=1)
        return np.asarray(card.CLASSES)[probabilities.argmax(axis=1)], probabilities
{% elif cookiecutter.classes %}
        probabilities = outputs[0]
        return np.asarray(card.CLASSES)[probabilities.argmax(axis=1)], probabilities
{% else %}
        values = outputs[0]
        # [rows, 1] becomes one number per row.
        return values.reshape(count) if values.size == count else values, None
{% endif %}
