"""What the API server fills in."""

from __future__ import annotations

from typing import Any

from tests.support.fake_cluster.resources import Object

_PROBE = {"failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1}
_SCALE_UP = {
    "policies": [
        {"periodSeconds": 15, "type": "Pods", "value": 4},
        {"periodSeconds": 15, "type": "Percent", "value": 100},
    ],
    "selectPolicy": "Max",
    "stabilizationWindowSeconds": 0,
}
_SCALE_DOWN = {
    "policies": [{"periodSeconds": 15, "type": "Percent", "value": 100}],
    "selectPolicy": "Max",
}


def fill(obj: Object) -> None:
    """Fill in the defaults of the kinds that the tests look at."""
    filler = {
        "Deployment": _deployment,
        "Pod": lambda o: _pod(o["spec"]),
        "Service": _service,
        "HorizontalPodAutoscaler": _autoscaler,
        "Namespace": _namespace,
    }.get(obj["kind"])
    if filler:
        filler(obj)


def _set(where: Object, **values: Any) -> None:
    for name, value in values.items():
        where.setdefault(name, value)


def _deployment(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
    _set(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    strategy = spec["strategy"]
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        strategy["rollingUpdate"] = rolling | strategy.get("rollingUpdate", {})
    obj.setdefault("status", {})
    if "template" in spec:
        _pod(spec["template"].setdefault("spec", {}))


def _pod(spec: Object) -> None:
    _set(spec, dnsPolicy="ClusterFirst", restartPolicy="Always", securityContext={})
    _set(spec, schedulerName="default-scheduler", terminationGracePeriodSeconds=30)
    if "serviceAccountName" in spec:
        spec["serviceAccount"] = spec["serviceAccountName"]
    for container in [*spec.get("containers", []), *spec.get("initContainers", [])]:
        image = str(container.get("image", "")).split("@")[0].rpartition("/")[2]
        always = ":" not in image or image.endswith(":latest")
        _set(container, imagePullPolicy="Always" if always else "IfNotPresent", resources={})
        _set(container, terminationMessagePath="/dev/termination-log")
        _set(container, terminationMessagePolicy="File")
        for port in container.get("ports", []):
            _set(port, protocol="TCP")
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            if kind in container:
                _set(container[kind], **_PROBE)
                if "httpGet" in container[kind]:
                    _set(container[kind]["httpGet"], scheme="HTTP")


def _service(obj: Object) -> None:
    spec = obj["spec"]
    _set(spec, type="ClusterIP", sessionAffinity="None", internalTrafficPolicy="Cluster")
    _set(spec, clusterIP="10.96.0.2", clusterIPs=["10.96.0.2"])
    _set(spec, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    for port in spec.get("ports", []):
        _set(port, protocol="TCP", targetPort=port["port"])
    _set(obj, status={"loadBalancer": {}})


def _autoscaler(obj: Object) -> None:
    spec = obj["spec"]
    _set(spec, minReplicas=1)
    if "behavior" in spec:
        behavior = spec["behavior"]
        behavior["scaleUp"] = _SCALE_UP | behavior.get("scaleUp", {})
        behavior["scaleDown"] = _SCALE_DOWN | behavior.get("scaleDown", {})
    _set(obj, status={"currentMetrics": None, "desiredReplicas": 0})


def _namespace(obj: Object) -> None:
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"][
        "name"
    ]
    _set(obj, spec={"finalizers": ["kubernetes"]}, status={"phase": "Active"})
