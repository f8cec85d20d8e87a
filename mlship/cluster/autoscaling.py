"""What scales a project, and whether it can."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mlship.cluster import kinds
from mlship.cluster.applyset import is_labelled, is_owned
from mlship.commands import kubectl
from mlship.commands.kubectl import Target
from mlship.errors import ClusterError
from mlship.rollout.looking import whole
from mlship.rollout.snapshot import Object, Snapshot, scales
from mlship.runner import Runner

# https://keda.sh/docs/latest/concepts/scaling-deployments/: KEDA works by an HPA of its own.
SCALED_OBJECT = "ScaledObject.keda.sh"
_HPA = "HorizontalPodAutoscaler.autoscaling"
_KEDA = "scaledobject.keda.sh/name"
# Of pods that have just started, metrics-server has nothing for a minute or so.
_NO_SAMPLES = ("no metrics returned from resource metrics API", "did not receive metrics for")


@dataclass(frozen=True)
class Autoscaler:
    """An autoscaler of the Deployment.

    Attributes:
        kind: HorizontalPodAutoscaler, or ScaledObject where KEDA made that.
        name: of that object.
        least: pods at the least.
        most: pods at the most.
        metrics: what it looks at, now and wanted: ``cpu 12% of 75%``.
        trouble: why it does not work; empty where it does.
    """

    kind: str
    name: str
    least: int
    most: int
    metrics: tuple[str, ...]
    trouble: str = ""


def of(deployment: Object, items: Iterable[Object]) -> Autoscaler | None:
    """Return what scales the Deployment, of objects of any kind; None where nothing does."""
    mine = [
        item
        for item in items
        if item["kind"] in ("HorizontalPodAutoscaler", "ScaledObject") and scales(item, deployment)
    ]
    found = next((_read(i) for i in mine if i["kind"] == "HorizontalPodAutoscaler"), None)
    keda = next((item for item in mine if item["kind"] == "ScaledObject"), None)
    return _keda(keda, found) if keda else found


def standing(runner: Runner, target: Target, snapshot: Snapshot) -> list[Object]:
    """Return what scales the Deployment, and would set another count again.

    Nothing where there is no Deployment, nor where one may not look.

    Raises:
        ClusterError: the cluster does not tell.
    """
    if not snapshot.deployment:
        return []
    wanted = [_HPA.lower()]
    if SCALED_OBJECT in kinds.served(runner, target):
        wanted.append(SCALED_OBJECT.lower())
    # Of all labels: `kubectl autoscale` gives none.
    found = whole(runner, target, kubectl.get(target, wanted), spared="*").objects
    # KEDA's own HPA goes with its ScaledObject.
    return [item for item in found if scales(item, snapshot.deployment) and not is_owned(item)]


def require_ours(found: list[Object], target: Target) -> list[Object]:
    """Return the autoscalers, all of which mlship made.

    Raises:
        ClusterError: one is somebody else's.
    """
    for item in found:
        if not is_labelled(item):
            kind, name = item["kind"], item["metadata"]["name"]
            raise ClusterError(
                f"The {kind} {name} sets the count, and mlship did not make it",
                why="It would set its own count again.",
                next=f"change its bounds, or remove it: "
                f"{target.command('delete', kind.lower(), name)}",
            )
    return found


def _read(item: Object) -> Autoscaler:
    metadata, spec, status = item["metadata"], item["spec"], item.get("status", {})
    keda = metadata.get("labels", {}).get(_KEDA)
    current = status.get("currentMetrics") or []
    metrics = [
        _metric(metric, current[i] if i < len(current) else {})
        for i, metric in enumerate(spec.get("metrics") or [])
    ]
    return Autoscaler(
        "ScaledObject" if keda else "HorizontalPodAutoscaler",
        keda or metadata["name"],
        int(spec.get("minReplicas", 1)),
        int(spec["maxReplicas"]),
        tuple(metrics),
        _trouble(status.get("conditions") or []),
    )


def _keda(item: Object, own: Autoscaler | None) -> Autoscaler:
    """Return KEDA's autoscaler; ``own`` is the HPA that it made, which it may not have."""
    spec = item["spec"]
    conditions = item.get("status", {}).get("conditions") or []
    said = {c["type"]: c for c in conditions if c.get("status") == "True"}
    ready: Object = next((c for c in conditions if c["type"] == "Ready"), {})
    trouble = own.trouble if own else ""
    if ready.get("status") != "True":
        trouble = str(ready.get("message") or "KEDA has not taken it up")
    elif "Paused" in said:
        trouble = "paused"
    return Autoscaler(
        "ScaledObject",
        item["metadata"]["name"],
        int(spec.get("minReplicaCount", 0)),
        int(spec.get("maxReplicaCount", 100)),
        own.metrics if own else tuple(str(t.get("type")) for t in spec.get("triggers") or []),
        trouble,
    )


def _trouble(conditions: list[Object]) -> str:
    for condition in conditions:
        if condition["type"] == "ScalingActive" and condition["status"] == "False":
            # Set to none: people switch it off so, which is no trouble.
            if condition.get("reason") == "ScalingDisabled":
                return "off while the count is 0"
            message = str(condition.get("message", ""))
            if "unable to fetch metrics from resource metrics API" in message:
                return "it gets no metrics: the cluster has no metrics-server that answers"
            if any(words in message for words in _NO_SAMPLES):
                return "there are no metrics of the new pods yet"
            return message or str(condition.get("reason"))
        if condition["type"] == "AbleToScale" and condition["status"] == "False":
            return str(condition.get("message") or condition.get("reason"))
    return ""


def _metric(spec: Object, current: Object) -> str:
    """Return a metric of autoscaling/v2 in words, its present value first."""
    body = _body(spec)
    name = body.get("name") or (body.get("metric") or {}).get("name", spec.get("type", "metric"))
    found = _body(current).get("current") or {}
    wanted = body.get("target") or {}
    if "averageUtilization" in wanted:
        return (
            f"{name} {_value(found, 'averageUtilization', '%')} of {wanted['averageUtilization']}%"
        )
    key = "averageValue" if "averageValue" in wanted else "value"
    return f"{name} {_value(found, key)} of {wanted.get(key, '?')}"


def _body(metric: Object) -> dict[str, Any]:
    """Return what is under the key that a metric's type names: ``ContainerResource``."""
    kind = str(metric.get("type", ""))
    return metric.get(kind[:1].lower() + kind[1:]) or {}


def _value(found: Object, key: str, unit: str = "") -> str:
    return f"{found[key]}{unit}" if found.get(key) is not None else "unknown"
