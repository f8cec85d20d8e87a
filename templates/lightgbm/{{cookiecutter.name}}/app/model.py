"""The model: LightGBM's trees."""

from pathlib import Path
from typing import Any

import lightgbm
{% if cookiecutter.probabilities or cookiecutter.takes != "frame" %}
import numpy as np
{% endif %}

{% if cookiecutter.probabilities %}
from app import card
{% endif %}
from app.processes import cores
{% if cookiecutter.takes == "frame" %}
from app.table import to_frame
{% endif %}


class Model:
    """Safe to ask from several threads at once."""

    def __init__(self, path: Path) -> None:
        self._booster = lightgbm.Booster(model_file=str(path))
{% if cookiecutter.probabilities %}
        self._classes = np.array(card.CLASSES)
{% endif %}

    def predict(self, rows: list[list[Any]]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
{% if cookiecutter.takes == "frame" %}
        table = to_frame(rows)
{% else %}
        table = np.asarray(rows, dtype=np.float64)
{% endif %}
        scores = self._booster.predict(table, num_threads=cores())
{% if cookiecutter.probabilities %}
        if scores.ndim == 1:  # of two classes, the probability of the second
            scores = np.column_stack([1 - scores, scores])
        return self._classes[scores.argmax(axis=1)], scores
{% else %}
        return scores, None
{% endif %}
