"""The model's life in one process: starting, ready, draining. Knows nothing of HTTP servers."""

import logging
import os
import threading
import time
from collections import Counter
from typing import Any, Literal

import numpy as np

from app import card, metrics
from app.integrity import STARTUP_FAILURE, ModelRefused, verify
from app.model import Model
from app.problems import FieldError, ProblemError
from app.processes import is_draining
from app.schema import PredictRequest
from app.settings import settings

logger = logging.getLogger(__name__)


class Service:
    """Loads the model in the background and answers with it."""

    def __init__(self) -> None:
        self.model: Model | None = None

    @property
    def state(self) -> Literal["starting", "ready", "draining"]:
        """Whether requests should be sent here."""
        if is_draining():
            return "draining"
        return "ready" if self.model else "starting"

    def start(self) -> None:
        """Begin to load; the server can already tell that it is alive."""
        threading.Thread(target=self._load, name="load-model", daemon=True).start()

    def _load(self) -> None:
        started = time.perf_counter()
        try:
            verify(settings.model_file, settings.model_sha256)
            model = Model(settings.model_file)
            model.predict([list(card.EXAMPLE.values())])  # warm up before the first request
        except ModelRefused as error:
            logger.critical("%s", error)
            os._exit(STARTUP_FAILURE)
        except Exception:
            logger.critical("the model could not be loaded", exc_info=True)
            os._exit(STARTUP_FAILURE)
        self.model = model
        logger.info("model ready after %.2f s", time.perf_counter() - started)

    def predict(self, request: PredictRequest) -> dict[str, Any]:
        """Return the answer's fields.

        Raises ProblemError: 503 while the model loads, 422 when it has no finite answer.
        """
        if self.model is None:
            raise ProblemError(503, "The model is still loading.", headers={"Retry-After": "1"})
        rows = [list(i.values()) if isinstance(i, dict) else i for i in request.instances]
        started = time.perf_counter()
        values, probabilities = self.model.predict(rows)
        metrics.MODEL_LATENCY.observe(time.perf_counter() - started)
        for scores in (values, probabilities):
            _require_finite(scores)
        answer = {"predictions": values.tolist()}
        if probabilities is not None:
            answer["probabilities"] = probabilities.tolist()
        metrics.BATCH_SIZE.observe(len(rows))
        labels = Counter(answer["predictions"]) if card.CLASSES else {"": len(rows)}
        for label, count in labels.items():
            metrics.PREDICTIONS.labels(label).inc(count)
        return answer


def _require_finite(scores: Any) -> None:
    if scores is None or scores.dtype.kind != "f":
        return
    bad = np.flatnonzero(~np.isfinite(scores).reshape(len(scores), -1).all(axis=1))
    if len(bad):
        index = int(bad[0])
        detail = f"instances[{index}] has no finite answer"
        pointer = f"#/instances/{index}"
        error = FieldError(detail=detail, pointer=pointer, instance=index)
        raise ProblemError(422, detail, [error])


service = Service()
