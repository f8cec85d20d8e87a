"""The smallest BentoML service of the model, which lies beside it."""

from pathlib import Path

import bentoml
import joblib
import numpy as np


@bentoml.service
class Iris:
    """One model."""

    def __init__(self) -> None:
        self.model = joblib.load(Path(__file__).parent / "model.joblib")

    @bentoml.api
    def predict(self, instances: list[list[float]]) -> list[str]:
        """Predict every row."""
        labels: list[str] = self.model.predict(np.asarray(instances)).tolist()
        return labels
