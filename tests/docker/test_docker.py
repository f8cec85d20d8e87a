"""The image, built by a real engine and run as on the cluster."""

import json
import os
import re
import subprocess
import time

import httpx
import pytest

from mlship.project import find
from tests.conftest import SERVERS
from tests.support import models
from tests.support.projects import mlship
from tests.support.servers import free_port

pytestmark = pytest.mark.docker
KINDS = ("tumor.onnx", "tumor.joblib")


def engine(docker, *argv, check=True):
    done = subprocess.run([docker, *argv], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module", params=[(s, k) for s in SERVERS for k in KINDS], ids="-".join)
def built(request, projects, docker):
    project = projects.get(*request.param, installed=False)
    done = mlship("build", cwd=project)
    yield project, request.param[1], find(project).image(), done
    engine(docker, "image", "rm", "--force", find(project).image(), check=False)


@pytest.fixture
def running(built, docker):
    project, kind, image, _ = built
    port = free_port()
    mlship("run", "--detach", "--port", port, cwd=project)
    yield project, kind, image, f"http://127.0.0.1:{port}"
    engine(docker, "rm", "--force", project.name, check=False)


def test_hundred_rows_equal_the_models_own_answers(running):
    _, kind, _, url = running
    frame = models.rows(kind)
    want = models.expected(kind, frame)
    for instances in (frame.to_numpy().tolist(), frame.to_dict("records")):
        answer = httpx.post(f"{url}/predict", json={"instances": instances}, timeout=30)
        assert answer.json()["predictions"] == want


def test_runs_hardened(running, docker):
    project = running[0]
    state = json.loads(engine(docker, "inspect", project.name))[0]
    host = state["HostConfig"]
    assert host["ReadonlyRootfs"] is True and host["CapDrop"] == ["ALL"]
    assert state["Config"]["User"] == "10001:10001"
    uid = engine(docker, "exec", project.name, "id", "-u")
    assert uid == "10001"
    for place, code in (("/srv/x", 1), ("/tmp/x", 0)):  # a pod has an emptyDir there
        written = subprocess.run([docker, "exec", project.name, "touch", place])
        assert written.returncode == code


def test_stops_cleanly(running, docker):
    project = running[0]
    engine(docker, "stop", "--time", "30", project.name)
    assert engine(docker, "inspect", project.name, "--format", "{{.State.ExitCode}}") == "0"


def test_healthcheck_turns_healthy(running, docker):
    project = running[0]
    for _ in range(60):
        health = engine(docker, "inspect", project.name, "--format", "{{.State.Health.Status}}")
        if health == "healthy":
            return
        time.sleep(0.5)
    raise AssertionError(health)


def test_plain_docker_run_with_the_flags_of_the_issue(built, docker):
    """No help from mlship: read-only, that user, no capabilities, no tmpfs."""
    project, kind, image, _ = built
    port = free_port()
    name = f"{project.name}-plain"
    engine(docker, "run", "--detach", "--name", name, "--read-only", "--user", "10001",
           "--cap-drop", "ALL", "--env", "WORKERS=2", "--publish", f"127.0.0.1:{port}:8000",
           image)  # fmt: skip
    try:
        for _ in range(300):
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        frame = models.rows(kind, 3)
        body = {"instances": frame.to_numpy().tolist()}
        answer = httpx.post(f"http://127.0.0.1:{port}/predict", json=body)
        assert answer.json()["predictions"] == models.expected(kind, frame)
    finally:
        logs = engine(docker, "logs", name, check=False)
        engine(docker, "rm", "--force", name)
    assert "Traceback" not in logs


def test_labels(built, docker):
    project, _, image, _ = built
    labels = json.loads(engine(docker, "inspect", image, "--format", "{{json .Config.Labels}}"))
    config = find(project).config
    assert labels["org.opencontainers.image.title"] == project.name
    assert labels["org.opencontainers.image.version"] == config.version
    assert labels["model.sha256"] == config.model.sha256


def test_image_holds_no_tests_and_no_tools(built, docker):
    image = built[2]
    files = engine(docker, "run", "--rm", "--entrypoint", "find", image, "/srv", "-type", "f")
    top = {line.split("/")[2] for line in files.splitlines()}
    assert top <= {"app", "model", "gunicorn.conf.py", "__pycache__"}
    packages = engine(docker, "run", "--rm", "--entrypoint", "ls", image,
                      "/opt/venv/lib/python3.11/site-packages")  # fmt: skip
    assert not {"pip", "pytest", "ruff", "mypy", "setuptools"} & set(packages.split())


def test_a_code_change_reuses_the_dependencies(built):
    project = built[0]
    path = project / "app" / "__init__.py"
    before = path.read_text()
    path.write_text(before + "# changed\n")
    try:
        done = mlship("build", "--tag", "mlship-test:changed", cwd=project)
    finally:
        path.write_text(before)
    log = done.stderr
    install = log[log.index("RUN --mount=type=cache") :]
    number = log[: log.index("RUN --mount=type=cache")].rsplit("#", 1)[1].split()[0]
    assert f"#{number} CACHED" in install


def test_same_content_same_tag_other_content_other_tag(built):
    project, _, image, _ = built
    assert find(project).image() == image
    path = project / "app" / "__init__.py"
    before = path.read_text()
    path.write_text(before + "# changed\n")
    try:
        assert find(project).image() != image
        done = mlship("run", cwd=project, check=False)
        assert done.returncode == 6 and "mlship build" in done.stderr
    finally:
        path.write_text(before)


def test_a_failing_build_shows_why(projects, docker, tmp_path):
    project = projects.get("fastapi", "tumor.onnx", installed=False)
    copy = tmp_path / project.name
    subprocess.run(["cp", "-r", project, copy], check=True)
    lock = copy / "requirements.lock"
    lock.write_text(re.sub(r"sha256:[0-9a-f]{4}", "sha256:0000", lock.read_text()))
    done = mlship("build", cwd=copy, check=False)
    assert done.returncode == 6
    error = done.stderr[done.stderr.index("Error:") :]
    assert "could not be built" in error and "hash" in error.lower()


def test_builder_without_buildkit_is_named(projects, docker):
    """On machines whose first docker has no BuildKit; elsewhere nothing is said."""
    project = projects.get("fastapi", "tumor.onnx", installed=False)
    first = subprocess.run(["docker", "buildx", "version"], capture_output=True).returncode == 0
    done = mlship("build", "--dry-run", cwd=project)
    if first or os.environ.get("MLSHIP_DOCKER") or "docker build" not in done.stdout:
        return
    legacy = subprocess.run(["docker", "--version"], capture_output=True, text=True).stdout
    if int(legacy.split()[2].split(".")[0]) >= 23:
        assert "no buildx plugin" in done.stderr and "MLSHIP_DOCKER" in done.stderr
        assert "DOCKER_BUILDKIT=1" in done.stdout
