"""The model: a fitted estimator with scikit-learn's interface."""

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
{% if cookiecutter.format == "skops" %}
import skops.io
{% endif %}
{% if cookiecutter.takes == "frame" %}

from app.table import to_frame
{% endif %}


class Model:
    """Safe to ask from several threads at once."""

    def __init__(self, path: Path) -> None:
{% if cookiecutter.format == "skops" %}
        # What skops does not know by itself is listed here.
        self._estimator = skops.io.load(path, trusted={{ cookiecutter.options.trusted }})
{% elif cookiecutter.format == "joblib" %}
        # Unpickling runs code, so the service checks the file's sha256 first.
        self._estimator = joblib.load(path)
{% else %}
        # Unpickling runs code, so the service checks the file's sha256 first.
        with path.open("rb") as file:
            self._estimator = pickle.load(file)
{% endif %}
        # Requests carry checked columns in order; names need not be checked twice.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")

    def predict(self, rows: list[list[Any]]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
{% if cookiecutter.takes == "frame" %}
        table = to_frame(rows)
{% elif cookiecutter.takes == "texts" %}
        table = [text for (text,) in rows]
{% else %}
        table = np.asarray(rows, dtype=np.float64)
{% endif %}
{% if cookiecutter.probabilities and cookiecutter.several %}
        scores = self._estimator.predict_proba(table)
{% if cookiecutter.options.multilabel == "True" %}
        # One probability per label, as that of 0 and that of 1.
        scores = [np.stack([1 - column, column], axis=1) for column in np.transpose(scores)]
{% endif %}
        probabilities = [[output[row].tolist() for output in scores] for row in range(len(rows))]
        return np.asarray(self._estimator.predict(table)), probabilities
{% elif cookiecutter.probabilities %}
{% if cookiecutter.options.column == "True" %}
        labels = self._estimator.predict(table).reshape(len(rows))  # CatBoost gives a column
        return labels, self._estimator.predict_proba(table)
{% elif cookiecutter.options.likeliest == "True" %}
        probabilities = self._estimator.predict_proba(table)
        return self._likeliest(table, probabilities), probabilities
{% else %}
        return np.asarray(self._estimator.predict(table)), self._estimator.predict_proba(table)
{% endif %}
{% else %}
        return np.asarray(self._estimator.predict(table)), None
{% endif %}
{% if cookiecutter.options.likeliest == "True" %}

    def _likeliest(self, table: Any, probabilities: Any) -> Any:
        """Return what the estimator's predict() does: for this one, the likeliest classes.

        It is asked itself only where two are about as likely.
        """
        second, first = np.partition(probabilities, -2, axis=1)[:, -2:].T
        if (first - second > 1e-6).all():
            return self._estimator.classes_[probabilities.argmax(axis=1)]
        return np.asarray(self._estimator.predict(table))
{% endif %}
