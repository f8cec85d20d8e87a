"""Starting, draining, stopping: the same for both servers, as processes and signals."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from mlship import server as servers
from mlship.project import find
from tests.conftest import SERVERS
from tests.support.servers import Server, free_port

FIRST = """

def first():
    try:
        os.mkdir("first")
    except FileExistsError:
        return False
    return True
"""


@pytest.fixture(params=SERVERS)
def project(request, projects):
    return projects.get(request.param, "tumor.onnx")


@pytest.fixture
def logs(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def slow_project(project, tmp_path):
    """The same project with a model that takes its time: a copy, so nothing else sees it."""
    copy = tmp_path / project.name
    copy.mkdir()
    for entry in project.iterdir():
        if entry.name in (".venv", "model"):
            (copy / entry.name).symlink_to(entry)
        elif entry.is_dir():
            subprocess.run(["cp", "-r", entry, copy / entry.name], check=True)
        else:
            (copy / entry.name).write_bytes(entry.read_bytes())
    path = copy / "app" / "model.py"
    text = path.read_text()
    for before, variable in (("options = onnx", "SLOW_LOAD"), ("inputs = {", "SLOW_PREDICT")):
        sleep = f"__import__('time').sleep(float(os.getenv('{variable}', '0')))"
        assert before in text
        text = text.replace(before, f"{sleep}\n        {before}")
    path.write_text(text)
    return copy


def sample(project):
    return json.loads((project / "sample.json").read_text())


def test_alive_but_not_ready_while_the_model_loads(slow_project, logs):
    server = Server(slow_project, logs, wait=False, SLOW_LOAD=3)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                assert server.client.get("/healthz").status_code == 200
                break
            except httpx.TransportError:
                time.sleep(0.02)
        ready = server.client.get("/readyz")
        assert (ready.status_code, ready.json()) == (503, {"status": "starting"})
        refused = server.client.post("/predict", json=sample(slow_project))
        assert refused.status_code == 503 and refused.headers["retry-after"] == "1"
        server.wait_ready()
        assert server.client.post("/predict", json=sample(slow_project)).status_code == 200
    finally:
        assert server.stop() == 0


def test_sigterm_drains(slow_project, logs):
    """Readiness fails first, requests are still answered, those in flight finish, exit 0."""
    server = Server(slow_project, logs, DRAIN_SECONDS=2, SLOW_PREDICT=1)
    answers = []

    def ask():
        with httpx.Client(base_url=server.url, timeout=30) as client:
            answers.append(client.post("/predict", json=sample(slow_project)).status_code)

    with httpx.Client(base_url=server.url, timeout=30) as kept:
        kept.get("/healthz")
        in_flight = threading.Thread(target=ask)
        in_flight.start()
        time.sleep(0.3)
        server.terminate()
        time.sleep(0.3)
        drained = kept.get("/readyz")
        assert (drained.status_code, drained.json()) == (503, {"status": "draining"})
        assert drained.headers["connection"].lower() == "close"
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        late = threading.Thread(target=ask)
        time.sleep(1)  # its second of work reaches beyond the drain
        late.start()
        in_flight.join()
        late.join()
    assert answers == [200, 200]
    assert server.process.wait(20) == 0, server.logs.read_text()
    server.client.close()


def test_steady_load_through_a_stop_sees_no_failure(project, logs):
    """Clients with kept connections, until the server has told each to go elsewhere."""
    server = Server(project, logs, DRAIN_SECONDS=2)
    body, failures, closed = sample(project), [], []

    def ask():
        with httpx.Client(base_url=server.url, timeout=30) as client:
            while True:
                try:
                    answer = client.post("/predict", json=body)
                except httpx.TransportError as error:
                    failures.append(repr(error))
                    return
                if answer.status_code != 200:
                    failures.append(answer.text)
                if answer.headers.get("connection", "").lower() == "close":
                    closed.append(True)
                    return

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    server.terminate()
    for thread in threads:
        thread.join(30)
    assert (failures, len(closed)) == ([], 8)
    assert server.stop() == 0


def test_slow_clients_do_not_stop_the_others(project, logs):
    """More clients than there are threads, each of which begins a body and sends no more."""
    server = Server(project, logs)
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
    try:
        for connection in slow:
            connection.sendall(head + b"Content-Length: 100\r\n\r\n{")
        time.sleep(0.5)
        started = time.monotonic()
        assert server.client.get("/healthz").status_code == 200
        assert time.monotonic() - started < 12  # well before a liveness probe gives up
    finally:
        for connection in slow:
            connection.close()
    assert server.stop() == 0
    assert "Traceback" not in logs.read_text()


def test_too_many_requests_are_shed_and_the_others_answered_in_time(slow_project, logs):
    """A run takes 0.2 s, four requests may wait; Flask's threads are what waits, so it has many."""
    server = Server(
        slow_project, logs, SLOW_PREDICT=0.2, DEADLINE_SECONDS=1, MAX_WAITING=4, THREADS=40
    )
    answers = []

    def ask():
        with httpx.Client(base_url=server.url, timeout=30) as client:
            started = time.monotonic()
            answer = client.post("/predict", json=sample(slow_project))
            answers.append((answer, time.monotonic() - started))

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shed = [answer for answer, _ in answers if answer.status_code == 503]
    assert {answer.status_code for answer, _ in answers} == {200, 503}
    assert max(seconds for _, seconds in answers) < 2.5
    for answer in shed:
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.headers["content-type"] == "application/problem+json"
        assert "wait" in answer.json()["detail"]
    assert server.client.get("/readyz").status_code == 200
    assert server.client.post("/predict", json=sample(slow_project)).status_code == 200
    assert server.stop() == 0


