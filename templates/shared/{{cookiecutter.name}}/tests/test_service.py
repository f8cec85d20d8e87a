"""The service's contract, tested in this process. Run with `pytest`."""

import json
from typing import Any

import httpx
import pytest

from app import card
from app.schema import FEATURES
from app.settings import PROJECT, settings

SAMPLE = json.loads((PROJECT / "sample.json").read_text())
{% if cookiecutter.bare %}
ROW: Any = next(iter(card.EXAMPLE.values()))
{% else %}
ROW = list(card.EXAMPLE.values())
{% endif %}


def predict(client: httpx.Client, instances: Any) -> httpx.Response:
    return client.post("/predict", json={"instances": instances})


def equal(one: Any, other: Any) -> bool:
    """Compare predictions; a batch may round its fractions differently."""
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return bool(one == (pytest.approx(other, rel=1e-3, abs=1e-5) if one != other else other))


def test_sample_is_answered(client: httpx.Client) -> None:
    answer = client.post("/predict", json=SAMPLE)
    assert answer.status_code == 200, answer.text
    predictions = answer.json()["predictions"]
    assert len(predictions) == len(SAMPLE["instances"])
{% if cookiecutter.several %}
    for prediction in predictions:
        for label, classes in zip(prediction, card.CLASSES, strict=True):
            assert label in classes
{% elif cookiecutter.classes %}
    assert set(predictions) <= set(card.CLASSES)
{% endif %}


{% if cookiecutter.probabilities and cookiecutter.several %}
def test_probabilities_add_up(client: httpx.Client) -> None:
    (outputs,) = predict(client, [ROW]).json()["probabilities"]
    for scores, classes in zip(outputs, card.CLASSES, strict=True):
        assert len(scores) == len(classes)
        assert sum(scores) == pytest.approx(1, abs=1e-4)


{% elif cookiecutter.probabilities %}
def test_probabilities_add_up(client: httpx.Client) -> None:
    (scores,) = predict(client, [ROW]).json()["probabilities"]
    assert len(scores) == len(card.CLASSES)
    assert sum(scores) == pytest.approx(1, abs=1e-4)


{% endif %}
def test_by_name_in_any_order_equals_by_position(client: httpx.Client) -> None:
    named = dict(reversed(card.EXAMPLE.items()))
    assert predict(client, [named]).json() == predict(client, [ROW]).json()


{% if cookiecutter.bare and cookiecutter.bare_form == "text" %}
def test_a_text_may_stand_alone_or_in_a_list(client: httpx.Client) -> None:
    assert predict(client, [ROW]).json() == predict(client, [[ROW]]).json()


{% endif %}
def test_batch_equals_single_rows(client: httpx.Client) -> None:
{% if cookiecutter.bare %}
    rows = [ROW] * 3
{% else %}
    rows = [[v + step if isinstance(v, float) else v for v in ROW] for step in range(5)]
{% endif %}
    batch = predict(client, rows).json()["predictions"]
    single = [predict(client, [row]).json()["predictions"][0] for row in rows]
    assert equal(batch, single)


@pytest.mark.parametrize(
    ("instances", "instance", "field"),
    [
{% if cookiecutter.bare %}
        ([ROW, {FEATURES[0]: {}}], 1, FEATURES[0]),
        ([ROW, 7], 1, None),
{% else %}
        ([ROW, [*ROW[:-1], {}]], 1, FEATURES[-1]),
{% if not cookiecutter.features[-1].nullable %}
        ([ROW, [*ROW[:-1], None]], 1, FEATURES[-1]),
{% endif %}
        ([ROW, [*ROW, 1]], 1, None),
{% endif %}
        ([{}], 0, FEATURES[0]),
        ([{**card.EXAMPLE, "unknown feature": 1}], 0, "unknown feature"),
        ([7], 0, None),
        ([], None, None),
{% if not cookiecutter.has_tensors %}
        ([ROW] * (settings.max_batch_size + 1), None, None),
{% endif %}
    ],
)
def test_bad_instances_are_named(
    client: httpx.Client, instances: Any, instance: int | None, field: str | None
) -> None:
    answer = predict(client, instances)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    error = answer.json()["errors"][0]
    assert (error.get("instance"), error.get("field")) == (instance, field)


{% if not cookiecutter.bare %}
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_numbers_that_are_none_are_refused(client: httpx.Client, number: str) -> None:
    cells = ",".join([number, *map(json.dumps, ROW[1:])])
    answer = client.post(
        "/predict",
        content='{"instances": [[' + cells + "]]}",
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == FEATURES[0]


{% endif %}
def test_other_bodies_are_refused(client: httpx.Client) -> None:
    json_type = {"content-type": "application/json"}
    big = b" " * (settings.max_body_bytes + 1)
    assert client.post("/predict", content=b"{", headers=json_type).status_code == 400
    assert client.post("/predict", data={"a": "b"}).status_code == 415
    assert client.post("/predict", content=big, headers=json_type).status_code == 413


def test_health_and_info(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}
    info = client.get("/info").json()
    assert info["version"] == card.MODEL_SHA256
    assert [feature["name"] for feature in info["features"]] == FEATURES
    assert info["classes"] == card.CLASSES


def test_metrics_count(client: httpx.Client) -> None:
    predict(client, [ROW])
    text = client.get("/metrics").text
    assert 'http_requests_total{method="POST",route="/predict",status="200"}' in text
    assert f'version="{card.MODEL_SHA256}"' in text


def test_openapi_has_the_schema_and_docs_need_no_internet(client: httpx.Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert list(schemas["Instance"]["properties"]) == FEATURES
    page = client.get("/docs")
    assert page.status_code == 200
    assert "https://" not in page.text.replace("https://github.com", "")


def test_request_id_comes_back(client: httpx.Client) -> None:
    answer = client.get("/healthz", headers={"x-request-id": "abc-1"})
    assert answer.headers["x-request-id"] == "abc-1"
    assert client.get("/healthz").headers["x-request-id"]
