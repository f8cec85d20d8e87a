"""Images held against what the cluster asks: one that is fit, and one for each way to fail."""

import hashlib
import json
import signal
import subprocess
import time

import pytest

from mlship.project import find
from tests.conftest import SERVERS
from tests.support import models
from tests.support.projects import MLSHIP, mlship

pytestmark = pytest.mark.docker
LABEL = "label=mlship.verify"


def engine(docker, *argv, check=True, **kwargs):
    done = subprocess.run([docker, *argv], capture_output=True, text=True, timeout=120, **kwargs)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout.strip()


def left_over(docker):
    return engine(docker, "ps", "--all", "--quiet", "--filter", LABEL)


@pytest.fixture(scope="module")
def copies(projects, tmp_path_factory, docker):
    """Gives a copy of a server's project, installed and built; others read the original."""
    made = {}

    def copy(server):
        if server not in made:
            project = projects.get(server, "tumor.onnx")
            made[server] = tmp_path_factory.mktemp("verify") / project.name
            subprocess.run(["cp", "-r", project, made[server]], check=True)
            mlship("build", cwd=made[server])
        return made[server]

    yield copy
    for project in made.values():
        engine(docker, "image", "rm", "--force", find(project).image(), check=False)


@pytest.mark.parametrize("server", SERVERS)
def test_a_fit_image(copies, docker, server):
    project = copies(server)
    done = mlship("verify", "--json", cwd=project)
    result = json.loads(done.stdout)
    checks = {check["name"]: check for check in result["checks"]}
    assert list(checks) == ["user", "ready", "answers", "memory", "stop", "disk"]
    assert result["ok"] is True and all(check["ok"] for check in checks.values())
    golden = json.loads((project / "tests" / "golden.json").read_text())
    count = len(golden["rows"])
    assert checks["answers"]["rows"] == checks["answers"]["alone"] == count > 10
    assert len(golden["predictions"]) == len(golden["probabilities"]) == count
    assert set(golden["predictions"]) <= set(models.tumor()[0].classes_)
    assert golden["model"] == find(project).config.model.sha256
    assert 20 * 2**20 < checks["memory"]["peak_bytes"] < checks["memory"]["limit_bytes"]
    # It drains for 6 s, as k8s/base/config.env says.
    assert 5.5 < checks["stop"]["seconds"] < 20
    assert left_over(docker) == ""


@pytest.fixture
def bad(copies, docker, tmp_path):
    """Builds an image on top of the fit one; verifies it against shorter terms; gives the run."""
    project, image = copies("fastapi"), f"mlship-test-verify:{time.monotonic_ns()}"
    golden = project / "tests" / "golden.json"
    if "predictions" not in golden.read_text():
        mlship("verify", cwd=project)
    deployment = project / "k8s" / "base" / "deployment.yaml"
    before = deployment.read_text()

    def verify(dockerfile, *, ready=60, grace=35, **files):
        terms = before.replace("failureThreshold: 180", f"failureThreshold: {ready}")
        deployment.write_text(terms.replace("Seconds: 35", f"Seconds: {grace}"))
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        text = f"FROM {find(project).image()}\n{dockerfile}\n"
        (tmp_path / "Dockerfile").write_text(text)
        engine(docker, "build", "--tag", image, str(tmp_path))
        done = mlship("verify", "--image", image, cwd=project, check=False)
        assert left_over(docker) == ""
        assert done.returncode == 6 and "Error: The image is not fit: " in done.stderr
        return done

    yield verify
    deployment.write_text(before)
    engine(docker, "image", "rm", "--force", image, check=False)


def test_another_model(bad):
    from sklearn.linear_model import LogisticRegression

    model, frame = models.tumor()
    other = LogisticRegression(max_iter=10).fit(frame, model.predict(frame)[::-1])
    content = models.to_onnx_bytes(other, frame.columns)
    done = bad(
        f"COPY other /srv/model/tumor.onnx\nENV MODEL_SHA256={hashlib.sha256(content).hexdigest()}",
        other=content,
    )
    assert "answers otherwise than the model did, on " in done.stderr
    for word in ("row ", "wanted: {", "answer: {", "tests/golden.json", "mlship verify --record"):
        assert word in done.stderr
    assert "✓ ready after" in done.stdout and "✗ The image answers otherwise" in done.stdout


