"""The settings of mlship.yaml for one's own platform; each adds to k8s/ only when it is set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from mlship.sections import Between, Pattern, Section, Short

LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
# RFC 1123 subdomain, as Kubernetes names most objects and hosts; a wildcard may lead a host.
_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_HOST = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
# (ASCII only: in pydantic's expressions \w is every letter of Unicode.)
# A label's or annotation's key, and a label's value:
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
# A key of a Secret or ConfigMap.
_ENTRY = r"^[-A-Za-z0-9_.]{1,253}$"
_PATH = r"^/[-A-Za-z0-9_./~%]*$"
_SECONDS = r"^([0-9]+(ms|s|m|h))+$"
_PATCH_FILE = r"^[A-Za-z0-9][-A-Za-z0-9_.]*\.ya?ml$"
# A claim, an object or an address; no user and password, which would stand in many places.
SOURCE = (
    r"^(pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[-A-Za-z0-9_.=+@ ]*[-A-Za-z0-9_=+@])+"
    r"|(s3|gs)://[a-z0-9][-a-z0-9._]*[a-z0-9](/[^/\s\x00-\x1f\\\"'$`]+)+"
    r"|https?://[A-Za-z0-9.-]+(:[0-9]+)?/[^\s\x00-\x1f\\\"'$`]*)$"
)
IMAGE_REFERENCE = r"^[A-Za-z0-9_.:-]+(/[A-Za-z0-9_.-]+)*(:[A-Za-z0-9_.-]+)?(@sha256:[0-9a-f]{64})?$"
# The deployment sets these itself.
_RESERVED = ("PORT", "MODEL_FILE", "MODEL_SHA256", "MODEL_SOURCE")

Name = Annotated[str, Pattern(_NAME)]
Host = Annotated[str, Pattern(_HOST)]
Labels = dict[Annotated[str, Pattern(_KEY)], Annotated[str, Pattern(_VALUE)]]
Annotations = dict[Annotated[str, Pattern(_KEY)], Annotated[str, Pattern(r"^[^\x00]*$")]]
Text = Annotated[str, Pattern(r"^[^\x00]*$")]


@dataclass(frozen=True)
class Ingress(Section):
    """An Ingress to the service."""

    host: Host
    path: Annotated[str, Pattern(_PATH)] = "/"
    class_: Name | None = None
    tls_secret: Name | None = None
    annotations: Annotations = field(default_factory=dict)


@dataclass(frozen=True)
class Gateway(Section):
    """An HTTPRoute to the service, from a gateway that exists or from one of its own."""

    hostnames: tuple[Host, ...] = ()
    name: Name | None = None
    namespace: Annotated[str, Pattern(LABEL)] | None = None
    section: Name | None = None
    class_: Name | None = None
    tls_secret: Name | None = None


@dataclass(frozen=True)
class EnvFrom(Section):
    """Secrets and ConfigMaps whose every key becomes a variable."""

    secrets: tuple[Name, ...] = ()
    config_maps: tuple[Name, ...] = ()


@dataclass(frozen=True)
class Variable(Section):
    """One environment variable: a value, or a key of a Secret or ConfigMap."""

    short: ClassVar[str] = "value"
    value: Text | None = None
    secret: Name | None = None
    config_map: Name | None = None
    key: Annotated[str, Pattern(_ENTRY)] | None = None


@dataclass(frozen=True)
class Toleration(Section):
    """A taint of nodes that the pods put up with; without a key, with operator Exists, all."""

    key: Annotated[str, Pattern(_KEY)] | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: Annotated[str, Pattern(_VALUE)] | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int, Between(0, 10**6)] | None = None


@dataclass(frozen=True)
class Monitoring(Section):
    """What tells the Prometheus Operator to read /metrics."""

    kind: Literal["service-monitor", "pod-monitor"] = "service-monitor"
    interval: Annotated[str, Pattern(_SECONDS)] = "30s"
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True)
class Query(Section):
    """A Prometheus query, and the value of it that one pod shall have."""

    server: Annotated[str, Pattern(r"^https?://\S+$")]
    query: Text
    threshold: Annotated[str, Pattern(r"^[0-9]+(\.[0-9]+)?$")]


@dataclass(frozen=True)
class Authentication(Section):
    """A TriggerAuthentication, as KEDA spells the reference."""

    name: Name
    kind: Literal["TriggerAuthentication", "ClusterTriggerAuthentication"] = "TriggerAuthentication"


@dataclass(frozen=True)
class Trigger(Section):
    """A trigger as KEDA spells it (https://keda.sh/docs/latest/scalers/), or a short query."""

    prometheus: Query | None = None
    type: Annotated[str, Pattern(r"^[a-z][-a-z0-9]*$")] | None = None
    name: Text | None = None
    metadata: dict[Text, Text] = field(default_factory=dict)
    metricType: Literal["Utilization", "AverageValue", "Value"] | None = None
    useCachedMetrics: bool | None = None
    authenticationRef: Authentication | None = None


@dataclass(frozen=True)
class Keda(Section):
    """A KEDA ScaledObject in the autoscaler's place."""

    triggers: tuple[Trigger, ...]
    polling_interval: Annotated[int, Between(1, 86400)] = 30
    cooldown_period: Annotated[int, Between(0, 86400)] = 300


@dataclass(frozen=True)
class Patch(Section):
    """A file of the user's own in k8s/patches; ``kind`` is for lists of operations (RFC 6902)."""

    short: ClassVar[str] = "file"
    file: Annotated[str, Pattern(_PATCH_FILE)]
    kind: Annotated[str, Pattern(r"^[A-Z][A-Za-z]+$")] = "Deployment"


@dataclass(frozen=True)
class Platform(Section):
    """The part of mlship.yaml that is for one's own platform."""

    ingress: Ingress | None = None
    gateway: Gateway | None = None
    image_pull_secrets: tuple[Name, ...] = ()
    env_from: EnvFrom | None = None
    env: dict[Annotated[str, Pattern(_VARIABLE)], Annotated[Variable, Short()]] = field(
        default_factory=dict
    )
    node_selector: Labels = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    gpu: Annotated[int, Between(0, 64)] = 0
    gpu_resource: Annotated[str, Pattern(_KEY)] = "nvidia.com/gpu"
    priority_class: Name | None = None
    monitoring: Monitoring | None = None
    keda: Keda | None = None
    patches: tuple[Annotated[Patch, Short()], ...] = ()


def disagreements(platform: Platform) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the keys of values that are fine alone but not together, and what is wrong."""
    gateway, keda = platform.gateway, platform.keda
    if gateway:
        if bool(gateway.name) == bool(gateway.class_):
            yield (
                ("gateway",),
                "needs one of name (a gateway that exists) and class (to make one)",
            )
        elif gateway.class_ and not gateway.tls_secret:
            yield ("gateway", "class"), "needs tls_secret, the certificate of its listener"
        elif gateway.class_ and (gateway.namespace or gateway.section):
            yield ("gateway", "class"), "excludes namespace and section, which lead to another's"
        elif gateway.name and gateway.tls_secret:
            yield ("gateway", "tls_secret"), "is for a gateway of your own: set class, not name"
    for name, variable in platform.env.items():
        given = [variable.value, variable.secret, variable.config_map]
        if name in _RESERVED:
            yield ("env", name), "is set by mlship; see port and model"
        elif sum(each is not None for each in given) != 1:
            yield ("env", name), "needs one of a value, secret and config_map"
        elif (variable.value is None) != (variable.key is not None):
            yield ("env", name), "needs secret or config_map, with key"
    for index, toleration in enumerate(platform.tolerations):
        where = ("tolerations", str(index))
        if toleration.operator == "Exists" and toleration.value is not None:
            yield where, "has operator Exists, which takes no value"
        elif toleration.operator == "Equal" and toleration.key is None:
            yield where, "needs a key (or operator: Exists, for every taint)"
        elif toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
            yield where, "has toleration_seconds, which effect: NoExecute goes with"
    if keda and not keda.triggers:
        yield ("keda", "triggers"), "is empty"
    for index, trigger in enumerate(keda.triggers if keda else ()):
        if bool(trigger.type) == bool(trigger.prometheus):
            yield ("keda", "triggers", str(index)), "needs one of type and prometheus"
        elif trigger.prometheus and trigger.metadata:
            yield ("keda", "triggers", str(index)), "has metadata, which goes with type"
    for index, patch in enumerate(platform.patches):
        if patch.file == "kustomization.yaml":
            yield ("patches", str(index)), "is the file that mlship writes there"


def egress_ports(source: str) -> list[int]:
    """Return the TCP ports that fetching a model takes; none for a volume claim."""
    found = re.match(r"(https?)://[^/:]+(?::(\d+))?", source)
    if found:
        return [int(found[2] or (443 if found[1] == "https" else 80))]
    # 80: the identities that clouds give to pods.
    return [443, 80] if source.startswith(("s3://", "gs://")) else []
