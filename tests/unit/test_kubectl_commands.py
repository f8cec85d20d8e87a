"""The exact argv of kubectl."""

import json
from pathlib import Path

import pytest

from mlship.commands import kubectl
from mlship.runner import Command

ROOT, FOLDER = Path("/projects/iris"), Path(".mlship/deploy")
TARGETS = [
    (kubectl.Target("kubectl", None, "ml"), ("kubectl", "--namespace", "ml")),
    (
        kubectl.Target("/bin/kubectl", "kind-dev", "default"),
        ("/bin/kubectl", "--context", "kind-dev", "--namespace", "default"),
    ),
]


@pytest.mark.parametrize(("target", "start"), TARGETS)
def test_commands_with_a_target(target, start):
    def expected(*words, cwd=None):
        return Command((*start, *words), cwd=cwd)

    assert target.command("get", "pods") == expected("get", "pods")
    assert target.command("get", cwd=ROOT) == expected("get", cwd=ROOT)
    assert kubectl.diff(target, ROOT, FOLDER) == expected(
        "diff", "--server-side", "--field-manager=mlship", "-k", ".mlship/deploy", cwd=ROOT
    )
    assert kubectl.apply(target, ROOT, FOLDER) == expected(
        "apply", "--server-side", "--field-manager=mlship", "-k", ".mlship/deploy", cwd=ROOT
    )
    assert kubectl.delete_autoscaler(target, "iris") == expected(
        "delete", "horizontalpodautoscaler", "iris", "--ignore-not-found"
    )
    assert kubectl.rollout_status(target, "iris", 300) == expected(
        "rollout", "status", "deployment/iris", "--timeout=300s"
    )
    assert kubectl.pods(target, "iris") == expected(
        "get", "pods", "--selector", "app.kubernetes.io/name=iris", "--output", "json"
    )


def test_commands_without_a_cluster():
    assert kubectl.current_context("k") == Command(("k", "config", "current-context"))
    assert kubectl.kustomize("k", ROOT, FOLDER) == Command(
        ("k", "kustomize", ".mlship/deploy"), cwd=ROOT
    )


def test_taking_over_and_handing_over():
    target = kubectl.Target("kubectl", "dev", "ml")
    forced = kubectl.apply(target, Path("/p"), Path("o"), force=True)
    assert forced.argv[5:] == (
        "apply", "--server-side", "--field-manager=mlship", "--force-conflicts", "-k", "o",
    )  # fmt: skip
    handed = kubectl.hand_over_replicas(target, "iris", 4)
    assert handed.argv[5:] == (
        "apply", "--server-side", "--field-manager=mlship-replicas", "-f", "-",
    )  # fmt: skip
    assert json.loads(handed.stdin)["spec"] == {"replicas": 4}
