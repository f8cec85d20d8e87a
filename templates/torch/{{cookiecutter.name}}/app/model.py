"""The model: {{ "a TorchScript module" if cookiecutter.format == "torchscript" else "an exported program" }}, run by PyTorch."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

{% if cookiecutter.outputs or "positional" in cookiecutter.options %}
from app import card
{% endif %}
from app.processes import cores

torch.set_num_threads(cores())
{% if cookiecutter.takes != "matrix" %}

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
{% if cookiecutter.format == "torchscript" %}
        self._module = torch.jit.load(path, map_location="cpu").eval()
{% else %}
        self._module = torch.export.load(path).module()
{% endif %}

    def predict(self, rows: list[list[Any]]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
{% if cookiecutter.takes == "matrix" %}
        inputs = [torch.from_numpy(np.asarray(rows, dtype=np.{{ cookiecutter.dtype }}))]
{% else %}
        columns = [
            np.asarray([row[i] for row in rows], dtype=dtype) for i, dtype in enumerate(DTYPES)
        ]
{% if "columns" in cookiecutter.options %}
        columns = [c[:, np.newaxis] if c.ndim == 1 else c for c in columns]
{% endif %}
        inputs = [torch.from_numpy(column) for column in columns]
{% endif %}
        with torch.inference_mode():
{% if "positional" in cookiecutter.options %}
            count = {{ cookiecutter.options.positional }}
            named = dict(zip(card.INPUTS[count:], inputs[count:], strict=True))
            output = self._module(*inputs[:count], **named)
{% else %}
            output = self._module(*inputs)
{% endif %}
{% if not cookiecutter.outputs %}
        values = output.numpy()
        # [rows, 1] becomes one number per row.
        return values.reshape(len(rows)) if values.size == len(rows) else values, None
{% else %}
{% if "by_name" in cookiecutter.options %}
        outputs = [output[name].tolist() for name in card.OUTPUTS]
{% else %}
        outputs = [tensor.tolist() for tensor in output]
{% endif %}
        # One object per row, by the names of the outputs.
        answers = zip(*outputs, strict=True)
        return [dict(zip(card.OUTPUTS, answer, strict=True)) for answer in answers], None
{% endif %}
