"""The service's contract: one file, run against every server and runtime, started for real."""

import contextlib
import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.conftest import SERVERS
from tests.support import models
from tests.support.servers import Server

KINDS = ("tumor.onnx", "tumor.joblib", "tumor.converted", "diabetes.joblib", "diabetes.onnx",
         "diabetes.converted")  # fmt: skip
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module", params=[(s, k) for s in SERVERS for k in KINDS], ids="-".join)
def service(request, projects, tmp_path_factory):
    server, kind = request.param
    project = projects.get(server, kind)
    running = Server(project, tmp_path_factory.mktemp("logs") / "log")
    running.kind, running.project = kind, project
    running.names = json.loads((project / "sample.json").read_text())["instances"][0].keys()
    running.names = list(running.names)
    yield running
    assert running.stop() == 0, running.logs.read_text()


@pytest.fixture
def row(service):
    return models.rows(service.kind, 1).to_numpy().tolist()[0]


def predict(service, instances):
    return service.client.post("/predict", json={"instances": instances})


def problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"] and body["detail"] and body["type"]
    assert "Traceback" not in answer.text and 'File "' not in answer.text
    return body


# --- predictions


def test_hundred_rows_equal_the_models_own_answers(service):
    frame = models.rows(service.kind)
    by_list = predict(service, frame.to_numpy().tolist())
    by_name = predict(service, frame.to_dict("records"))
    assert by_list.status_code == 200, by_list.text
    assert by_list.json() == by_name.json()
    want = models.expected(service.kind, frame)
    if service.kind.startswith("tumor"):
        assert by_list.json()["predictions"] == want
    else:
        assert by_list.json()["predictions"] == pytest.approx(want, rel=1e-4)


def test_probabilities_are_in_the_order_of_the_classes(service, row):
    body = predict(service, [row]).json()
    if not service.kind.startswith("tumor"):
        assert "probabilities" not in body
        return
    classes = service.client.get("/info").json()["classes"]
    (scores,) = body["probabilities"]
    model, _ = models.tumor()
    assert classes == model.classes_.tolist()
    assert scores == pytest.approx(
        model.predict_proba(models.rows(service.kind, 1))[0].tolist(), abs=1e-4
    )
    assert classes[scores.index(max(scores))] == body["predictions"][0]


def test_names_may_come_in_any_order_and_be_mixed_with_lists(service, row):
    named = dict(reversed(list(zip(service.names, row, strict=True))))
    first, second = predict(service, [named, row]).json()["predictions"]
    assert first == second


def test_whole_numbers_are_numbers(service):
    assert predict(service, [[1] * len(service.names)]).status_code == 200


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_any_batch_up_to_the_maximum(service, row, size):
    assert len(predict(service, [row] * size).json()["predictions"]) == size


def test_batch_over_the_maximum(service, row):
    body = problem(predict(service, [row] * 1001), 422)
    assert "1000" in body["detail"]


def test_requests_at_once_get_their_own_answers(service):
    """They share runs of the model; one among them that is refused takes no other with it."""
    instances = models.rows(service.kind, 40).to_numpy().tolist()
    want = predict(service, instances).json()
    answers = {}

    def ask(first):
        with httpx.Client(base_url=service.url, timeout=30) as client:
            for number in range(first, 40, 16):
                body = {"instances": [instances[number]] * (1 + number % 3)}
                answers[number] = client.post("/predict", json=body)
                bad = client.post("/predict", json={"instances": [instances[number], "x"]})
                assert bad.status_code == 422

    threads = [threading.Thread(target=ask, args=[first]) for first in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == list(range(40))
    for number, answer in answers.items():
        body = answer.json()
        times = 1 + number % 3
        assert body["predictions"] == pytest.approx([want["predictions"][number]] * times)
        if "probabilities" in want:
            for scores in body["probabilities"]:
                assert scores == pytest.approx(want["probabilities"][number], abs=1e-6)
    metrics = service.client.get("/metrics").text
    for name in ("model_batch_size_count", "predict_queue_seconds_count", "predict_batch_size_sum"):
        assert re.search(rf"^{name} ", metrics, re.M), name


# --- refusals


def test_wrong_count(service, row):
    for bad in (row[:-1], [*row, 1.0], []):
        error = problem(predict(service, [row, bad]), 422)["errors"][0]
        assert error["instance"] == 1
        assert str(len(row)) in error["detail"]


def test_missing_feature(service, row):
    named = dict(zip(service.names, row, strict=True))
    del named[service.names[2]]
    error = problem(predict(service, [named]), 422)["errors"][0]
    assert (error["instance"], error["field"]) == (0, service.names[2])


def test_unknown_feature(service, row):
    named = {**dict(zip(service.names, row, strict=True)), "shoe size": 43}
    error = problem(predict(service, [row, row, named]), 422)["errors"][0]
    assert (error["instance"], error["field"]) == (2, "shoe size")


@pytest.mark.parametrize("value", ["5.1", "a", None, True, [], {}, [1.0]])
def test_no_number(service, row, value):
    for instance in ([*row[:-1], value], {**dict(zip(service.names, row, strict=True))}):
        if isinstance(instance, dict):
            instance[service.names[-1]] = value
        error = problem(predict(service, [row, instance]), 422)["errors"][0]
        assert (error["instance"], error["field"]) == (1, service.names[-1])
        assert error["pointer"].startswith("#/instances/1/")


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 400, "1e39"])
def test_no_finite_number(service, row, token):
    cells = ", ".join([token, *map(str, row[1:])])
    answer = service.client.post("/predict", content=f'{{"instances": [[{cells}]]}}', headers=JSON)
    error = problem(answer, 422)["errors"][0]
    assert (error["instance"], error["field"]) == (0, service.names[0])


