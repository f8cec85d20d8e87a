"""Prometheus metrics. With several worker processes, each scrape adds all of them up."""

import os
from collections import Counter as Count
from collections.abc import Iterable
from functools import cache

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from app import card

REQUESTS = Counter("http_requests", "Requests answered.", ["method", "route", "status"])
LATENCY = Histogram(
    "http_request_duration_seconds",
    "Time from the request's headers to its answer.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
BATCH_SIZE = Histogram(
    "predict_batch_size",
    "Instances in a request.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
QUEUE_TIME = Histogram(
    "predict_queue_seconds",
    "Time a request waited for the model.",
    buckets=(0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
MODEL_ROWS = Histogram(
    "model_batch_size",
    "Instances in a run of the model, of all the requests that share it.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
MODEL_LATENCY = Histogram(
    "model_predict_duration_seconds",
    "Time the model itself took.",
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
)
PREDICTIONS = Counter("predictions", "Predictions made, by class for a classifier.", ["label"])
MODEL_INFO = Gauge(
    "model_info",
    "The model being served; always 1.",
    ["name", "version", "framework"],
    multiprocess_mode="mostrecent",
)
MODEL_INFO.labels(card.NAME, card.MODEL_SHA256, card.FRAMEWORK).set(1)


METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def scrape() -> bytes:
    """Return all metrics in Prometheus's text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


# labels() looks each value up under a lock; there are few combinations, so each is kept.
_requests = cache(REQUESTS.labels)
_latency = cache(LATENCY.labels)
_predictions = cache(PREDICTIONS.labels)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one finished request."""
    method = method if method in METHODS else "OTHER"  # else clients could make up label values
    _requests(method, route, status).inc()
    _latency(route).observe(seconds)


def observe_run(rows: int, seconds: float) -> None:
    """Count one run of the model."""
    MODEL_ROWS.observe(rows)
    MODEL_LATENCY.observe(seconds)


def count_predictions(labels: Iterable[object]) -> None:
    """Count the predictions of a run by class."""
    for label, count in Count(labels).items():
        _predictions(label).inc(count)
