"""The model in its own library, asked as the native layer of a generated project asks it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from .answers import Row


class Native:
    """A model of scikit-learn's interface, or a booster in its own format."""

    def __init__(self, request: dict[str, Any]) -> None:
        warnings.filterwarnings("ignore")
        self.request = request
        self.model = _load(request["model"], request["format"], request["options"])

    def table(self, rows: Sequence[Row]) -> Any:
        """Return rows as what the model takes: an array, or a DataFrame of typed columns."""
        features = self.request["features"]
        if self.request["takes"] != "frame":
            kind = np.float32 if self.request["format"] in ("json", "ubj") else np.float64
            return np.asarray(rows, dtype=kind).reshape(len(rows), len(features))
        import pandas as pd

        names = [feature["name"] for feature in features]
        dtypes = {feature["name"]: feature["column"] for feature in features}
        table = pd.DataFrame(rows, columns=names).astype(dtypes)
        if any(feature["nullable"] for feature in features):
            return table.where(table.notna(), float("nan"))
        return table

    def predict(self, rows: Sequence[Row]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
        table, form = self.table(rows), self.request["format"]
        if form in ("json", "ubj"):
            trees = int(self.request["options"].get("trees", 0))
            limit = {"iteration_range": (0, trees)} if trees else {}
            return self._of_scores(self.model.inplace_predict(table, **limit))
        if form == "txt":
            return self._of_scores(self.model.predict(table, num_threads=1))
        values = np.asarray(self.model.predict(table))
        if not self.request["probabilities"]:
            return values, None
        return values, self.model.predict_proba(table)

    def _of_scores(self, scores: Any) -> tuple[Any, Any]:
        """Return what a booster's scores mean."""
        classes = np.array(self.request["classes"])
        if self.request["probabilities"]:
            if scores.ndim == 1:  # of two classes, the probability of the second
                scores = np.column_stack([1 - scores, scores])
            return classes[scores.argmax(axis=1)], scores
        if self.request["task"] == "classification":
            return classes[scores.astype(int)], None
        return scores, None


def _load(path: str, form: str, options: dict[str, Any]) -> Any:
    if form in ("json", "ubj"):
        import xgboost

        booster = xgboost.Booster(model_file=path)
        booster.set_param({"nthread": 1})
        return booster
    if form == "txt":
        import lightgbm

        return lightgbm.Booster(model_file=path)
    if form == "skops":
        import skops.io

        return skops.io.load(path, trusted=options["trusted"])
    if form == "joblib":
        import joblib

        return joblib.load(path)
    import pickle
    from pathlib import Path

    with Path(path).open("rb") as file:
        return pickle.load(file)
