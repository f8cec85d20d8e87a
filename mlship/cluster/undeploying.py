"""Taking a project off its cluster: what is its own, what stays, and in which order."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mlship.cluster import applyset, kinds, releasing
from mlship.cluster.access import Access
from mlship.cluster.applyset import Object, group_kind, key
from mlship.cluster.manifests import AUTOSCALERS
from mlship.commands import kubectl
from mlship.errors import ClusterError
from mlship.project import Project
from mlship.rollout.looking import Answer, objects, whole
from mlship.rollout.revisions import needs
from mlship.runner import Command, Runner

# What a project of mlship's renders; those that need something installed only where it is.
_KINDS = {
    "ConfigMap", "Deployment.apps", "HorizontalPodAutoscaler.autoscaling",
    "Ingress.networking.k8s.io", "NetworkPolicy.networking.k8s.io", "PodDisruptionBudget.policy",
    "Service", "ServiceAccount",
}  # fmt: skip
_INSTALLED = {
    "Gateway.gateway.networking.k8s.io", "HTTPRoute.gateway.networking.k8s.io",
    "InferenceService.serving.kserve.io", "PodMonitor.monitoring.coreos.com",
    "PrometheusRule.monitoring.coreos.com", "ScaledObject.keda.sh",
    "ServiceMonitor.monitoring.coreos.com",
}  # fmt: skip
# How long one kind may take to go: pods finish what they were asked, KServe's within five minutes.
_SECONDS = 600


@dataclass(frozen=True)
class Remains:
    """What is on the cluster.

    Attributes:
        parent: the record of mlship's set; empty where there is none.
        objects: the project's own, in the order in which they go.
        kept: what stays, as ``secret/NAME``.
        unseen: resources that one may not list: deploy made none of them, or they stay anyway.
    """

    parent: Object
    objects: list[Object]
    kept: list[str]
    unseen: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there."""
        return not self.objects and not self.parent


def find(project: Project, way: Access, runner: Runner) -> Remains:
    """Return what the project has on the cluster.

    That is the set that deploy keeps, and what carries mlship's labels: a plain
    `kubectl apply -k` makes no set.

    Raises:
        ClusterError: the cluster can't be reached, or does not tell.
    """
    name, target = project.config.name, way.target
    parents = objects(
        runner, target,
        target.command(
            "get", "configmap", applyset.parent_name(name), "--ignore-not-found", "--output", "json"
        ),
    )  # fmt: skip
    parent = parents[0] if parents else {}
    there, recorded = kinds.served(runner, target), applyset.kinds_of(parent)
    # What is recorded is asked for in any case: it would be left behind without a record.
    wanted = recorded | ((_KINDS | _INSTALLED) & there if there else _KINDS)
    # Without these, all that the record tells of is found; and what is kept need not be.
    spared = {kinds.resource(kind) for kind in (_INSTALLED - recorded) | applyset.KEPT}
    member = f"{applyset.PART_OF}={applyset.identity(name, target.namespace)}"
    labelled = (f"{applyset.MANAGED_BY}=mlship", f"app.kubernetes.io/name={name}")

    def ask(wanted: set[str]) -> list[Answer]:
        return [
            whole(runner, target, kubectl.get(target, _names(wanted), *selectors), spared=spared)
            for selectors in ((member,), labelled)
        ]

    try:
        answers = ask(wanted)
    except ClusterError:
        # A kind whose operator was removed since; its objects went with it.
        if not there or recorded <= there:
            raise
        answers = ask(wanted & there)
    remains = of(parent, [item for answer in answers for item in answer.objects])
    unseen = frozenset().union(*(answer.unread for answer in answers))
    return replace(remains, unseen=tuple(sorted(unseen)))


def _names(wanted: set[str]) -> list[str]:
    return sorted(kind.lower() for kind in wanted)


def of(parent: Object, found: list[Object]) -> Remains:
    """Sort out what goes, each once, and what stays."""
    mine = {key(item): item for item in found if not applyset.is_owned(item)}
    if parent:
        mine.pop(key(parent), None)
    going = [item for item in mine.values() if item["kind"] not in applyset.KEPT]
    kept = [_called(item) for item in mine.values() if item["kind"] in applyset.KEPT]
    for item in going:
        kept += _needed(item)
    return Remains(parent, sorted(going, key=_order), sorted(set(kept)))


def _called(item: Object) -> str:
    return f"{item['kind'].lower()}/{item['metadata']['name']}"


def _needed(item: Object) -> list[str]:
    """Return the Secrets and claims that a Deployment's pods read; others made them."""
    if item["kind"] != "Deployment":
        return []
    spec = item["spec"]["template"]["spec"]
    found = [f"secret/{name}" for name in needs(item)["secret"]]
    found += [f"secret/{pull['name']}" for pull in spec.get("imagePullSecrets", [])]
    for volume in spec.get("volumes", []):
        if claim := volume.get("persistentVolumeClaim"):
            found.append(f"persistentvolumeclaim/{claim['claimName']}")
    return found


def _order(item: Object) -> tuple[int, str, str]:
    """An autoscaler first, then the pods, which drain while the rest still stands."""
    first = 0 if item["kind"] in AUTOSCALERS else 1 if item["kind"] == "Deployment" else 2
    return first, group_kind(item), item["metadata"]["name"]


def steps(remains: Remains, way: Access) -> list[Command]:
    """Return the commands that remove it, in their order: the record of the set goes last.

    Each waits until what the objects own is gone too, so no pod is left in the end.
    """
    groups: dict[tuple[int, str], list[Object]] = {}
    for item in remains.objects:
        groups.setdefault(_order(item)[:2], []).append(item)
    found = [
        command
        for group in groups.values()
        for command in releasing.removal(group, way.target, cascade=True, seconds=_SECONDS)
    ]
    parent = [remains.parent] if remains.parent else []
    return found + releasing.removal(parent, way.target)