def test_not_ready_in_time(bad):
    done = bad('CMD ["python", "-uc", "import time; print(0); time.sleep(99)"]', ready=3)
    assert "not ready within 3 s" in done.stderr and "startupProbe" in done.stderr


def test_ends_before_it_is_ready(bad):
    done = bad("ENV MODEL_SHA256=0000")
    assert "ended with exit code" in done.stderr and "sha256" in done.stderr


def at_start(bad, code):
    """Verify an image whose server does something else first."""
    server = "import runpy; runpy.run_module('app', run_name='__main__')"
    return bad("CMD " + json.dumps(["python", "-c", f"{code}; {server}"]))


def test_writes_to_its_disk(bad):
    done = at_start(bad, "import os; os.system('touch /srv/seen') and os._exit(1)")
    assert "writes to its disk, which is read-only" in done.stderr
    assert "/srv/seen" in done.stderr and "write to /tmp" in done.stderr


def test_writes_to_its_disk_where_it_loads_the_model(bad):
    # The server logs it as JSON, at the end of a long traceback.
    code = "open('/srv/seen', 'w')"
    done = bad(
        'USER root\nRUN sed -i "/def __init__/a \\        ' + code + '" /srv/app/model.py\n'
        "USER 10001:10001"
    )
    assert "writes to its disk, which is read-only" in done.stderr
    assert "Read-only file system: '/srv/seen'" in done.stderr


def test_asks_for_a_right(bad):
    done = bad('CMD ["chown", "0", "/tmp"]')
    assert "asks for a right that a pod does not have" in done.stderr


def test_listens_elsewhere(bad):
    done = bad('CMD ["env", "PORT=9999", "python", "-m", "app"]', ready=8)
    assert "listens on port 9999, not on 8000" in done.stderr
    done = bad('CMD ["env", "HOST=127.0.0.1", "python", "-m", "app"]', ready=8)
    assert "listens on port 8000 of its own loopback alone" in done.stderr


def test_a_model_that_is_mounted_and_volumes_are_no_writes(copies, docker, tmp_path):
    project, image = copies("fastapi"), f"mlship-test-verify:{time.monotonic_ns()}"
    config = project / "mlship.yaml"
    before = config.read_text()
    (tmp_path / "Dockerfile").write_text(
        f"FROM {find(project).image()}\nUSER root\nRUN rm -r /srv/model\nUSER 10001:10001\n"
        "VOLUME /data\n"
    )
    engine(docker, "build", "--tag", image, str(tmp_path))
    kept = set(engine(docker, "volume", "ls", "--quiet").split())
    config.write_text(before.replace("model:\n", "model:\n  source: pvc://models/tumor.onnx\n", 1))
    try:
        done = mlship("verify", "--image", image, cwd=project)
    finally:
        config.write_text(before)
        engine(docker, "image", "rm", "--force", image, check=False)
    assert "✓ nothing written to its disk" in done.stdout
    assert set(engine(docker, "volume", "ls", "--quiet").split()) <= kept


def test_needs_more_memory_than_its_limit(bad):
    done = at_start(bad, "kept = b'x' * (700 << 20)")
    assert "needs more memory than its limit of 512Mi" in done.stderr
    assert "resources.limits.memory" in done.stderr


def test_ignores_sigterm(bad):
    done = bad("CMD python -m app; true", grace=5)  # the shell is asked to stop, and does not
    assert "did not stop within 3 s of SIGTERM" in done.stderr
    assert "✗" in done.stdout and "golden rows answered alike" in done.stdout


def test_runs_as_root(bad):
    done = bad("USER root")
    assert "the image runs as root" in done.stderr and "USER 10001:10001" in done.stderr


def test_a_build_fails_with_its_verification(copies, docker):
    project = copies("fastapi")
    config = project / "mlship.yaml"
    before = config.read_text()
    config.write_text(before.replace("memory: 512Mi", "memory: 24Mi"))
    try:
        done = mlship("build", "--verify", cwd=project, check=False)
    finally:
        config.write_text(before)
    assert done.returncode == 6
    assert "needs more memory than its limit of 24Mi" in done.stderr
    assert "Built" not in done.stdout and left_over(docker) == ""


def test_stopped_by_ctrl_c_it_leaves_nothing(copies, docker):
    process = subprocess.Popen(
        [*MLSHIP, "verify"], cwd=copies("fastapi"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not left_over(docker) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    process.communicate()
    assert left_over(docker) == ""
