{% set linear = cookiecutter.options.linear == "True" %}
{% set multilabel = cookiecutter.options.multilabel == "True" %}
{% set labels = cookiecutter.task == "classification" and not multilabel %}
"""The model: {{ "XGBoost's linear booster" if linear else "XGBoost's trees" }}."""

{% if linear %}
import threading
{% endif %}
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

{% if labels %}
from app import card
{% endif %}
from app.processes import cores
{% if cookiecutter.takes == "frame" %}
from app.table import to_frame
{% endif %}


class Model:
    """Safe to ask from several threads at once."""

    def __init__(self, path: Path) -> None:
        self._booster = xgboost.Booster(model_file=str(path))
        self._booster.set_param({"nthread": cores()})
{% if labels %}
        self._classes = np.array(card.CLASSES)
{% endif %}
{% if linear %}
        self._lock = threading.Lock()
{% endif %}

    def predict(self, rows: list[list[Any]]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
{% if cookiecutter.takes == "frame" %}
        frame = to_frame(rows)
        # XGBoost numbers the categories of a column from 0; pandas gives -1 to a missing one.
        for name in frame.select_dtypes("category"):
            codes = frame[name].cat.codes
            frame[name] = codes.where(codes >= 0)
        table = frame.to_numpy(dtype=np.float32, na_value=np.nan)
{% else %}
        table = np.asarray(rows, dtype=np.float32)
{% endif %}
{% if linear %}
        matrix = xgboost.DMatrix(table, nthread=cores())
        with self._lock:  # only boosted trees may be asked from several threads
            scores = self._booster.predict(matrix, validate_features=False)
{% elif cookiecutter.options.trees == "0" %}
        scores = self._booster.inplace_predict(table)
{% else %}
        # The rounds up to the best one of early stopping, as XGBoost's own estimators do.
        scores = self._booster.inplace_predict(table, iteration_range=(0, {{ cookiecutter.options.trees }}))
{% endif %}
{% if multilabel %}
        return (scores > 0.5).astype(int), None
{% elif cookiecutter.probabilities %}
        if scores.ndim == 1:  # of two classes, the probability of the second
            scores = np.column_stack([1 - scores, scores])
        return self._classes[scores.argmax(axis=1)], scores
{% elif labels %}
        return self._classes[scores.astype(int)], None
{% else %}
        return scores, None
{% endif %}