@pytest.mark.parametrize("instance", [3, "row", None, True])
def test_instance_of_another_kind(service, row, instance):
    assert problem(predict(service, [row, instance]), 422)["errors"][0]["instance"] == 1


@pytest.mark.parametrize(
    "body",
    ['{"instances": []}', "{}", "[]", "3", "null", '"x"', '{"instances": 3}', '{"rows": []}'],
)
def test_body_of_another_shape(service, body):
    problem(service.client.post("/predict", content=body, headers=JSON), 422)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nope", b"\xff\xfe", b'{"instances": [[1,]]}', b"[" * 100_000]
)
def test_not_json(service, body):
    problem(service.client.post("/predict", content=body, headers=JSON), 400)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "text/json", ""]
)
def test_wrong_content_type(service, kind):
    headers = {"content-type": kind} if kind else {}
    answer = service.client.post("/predict", content=b'{"instances": [[1]]}', headers=headers)
    problem(answer, 415)


def test_content_type_with_a_charset_is_fine(service, row):
    body = json.dumps({"instances": [row]})
    headers = {"content-type": "application/json; charset=utf-8"}
    assert service.client.post("/predict", content=body, headers=headers).status_code == 200


# On connections of their own: the server may close one whose body it did not read to the end.


def test_too_large_a_body(service):
    body = b" " * (16 * 2**20 + 1)
    problem(httpx.post(f"{service.url}/predict", content=body, headers=JSON), 413)


def test_too_large_a_body_in_chunks(service):
    chunks = (b" " * 2**20 for _ in range(18))
    with contextlib.suppress(httpx.WriteError):  # closed while the body was still being sent
        problem(httpx.post(f"{service.url}/predict", content=chunks, headers=JSON), 413)


def test_unknown_route_and_method(service):
    problem(service.client.get("/nowhere"), 404)
    answer = service.client.get("/predict")
    problem(answer, 405)
    assert "POST" in answer.headers["allow"]


def test_many_errors_are_cut_short(service, row):
    body = problem(predict(service, [["x"] * len(row)] * 500), 422)
    assert len(body["errors"]) <= 20
    assert "more" in body["detail"]


def resident_mb(pid):
    pids = [str(pid), *subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
            .stdout.split()]  # fmt: skip
    status = [Path(f"/proc/{p}/status").read_text() for p in pids]
    return sum(int(re.search(r"VmHWM:\s+(\d+)", text)[1]) for text in status) // 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("place", ["instance", "body", "list"])
def test_a_body_of_a_million_mistakes_takes_little_memory(service, row, place):
    """As large as bodies may be; each unknown key would be an error of its own."""
    junk = ",".join(f'"{i}":1' for i in range(1_300_000))
    body = {
        "instance": f'{{"instances":[{{{junk}}}]}}',
        "body": f'{{{junk},"instances":[]}}',
        "list": '{"instances":[[' + ",".join(["0"] * 8_000_000) + "]]}",
    }[place]
    assert len(body) < 16 * 2**20
    answer = httpx.post(f"{service.url}/predict", content=body, headers=JSON, timeout=60)
    assert len(problem(answer, 422)["errors"]) == 1
    assert service.client.get("/healthz").status_code == 200
    # Three such bodies in one process; without the checks one alone takes 3 GB.
    assert resident_mb(service.process.pid) < 1000


# --- health, info, metrics, documents


