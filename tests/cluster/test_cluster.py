"""On a real cluster: `MLSHIP_TEST_CONTEXT=<context> pytest -m cluster`."""

import json
import signal
import subprocess
import time

import httpx

from mlship.cluster.releasing import MANAGER
from tests.cluster.kube import CONTEXT, Load
from tests.support import models
from tests.support.projects import MLSHIP, mlship
from tests.support.servers import free_port


def test_three_replicas_serve(deployed):
    assert "Deployed" in deployed.first.stdout and CONTEXT in deployed.first.stdout
    assert deployed.get()["status"]["readyReplicas"] == 3
    frame = models.rows("tumor.onnx")
    port = free_port()
    with subprocess.Popen(
        ["kubectl", "--context", CONTEXT, "--namespace", deployed.namespace, "port-forward",
         f"service/{deployed.name}", f"{port}:80"],
        stdout=subprocess.PIPE, text=True,
    ) as forward:  # fmt: skip
        forward.stdout.readline()
        body = {"instances": frame.to_numpy().tolist()}
        answer = httpx.post(f"http://127.0.0.1:{port}/predict", json=body, timeout=30)
        forward.terminate()
    assert answer.json()["predictions"] == models.expected("tumor.onnx", frame)


def test_fields_belong_to_mlship(deployed):
    out = deployed.kubectl(
        "get", "deployment", deployed.name, "-o", "json", "--show-managed-fields"
    )
    managers = {f["manager"]: f["operation"] for f in json.loads(out)["metadata"]["managedFields"]}
    assert managers[MANAGER] == "Apply"


def test_deploying_the_same_again_changes_nothing(deployed):
    before = deployed.get()["metadata"]["generation"]
    deployed.deploy("--replicas", 3)
    assert deployed.get()["metadata"]["generation"] == before
    assert "Nothing would change" in deployed.deploy("--replicas", 3, "--diff").stdout


def test_between_a_fixed_count_and_the_autoscaler(deployed):
    """The count never falls when the autoscaler takes over, nor conflicts when it is taken back."""
    deployed.deploy("--autoscale", "2-4", "--cpu", 60)
    scaler = deployed.get("hpa")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 4)
    assert scaler["metrics"][0]["resource"]["target"]["averageUtilization"] == 60
    assert deployed.get()["spec"]["replicas"] == 3
    deployed.deploy("--replicas", 3)
    assert deployed.kubectl("get", "hpa", deployed.name, "--ignore-not-found") == ""
    assert deployed.get()["spec"]["replicas"] == 3


def test_no_request_fails_during_five_rollouts(deployed):
    """Steady load through the Service, kept connections and fresh ones, and pods are killed."""
    settings = deployed.root / "k8s" / "base" / "config.env"
    before = settings.read_text()
    load = Load(deployed, seconds=150)
    for number in range(5):
        settings.write_text(f"{before}READ_SECONDS={10 + number}\n")
        deployed.deploy("--replicas", 3)
        deployed.kubectl("delete", "pod", deployed.pods()[0], "--wait=false")
    assert load.goes_on, "the rollouts took longer than the load lasted"
    result = load.result()
    settings.write_text(before)
    assert result["bad"] == []
    assert min(result["ok"].values()) > 500
    print(f"{deployed.name}: {result['ok']}")


def test_a_changed_model_is_told_and_undone(deployed):
    model = json.loads(deployed.mlship("status", "--json").stdout)["image"]
    answers = deployed.predictions()
    broken = deployed.derived(
        "changed-model", "USER root", "RUN printf x >> /srv/model/$(ls /srv/model | head -1)",
        "USER 10001:10001",
    )  # fmt: skip
    done = deployed.deploy("--replicas", 3, "--image", broken, check=False)
    assert done.returncode == 7
    assert "sha256" in done.stderr and "which answers" in done.stderr
    assert json.loads(deployed.mlship("status", "--json").stdout)["image"] == model
    assert deployed.predictions() == answers
    assert deployed.get()["status"]["availableReplicas"] == 3


def test_ctrl_c_says_how_things_stand(deployed):
    """Nothing is hidden: what the cluster does now, and how to go on or back."""
    slow = deployed.derived("slow", 'CMD ["sleep", "600"]')
    process = subprocess.Popen(
        [*MLSHIP, "deploy", "--yes", "--replicas", "3", "--image", slow, "--namespace",
         deployed.namespace, "--context", CONTEXT],
        cwd=deployed.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if "new pods serve" in line:
            break
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped waiting for the rollout" in said
    assert "3 old" in said and "mlship rollback" in said
    deployed.mlship("rollback", "--yes")
    assert deployed.get()["status"]["availableReplicas"] == 3


def test_day_two(deployed):
    image = deployed.image
    settings = deployed.root / "k8s" / "base" / "config.env"
    settings.write_text(settings.read_text() + "READ_SECONDS=7\n")
    deployed.deploy("--replicas", 3)
    status = json.loads(deployed.mlship("status", "--json").stdout)
    assert status["image"] == image and status["ready"] == 3
    assert len(deployed.predictions()) == 1
    lines = deployed.mlship("logs", "--tail", 100_000).stdout
    assert "model ready" in lines
    assert {pod.rpartition("-")[2] in lines for pod in deployed.pods()} == {True}
    deployed.mlship("scale", 2)
    assert deployed.get()["spec"]["replicas"] == 2
    history = json.loads(deployed.mlship("history", "--json").stdout)
    current = next(entry for entry in history if entry["current"])
    assert current["image"] == image
    older = next(
        entry["number"] for entry in history if entry["image"] == image and entry != current
    )
    deployed.mlship("rollback", "--to", older, "--yes")
    assert deployed.get()["status"]["updatedReplicas"] == 2


def test_undeploy_leaves_nothing(deployed):
    """Nothing of ours, and everything of others'."""
    deployed.kubectl("create", "configmap", f"not-of-{deployed.name}", "--from-literal=a=b")
    deployed.deploy("--autoscale", "2-4")
    done = deployed.mlship("undeploy", "--yes")
    assert deployed.name in done.stdout
    kinds = "all,configmap,serviceaccount,hpa,pdb,networkpolicy,secret"
    left = deployed.kubectl("get", kinds, "--output", "name").split()
    ours = [each for each in left if each.rpartition("/")[2].startswith(deployed.name)]
    assert ours == []
    assert f"configmap/not-of-{deployed.name}" in left
    deployed.kubectl("delete", "configmap", f"not-of-{deployed.name}")
    assert deployed.mlship("undeploy", "--yes").returncode == 0
    deployed.deploy("--replicas", 2)


def test_a_namespace_that_is_not_there_is_told(original):
    done = mlship("deploy", "--yes", "--namespace", "no-such-namespace", "--context", CONTEXT,
                  cwd=original, check=False)  # fmt: skip
    assert done.returncode == 7 and "--create-namespace" in done.stderr
