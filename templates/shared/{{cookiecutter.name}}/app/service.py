"""The model's life in one process: starting, ready, draining. Knows nothing of HTTP servers."""

import gc
import logging
import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError
from pydantic_core import to_json

from app import card, metrics, problems
from app.batcher import Batcher
from app.batching import Columns, Overloaded, Pace, Queue
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


@contextmanager
def _or_give_up() -> Iterator[None]:
    try:
        yield
    except ModelRefused as error:
        logger.critical("%s", error)
        give_up()
    except Exception:
        logger.critical("the model could not be loaded", exc_info=True)
        give_up()


class Service:
    """Loads the model in the background; batcher.py asks it."""

    def __init__(self) -> None:
        self.batcher: Batcher | None = None
        self.loaded = threading.Event()
{% if cookiecutter.preloads %}
        self._model: Model | None = None
{% endif %}

    @property
    def state(self) -> Literal["starting", "ready", "draining"]:
        """Whether requests should be sent here."""
        if is_draining():
            return "draining"
        return "ready" if self.batcher else "starting"

    def start(self) -> None:
        """Begin to load; the server can already tell that it is alive."""
        threading.Thread(target=self._load, name="load-model", daemon=True).start()

{% if cookiecutter.preloads %}
    def preload(self) -> None:
        """Load now, in the process whose children will ask the model."""
        with _or_give_up():
            self._model = _load()

{% endif %}
    @_or_give_up()
    def _load(self) -> None:
        started = time.perf_counter()
{% if cookiecutter.preloads %}
        model = self._model or _load()
{% else %}
        model = _load()
{% endif %}
        pace = _warm_up(model)
        queue = Queue(
            lambda rows: _answers(model, rows),
            pace,
            max_rows=settings.join_rows,
            max_waiting=settings.max_waiting,
            deadline=settings.deadline_seconds,
            threads=settings.threads,
            observe_wait=metrics.QUEUE_TIME.observe,
        )
        gc.freeze()  # what is there now stays: the collector need not look at it again
        gc.enable()
        self.batcher = Batcher(queue, settings.join_seconds)
        self.loaded.set()
        seconds = time.perf_counter() - started
        logger.info("model ready after %.2f s; %s", seconds, queue)

    @property
    def ready(self) -> Batcher:
        """What answers rows; raise ProblemError (503) while the model loads."""
        if self.batcher is None:
            raise ProblemError(503, "The model is still loading.", headers={"Retry-After": "1"})
        return self.batcher

    def rows(self, body: bytes) -> list[Any]:
        """Return the instances as lists in feature order; raise ProblemError (400, 422)."""
        try:
            instances = PredictRequest.model_validate_json(body).instances
        except ValidationError as error:
            raise problems.invalid(error.errors()) from None
{% if cookiecutter.bare and cookiecutter.bare_form == "text" %}
        rows: list[Any] = [[i] if isinstance(i, str) else i for i in instances]
        return [list(row.values()) if isinstance(row, dict) else row for row in rows]
{% elif cookiecutter.bare %}
        return [list(i.values()) if isinstance(i, dict) else [i] for i in instances]
{% elif cookiecutter.uniform %}
        return [list(i.values()) if isinstance(i, dict) else i for i in instances]
{% else %}
        return [list(i.values() if isinstance(i, dict) else i) for i in instances]
{% endif %}

    def answer(self, columns: Columns) -> bytes:
        """Return the answer as JSON; raise ProblemError (422) where the model has no number."""
        predictions, probabilities, finite = columns
        if finite and not all(finite):
            index = finite.index(False)
            detail = f"instances[{index}] has no finite answer"
            error = FieldError(detail=detail, pointer=f"#/instances/{index}", instance=index)
            raise ProblemError(422, detail, [error])
        answer = {"predictions": predictions}
        metrics.BATCH_SIZE.observe(len(predictions or ()))
        if probabilities is not None:
            answer["probabilities"] = probabilities
        return to_json(answer)

    def problem(self, error: Exception) -> Exception:
        """Return what to answer when the model did not; errors of ours stay as they are."""
        if isinstance(error, Overloaded):
            headers = {"Retry-After": str(error.retry_after)}
            return ProblemError(503, str(error), headers=headers)
{% if cookiecutter.has_free_sides %}
        if isinstance(error, (ValueError, RuntimeError, AssertionError)):
            # Sides that the schema leaves free have to fit each other, and the model.
            logger.warning("the model refused the instances: %s", error)
            return ProblemError(422, "The model does not take instances of these shapes.")
{% endif %}
        return error


def _load() -> Model:
    verify(settings.model_file, settings.model_sha256)
    return Model(settings.model_file{{ " / " ~ cookiecutter.inner if cookiecutter.inner else "" }})


def _answers(model: Model, rows: list[Any]) -> Columns:
    """Return predictions, probabilities and, unless all are, which rows are finite."""
    started = time.perf_counter()
    values, probabilities = model.predict(rows)
    metrics.observe_run(len(rows), time.perf_counter() - started)
    finite = _which_finite(values)
    if probabilities is not None and (other := _which_finite(probabilities)):
        finite = [a and b for a, b in zip(finite, other, strict=True)] if finite else other
    predictions = _as_json(values)
{% if cookiecutter.classes and not cookiecutter.several %}
    metrics.count_predictions(predictions)
{% else %}
    metrics.PREDICTIONS.labels("").inc(len(rows))
{% endif %}
    return predictions, None if probabilities is None else _as_json(probabilities), finite


def _warm_up(model: Model) -> Pace:
    """Predict before the first request does, and see how long it takes."""
    pace = Pace()
    row = list(card.EXAMPLE.values())
{% if cookiecutter.guessed %}
    try:
        model.predict([row])
        pace.measure(model.predict, row)
    except Exception:
        # It was made from the types alone; `mlship init --sample` takes a real one.
        logger.warning("the model does not take the example in app/card.py", exc_info=True)
{% else %}
    model.predict([row])
    pace.measure(model.predict, row)
{% endif %}
    return pace


def _as_json(values: Any) -> Any:
    return values if isinstance(values, list) else values.tolist()


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _which_finite(scores: Any) -> list[bool] | None:
    """Tell it of each row; None when all are."""
    if isinstance(scores, list):
        finite = [_is_finite(each) for each in scores]
        return None if all(finite) else finite
    if scores.dtype.kind != "f" or np.isfinite(scores).all():
        return None
    rows = np.isfinite(scores).reshape(len(scores), -1).all(axis=1)
    return [bool(row) for row in rows]


service = Service()
