"""The templates by kind. Each notes the values that it uses."""

from __future__ import annotations

from collections.abc import Callable

from mlship.cluster.manifests import Object
from mlship.emit import pods
from mlship.emit.helm.objects import Chart, Template, Tree, own_labels, plain
from mlship.emit.helm.workload import deployment
from mlship.emit.printing import Inline, Lines, arranged


def _service_account(chart: Chart, found: Object) -> Template:
    if found["metadata"]["name"] != chart.config.name:
        return plain(chart, found)
    values = chart.values
    values.section("serviceAccount", "The pods' identity; it has no rights and no token.")
    create = values.add("serviceAccount.create", True)
    values.add("serviceAccount.name", "", "Default: the release's name.")
    value = plain(chart, found).value
    value["metadata"]["name"] = chart.helper("serviceAccountName")
    _annotated(chart, value, "serviceAccount.annotations", "Such as a role of the cloud's.")
    return Template(value, create)


def _config_map(chart: Chart, found: Object) -> Template:
    if not chart.is_settings(found["metadata"]["name"]):
        return plain(chart, found)
    strings = {"type": "object", "additionalProperties": {"type": "string"}}
    comment = "The server's settings, as environment variables: texts, so quote numbers.\n" \
              "A change rolls the pods."  # fmt: skip
    name = chart.values.add("config", dict(found.get("data", {})), comment, strings)
    value = plain(chart, found).value
    value["data"] = {
        Lines((
            f"{{{{- range $key, $value := {name} }}}}",
            "{{ $key | quote }}: {{ $value | quote }}",
            "{{- end }}",
        )): None
    }  # fmt: skip
    return Template(value)


def _service(chart: Chart, found: Object) -> Template:
    value = plain(chart, found).value
    if found["metadata"]["name"] == chart.config.name:
        port = value["spec"]["ports"][0]
        port["port"] = chart.values.inline("service.port", port["port"])
        _annotated(chart, value, "service.annotations", "")
    return Template(value)


def _autoscaler(chart: Chart, found: Object) -> Template:
    values = chart.values
    value = plain(chart, found).value
    spec = value["spec"]
    enabled = values.add("autoscaling.enabled", True, "Without it, replicaCount.")
    least, most = (("minReplicaCount", "maxReplicaCount") if found["kind"] == "ScaledObject"
                   else ("minReplicas", "maxReplicas"))  # fmt: skip
    for key, path in ((least, "minReplicas"), (most, "maxReplicas")):
        if key in spec:
            spec[key] = values.inline(f"autoscaling.{path}", spec[key])
    cpu = pods.cpu_target(found)
    if cpu is not None:
        target = spec["metrics"][0]["resource"]["target"]
        target["averageUtilization"] = values.inline(
            "autoscaling.targetCPUUtilizationPercentage", cpu, "Percent of resources.requests.cpu."
        )
    elif "metrics" in spec or "triggers" in spec:
        key = "triggers" if "triggers" in spec else "metrics"
        spec[values.whole(f"autoscaling.{key}", key, spec.pop(key))] = None
    return Template(value, enabled)


def _budget(chart: Chart, found: Object) -> Template:
    values = chart.values
    values.section("podDisruptionBudget", "How many pods may go when nodes are drained.")
    value = plain(chart, found).value
    enabled = values.add("podDisruptionBudget.enabled", True)
    limit = value["spec"].get("maxUnavailable")
    if isinstance(limit, int):
        either = {"type": ["integer", "string"]}  # a count, or percent
        values.add("podDisruptionBudget.maxUnavailable", limit, "", either)
        value["spec"]["maxUnavailable"] = values.inline("podDisruptionBudget.maxUnavailable", limit)
    return Template(value, enabled)


