"""The overlay of one deployment: what kustomize makes of it, over every kind of k8s/."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from mlship import config
from mlship.cluster import manifests, preparing
from mlship.cluster.manifests import Release, Scaling
from mlship.errors import ProjectError, ToolFailed, UsageError
from mlship.project import Project
from mlship.runner import Runner

IMAGE = "registry.example.com/iris:1.0-0123abcd"
PART_OF = "applyset-abc-v1"
CONFIG = config.build(
    {
        "name": "iris",
        "python": "3.12",
        "model": {"file": "model/iris.onnx", "sha256": "a" * 64},
        "image": "iris",
        "replicas": 3,
        "autoscale": {"max": 8, "cpu": 60},
    }
)
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: iris, labels: {app.kubernetes.io/name: iris}}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: iris}}
  template:
    metadata: {labels: {app.kubernetes.io/name: iris}}
    spec:
      initContainers: [{name: fetch, image: "example.com/curl:8"}]
      containers:
        - {name: sidecar, image: "example.com/iris-agent:2"}
        - {name: server, image: "team/iris:0.1.0"}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: iris}
spec: {selector: {app.kubernetes.io/name: iris}, ports: [{port: 80}]}
"""
TARGET = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: iris}"
METRIC = (
    "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 75}}}"
)
HPA = f"""\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: iris}}
spec:
  {TARGET}
  minReplicas: 2
  maxReplicas: 6
  metrics: [{METRIC}]
  behavior: {{scaleDown: {{stabilizationWindowSeconds: 300}}}}
"""
SCALED = """\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: iris}
spec:
  scaleTargetRef: {name: iris}
  minReplicaCount: 0
  maxReplicaCount: 6
  triggers: [{type: prometheus, metadata: {query: x}}]
"""
SCALERS = {"hpa": HPA, "scaled": SCALED, "none": "", "fixed": ""}


@pytest.fixture(autouse=True)
def tools(monkeypatch):
    path = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
    monkeypatch.setenv("PATH", path)


