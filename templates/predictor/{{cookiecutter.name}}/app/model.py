"""The model: your own predictor.py, with the files beside it."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np

from app.schema import FEATURES


class Model:
    """As safe to ask from several threads at once as predict() is."""

    def __init__(self, path: Path) -> None:
        file = path / "predictor.py" if path.is_dir() else path
        sys.path.insert(0, str(file.parent))  # where its own modules lie
        spec = importlib.util.spec_from_file_location("predictor", file)
        if spec is None or spec.loader is None:
            raise ImportError(f"{file} is no Python module")
        predictor = importlib.util.module_from_spec(spec)
        sys.modules["predictor"] = predictor  # where its pickles look for its classes
        spec.loader.exec_module(predictor)
        self._predict = predictor.predict
{% if cookiecutter.options.takes_model == "True" %}
        self._model = predictor.load()
{% elif cookiecutter.options.loads == "True" %}
        predictor.load()
{% endif %}

    def predict(self, rows: list[list[Any]]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
        instances = [dict(zip(FEATURES, row, strict=True)) for row in rows]
{% if cookiecutter.options.takes_model == "True" %}
        answers = self._predict(self._model, instances)
{% else %}
        answers = self._predict(instances)
{% endif %}
        if isinstance(answers, np.ndarray):
            answers = answers.tolist()
        if not isinstance(answers, list) or len(answers) != len(rows):
            kind = type(answers).__name__
            raise TypeError(f"predict() must return a list of {len(rows)} answers, not a {kind}")
        return [a.tolist() if isinstance(a, np.ndarray | np.generic) else a for a in answers], None
