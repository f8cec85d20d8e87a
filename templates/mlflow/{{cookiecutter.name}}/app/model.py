"""The model: Python code that MLflow saved and loads."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from app.table import to_frame

# MLflow reports its use unless told before it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
import mlflow.pyfunc  # noqa: E402


class Model:
    """As safe to ask from several threads at once as the saved code is."""

    def __init__(self, path: Path) -> None:
        # Loading runs the saved code, so the service checks the folder's sha256 first.
        self._model = mlflow.pyfunc.load_model(str(path))

    def predict(self, rows: list[list[Any]]) -> tuple[Any, Any]:
        """Return the prediction and (or None) the probabilities of each row."""
        answers = self._model.predict(to_frame(rows))
        if isinstance(answers, pd.DataFrame):
            answers = answers.to_dict("records")
        values = [
            answer.tolist() if isinstance(answer, np.ndarray | np.generic) else answer
            for answer in answers
        ]
        if len(values) != len(rows):
            raise ValueError(f"the model gave {len(values)} answers to {len(rows)} rows")
        return values, None