@pytest.fixture
def project(tmp_path):
    """Return a function that writes k8s/ with an autoscaler, or without."""

    def make(kind="hpa", files=None):
        files = files or {"deployment.yaml": DEPLOYMENT, "service.yaml": SERVICE}
        base, prod = tmp_path / "k8s" / "base", tmp_path / "k8s" / "overlays" / "prod"
        for folder in (base, prod):
            folder.mkdir(parents=True)
        for name, text in files.items():
            (base / name).write_text(text)
        (base / "kustomization.yaml").write_text(yaml.safe_dump({"resources": list(files)}))
        overlay = {"resources": ["../../base"]}
        if SCALERS[kind]:
            (prod / "scaler.yaml").write_text(SCALERS[kind])
            overlay["resources"].append("scaler.yaml")
        if kind == "fixed":
            overlay["replicas"] = [{"name": "iris", "count": 1}]
        (prod / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
        return Project(tmp_path, CONFIG)

    return make


def release(scaling=None, image=IMAGE):
    return Release("prod", image, "ml", scaling or Scaling(), "ann@laptop", PART_OF)


def rendered(project, scaling=None, image=IMAGE):
    """Return what is applied, by kind."""
    prepared = preparing.prepare(project, release(scaling, image), Runner())
    assert manifests.parse(prepared.text) == prepared.objects
    assert list((project.root / ".mlship").iterdir()) == [], "the overlay goes away"
    return {item["kind"]: item for item in prepared.objects}


def server(deployment):
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return next(c for c in containers if c["name"] == "server")


@pytest.mark.parametrize("kind", SCALERS)
def test_what_every_release_has(project, kind):
    found = rendered(project(kind))
    deployment = found["Deployment"]
    assert server(deployment)["image"] == IMAGE
    assert [c["image"] for c in deployment["spec"]["template"]["spec"]["containers"]] == [
        "example.com/iris-agent:2", IMAGE,
    ]  # fmt: skip
    assert deployment["metadata"]["annotations"] == {
        "kubernetes.io/change-cause": f"mlship deploy {IMAGE} by ann@laptop",
        "mlship/by": "ann@laptop",
    }
    # Who deployed must not roll the pods, nor be what selects them.
    template = deployment["spec"]["template"]
    assert template["metadata"] == {"labels": {"app.kubernetes.io/name": "iris"}}
    assert deployment["spec"]["selector"] == {"matchLabels": {"app.kubernetes.io/name": "iris"}}
    for item in found.values():
        assert item["metadata"]["namespace"] == "ml"
        assert item["metadata"]["labels"]["applyset.kubernetes.io/part-of"] == PART_OF


# The count in the Deployment, and the autoscaler's bounds.
@pytest.mark.parametrize(
    ("kind", "scaling", "count", "bounds"),
    [
        ("hpa", Scaling(), None, (2, 6)),
        ("hpa", Scaling(replicas=5), 5, None),
        ("hpa", Scaling(bounds=(4, 9)), None, (4, 9)),
        ("hpa", Scaling(cpu=40), None, (2, 6)),
        ("scaled", Scaling(), None, (0, 6)),
        ("scaled", Scaling(replicas=5), 5, None),
        ("scaled", Scaling(bounds=(1, 9)), None, (1, 9)),
        ("none", Scaling(), 3, None),
        ("none", Scaling(replicas=5), 5, None),
        ("none", Scaling(bounds=(4, 9)), None, (4, 9)),
        ("none", Scaling(cpu=40), None, (3, 8)),
        ("fixed", Scaling(), 1, None),
        ("fixed", Scaling(replicas=5), 5, None),
        ("fixed", Scaling(bounds=(4, 9)), None, (4, 9)),
        ("fixed", Scaling(cpu=40), None, (3, 8)),
    ],
)
def test_scaling(project, kind, scaling, count, bounds):
    found = rendered(project(kind), scaling)
    assert found["Deployment"]["spec"].get("replicas") == count
    assert ("replicas" in found["Deployment"]["spec"]) is (count is not None)
    scalers = [item for item in found.values() if item["kind"] in manifests.AUTOSCALERS]
    assert len(scalers) == (bounds is not None)
    if bounds:
        spec = scalers[0]["spec"]
        names = ("minReplicaCount", "maxReplicaCount") if kind == "scaled" else (
            "minReplicas", "maxReplicas")  # fmt: skip
        assert tuple(spec[name] for name in names) == bounds
        assert spec["scaleTargetRef"]["name"] == "iris"


def test_what_is_not_asked_for_stays(project):
    made = project("hpa")
    found = rendered(made, Scaling(bounds=(4, 9)))["HorizontalPodAutoscaler"]["spec"]
    assert found["behavior"] == {"scaleDown": {"stabilizationWindowSeconds": 300}}
    assert found["metrics"][0]["resource"]["target"]["averageUtilization"] == 75
    kept = rendered(made, Scaling())
    assert kept["HorizontalPodAutoscaler"]["spec"]["metrics"][0]["resource"]["target"] == {
        "type": "Utilization", "averageUtilization": 75,
    }  # fmt: skip


MEMORY = METRIC.replace("cpu", "memory")


@pytest.mark.parametrize(
    ("metrics", "scaling", "want"),
    [
        (MEMORY, Scaling(bounds=(3, 8)), {"memory": 75}),
        (MEMORY, Scaling(cpu=40), {"memory": 75, "cpu": 40}),
        (f"{METRIC}, {MEMORY}", Scaling(cpu=40), {"memory": 75, "cpu": 40}),
    ],
)
def test_the_metrics_of_an_autoscaler_stay(project, monkeypatch, metrics, scaling, want):
    monkeypatch.setitem(SCALERS, "hpa", HPA.replace(f"[{METRIC}]", f"[{metrics}]"))
    found = rendered(project("hpa"), scaling)["HorizontalPodAutoscaler"]["spec"]["metrics"]
    resources = [metric["resource"] for metric in found]
    assert {r["name"]: r["target"]["averageUtilization"] for r in resources} == want


def test_an_added_autoscaler_is_labelled_as_the_rest(project):
    """Else the next deployment would take it for somebody else's, and status would not see it."""
    labels = "labels: {app.kubernetes.io/name: iris, team: flowers}"
    text = DEPLOYMENT.replace(
        "labels: {app.kubernetes.io/name: iris}}\nspec", f"{labels}}}\nspec", 1
    )
    found = rendered(project("none", {"deployment.yaml": text}), Scaling(bounds=(1, 3)))
    assert found["HorizontalPodAutoscaler"]["metadata"]["labels"] == {
        "app.kubernetes.io/name": "iris",
        "app.kubernetes.io/managed-by": "mlship",
        "applyset.kubernetes.io/part-of": PART_OF,
        "team": "flowers",
    }
    assert "app.kubernetes.io/managed-by" not in found["Deployment"]["metadata"]["labels"]


def test_the_triggers_of_keda_stay(project):
    made = project("scaled")
    assert rendered(made, Scaling(bounds=(1, 9)))["ScaledObject"]["spec"]["triggers"]
    with pytest.raises(UsageError) as caught:
        rendered(made, Scaling(cpu=50))
    assert "KEDA" in caught.value.what


@pytest.mark.parametrize(
    ("written", "timeout", "applied"),
    [(300, None, 300), (300, 200, 300), (300, 1800, 1800), (None, 500, None), (None, 601, 601)],
)
@pytest.mark.parametrize("scaling", [Scaling(), Scaling(replicas=5)])
def test_a_release_may_take_longer(project, written, timeout, applied, scaling):
    """Without a word, the API's 600 s hold."""
    text = DEPLOYMENT
    if written:
        text = DEPLOYMENT.replace("spec:\n", f"spec:\n  progressDeadlineSeconds: {written}\n", 1)
    made = project("none", {"deployment.yaml": text})
    asked = replace(release(scaling), timeout=timeout)
    spec = preparing.prepare(made, asked, Runner()).deployment["spec"]
    assert spec.get("progressDeadlineSeconds") == applied
    assert spec["replicas"] == (scaling.replicas or 3)


@pytest.mark.parametrize("kind", ["hpa", "none"])
def test_the_load_to_scale_at(project, kind):
    found = rendered(project(kind), Scaling(cpu=40))["HorizontalPodAutoscaler"]["spec"]
    assert found["metrics"][0]["resource"]["target"]["averageUtilization"] == 40


@pytest.mark.parametrize(
    ("image", "want"),
    [
        ("iris", "iris:latest"),
        ("localhost:5000/iris", "localhost:5000/iris:latest"),
        ("localhost:5000/iris:2", "localhost:5000/iris:2"),
        (f"r.io/iris@sha256:{'0' * 64}", f"r.io/iris@sha256:{'0' * 64}"),
        (f"r.io/iris:2@sha256:{'0' * 64}", f"r.io/iris@sha256:{'0' * 64}"),
        ("r.io/iris:010", "r.io/iris:010"),  # a tag is no number
        ("r.io/iris:1e3", "r.io/iris:1e3"),
        ("r.io/iris:12345e67", "r.io/iris:12345e67"),
        ("r.io/iris:0o17", "r.io/iris:0o17"),
        ("r.io/iris:0x1f", "r.io/iris:0x1f"),
        ("r.io/iris:1_000", "r.io/iris:1_000"),
        ("r.io/iris:yes", "r.io/iris:yes"),
        ("r.io/iris:null", "r.io/iris:null"),
        ("r.io/iris:2026-01-01", "r.io/iris:2026-01-01"),
        ("r.io/iris:1.10", "r.io/iris:1.10"),
    ],
)
def test_images(project, image, want):
    assert server(rendered(project(), image=image)["Deployment"])["image"] == want


@pytest.mark.parametrize("image", ["", "@", "iris@sha256:12", "iris@"])
def test_images_that_are_none(project, image):
    with pytest.raises(UsageError):
        rendered(project(), image=image)


def test_the_image_before_may_have_a_digest_or_a_port(project):
    for before in (f"localhost:5000/iris@sha256:{'0' * 64}", "localhost:5000/a/iris:1", "iris"):
        text = DEPLOYMENT.replace("team/iris:0.1.0", before)
        found = manifests.overlay(CONFIG, manifests.parse(text), release())
        name = found["kustomization.yaml"]["images"][0]["name"]
        assert name == before.removesuffix(":1").partition("@")[0]


def test_a_deployment_of_another_name(project):
    files = {"deployment.yaml": DEPLOYMENT.replace("name: iris,", "name: other,")}
    with pytest.raises(ProjectError) as caught:
        rendered(project("none", files))
    assert caught.value.what == "k8s/ renders no Deployment named iris"


def test_manifests_that_do_not_render(project):
    made = project("none", {"deployment.yaml": "kind: [\n"})
    with pytest.raises(ToolFailed) as caught:
        rendered(made)
    assert caught.value.what == "The manifests in k8s/ don't render"
    assert "deployment.yaml" in caught.value.why
    assert "kubectl kustomize k8s/overlays/prod" in caught.value.next


def test_no_overlay_of_that_name(project):
    made = project()
    with pytest.raises(ToolFailed) as caught:
        preparing.prepare(made, replace(release(), env="dev"), Runner())
    assert "k8s/overlays/dev" in caught.value.why


def test_the_files_read_as_people_write_them(project):
    made = project("none")
    k8s = manifests.parse(preparing.kustomize(made, Path("k8s/overlays/prod"), Runner()))
    files = manifests.overlay(made.config, k8s, release(Scaling(bounds=(2, 4))))
    with manifests.written(made.root, files) as folder:
        assert folder.parent == Path(".mlship"), "kubectl is run in the project"
        text = (made.root / folder / "kustomization.yaml").read_text()
        scaler = (made.root / folder / "hpa.yaml").read_text()
        with manifests.written(made.root, {}) as other:
            assert other != folder, "two deployments at once"
    assert text.startswith("apiVersion: ")
    assert "- patch: |\n" in text
    assert yaml.safe_load(text)["resources"] == ["../../k8s/overlays/prod", "hpa.yaml"]
    assert yaml.safe_load(scaler)["spec"]["maxReplicas"] == 4
    assert list((made.root / ".mlship").iterdir()) == []


def test_the_overlay_goes_away_where_it_does_not_render(project, monkeypatch):
    made = project()
    write = manifests.overlay

    def broken(*given):
        return write(*given) | {"kustomization.yaml": {"resources": ["nothing.yaml"]}}

    monkeypatch.setattr(manifests, "overlay", broken)
    with pytest.raises(ToolFailed, match="don't render"):
        preparing.prepare(made, release(), Runner())
    assert list((made.root / ".mlship").iterdir()) == []


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ((None, None, None), Scaling()),
        ((2, None, None), Scaling(replicas=2)),
        ((None, "2-6", None), Scaling(bounds=(2, 6))),
        ((None, "3-3", 50), Scaling(bounds=(3, 3), cpu=50)),
        ((None, None, 50), Scaling(cpu=50)),
    ],
)
def test_options(given, want):
    assert Scaling.of(*given) == want


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ((2, "2-6", None), "--replicas fixes the count, so nothing scales it"),
        ((2, None, 50), "--replicas fixes the count, so nothing scales it"),
        ((None, "6-2", None), "--autoscale 6-2 is no range"),
        ((None, "0-2", None), "--autoscale 0-2 is no range"),
        ((None, "2", None), "--autoscale 2 is no range"),
        ((None, "2-", None), "--autoscale 2- is no range"),
        ((None, "-1-3", None), "--autoscale -1-3 is no range"),
        ((None, "2-99999", None), "--autoscale 2-99999 is no range"),
    ],
)
def test_options_that_can_not_be(given, what):
    with pytest.raises(UsageError) as caught:
        Scaling.of(*given)
    assert caught.value.what == what
    assert caught.value.next