def _network_policy(chart: Chart, found: Object) -> Template:
    values = chart.values
    values.section("networkPolicy", "Who may ask the pods, and whom they may ask.")
    value = plain(chart, found).value
    enabled = values.add("networkPolicy.enabled", True)
    if found["metadata"]["name"] == chart.config.name:
        spec = value["spec"]
        rules = spec.pop("ingress")
        spec[values.whole("networkPolicy.ingress", "ingress", rules)] = None
        # Without a list nobody may be asked.
        rules = spec.pop("egress", [])
        spec[values.optional("networkPolicy.egress", "egress", rules)] = None
    return Template(value, enabled)


def _ingress(chart: Chart, found: Object) -> Template:
    values = chart.values
    value = plain(chart, found).value
    enabled = values.add("ingress.enabled", True)
    spec = value["spec"]
    name = spec.pop("ingressClassName", "")
    spec[values.optional("ingress.className", "ingressClassName", name)] = None
    _annotated(chart, value, "ingress.annotations", "")
    rules = spec.get("rules", [])
    paths = rules[0].get("http", {}).get("paths", []) if len(rules) == 1 else []
    if len(paths) == 1:
        rules[0]["host"] = values.inline("ingress.host", rules[0].get("host", ""))
        paths[0]["path"] = values.inline("ingress.path", paths[0].get("path", "/"))
    comment = "[{hosts: [api.example.com], secretName: api-tls}]"
    spec[values.optional("ingress.tls", "tls", spec.pop("tls", []), comment)] = None
    value["spec"] = arranged(spec)
    return Template(value, enabled)


def _route(chart: Chart, found: Object) -> Template:
    values = chart.values
    value = plain(chart, found).value
    enabled = values.add("gateway.enabled", True)
    spec = value["spec"]
    for rule in spec.get("rules", []):
        for backend in rule.get("backendRefs", []):
            if isinstance(backend["name"], Inline):
                backend["port"] = values.inline("service.port", backend["port"])
    if not any(isinstance(each["name"], Inline) for each in spec.get("parentRefs", [])):
        parents = spec.pop("parentRefs", [])
        spec[values.whole("gateway.parentRefs", "parentRefs", parents)] = None
    spec[values.optional("gateway.hostnames", "hostnames", spec.pop("hostnames", []))] = None
    value["spec"] = arranged(spec)
    return Template(value, enabled)


def _gateway(chart: Chart, found: Object) -> Template:
    value = plain(chart, found).value
    name = value["spec"].get("gatewayClassName", "")
    value["spec"]["gatewayClassName"] = chart.values.inline("gateway.className", name)
    return Template(value, chart.values.add("gateway.enabled", True))


def _monitor(chart: Chart, found: Object) -> Template:
    values = chart.values
    enabled = values.add("monitoring.enabled", True, "Needs the Prometheus Operator.")
    value = plain(chart, found).value
    comment = "What the Prometheus selects its monitors by: {release: prometheus}"
    further = values.further("monitoring.labels", own_labels(found), comment)
    value["metadata"]["labels"] = {chart.labels("labels"): None, further: None}
    for key in ("endpoints", "podMetricsEndpoints"):
        for endpoint in value["spec"].get(key, []):
            if "interval" in endpoint:
                endpoint["interval"] = values.inline("monitoring.interval", endpoint["interval"])
    return Template(value, enabled)


def _annotated(chart: Chart, value: Tree, path: str, comment: str) -> None:
    """Make the annotations of an object a value."""
    metadata = value["metadata"]
    given = metadata.pop("annotations", {})
    metadata[chart.values.optional(path, "annotations", given, comment)] = None


FOR_KIND: dict[str, Callable[[Chart, Object], Template]] = {
    "ServiceAccount": _service_account,
    "ConfigMap": _config_map,
    "Deployment": deployment,
    "Service": _service,
    "HorizontalPodAutoscaler": _autoscaler,
    "ScaledObject": _autoscaler,
    "PodDisruptionBudget": _budget,
    "NetworkPolicy": _network_policy,
    "Ingress": _ingress,
    "HTTPRoute": _route,
    "Gateway": _gateway,
    "ServiceMonitor": _monitor,
    "PodMonitor": _monitor,
}
