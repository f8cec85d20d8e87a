"""What a cluster says, in plain words."""

import json

import pytest

from mlship import cluster
from mlship.commands.kubectl import Target

TARGET = Target("kubectl", None, "ml")


@pytest.mark.parametrize(
    ("output", "what", "next_step"),
    [
        (
            "The connection to the server localhost:8080 was refused - did you specify the right "
            "host or port?",
            "The cluster can't be reached",
            "start it, or choose another with --context",
        ),
        (
            "Unable to connect to the server: dial tcp: lookup k8s.example.com: no such host",
            "The cluster can't be reached",
            "check the kubeconfig's server address",
        ),
        (
            "Unable to connect to the server: dial tcp 10.0.0.1:443: i/o timeout",
            "The cluster can't be reached",
            "check the network or the VPN",
        ),
        (
            'error: context "nope" does not exist',
            "There is no such context",
            "kubectl config get-contexts",
        ),
        (
            "Please enter Username: error: EOF",
            "The cluster does not accept your credentials",
            "log in again",
        ),
        (
            "error: You must be logged in to the server (Unauthorized)",
            "The cluster does not accept your credentials",
            "log in again",
        ),
        (
            'Error from server (Forbidden): deployments.apps "iris" is forbidden: User "ann" '
            'cannot patch resource "deployments" in the namespace "ml"',
            "You may not do this on the cluster",
            "ask for the rights named above",
        ),
        (
            'Error from server (NotFound): namespaces "ml" not found',
            "There is no namespace ml",
            "kubectl create namespace ml",
        ),
        (
            'error: Apply failed with 1 conflict: conflict with "hpa": .spec.replicas',
            "Another manager owns fields that mlship sets",
            "look at the fields above; --force-conflicts of kubectl apply takes them over",
        ),
        (
            'The Deployment "iris" is invalid: spec.replicas: Invalid value: -1',
            "The cluster refused the manifests",
            "correct the file in k8s/ that it names",
        ),
    ],
)
def test_refused(output, what, next_step):
    error = cluster.refused(TARGET, f"{output}\n")
    assert (error.what, error.why, error.next) == (what, output, next_step)
    assert error.exit_code == 7


@pytest.mark.parametrize(
    "reason",
    [
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "net/http: TLS handshake timeout",
        "dial tcp 10.0.0.1:443: connect: no route to host",
    ],
)
def test_refused_by_no_cluster_at_all(reason):
    error = cluster.refused(TARGET, f"Unable to connect to the server: {reason}")
    assert error.what == "The cluster can't be reached"


def test_refused_shows_the_last_lines():
    error = cluster.refused(TARGET, "\n".join(f"line {number}" for number in range(9)))
    assert error.why.splitlines() == [f"line {number}" for number in range(3, 9)]


def running(ready, **last):
    return {"ready": ready, "state": {"running": {}}, "lastState": last}


def waiting(reason, message=None, **last):
    state = {"reason": reason, **({"message": message} if message else {})}
    return {"ready": False, "state": {"waiting": state}, "lastState": last}


def ended(reason, code):
    return {"reason": reason, "exitCode": code}


@pytest.mark.parametrize(
    ("containers", "trouble"),
    [
        ([running(True)], None),
        ([running(True, terminated=ended("OOMKilled", 137))], None),
        ([running(False)], "running, but its readiness probe fails"),
        ([running(True), running(False)], "running, but its readiness probe fails"),
        ([running(False, terminated=ended("OOMKilled", 137))], "OOMKilled, exit code 137"),
        (
            [waiting("CrashLoopBackOff", "back-off 40s", terminated=ended("Error", 1))],
            "Error, exit code 1",
        ),
        (
            [waiting("CrashLoopBackOff", "back-off 40s", terminated=ended("OOMKilled", 137))],
            "OOMKilled, exit code 137",
        ),
        (
            [{"ready": False, "state": {"terminated": ended("Error", 3)}}],
            "Error, exit code 3",
        ),
        (
            [waiting("ImagePullBackOff", 'Back-off pulling image "iris:1"')],
            'ImagePullBackOff: Back-off pulling image "iris:1"',
        ),
        ([waiting("ContainerCreating")], "ContainerCreating"),
    ],
)
def test_troubles_of_containers(containers, trouble):
    pods = {
        "items": [{"metadata": {"name": "iris-1"}, "status": {"containerStatuses": containers}}]
    }
    assert cluster.troubles(pods) == ([f"iris-1: {trouble}"] if trouble else [])


def test_troubles_of_scheduling():
    status = {
        "conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/3 nodes: Insufficient cpu."}
        ]
    }
    pods = {"items": [{"metadata": {"name": "iris-1"}, "status": status}]}
    assert cluster.troubles(pods) == ["iris-1: 0/3 nodes: Insufficient cpu."]


def test_troubles_of_some_pods():
    fine = {"containerStatuses": [running(True)], "conditions": [{"status": "True"}]}
    pods = {
        "items": [
            {"metadata": {"name": "iris-1"}, "status": fine},
            {"metadata": {"name": "iris-2"}, "status": {"containerStatuses": [running(False)]}},
            {"metadata": {"name": "iris-3"}},
        ]
    }
    assert cluster.troubles(pods) == ["iris-2: running, but its readiness probe fails"]


@pytest.mark.parametrize("pods", [{}, {"items": []}])
def test_troubles_without_pods(pods):
    assert cluster.troubles(pods) == []


def deployment(*managers, image="iris:1", replicas=5):
    return json.dumps(
        {
            "metadata": {
                "managedFields": [
                    {"manager": m, "fieldsV1": {"f:spec": {"f:replicas": {}}}} for m in managers
                ]
            },
            "spec": {
                "replicas": replicas,
                "template": {"spec": {"containers": [{"name": "server", "image": image}]}},
            },
        }
    )


@pytest.mark.parametrize(
    ("text", "live"),
    [
        ("", cluster.Live()),
        (deployment("mlship"), cluster.Live("iris:1", 5, True)),
        (deployment("kube-controller-manager"), cluster.Live("iris:1", 5, False)),
        (deployment("mlship", "mlship-replicas"), cluster.Live("iris:1", 5, False)),
    ],
)
def test_live(text, live):
    assert cluster.live(text) == live


def test_unfinished_names_the_way_back():
    before = cluster.Live("iris:1", 2, False)
    error = cluster.unfinished("iris", ["iris-x: OOMKilled"], before, "iris:2")
    assert (error.why, error.next) == ("iris-x: OOMKilled", "mlship deploy --image iris:1")
    assert "former pods still serve" in error.what
    first = cluster.unfinished("iris", [], cluster.Live(), "iris:2")
    assert "first rollout" in first.what and "--image" not in first.next
