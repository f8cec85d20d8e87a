"""The model: a fitted scikit-learn estimator."""

{% if cookiecutter.format == "pickle" %}
import pickle
{% endif %}
import warnings
from pathlib import Path
from typing import Any

{% if cookiecutter.format == "joblib" %}
import joblib
{% endif %}
import numpy as np
{% if cookiecutter.dataframe %}
import pandas as pd
{% endif %}
{% if cookiecutter.dataframe %}

from app.schema import FEATURES
{% endif %}


class Model:
    """Safe to ask from several threads at once."""

    def __init__(self, path: Path) -> None:
        # Unpickling runs code, so the service checks the file's sha256 first.
{% if cookiecutter.format == "joblib" %}
        self._estimator = joblib.load(path)
{% else %}
        with path.open("rb") as file:
            self._estimator = pickle.load(file)
{% endif %}
        # Requests carry checked columns in order; names need not be checked twice.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")

    def predict(self, rows: list[list[Any]]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
{% if cookiecutter.dataframe %}
        table = pd.DataFrame(np.asarray(rows, dtype=np.float64), columns=FEATURES)
{% else %}
        table = np.asarray(rows, dtype=np.float64)
{% endif %}
{% if cookiecutter.probabilities %}
        return self._estimator.predict(table), self._estimator.predict_proba(table)
{% else %}
        return self._estimator.predict(table), None
{% endif %}
