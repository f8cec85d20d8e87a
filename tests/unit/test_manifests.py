"""The kustomization that lays mlship.yaml's values over k8s/."""

from pathlib import Path

import pytest
import yaml

from mlship import config, manifests

IMAGE = "registry.example.com/iris:1.0-0123abcd"
CONFIG = config.build(
    {
        "name": "iris",
        "python": "3.12",
        "model": {"file": "model/iris.onnx", "sha256": "a" * 64},
        "image": "iris",
        "replicas": 3,
        "autoscale": {"max": 8, "cpu": 60},
        "resources": {"limits": {"cpu": "2", "memory": "1Gi"}},
    }
)


def patches(overlay):
    deployment, autoscaler = (yaml.safe_load(entry["patch"]) for entry in overlay["patches"])
    return deployment, autoscaler


@pytest.mark.parametrize("replicas", [None, 5])
def test_overlay(replicas):
    overlay = manifests.overlay(CONFIG, IMAGE, "ml", replicas)
    assert {key: value for key, value in overlay.items() if key != "patches"} == {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "ml",
        "resources": ["../../k8s"],
    }
    deployment, autoscaler = patches(overlay)
    assert deployment["apiVersion"] == "apps/v1"
    assert deployment["kind"] == "Deployment"
    assert deployment["metadata"] == {"name": "iris"}
    assert deployment["spec"]["template"]["spec"]["containers"] == [
        {
            "name": "server",
            "image": IMAGE,
            "resources": {
                "requests": {"cpu": "250m", "memory": "256Mi"},
                "limits": {"cpu": "2", "memory": "1Gi"},
            },
        }
    ]
    assert autoscaler["apiVersion"] == "autoscaling/v2"
    assert autoscaler["kind"] == "HorizontalPodAutoscaler"
    assert autoscaler["metadata"] == {"name": "iris"}


def test_overlay_with_the_autoscaler():
    deployment, autoscaler = patches(manifests.overlay(CONFIG, IMAGE, "ml", None))
    assert deployment["spec"].keys() == {"template"}
    assert "$patch" not in autoscaler
    assert autoscaler["spec"]["minReplicas"] == 3
    assert autoscaler["spec"]["maxReplicas"] == 8


def test_overlay_applies_the_autoscalers_target():
    _, autoscaler = patches(manifests.overlay(CONFIG, IMAGE, "ml", None))
    assert autoscaler["spec"]["metrics"] == [
        {
            "type": "Resource",
            "resource": {
                "name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 60},
            },
        }
    ]


def test_overlay_with_a_fixed_count():
    deployment, autoscaler = patches(manifests.overlay(CONFIG, IMAGE, "ml", 5))
    assert deployment["spec"]["replicas"] == 5
    assert autoscaler["$patch"] == "delete"
    assert "spec" not in autoscaler


@pytest.mark.parametrize("replicas", [None, 5])
def test_write_overlay(tmp_path, replicas):
    overlay = manifests.overlay(CONFIG, IMAGE, "ml", replicas)
    for _ in range(2):  # a second time writes over the first
        assert manifests.write_overlay(tmp_path, overlay) == Path(".mlship/deploy")
    text = (tmp_path / ".mlship/deploy/kustomization.yaml").read_text()
    assert text.startswith("# Written by `mlship deploy`; not in git.\napiVersion: ")
    assert "- patch: |\n" in text
    assert yaml.safe_load(text) == overlay


def test_overlay_of_a_project_without_its_autoscaler(tmp_path):
    (tmp_path / "k8s").mkdir()
    path = tmp_path / "k8s" / "kustomization.yaml"
    for text, has in (("resources: [hpa.yaml]", True), ("resources: [service.yaml]", False)):
        path.write_text(text)
        assert manifests.has_autoscaler(tmp_path) is has
    overlay = manifests.overlay(CONFIG, IMAGE, "ml", None, autoscaler=False)
    (patch,) = overlay["patches"]
    assert yaml.safe_load(patch["patch"])["spec"]["replicas"] == CONFIG.replicas
