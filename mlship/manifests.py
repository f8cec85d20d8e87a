"""The deployment overlay: mlship.yaml's values and the command's options, laid over k8s/.

It is a plain kustomization in ``.mlship/deploy``, so the printed commands work by hand too.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from mlship.config import Config

FOLDER = Path(".mlship") / "deploy"


def has_autoscaler(root: Path) -> bool:
    """Tell whether k8s/ still has its autoscaler; the project's owner may have taken it out."""
    path = root / "k8s" / "kustomization.yaml"
    found = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
    return isinstance(found, dict) and "hpa.yaml" in (found.get("resources") or [])


def overlay(
    config: Config, image: str, namespace: str, replicas: int | None, *, autoscaler: bool = True
) -> dict[str, Any]:
    """Return the kustomization; ``replicas`` fixes the count and removes the autoscaler.

    ``autoscaler`` tells whether k8s/ has one; without one, mlship.yaml's count is fixed.
    """
    deployment: dict[str, Any] = _named("apps/v1", "Deployment", config.name)
    container = {
        "name": "server",
        "image": image,
        "resources": asdict(config.resources),
    }
    deployment["spec"] = {"template": {"spec": {"containers": [container]}}}
    patches = [deployment]
    hpa = _named("autoscaling/v2", "HorizontalPodAutoscaler", config.name)
    if not autoscaler:
        deployment["spec"]["replicas"] = replicas or config.replicas
    elif replicas is None:
        target = {"type": "Utilization", "averageUtilization": config.autoscale.cpu}
        hpa["spec"] = {
            "minReplicas": config.replicas,
            "maxReplicas": config.autoscale.max,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        }
    else:
        deployment["spec"]["replicas"] = replicas
        hpa["$patch"] = "delete"
    if autoscaler:
        patches.append(hpa)
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": ["../../k8s"],
        "patches": [{"patch": _dump(patch)} for patch in patches],
    }


def write_overlay(root: Path, kustomization: dict[str, Any]) -> Path:
    """Write the overlay into the project and return its folder, relative to ``root``."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kustomization.yaml").write_text(
        "# Written by `mlship deploy`; not in git.\n" + _dump(kustomization), encoding="utf-8"
    )
    return FOLDER


def _named(api_version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}


class _Dumper(yaml.SafeDumper):
    """Writes multi-line strings as blocks, as people do."""


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _block)


def _dump(value: dict[str, Any]) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)
