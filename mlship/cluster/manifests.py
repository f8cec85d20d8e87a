"""The deployment overlay: what one `mlship deploy` asks for, laid over k8s/overlays/ENV.

It is a plain kustomization beside k8s/, there only while it is rendered: of two deployments at
once, each renders its own.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlship.cluster.applyset import MANAGED_BY
from mlship.config import Config
from mlship.errors import ProjectError, UsageError

FOLDER = Path(".mlship")
AUTOSCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
# [registry/]repository[:tag][@digest]; a port's colon is followed by a slash.
IMAGE = re.compile(r"^(?P<name>[^@]+?)(:(?P<tag>[^:/@]+))?(@(?P<digest>sha256:[0-9a-f]{64}))?$")

Object = dict[str, Any]


@dataclass(frozen=True)
class Scaling:
    """How many pods: a fixed count, or bounds for an autoscaler; neither leaves it to k8s/.

    Attributes:
        replicas: the fixed count.
        bounds: least and most pods of the autoscaler.
        cpu: percent of the requested CPU that it aims at.
    """

    replicas: int | None = None
    bounds: tuple[int, int] | None = None
    cpu: int | None = None

    @classmethod
    def of(cls, replicas: int | None, autoscale: str | None, cpu: int | None) -> Scaling:
        """Read the options ``--replicas N``, ``--autoscale MIN-MAX``, ``--cpu PCT``.

        Raises:
            UsageError: they exclude each other, or the bounds are none.
        """
        if replicas is not None and (autoscale or cpu):
            raise UsageError(
                "--replicas fixes the count, so nothing scales it",
                next="leave out --replicas, or leave out --autoscale and --cpu",
            )
        if not autoscale:
            return cls(replicas, None, cpu)
        match = re.fullmatch(r"(\d{1,4})-(\d{1,4})", autoscale)
        least, most = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= least <= most:
            raise UsageError(f"--autoscale {autoscale} is no range", next="--autoscale 2-6")
        return cls(None, (least, most), cpu)


@dataclass(frozen=True)
class Release:
    """One deployment as it is asked for.

    Attributes:
        env: the overlay of k8s/overlays.
        image: the full reference.
        namespace: where to.
        scaling: how many pods.
        by: who asks for it, for the history.
        part_of: the value of the label that tells mlship's objects of this project.
        timeout: how many seconds it may take; None leaves it to k8s/.
    """

    env: str
    image: str
    namespace: str
    scaling: Scaling
    by: str
    part_of: str
    timeout: int | None = None

    @property
    def cause(self) -> str:
        """What `kubectl rollout history` shows."""
        return f"mlship deploy {self.image} by {self.by}"


def parse(text: str) -> list[Object]:
    """Return the objects of a rendered manifest."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [found for found in yaml.load_all(text, Loader=loader) if found]


def deployment_of(objects: list[Object], name: str) -> Object:
    """Return the Deployment called ``name``.

    Raises:
        ProjectError: k8s/ has none.
    """
    for found in objects:
        if found.get("kind") == "Deployment" and found["metadata"]["name"] == name:
            return found
    raise ProjectError(
        f"k8s/ renders no Deployment named {name}",
        why="mlship.yaml names the project so; deploy, status and rollback look for it.",
        next="give the Deployment that name again, or `mlship render`",
    )


def autoscaler(objects: list[Object]) -> str:
    """Return the kind of the autoscaler among ``objects``; empty where there is none."""
    return next((o["kind"] for o in objects if o.get("kind") in AUTOSCALERS), "")


def _patience(deployment: Object, release: Release) -> list[Object]:
    """Return the patch that has the cluster wait as long as was asked for; none where it does."""
    # Where nothing is said, the API's own default.
    allowed = deployment["spec"].get("progressDeadlineSeconds", 600)
    if (release.timeout or 0) <= allowed:
        return []
    patch = _named("apps/v1", "Deployment", deployment["metadata"]["name"])
    return [patch | {"spec": {"progressDeadlineSeconds": release.timeout}}]


