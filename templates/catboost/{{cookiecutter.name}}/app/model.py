{% set kind = "CatBoostClassifier" if cookiecutter.task == "classification" else "CatBoostRegressor" %}
"""The model: CatBoost's trees."""

from pathlib import Path
from typing import Any

from catboost import {{ kind }}, Pool


class Model:
    """Safe to ask from several threads at once."""

    def __init__(self, path: Path) -> None:
        self._model = {{ kind }}().load_model(str(path))
        self._columns = {
            "cat_features": self._model.get_cat_feature_indices(),
            "text_features": self._model.get_text_feature_indices(),
        }

    def predict(self, rows: list[list[Any]]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
        # One thread: requests run side by side and would only contend for the same cores.
        pool = Pool(rows, **self._columns, thread_count=1)
        values = self._model.predict(pool, thread_count=1)
{% if cookiecutter.probabilities %}
        # Labels of more than two classes come as [rows, 1].
        return values.reshape(len(rows)), self._model.predict_proba(pool, thread_count=1)
{% else %}
        return values, None
{% endif %}
