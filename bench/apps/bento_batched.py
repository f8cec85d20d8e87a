"""BentoML with its adaptive batching, which joins lists and splits the list that comes back."""

from typing import Any

import bentoml
import predictor
from bento_plain import QUIET


@bentoml.service(**QUIET)
class Service:
    """The model."""

    def __init__(self) -> None:
        self.model = predictor.load()

    @bentoml.api(batchable=True, max_batch_size=1024, max_latency_ms=1000)
    def predict(self, instances: list[Any]) -> list[dict[str, Any]]:
        """Predict every row of all requests that were joined."""
        labels, scores = self.model(instances)
        pairs = zip(labels.tolist(), scores.tolist(), strict=True)
        return [{"prediction": label, "probabilities": each} for label, each in pairs]
