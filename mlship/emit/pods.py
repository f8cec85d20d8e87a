"""What the forms look up in the rendered manifests."""

from __future__ import annotations

from dataclasses import dataclass

from mlship.cluster.manifests import IMAGE, Object


@dataclass(frozen=True)
class Reference:
    """The parts of an image's reference; the empty ones are not there."""

    name: str
    tag: str
    digest: str


def reference(image: str) -> Reference:
    """Return the parts of a reference."""
    match = IMAGE.match(image)
    assert match, image
    return Reference(match["name"], match["tag"] or "", match["digest"] or "")


def server(pod: Object) -> Object:
    """Return the server's container of a pod: the first, where none is called so."""
    containers: list[Object] = pod["containers"]
    return next((each for each in containers if each["name"] == "server"), containers[0])


def cpu_target(autoscaler: Object) -> int | None:
    """Return the percent of CPU that an autoscaler aims at; None for any other metric."""
    metrics = autoscaler["spec"].get("metrics", [])
    resource = metrics[0].get("resource", {}) if len(metrics) == 1 else {}
    target = resource.get("target", {})
    is_cpu = resource.get("name") == "cpu" and target.get("type") == "Utilization"
    return target.get("averageUtilization") if is_cpu else None
