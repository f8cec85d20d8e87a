"""What all templates of a chart share: the release's names and labels in an object."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mlship.cluster.manifests import Object, autoscaler
from mlship.config import Config
from mlship.emit import Rendered
from mlship.emit.helm.values import Values
from mlship.emit.printing import Inline, Lines, arranged

NAME = "app.kubernetes.io/name"
# An object with `Lines` among its keys.
Tree = dict[Any, Any]
# What the helper `labels` prints.
_COMMON = {NAME, "app.kubernetes.io/component", "app.kubernetes.io/managed-by"}
# Below these keys, `name` is the name of an object.
_REFERENCES = {
    "metadata", "scaleTargetRef", "service", "backendRefs", "parentRefs", "configMapRef",
    "configMapKeyRef", "configMap", "horizontalPodAutoscalerConfig",
}  # fmt: skip
# What a kustomization adds to the name of a ConfigMap that it makes.
_HASH = r"-[2456789bcdfghkmt]{10}"
_ORDER = ("ServiceAccount", "ConfigMap", "Deployment", "Service")


@dataclass(frozen=True)
class Template:
    """One template, and the value that it depends on as a whole."""

    value: Tree
    condition: str = ""


@dataclass(frozen=True)
class Chart:
    """What all templates of a chart share."""

    config: Config
    rendered: Rendered
    values: Values

    def helper(self, name: str) -> Inline:
        """Return what prints one of the helpers of _helpers.tpl."""
        return Inline(f'{{{{ include "{self.config.name}.{name}" . }}}}')

    def labels(self, helper: str) -> Lines:
        """Return the lines that print a helper of several labels."""
        return Lines((f'{{{{- include "{self.config.name}.{helper}" . | nindent [0] }}}}',))

    @property
    def autoscaler(self) -> str:
        """The kind of the autoscaler; empty where there is none."""
        return autoscaler(self.rendered.objects)

    @property
    def service_port(self) -> str:
        """The port of the Service, as it is printed."""
        return "{{ .Values.service.port }}" if "service.port" in self.values.found else "80"

    def has(self, kind: str) -> bool:
        """Tell whether the project has an object of a kind under its own name."""
        return any(
            each["kind"] == kind and each["metadata"]["name"] == self.config.name
            for each in self.rendered.objects
        )

    def is_settings(self, name: str) -> bool:
        """Tell whether a ConfigMap is that of the server's settings."""
        return bool(re.fullmatch(re.escape(self.config.name) + _HASH, name))


def in_order(objects: list[Object]) -> list[Object]:
    """Return the objects, those first that declare the values most looked for."""
    return sorted(
        objects, key=lambda each: _ORDER.index(each["kind"]) if each["kind"] in _ORDER else 9
    )


def file_name_of(chart: Chart, found: Object) -> str:
    """Return the fixed name of the template that the pods' checksum is made of."""
    is_settings = found["kind"] == "ConfigMap" and chart.is_settings(found["metadata"]["name"])
    return "configmap.yaml" if is_settings else ""


def plain(chart: Chart, found: Object) -> Template:
    """Return an object with the release's names and labels, all else as it is."""
    value = _walk(chart, found, "")
    metadata = value["metadata"]
    metadata.pop("namespace", None)
    labels: Tree = {chart.labels("labels"): None, **own_labels(found)}
    metadata["labels"] = labels
    value["metadata"] = arranged(metadata)
    return Template(value)


def own_labels(found: Object) -> Object:
    """Return the labels of an object that the helper does not print."""
    labels: Object = found["metadata"].get("labels", {})
    return {key: each for key, each in labels.items() if key not in _COMMON}


def _walk(chart: Chart, value: Any, key: str) -> Any:
    """Replace names of the project's objects, and what selects its pods, at every depth."""
    if isinstance(value, list):
        return [_walk(chart, item, key) for item in value]
    if not isinstance(value, dict):
        return value
    selects = key in ("matchLabels", "selector") and value.get(NAME) == chart.config.name
    walked: Tree = {chart.labels("selectorLabels"): None} if selects else {}
    for inner, each in value.items():
        if selects and inner == NAME:
            continue
        named = inner == "name" and key in _REFERENCES and isinstance(each, str)
        if named and (each == chart.config.name or chart.is_settings(each)):
            walked[inner] = chart.helper("fullname")
        else:
            walked[inner] = _walk(chart, each, inner)
    return walked