def test_ctrl_c_stops_at_once(project, logs):
    server = Server(project, logs, DRAIN_SECONDS=30)
    server.process.send_signal(signal.SIGINT)
    started = time.monotonic()
    server.process.wait(20)
    assert time.monotonic() - started < 8
    server.client.close()


def start_and_fail(project, **settings):
    argv = servers.local_command(find(project).config.server, Path(".venv"))
    return subprocess.run(
        argv,
        cwd=project,
        env={**os.environ, "HOST": "127.0.0.1", "PORT": str(free_port()), **settings},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_changed_model_is_refused(project, tmp_path, workers):
    other = tmp_path / "other.onnx"
    other.write_bytes((project / find(project).config.model.file).read_bytes() + b"\0")
    done = start_and_fail(project, MODEL_FILE=str(other), WORKERS=workers)
    assert done.returncode != 0
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    messages = [entry["message"] for entry in lines if entry["level"] == "CRITICAL"]
    assert messages and all("model refused" in m and "sha256" in m for m in messages)
    assert "Traceback" not in done.stdout + done.stderr


def test_wrong_setting_is_named(project):
    done = start_and_fail(project, MAX_BATCH_SIZE="many")
    assert done.returncode != 0
    assert "max_batch_size" in done.stdout + done.stderr


def test_settings_are_taken(project, logs):
    server = Server(project, logs, MAX_BATCH_SIZE=2, MAX_BODY_BYTES=2000)
    row = list(sample(project)["instances"][0].values())
    post = server.client.post
    assert post("/predict", json={"instances": [row] * 2}).status_code == 200
    assert post("/predict", json={"instances": [row] * 3}).status_code == 422
    assert post("/predict", json={"instances": [row] * 20}).status_code == 413
    assert server.stop() == 0


def test_workers_share_a_model_that_was_loaded_before_the_fork(projects, logs, tmp_path):
    project = projects.get("flask", "tumor.joblib")
    server = Server(project, logs, WORKERS=2)
    answers = [httpx.post(f"{server.url}/predict", json=sample(project)) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert server.stop() == 0
    assert logs.read_text().count("model ready after") == 2  # each worker warms up
    other = tmp_path / "other.joblib"
    other.write_bytes(b"another")
    done = start_and_fail(project, MODEL_FILE=str(other), WORKERS="2")
    assert done.returncode != 0 and done.stdout.count("model refused") == 1
    assert "Traceback" not in done.stdout + done.stderr


def test_no_worker_takes_requests_before_it_can_answer(slow_project, logs):
    path = slow_project / "app" / "model.py"  # the first worker to load is slow, the other is not
    slow = path.read_text().replace("'0')))", "'0')) * first())", 1)
    path.write_text(slow + FIRST)
    server = Server(slow_project, logs, WORKERS=2, SLOW_LOAD=2)
    answers = [httpx.post(f"{server.url}/predict", json=sample(slow_project)) for _ in range(40)]
    assert {answer.status_code for answer in answers} == {200}
    assert server.stop() == 0, logs.read_text()


def test_metrics_of_several_workers_add_up(project, logs):
    server = Server(project, logs, WORKERS=2)
    pids = subprocess.run(
        ["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True
    ).stdout.split()
    assert len(pids) >= 2 or sys.platform != "linux"
    for _ in range(40):  # each on a connection of its own, so that both workers get some
        answer = httpx.post(f"{server.url}/predict", json=sample(project))
        assert answer.status_code == 200
    name = 'http_requests_total{method="POST",route="/predict",status="200"}'
    for _ in range(6):
        text = httpx.get(f"{server.url}/metrics").text
        (line,) = [line for line in text.splitlines() if line.startswith(name)]
        assert float(line.split()[-1]) == 40
        assert text.count("model_info{") == 1
    assert server.stop() == 0, logs.read_text()
    assert not list(Path("/dev/shm").glob(f"metrics-*/*_{server.process.pid}.db"))
