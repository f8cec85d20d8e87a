"""Causes of failed rollouts, played on a real cluster: each told apart, soon, and undone."""

import time

import pytest
import yaml

PATCHES = {
    "probe": {"containers": [{"name": "server", "startupProbe": {
        "httpGet": {"path": "/nowhere", "port": "http"}, "failureThreshold": 3}}]},
    "missing-config": {"containers": [{"name": "server", "envFrom": [
        {"secretRef": {"name": "no-such-secret"}}]}]},
    "unschedulable": {"containers": [{"name": "server", "resources": {
        "requests": {"cpu": "900"}, "limits": {"cpu": "900"}}}]},
    "gpu": {"containers": [{"name": "server", "resources": {
        "requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}}}]},
    "pod-security": {"containers": [{"name": "server", "securityContext": {"privileged": True,
        "allowPrivilegeEscalation": True}}]},
    "pvc-pending": {"volumes": [
        {"name": "data", "persistentVolumeClaim": {"claimName": "no-such-claim"}}]},
    "priority-class": {"priorityClassName": "no-such-class"},
    "missing-service-account": {"serviceAccountName": "no-such-account"},
    "out-of-memory": {"containers": [{"name": "server", "command": [
        "python", "-c", "x = b'x' * (2 << 30)"]}]},
    "crash-loop": {"containers": [{"name": "server", "command": [
        "python", "-c", "print('cannot open the door'); raise SystemExit(9)"]}]},
    "create-error": {"containers": [{"name": "server", "command": ["no-such-program"]}]},
}  # fmt: skip
# What the sentence or its evidence has to hold.
WORDS = {
    "probe": "/nowhere",
    "missing-config": "no-such-secret",
    "unschedulable": "cpu",
    "gpu": "nvidia.com/gpu",
    "pod-security": "privileged",
    "pvc-pending": "no-such-claim",
    "priority-class": "no-such-class",
    "missing-service-account": "no-such-account",
    "out-of-memory": "512",
    "crash-loop": "cannot open the door",
    "create-error": "no-such-program",
}


@pytest.fixture
def patched(deployed):
    """Lay a patch of the user's own over the project, for one test."""
    folder = deployed.root / "k8s" / "patches"

    def lay(pod):
        patch = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": deployed.name},
            "spec": {"template": {"spec": pod}},
        }
        folder.mkdir(exist_ok=True)
        (folder / "broken.yaml").write_text(yaml.safe_dump(patch))
        deployed.set("patches", ["broken.yaml"])

    yield lay
    deployed.set("patches", [])
    (folder / "broken.yaml").unlink(missing_ok=True)


@pytest.mark.parametrize("cause", PATCHES)
def test_cause(deployed, patched, cause):
    patched(PATCHES[cause])
    began = time.monotonic()
    said = deployed.fails("--replicas", 3)
    trouble = said["troubles"][0]
    assert trouble["cause"] == cause, said["troubles"]
    assert WORDS[cause] in " ".join([trouble["what"], *trouble["evidence"]])
    assert trouble["next"]
    assert said["rolled_back"]["done"] and said["rolled_back"]["answers"]
    assert deployed.get()["status"]["availableReplicas"] == 3
    # Long before the rollout's own deadline of minutes.
    assert time.monotonic() - began < 90


def test_an_image_that_is_not_there(deployed):
    said = deployed.fails("--replicas", 3, "--image", "registry.invalid/none:1")
    trouble = said["troubles"][0]
    assert trouble["cause"] == "image-pull"
    assert "registry.invalid" in trouble["what"]
    assert said["rolled_back"]["answers"]


def test_an_image_without_a_registry_is_noticed_before_anything_is_applied(deployed):
    before = deployed.get()["metadata"]["generation"]
    done = deployed.deploy("--image", "nobody-has-this:1", check=False)
    assert done.returncode == 7
    assert "nobody-has-this:1" in done.stderr and "Nothing was applied" in done.stderr
    assert deployed.get()["metadata"]["generation"] == before


def test_a_quota(deployed):
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few-pods"},
        "spec": {"hard": {"requests.cpu": "300m"}},
    }
    deployed.kubectl("apply", "--filename", "-", stdin=yaml.safe_dump(quota))
    try:
        said = deployed.fails("--replicas", 9)
    finally:
        deployed.kubectl("delete", "resourcequota", "few-pods")
    assert said["troubles"][0]["cause"] == "quota"
    assert "few-pods" in str(said["troubles"][0])
    assert deployed.get()["spec"]["replicas"] == 3
