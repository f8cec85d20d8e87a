"""BentoML: one service, one worker, no access log, no metrics, no tracing."""

from typing import Any

import bentoml
import predictor

QUIET: dict[str, Any] = {
    "logging": {"access": {"enabled": False}},
    "metrics": {"enabled": False},
    "traffic": {"timeout": 60},
    "workers": 1,
}


@bentoml.service(**QUIET)
class Service:
    """The model."""

    def __init__(self) -> None:
        self.model = predictor.load()

    # Not async: the model would hold the event loop.
    @bentoml.api
    def predict(self, instances: list[Any]) -> dict[str, Any]:
        """Predict every row."""
        return predictor.answer(*self.model(instances))
