"""On a real cluster: `MLSHIP_TEST_CONTEXT=<context> pytest -m cluster`.

``MLSHIP_TEST_LOAD`` is a command that brings ``{image}`` to the cluster, where that is needed.
"""

import json
import os
import shlex
import subprocess
import threading
import uuid

import httpx
import pytest

from mlship.project import find
from tests.conftest import SERVERS
from tests.support import models
from tests.support.projects import mlship
from tests.support.servers import free_port

CONTEXT = os.environ.get("MLSHIP_TEST_CONTEXT")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not CONTEXT, reason="MLSHIP_TEST_CONTEXT names no context"),
]


def kubectl(*argv, check=True):
    done = subprocess.run(
        ["kubectl", "--context", CONTEXT, *argv], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


def load(image):
    command = os.environ.get("MLSHIP_TEST_LOAD")
    if command:
        subprocess.run(shlex.split(command.format(image=image)), check=True, timeout=300)


@pytest.fixture(scope="module")
def namespace():
    name = f"mlship-test-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module", params=SERVERS)
def project(request, projects, docker):
    made = projects.get(request.param, "tumor.onnx", installed=False)
    mlship("build", cwd=made)
    load(find(made).image())
    return made


@pytest.fixture(scope="module")
def deployed(project, namespace):
    done = mlship("deploy", "--replicas", 3, "--namespace", namespace, "--context", CONTEXT,
                  cwd=project)  # fmt: skip
    return project, done


def deployment(name, namespace):
    return json.loads(kubectl("--namespace", namespace, "get", "deployment", name, "-o", "json"))


class Forward:
    """A port-forward to the project's service."""

    def __init__(self, name, namespace):
        self.port = free_port()
        self.process = subprocess.Popen(
            ["kubectl", "--context", CONTEXT, "--namespace", namespace, "port-forward",
             f"service/{name}", f"{self.port}:80"],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        self.process.stdout.readline()

    def __enter__(self):
        return f"http://127.0.0.1:{self.port}"

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


def test_three_replicas_serve(deployed, namespace):
    project, done = deployed
    assert "Deployed" in done.stdout and CONTEXT in done.stdout
    status = deployment(project.name, namespace)["status"]
    assert status["readyReplicas"] == 3
    frame = models.rows("tumor.onnx")
    with Forward(project.name, namespace) as url:
        body = {"instances": frame.to_numpy().tolist()}
        answer = httpx.post(f"{url}/predict", json=body, timeout=30)
    assert answer.json()["predictions"] == models.expected("tumor.onnx", frame)


def test_fields_belong_to_mlship(deployed, namespace):
    project, _ = deployed
    out = kubectl("--namespace", namespace, "get", "deployment", project.name, "-o", "json",
                  "--show-managed-fields")  # fmt: skip
    managers = {f["manager"]: f["operation"] for f in json.loads(out)["metadata"]["managedFields"]}
    assert managers["mlship"] == "Apply"


def test_deploying_the_same_again_changes_nothing(deployed, namespace):
    project, _ = deployed
    before = deployment(project.name, namespace)["metadata"]["generation"]
    mlship("deploy", "--replicas", 3, "--namespace", namespace, "--context", CONTEXT, cwd=project)
    assert deployment(project.name, namespace)["metadata"]["generation"] == before


def test_between_a_fixed_count_and_the_autoscaler(deployed, namespace):
    """The count never falls when the autoscaler takes over, nor conflicts when it is taken back."""
    project, _ = deployed
    argv = ("deploy", "--namespace", namespace, "--context", CONTEXT)
    mlship(*argv, cwd=project)
    autoscaler = ("--namespace", namespace, "get", "hpa", project.name, "--ignore-not-found")
    assert project.name in kubectl(*autoscaler)
    assert deployment(project.name, namespace)["spec"]["replicas"] >= 3
    mlship(*argv, "--replicas", 3, cwd=project)
    assert kubectl(*autoscaler) == ""
    assert deployment(project.name, namespace)["spec"]["replicas"] == 3


def test_no_request_fails_during_a_rollout(deployed, namespace):
    """From inside the cluster's network, through the Service: a load pod made of the same image."""
    project, _ = deployed
    image = find(project).image()
    script = (
        "import json, sys, time, urllib.request as r\n"
        f"url = 'http://{project.name}/predict'\n"
        "body = json.dumps({'instances': [[0.0] * 30]}).encode()\n"
        "ok = bad = 0\n"
        "end = time.time() + 60\n"
        "while time.time() < end:\n"
        "    q = r.Request(url, body, {'Content-Type': 'application/json'})\n"
        "    try:\n"
        "        r.urlopen(q, timeout=10).read(); ok += 1\n"
        "    except Exception as e:\n"
        "        bad += 1; print(e)\n"
        "print(json.dumps({'ok': ok, 'bad': bad}))\n"
    )
    load_pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"load-{project.name}"},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "load",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python", "-c", script],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
    subprocess.run(
        ["kubectl", "--context", CONTEXT, "--namespace", namespace, "apply", "-f", "-"],
        input=json.dumps(load_pod),
        text=True,
        check=True,
    )
    pod = f"pod/load-{project.name}"
    kubectl("--namespace", namespace, "wait", "--for=condition=Ready", pod, "--timeout=60s")
    restart = threading.Thread(
        target=kubectl,
        args=("--namespace", namespace, "rollout", "restart", f"deployment/{project.name}"),
    )
    restart.start()
    restart.join()
    kubectl("--namespace", namespace, "rollout", "status", f"deployment/{project.name}")
    kubectl("--namespace", namespace, "wait", "--for=jsonpath={.status.phase}=Succeeded", pod,
            "--timeout=120s")  # fmt: skip
    result = json.loads(kubectl("--namespace", namespace, "logs", pod).splitlines()[-1])
    assert result["ok"] > 100 and result["bad"] == 0, result


def test_an_image_that_is_not_there_is_told(deployed, namespace):
    project, _ = deployed
    done = mlship(
        "deploy", "--replicas", 3, "--namespace", namespace, "--context", CONTEXT,
        "--image", "registry.invalid/none:1", "--timeout", 20, cwd=project, check=False,
    )  # fmt: skip
    assert done.returncode == 7
    assert "registry.invalid/none:1" in done.stderr or "ImagePull" in done.stderr
    assert deployment(project.name, namespace)["status"]["availableReplicas"] == 3
    mlship("deploy", "--replicas", 3, "--namespace", namespace, "--context", CONTEXT, cwd=project)


def test_a_namespace_that_is_not_there_is_told(project):
    done = mlship("deploy", "--namespace", "no-such-namespace", "--context", CONTEXT, cwd=project,
                  check=False)  # fmt: skip
    assert done.returncode == 7 and "create namespace no-such-namespace" in done.stderr
