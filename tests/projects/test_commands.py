"""The commands around a project, run as a user does."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml
from kubernetes_validate import validate

from tests.conftest import SERVERS
from tests.support import models
from tests.support.projects import MLSHIP, mlship
from tests.support.servers import free_port

TOOLS = str(Path(sys.executable).parent)


@pytest.fixture(scope="module", params=SERVERS)
def project(request, projects):
    return projects.get(request.param, "tumor.joblib")


@pytest.fixture
def kubectl_only(monkeypatch, tmp_path):
    """The kubectl of the wheel, and a kubeconfig with nothing in it."""
    monkeypatch.setenv("PATH", TOOLS + os.pathsep + os.environ["PATH"])
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))


@pytest.fixture(scope="module")
def served(project):
    port = free_port()
    process = subprocess.Popen(
        [*MLSHIP, "serve", "--port", str(port), "--project", project / "app"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                break
        except httpx.TransportError:
            assert process.poll() is None, process.stdout.read()
        time.sleep(0.1)
    yield url
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143


def test_serve_answers_hundred_rows_by_list_and_by_name(served):
    frame = models.rows("tumor.joblib")
    want = models.expected("tumor.joblib", frame)
    for instances in (frame.to_numpy().tolist(), frame.to_dict("records")):
        answer = httpx.post(f"{served}/predict", json={"instances": instances})
        assert answer.json()["predictions"] == want


def test_predict_sends_the_sample(project, served):
    done = mlship("predict", "--url", served, cwd=project / "tests")
    assert re.search(r"\b(benign|malignant)\b", done.stdout) and "probability" in done.stdout


def test_predict_sends_a_csv_with_the_target_still_in_it(project, served, tmp_path):
    model, frame = models.tumor()
    path = tmp_path / "rows.csv"
    frame.iloc[:10].assign(target="?").to_csv(path, index=False)
    done = mlship("predict", "--url", served, "--file", path, "--json", cwd=project)
    assert json.loads(done.stdout)["predictions"] == model.predict(frame.iloc[:10]).tolist()


def test_predict_shows_what_the_service_refuses(project, served, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"instances": [{"mean radius": "x"}]}))
    done = mlship("predict", "--url", served, "--file", path, cwd=project, check=False)
    assert done.returncode == 8
    assert "422" in done.stderr and "mean radius" in done.stderr


def test_nothing_answers(project):
    url = f"http://127.0.0.1:{free_port()}"
    done = mlship("predict", "--url", url, cwd=project, check=False)
    assert done.returncode == 8 and "mlship serve" in done.stderr


def test_serve_on_a_taken_port(project, served):
    port = served.rsplit(":", 1)[1]
    done = mlship("serve", "--port", port, cwd=project, check=False)
    assert done.returncode == 6 and "--port" in done.stderr


def test_reload(project):
    port = free_port()
    process = subprocess.Popen(
        [*MLSHIP, "serve", "--reload", "--port", str(port)],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    path = project / "app" / "card.py"
    before = path.read_text()

    def description(wanted):
        for _ in range(300):
            try:
                if httpx.get(f"http://127.0.0.1:{port}/info").json()["description"] == wanted:
                    return True
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        return False

    try:
        line = re.search(r'^DESCRIPTION = "(.*)"$', before, re.M)
        assert description(line[1])
        path.write_text(before.replace(line[0], 'DESCRIPTION = "changed"'))
        assert description("changed")
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(40)
        path.write_text(before)


def test_deploy_dry_run(project, kubectl_only):
    done = mlship("deploy", "--replicas", 3, "--dry-run", cwd=project)
    documents = list(yaml.safe_load_all(done.stdout))
    for document in documents:
        validate(document, "1.30", strict=True)
        validate(document, "1.36", strict=True)
        assert document["metadata"]["namespace"] == "default"
    assert documents[0]["metadata"]["name"] == f"{project.name}-mlship", "the set comes first"
    kinds = {d["kind"]: d for d in documents}
    assert kinds["Deployment"]["spec"]["replicas"] == 3
    assert "HorizontalPodAutoscaler" not in kinds
    image = kinds["Deployment"]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert re.fullmatch(rf"{project.name}:0\.1\.0-[0-9a-f]{{8}}", image)
    commands = [line[2:] for line in done.stdout.splitlines() if line.startswith("# kubectl")]
    how = "--server-side --field-manager=mlship --request-timeout=60s -f -"
    assert commands == [
        f"kubectl --namespace default apply {how}",
        f"kubectl --namespace default apply {how}",
        f"kubectl --namespace default rollout status deployment/{project.name} --timeout=300s",
    ]


def test_deploy_dry_run_with_the_autoscaler(project, kubectl_only):
    argv = ("deploy", "--dry-run", "--namespace", "ml", "--context", "prod", "--image", "r.io/a:1")
    done = mlship(*argv, cwd=project)
    kinds = {d["kind"]: d for d in yaml.safe_load_all(done.stdout)}
    assert "replicas" not in kinds["Deployment"]["spec"]
    assert kinds["HorizontalPodAutoscaler"]["spec"]["minReplicas"] == 2
    container = kinds["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "r.io/a:1"
    assert kinds["Service"]["metadata"]["namespace"] == "ml"
    assert "kubectl --context prod --namespace ml apply" in done.stdout


def test_deploy_without_a_cluster(project, kubectl_only):
    done = mlship("deploy", cwd=project, check=False)
    assert done.returncode == 7
    assert "No cluster is chosen" in done.stderr and "--context" in done.stderr


def test_deploy_to_a_cluster_that_does_not_answer(project, kubectl_only):
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "gone",
        "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "me"}}],
        "clusters": [{"name": "gone", "cluster": {"server": f"https://127.0.0.1:{free_port()}"}}],
        "users": [{"name": "me", "user": {"token": "x"}}],
    }
    Path(os.environ["KUBECONFIG"]).write_text(yaml.safe_dump(config))
    done = mlship("deploy", "--yes", cwd=project, check=False)
    assert done.returncode == 7
    assert "Nothing listens" in done.stderr
    assert "gone" in done.stdout and "default" in done.stdout


def test_missing_kubectl(project, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = mlship("deploy", cwd=project, check=False)
    assert done.returncode == 5 and "kubectl is not installed" in done.stderr