def overlay(config: Config, rendered: list[Object], release: Release) -> dict[str, Object]:
    """Return the overlay's files by name; ``rendered`` is what k8s/overlays/ENV renders.

    Raises:
        ProjectError: that has no Deployment of the project.
        UsageError: the image's reference is none.
    """
    found = deployment_of(rendered, config.name)
    deployment: Object = _named("apps/v1", "Deployment", config.name)
    deployment["metadata"]["annotations"] = {
        "kubernetes.io/change-cause": release.cause,
        "mlship/by": release.by,
    }
    patches, files = [deployment, *_patience(found, release)], {}
    resources = [f"../../k8s/overlays/{release.env}"]
    scaling, kind = release.scaling, autoscaler(rendered)
    replicas = scaling.replicas
    scaled = scaling.bounds or scaling.cpu
    if not kind and not scaled and "replicas" not in found["spec"]:
        replicas = replicas or config.replicas
    if replicas is not None:
        deployment["spec"] = {"replicas": replicas}
        if kind:
            patches.append(_autoscaler(kind, config.name) | {"$patch": "delete"})
    elif scaled:
        if kind:
            standing = next(item for item in rendered if item.get("kind") == kind)
            patches.append(_rescaled(standing, config.name, scaling))
        else:
            # By them status finds it, and the next deployment takes it for ours.
            ours = {"app.kubernetes.io/name": config.name, MANAGED_BY: "mlship"}
            labels = found["metadata"].get("labels", {}) | ours
            files["hpa.yaml"] = _scaled(config, scaling, labels)
            resources.append("hpa.yaml")
            # A count of the overlay's own would be set at each deployment.
            deployment["spec"] = {"replicas": None}
    files["kustomization.yaml"] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": release.namespace,
        "resources": resources,
        "labels": [{"pairs": {"applyset.kubernetes.io/part-of": release.part_of}}],
        "images": [_image(_server_image(found), release.image)],
        "patches": [{"patch": dump(patch)} for patch in patches],
    }
    return files


@contextlib.contextmanager
def written(root: Path, files: dict[str, Object]) -> Iterator[Path]:
    """Give a folder, relative to ``root``, that holds the overlay while the context lasts."""
    (root / FOLDER).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="deploy-", dir=root / FOLDER) as folder:
        for name, content in files.items():
            (Path(folder) / name).write_text(dump(content), encoding="utf-8")
        yield Path(folder).relative_to(root)


def _server_image(deployment: Object) -> str:
    """Return the image that the server's container names, without tag and digest."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    image = next((c["image"] for c in containers if c["name"] == "server"), containers[0]["image"])
    match = IMAGE.match(image)
    return match["name"] if match else image


def _image(name: str, reference: str) -> Object:
    match = IMAGE.match(reference)
    if not match:
        raise UsageError(
            f"{reference!r} is no image", next="--image registry.example.com/team/name:tag"
        )
    entry: Object = {"name": name, "newName": match["name"]}
    if match["digest"]:
        return entry | {"digest": match["digest"]}
    return entry | {"newTag": match["tag"] or "latest"}


def _rescaled(standing: Object, name: str, scaling: Scaling) -> Object:
    """Return the patch of an autoscaler that k8s/ has: what was asked for, and nothing else."""
    kind = standing["kind"]
    spec: Object = {}
    if kind == "ScaledObject" and scaling.cpu:
        raise UsageError(
            "--cpu is the autoscaler's; this project scales by KEDA's triggers",
            next="change keda in mlship.yaml",
        )
    if scaling.bounds:
        tail = "Count" if kind == "ScaledObject" else "s"
        spec = dict(zip((f"minReplica{tail}", f"maxReplica{tail}"), scaling.bounds, strict=True))
    if scaling.cpu:
        # A patch replaces the whole list.
        metrics = standing["spec"].get("metrics") or []
        spec["metrics"] = [m for m in metrics if not _is_cpu(m)] + [_cpu(scaling.cpu)]
    return _autoscaler(kind, name) | {"spec": spec}


def _scaled(config: Config, scaling: Scaling, labels: dict[str, str]) -> Object:
    """Return an autoscaler of the release's own; what was not asked for is mlship.yaml's."""
    least, most = scaling.bounds or (config.replicas, config.autoscale.max)
    found = _autoscaler(AUTOSCALERS[0], config.name)
    found["metadata"]["labels"] = labels
    return found | {
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1", "kind": "Deployment", "name": config.name,
            },
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [_cpu(scaling.cpu or config.autoscale.cpu)],
        }
    }  # fmt: skip


def _cpu(percent: int) -> Object:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _is_cpu(metric: Object) -> bool:
    return any(metric.get(k, {}).get("name") == "cpu" for k in ("resource", "containerResource"))


def _autoscaler(kind: str, name: str) -> Object:
    version = "keda.sh/v1alpha1" if kind == "ScaledObject" else "autoscaling/v2"
    return _named(version, kind, name)


def _named(api_version: str, kind: str, name: str) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}


class _Dumper(yaml.SafeDumper):
    """Writes multi-line strings as blocks, as people do."""


# Numbers to kubectl's YAML, but not to PyYAML: a tag of hex digits may be 12345e6.
_NUMBER = re.compile(r"[-+]?\d[\d_]*(\.[\d_]*)?[eE][-+]?\d+|0o[0-7_]+")


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else "'" if _NUMBER.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _block)


def dump(value: Object) -> str:
    """Return an object as YAML, its keys in their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)
