"""The model's life in one process: starting, ready, draining. Knows nothing of HTTP servers."""

import logging
import math
import os
import threading
import time
{% if cookiecutter.classes and not cookiecutter.several %}
from collections import Counter
{% endif %}
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


def give_up() -> None:
    """End the process, from whichever thread: without its model it is of no use."""
    os._exit(STARTUP_FAILURE)


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
            model = Model(settings.model_file{{ " / " ~ cookiecutter.inner if cookiecutter.inner else "" }})
{% if cookiecutter.guessed %}
            _warm_up(model)
{% else %}
            model.predict([list(card.EXAMPLE.values())])  # warm up before the first request
{% endif %}
        except ModelRefused as error:
            logger.critical("%s", error)
            return give_up()
        except Exception:
            logger.critical("the model could not be loaded", exc_info=True)
            return give_up()
        self.model = model
        logger.info("model ready after %.2f s", time.perf_counter() - started)

    def predict(self, request: PredictRequest) -> dict[str, Any]:
        """Return the answer's fields.

        Raises ProblemError: 503 while the model loads, 422 when it has no finite answer.
        """
        if self.model is None:
            raise ProblemError(503, "The model is still loading.", headers={"Retry-After": "1"})
{% if cookiecutter.bare and cookiecutter.bare_form == "text" %}
        rows: list[Any] = [[i] if isinstance(i, str) else i for i in request.instances]
        rows = [list(row.values()) if isinstance(row, dict) else row for row in rows]
{% elif cookiecutter.bare %}
        rows = [list(i.values()) if isinstance(i, dict) else [i] for i in request.instances]
{% elif cookiecutter.uniform %}
        rows = [list(i.values()) if isinstance(i, dict) else i for i in request.instances]
{% else %}
        rows = [list(i.values() if isinstance(i, dict) else i) for i in request.instances]
{% endif %}
        started = time.perf_counter()
{% if cookiecutter.has_free_sides %}
        try:
            values, probabilities = self.model.predict(rows)
        except (ValueError, RuntimeError, AssertionError) as error:
            # Sides that the schema leaves free have to fit each other, and the model.
            logger.warning("the model refused the instances: %s", error)
            raise ProblemError(422, "The model does not take instances of these shapes.") from None
{% else %}
        values, probabilities = self.model.predict(rows)
{% endif %}
        metrics.MODEL_LATENCY.observe(time.perf_counter() - started)
        for scores in (values, probabilities):
            _require_finite(scores)
        answer = {"predictions": _as_json(values)}
        if probabilities is not None:
            answer["probabilities"] = _as_json(probabilities)
        metrics.BATCH_SIZE.observe(len(rows))
{% if cookiecutter.classes and not cookiecutter.several %}
        for label, count in Counter(answer["predictions"]).items():
            metrics.PREDICTIONS.labels(label).inc(count)
{% else %}
        metrics.PREDICTIONS.labels("").inc(len(rows))
{% endif %}
        return answer


{% if cookiecutter.guessed %}
def _warm_up(model: Model) -> None:
    try:
        model.predict([list(card.EXAMPLE.values())])
    except Exception:
        # It was made from the types alone; `mlship init --sample` takes a real one.
        logger.warning("the model does not take the example in app/card.py", exc_info=True)


{% endif %}
def _as_json(values: Any) -> Any:
    return values if isinstance(values, list) else values.tolist()


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _require_finite(scores: Any) -> None:
    if scores is None or (not isinstance(scores, list) and scores.dtype.kind != "f"):
        return
    if isinstance(scores, list):
        finite = [_is_finite(each) for each in scores]
    else:
        finite = np.isfinite(scores).reshape(len(scores), -1).all(axis=1)
    if not all(finite):
        index = list(finite).index(False)
        detail = f"instances[{index}] has no finite answer"
        pointer = f"#/instances/{index}"
        error = FieldError(detail=detail, pointer=pointer, instance=index)
        raise ProblemError(422, detail, [error])


service = Service()
