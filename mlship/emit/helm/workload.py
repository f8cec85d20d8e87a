"""The template of the Deployment: what a platform sets of its pods becomes a value."""

from __future__ import annotations

from typing import Any

from mlship.cluster.manifests import Object
from mlship.emit import pods
from mlship.emit.helm.objects import NAME, Chart, Template, Tree, plain
from mlship.emit.printing import Inline, Lines, arranged

_VERSION = "app.kubernetes.io/version"


def deployment(chart: Chart, found: Object) -> Template:
    """Return the template of the server's Deployment, of another as it is."""
    if found["metadata"]["name"] != chart.config.name:
        return plain(chart, found)
    value = plain(chart, found).value
    value["spec"] = _replicas(chart, value["spec"])
    template = value["spec"]["template"]
    template["metadata"] = _pod_metadata(chart, template["metadata"])
    template["spec"] = _pod(chart, found["spec"]["template"]["spec"], template["spec"])
    return Template(value)


def _replicas(chart: Chart, spec: Tree) -> Tree:
    count = spec.pop("replicas", chart.config.replicas)
    fixed = chart.values.inline("replicaCount", count)
    if not chart.autoscaler:
        return {"replicas": fixed, **spec}
    chart.values.found.pop("replicaCount")
    fixed = chart.values.inline("replicaCount", count, "Where autoscaling is off.")
    lines = ("{{- if not .Values.autoscaling.enabled }}", f"replicas: {fixed}", "{{- end }}")
    return {Lines(lines, "replicas"): None, **spec}


def _pod_metadata(chart: Chart, metadata: Object) -> Tree:
    values = chart.values
    labels: Tree = {chart.labels("selectorLabels"): None}
    for key, each in metadata.get("labels", {}).items():
        if key == _VERSION and each == chart.config.version:
            labels[key] = Inline("{{ .Chart.AppVersion | quote }}")
        elif key != NAME:
            labels[key] = each
    labels[values.further("podLabels", {}, "Labels of the pods, besides the chart's.")] = None
    given = metadata.get("annotations", {})
    # Of the model, not of the platform.
    own = {key: each for key, each in given.items() if key.startswith("model.")}
    rest = {key: each for key, each in given.items() if key not in own}
    checksum = '{{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}'
    has_settings = any(
        each["kind"] == "ConfigMap" and chart.is_settings(each["metadata"]["name"])
        for each in chart.rendered.objects
    )
    annotations: Tree = {"checksum/config": Inline(checksum)} if has_settings else {}
    further = values.further("podAnnotations", rest, "Annotations of the pods.")
    others = {key: each for key, each in metadata.items() if key not in ("labels", "annotations")}
    return {**others, "labels": labels, "annotations": {**annotations, **own, further: None}}


def _pod(chart: Chart, rendered: Object, pod: Tree) -> Tree:
    values = chart.values
    account = rendered.get("serviceAccountName")
    if account == chart.config.name and chart.has("ServiceAccount"):
        pod["serviceAccountName"] = chart.helper("serviceAccountName")
    replaced: dict[str, Any] = {
        "imagePullSecrets": values.optional(
            "imagePullSecrets", "imagePullSecrets", pod.get("imagePullSecrets", []),
            "Names of Secrets with access to the registry: [{name: regcred}]",
        ),
        "priorityClassName": values.optional(
            "priorityClassName", "priorityClassName", pod.get("priorityClassName", "")
        ),
        "nodeSelector": values.optional(
            "nodeSelector", "nodeSelector", pod.get("nodeSelector", {}), "Which nodes run the pods."
        ),
        "tolerations": values.optional("tolerations", "tolerations", pod.get("tolerations", [])),
        "affinity": values.optional("affinity", "affinity", pod.get("affinity", {})),
        "securityContext": values.whole(
            "podSecurityContext", "securityContext", pod.get("securityContext", {}),
            "Pod Security Standard: restricted. OpenShift sets the numbers: null them there.",
        ),
    }  # fmt: skip
    for key in replaced:
        pod.pop(key, None)
    if "terminationGracePeriodSeconds" in pod:
        pod["terminationGracePeriodSeconds"] = values.inline(
            "terminationGracePeriodSeconds", pod["terminationGracePeriodSeconds"],
            "More than preStop's sleep, config.DRAIN_SECONDS and config.SHUTDOWN_SECONDS together.",
        )  # fmt: skip
    pod.update(dict.fromkeys(replaced.values()))
    _containers(chart, rendered, pod)
    return arranged(pod)


def _containers(chart: Chart, rendered: Object, pod: Tree) -> None:
    server = pods.server(rendered)
    for index, container in enumerate(pod.get("initContainers", [])):
        if container["image"] == server["image"]:
            container["image"] = chart.helper("image")
        if container["name"] != "fetch":
            continue
        if not isinstance(container["image"], Inline):
            comment = "Brings the model, before the server starts."
            container["image"] = chart.values.inline(
                "model.fetchImage", container["image"], comment
            )
        _environment(chart, container)
        pod["initContainers"][index] = arranged(container)
    for index, container in enumerate(pod["containers"]):
        if container["name"] == server["name"]:
            container.update(_server(chart, container))
            _environment(chart, container)
            for key in ("resources", "securityContext"):
                if key in container:
                    container[chart.values.whole(key, key, container.pop(key))] = None
            pod["containers"][index] = arranged(container)
    for volume in pod.get("volumes", []):
        claim = volume.get("persistentVolumeClaim")
        if volume["name"] == "model" and claim:
            comment = "The volume claim with the model."
            claim["claimName"] = chart.values.inline("model.claimName", claim["claimName"], comment)


def _server(chart: Chart, container: Object) -> Object:
    values, reference = chart.values, pods.reference(chart.rendered.image)
    values.section("image", "The server's image: by tag, or by digest where there is one.")
    values.add("image.repository", reference.name)
    values.add("image.tag", reference.tag, "Default: the chart's appVersion.")
    values.add("image.digest", reference.digest, "sha256:...")
    values.add("nameOverride", "", "The value of the label app.kubernetes.io/name.")
    values.add("fullnameOverride", "", "The name of all objects.")
    return {
        "image": chart.helper("image"),
        "imagePullPolicy": values.inline(
            "image.pullPolicy", container.get("imagePullPolicy", "IfNotPresent")
        ),
    }


def _environment(chart: Chart, container: Tree) -> None:
    """Make the user's own part of a container's environment values; it comes last in both.

    Where it is not last, or another container has another, it stays as it is.
    """
    values, names = chart.values, set(chart.config.env)
    env = container.get("env", [])
    own = [entry for entry in env if entry["name"] not in names]
    rest = env[len(own) :]
    if own == env[: len(own)] and values.agrees("env", rest):
        comment = "Variables of the server's environment, as a container has them."
        container["env"] = [*own, values.further("env", rest, comment)]
    sources = container.get("envFrom", [])
    own = [each for each in sources if isinstance(_source(each), Inline)]
    rest = sources[len(own) :]
    if own == sources[: len(own)] and values.agrees("envFrom", rest):
        comment = "ConfigMaps and Secrets, all keys of which become variables."
        container.pop("envFrom", None)
        if own:
            container["envFrom"] = [*own, values.further("envFrom", rest, comment)]
        else:
            container[values.optional("envFrom", "envFrom", rest, comment)] = None


def _source(entry: Object) -> Any:
    return entry.get("configMapRef", {}).get("name")