def test_health(service):
    assert service.client.get("/healthz").status_code == 200
    assert service.client.get("/readyz").json() == {"status": "ready"}


def test_info(service):
    info = service.client.get("/info").json()
    config = (service.project / "mlship.yaml").read_text()
    assert info["version"] in config and len(info["version"]) == 64
    assert [f["name"] for f in info["features"]] == service.names
    assert info["task"] == ("classification" if "tumor" in service.kind else "regression")
    assert info["framework"].lower().startswith(("onnx", "scikit-learn"))
    assert info["classes"] == (["benign", "malignant"] if "tumor" in service.kind else [])


def value(text, name):
    match = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(match[1]) if match else 0.0


def test_metrics(service, row):
    ok = 'http_requests_total{method="POST",route="/predict",status="200"}'
    bad = 'http_requests_total{method="POST",route="/predict",status="422"}'
    before = service.client.get("/metrics").text
    predict(service, [row] * 5)
    predict(service, [])
    after = service.client.get("/metrics").text
    assert value(after, ok) - value(before, ok) == 1
    assert value(after, bad) - value(before, bad) == 1
    count = "predict_batch_size_sum"
    assert value(after, count) - value(before, count) == 5
    assert value(after, 'http_request_duration_seconds_count{route="/predict"}') >= 2
    total = sum(float(v) for v in re.findall(r"^predictions_total\{.*\} (\S+)$", after, re.M))
    assert total >= 5
    assert re.search(r'^model_info\{.*version="[0-9a-f]{64}".*\} 1.0$', after, re.MULTILINE)


def test_made_up_methods_do_not_grow_the_metrics(service):
    service.client.request("FOOBAR", "/healthz")
    assert "FOOBAR" not in service.client.get("/metrics").text


def test_unknown_paths_do_not_grow_the_metrics(service):
    for index in range(3):
        service.client.get(f"/nowhere/{index}")
    text = service.client.get("/metrics").text
    assert "/nowhere" not in text and 'route="unmatched"' in text


def test_openapi(service):
    document = service.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert {"/predict", "/healthz", "/readyz", "/info"} <= document["paths"].keys()
    schemas = document["components"]["schemas"]
    assert list(schemas["Instance"]["properties"]) == service.names
    assert schemas["Instance"]["additionalProperties"] is False
    example = schemas["PredictRequest"]["examples"][0]
    assert service.client.post("/predict", json=example).status_code == 200
    responses = document["paths"]["/predict"]["post"]["responses"]
    assert {"200", "400", "413", "415", "422", "503"} <= responses.keys()
    assert "application/problem+json" in responses["422"]["content"]
    has = "probabilities" in schemas["PredictResponse"]["properties"]
    assert has == service.kind.startswith("tumor")


def test_docs_page_needs_no_internet(service):
    page = service.client.get("/docs")
    assert page.status_code == 200 and "swagger" in page.text.lower()
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert assets and not [a for a in assets if "//" in a]
    for asset in assets:
        got = service.client.get(asset)
        assert got.status_code == 200 and len(got.content) > 100, asset


def test_request_id(service, row):
    sent = service.client.get("/info", headers={"x-request-id": "abc-123"})
    assert sent.headers["x-request-id"] == "abc-123"
    for bad in ("a b", "x" * 200, '"}'):
        made = service.client.get("/info", headers={"x-request-id": bad})
        assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])
    refused = service.client.post("/predict", json={}, headers={"x-request-id": "why-1"})
    assert refused.json()["request_id"] == "why-1"


def test_logs_are_json_with_the_request_id(service, row):
    service.client.post("/predict", json={"instances": [row]}, headers={"x-request-id": "logged-1"})
    time.sleep(0.2)
    lines = [json.loads(line) for line in service.logs.read_text().splitlines()]
    (line,) = [entry for entry in lines if entry.get("request_id") == "logged-1"]
    assert (line["method"], line["path"], line["status"]) == ("POST", "/predict", 200)
    assert line["level"] == "INFO" and line["duration_ms"] >= 0 and line["time"]
    assert not [entry for entry in lines if entry.get("path") == "/readyz"]


def test_parallel_clients_get_their_own_answers(service):
    frame = models.rows(service.kind, 40)
    want = predict(service, frame.to_numpy().tolist()).json()["predictions"]
    got = [None] * len(want)

    def ask(index):
        with httpx.Client(base_url=service.url, timeout=30) as client:
            body = {"instances": [frame.iloc[index].tolist()]}
            got[index] = client.post("/predict", json=body).json()["predictions"][0]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(want))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == pytest.approx(want, rel=1e-5) if "diab" in service.kind else got == want
