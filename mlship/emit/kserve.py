"""A KServe InferenceService of the rendered manifests, and the objects it needs beside it.

Fields: https://kserve.github.io/website/docs/reference/crd-api (serving.kserve.io/v1beta1). The
deployment mode is Standard: pods, Service and autoscaler of Kubernetes' own, so that probes,
draining and NetworkPolicy work as in k8s/. Knative would refuse the variable PORT.
"""

from __future__ import annotations

from typing import Any

from mlship.cluster.manifests import AUTOSCALERS, Object, deployment_of
from mlship.config import Config
from mlship.emit import Rendered, file_name, pods
from mlship.emit.printing import commented, dump, ordered

# KServe makes its own of these.
_MADE_BY_KSERVE = ("Deployment", "Service", "Ingress", "HTTPRoute", "Gateway")
_CONTAINER = "kserve-container"
# What Kubernetes does where an autoscaler has no word about it; KServe's has none.
_BEHAVIOR = {"scaleDown": {"stabilizationWindowSeconds": 300}}
_HEAD = """\
# {name} on KServe, as a custom predictor. Apply: kubectl apply --namespace {namespace} -f DIR
#
# The server has its own API, POST /predict; it does not speak KServe's V1 or V2 protocol, so
# clients, transformers and explainers of those do not work with it. KServe passes every path on:
#   kubectl get inferenceservice {name} --output jsonpath='{{.status.url}}'
#   curl URL/predict -H 'Content-Type: application/json' -d @sample.json
# In the cluster: http://{name}-predictor.{namespace}/predict
"""


def manifests(rendered: Rendered, config: Config) -> dict[str, str]:
    """Return the manifests by file name.

    Raises:
        ProjectError: the manifests have no Deployment of the project's name.
    """
    objects = rendered.objects
    deployment = deployment_of(objects, config.name)
    # Its own autoscaler knows one target of one metric; others stay as they are.
    scaler = next((each for each in objects if each["kind"] in AUTOSCALERS), None)
    is_simple = scaler is None or _is_simple(scaler)
    service = _service(config, rendered, deployment, scaler, is_simple=is_simple)
    kept = [each for each in objects if _is_kept(each, config.name, is_simple=is_simple)]
    made = [service, *(_retargeted(each, config.name) for each in kept)]
    return {
        file_name(each, made): _text(each, config, rendered) for each in made
    }  # fmt: skip


def left_out(rendered: Rendered, config: Config) -> list[str]:
    """Return what KServe has no place for, as ``kind/name``: it routes requests itself."""
    return [
        f"{each['kind']}/{each['metadata']['name']}"
        for each in rendered.objects
        if each["kind"] in ("Ingress", "HTTPRoute", "Gateway")
        and each["metadata"]["name"] == config.name
    ]


def _text(found: Object, config: Config, rendered: Rendered) -> str:
    if found["kind"] != "InferenceService":
        return dump(commented(ordered(found), rendered.comments, found["kind"]))
    head = _HEAD.format(name=config.name, namespace=config.namespace)
    # The predictor is the pod of the Deployment, under another path.
    prefix = ("Deployment", "spec", "template", "spec")
    comments = {
        ("InferenceService", "spec", "predictor", *_renamed(place[len(prefix) :])): comment
        for place, comment in rendered.comments.items()
        if place[: len(prefix)] == prefix
    }
    return head + dump(commented(ordered(found), comments, found["kind"]))


def _renamed(place: tuple[str | int, ...]) -> tuple[str | int, ...]:
    if place[:2] == ("containers", "server"):
        return ("containers", _CONTAINER, *place[2:])
    return place


def _service(
    config: Config,
    rendered: Rendered,
    deployment: Object,
    scaler: Object | None,
    *,
    is_simple: bool,
) -> Object:
    spec = deployment["spec"]
    metadata = spec["template"]["metadata"]
    # KServe before 0.16 knows this name only; later ones read it as Standard.
    annotations = {"serving.kserve.io/deploymentMode": "RawDeployment"}
    if not is_simple:
        annotations["serving.kserve.io/autoscalerClass"] = "external"
    predictor: Object = {
        key: metadata[key] for key in ("labels", "annotations") if metadata.get(key)
    }  # fmt: skip
    predictor |= _scale(config, spec, scaler) if is_simple else {}
    if "strategy" in spec:
        predictor["deploymentStrategy"] = spec["strategy"]
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": config.name,
            "labels": deployment["metadata"].get("labels", {}),
            "annotations": annotations,
        },
        "spec": {"predictor": predictor | _pod(spec["template"]["spec"], rendered.image)},
    }


def _scale(config: Config, spec: Object, scaler: Object | None) -> Object:
    if scaler is None:
        count = spec.get("replicas", config.replicas)
        return {"minReplicas": count, "maxReplicas": count}
    return {
        "minReplicas": scaler["spec"].get("minReplicas", 1),
        "maxReplicas": scaler["spec"]["maxReplicas"],
        "scaleMetric": "cpu",
        "scaleTarget": pods.cpu_target(scaler),
    }


def _is_simple(scaler: Object) -> bool:
    behavior = scaler["spec"].get("behavior", _BEHAVIOR)
    return pods.cpu_target(scaler) is not None and behavior == _BEHAVIOR


def _pod(pod: Object, image: str) -> Object:
    """Return the pod with the server first, called as KServe looks for it."""
    server = pods.server(pod)
    renamed = {**server, "name": _CONTAINER, "image": image}
    others = [each for each in pod["containers"] if each is not server]
    found = {**pod, "containers": [renamed, *others]}
    if "initContainers" in pod:
        found["initContainers"] = [
            {**each, "image": image} if each["image"] == server["image"] else each
            for each in pod["initContainers"]
        ]
    return found


def _is_kept(found: Object, name: str, *, is_simple: bool) -> bool:
    if found["metadata"]["name"] != name:
        return True
    if found["kind"] in AUTOSCALERS:
        return not is_simple
    return found["kind"] not in _MADE_BY_KSERVE


def _retargeted(found: Object, name: str) -> Object:
    """Return an autoscaler aimed at the Deployment that KServe makes, else the object itself."""
    spec: Any = found.get("spec")
    if found["kind"] not in AUTOSCALERS or spec["scaleTargetRef"].get("name") != name:
        return found
    target = {**spec["scaleTargetRef"], "name": f"{name}-predictor"}
    return {**found, "spec": {**spec, "scaleTargetRef": target}}
