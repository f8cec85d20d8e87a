"""The exact argv of kubectl."""

import json
from pathlib import Path

import pytest
import yaml

from mlship.cluster.kubeconfig import Cluster
from mlship.commands import kubectl, localcluster
from mlship.runner import Command

ROOT, FOLDER = Path("/projects/iris"), Path(".mlship/deploy-x")
TEXT = "kind: Service\n"
LIMIT = "--request-timeout=60s"
TARGETS = [
    (kubectl.Target("kubectl", None, "ml"), ("kubectl", "--namespace", "ml")),
    (
        kubectl.Target("/bin/kubectl", "kind-dev", "default"),
        ("/bin/kubectl", "--context", "kind-dev", "--namespace", "default"),
    ),
]


@pytest.mark.parametrize(("target", "start"), TARGETS)
def test_commands_with_a_target(target, start):
    def expected(*words, cwd=None, stdin=None):
        return Command((*start, *words), cwd=cwd, stdin=stdin)

    assert target.command("get", "pods") == expected("get", "pods")
    assert target.command("get", cwd=ROOT) == expected("get", cwd=ROOT)
    assert kubectl.namespace(target) == expected(
        "get", "namespace", target.namespace, "--output", "json", "--ignore-not-found"
    )
    assert kubectl.create_namespace(target) == expected("create", "namespace", target.namespace)
    assert kubectl.diff(target, TEXT) == expected(
        "diff", "--server-side", "--field-manager=mlship", "--force-conflicts", "-f", "-",
        stdin=TEXT,
    )  # fmt: skip
    assert kubectl.live(target, TEXT) == expected(
        "get", "-f", "-", "--ignore-not-found", "--output", "json", "--show-managed-fields",
        stdin=TEXT,
    )  # fmt: skip
    assert kubectl.apply(target, TEXT) == expected(
        "apply", "--server-side", "--field-manager=mlship", LIMIT, "-f", "-", stdin=TEXT
    )
    assert kubectl.apply(target, TEXT, rehearse=True) == expected(
        "apply", "--server-side", "--field-manager=mlship", LIMIT, "--dry-run=server", "-f",
        "-", stdin=TEXT,
    )  # fmt: skip
    assert kubectl.get(target, ["service", "deployment.apps"]) == expected(
        "get", "service,deployment.apps", "--output", "json", "--show-managed-fields"
    )
    assert kubectl.get(target, ["service"], "a=b", "c") == expected(
        "get", "service", "--selector", "a=b,c", "--output", "json", "--show-managed-fields"
    )
    assert kubectl.watched(target, "iris") == expected(
        "get", "deployment,replicaset,pod,horizontalpodautoscaler", "--selector",
        "app.kubernetes.io/name=iris", "--output", "json", "--show-managed-fields",
    )  # fmt: skip
    assert kubectl.around(target) == expected(
        "get", "event,persistentvolumeclaim", "--output", "json"
    )
    assert kubectl.delete(target, "service", ["a", "b"]) == expected(
        "delete", "service", "a", "b", "--ignore-not-found", "--wait=false", LIMIT
    )
    for more, seconds in (({}, 60), ({"seconds": 600}, 600)):
        found = kubectl.delete(target, "deployment.apps", ["iris"], cascade=True, **more)
        assert found == expected(
            "delete", "deployment.apps", "iris", "--ignore-not-found", "--cascade=foreground",
            f"--timeout={seconds}s", LIMIT,
        )  # fmt: skip
    assert kubectl.patch_json(target, "deployment", "iris", [{"op": "test"}]) == expected(
        "patch", "deployment", "iris", "--type=json", "--field-manager=mlship", LIMIT,
        '--patch=[{"op": "test"}]',
    )  # fmt: skip
    assert kubectl.scale(target, "iris", 4) == expected("scale", "deployment/iris", "--replicas=4")
    assert kubectl.mark_failed(target, "iris-6d4f", "crash-loop") == expected(
        "annotate", "replicaset", "iris-6d4f", "mlship/failed=crash-loop", "--overwrite"
    )
    assert kubectl.unmark_failed(target, "iris", "iris-6d4f") == expected(
        "annotate", "deployment/iris", "replicaset/iris-6d4f", "mlship/failed-"
    )
    assert kubectl.wait(target, "iris", 300) == expected(
        "rollout", "status", "deployment/iris", "--timeout=300s"
    )
    for port, given in ((0, ":80"), (8080, "8080:80")):
        assert kubectl.port_forward(target, "iris", port) == expected(
            "port-forward", "service/iris", given, "--address", "127.0.0.1"
        )


def test_commands_without_a_cluster():
    assert kubectl.config_view("k") == Command(("k", "config", "view", "--output", "json"))
    assert kubectl.kustomize("k", ROOT, FOLDER) == Command(
        ("k", "kustomize", ".mlship/deploy-x"), cwd=ROOT
    )


def test_taking_over_and_handing_over():
    target = kubectl.Target("kubectl", "dev", "ml")
    forced = kubectl.apply(target, TEXT, force=True)
    assert forced.argv[5:] == (
        "apply", "--server-side", "--field-manager=mlship", LIMIT, "--force-conflicts", "-f", "-",
    )  # fmt: skip
    handed = kubectl.hand_over_replicas(target, "iris", 4)
    assert handed.argv[5:] == (
        "apply", "--server-side", "--field-manager=mlship-replicas", LIMIT, "--force-conflicts",
        "-f", "-",
    )  # fmt: skip
    assert json.loads(handed.stdin) == {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "iris"},
        "spec": {"replicas": 4},
    }  # fmt: skip


def test_objects_are_applied_one_after_the_other():
    target = kubectl.Target("kubectl", None, "ml")
    items = [{"kind": "A", "b": "line\nbreak"}, {"kind": "C"}]
    found = kubectl.apply_objects(target, items)
    assert found.argv == (
        "kubectl", "--namespace", "ml", "apply", "--server-side", "--field-manager=mlship",
        LIMIT, "-f", "-",
    )  # fmt: skip
    assert list(yaml.safe_load_all(found.stdin)) == items
    assert "--force-conflicts" in kubectl.apply_objects(target, items, force=True).argv


@pytest.mark.parametrize(
    ("local", "context", "argv"),
    [
        ("kind", "kind-dev", ("kind", "load", "docker-image", "iris:1", "--name", "dev")),
        ("k3d", "k3d-lab", ("k3d", "image", "import", "iris:1", "--cluster", "lab")),
        ("minikube", "mk", ("minikube", "--profile", "mk", "image", "load", "iris:1")),
        ("shared", "docker-desktop", None),
        (None, "eu", None),
    ],
)
def test_loading_an_image_into_a_local_cluster(local, context, argv):
    cluster = Cluster(context, context, "https://x", "ann", local)
    assert localcluster.load(cluster, "iris:1") == (argv and Command(argv))
