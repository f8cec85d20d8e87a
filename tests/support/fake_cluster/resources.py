"""The kinds that the fake serves, and how the API server tells clients of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

# group/version, plural, kind, scope, short names, subresources; "+" after the kind: its objects
# count their generation.
_TABLE = """
v1 namespaces Namespace cluster ns status
v1 nodes Node cluster no status
v1 persistentvolumes PersistentVolume cluster pv status
v1 pods Pod+ namespaced po status,log,proxy,portforward
v1 services Service namespaced svc status,proxy
v1 endpoints Endpoints namespaced ep -
v1 events Event namespaced ev -
v1 configmaps ConfigMap namespaced cm -
v1 secrets Secret namespaced - -
v1 serviceaccounts ServiceAccount namespaced sa -
v1 persistentvolumeclaims PersistentVolumeClaim namespaced pvc status
v1 resourcequotas ResourceQuota namespaced quota status
v1 limitranges LimitRange namespaced limits -
apps/v1 deployments Deployment+ namespaced deploy status,scale
apps/v1 replicasets ReplicaSet+ namespaced rs status,scale
apps/v1 statefulsets StatefulSet+ namespaced sts status,scale
apps/v1 daemonsets DaemonSet+ namespaced ds status
apps/v1 controllerrevisions ControllerRevision namespaced - -
autoscaling/v2 horizontalpodautoscalers HorizontalPodAutoscaler namespaced hpa status
batch/v1 jobs Job+ namespaced - status
batch/v1 cronjobs CronJob+ namespaced cj status
policy/v1 poddisruptionbudgets PodDisruptionBudget+ namespaced pdb status
networking.k8s.io/v1 networkpolicies NetworkPolicy+ namespaced netpol -
networking.k8s.io/v1 ingresses Ingress+ namespaced ing status
networking.k8s.io/v1 ingressclasses IngressClass cluster - -
rbac.authorization.k8s.io/v1 roles Role namespaced - -
rbac.authorization.k8s.io/v1 rolebindings RoleBinding namespaced - -
rbac.authorization.k8s.io/v1 clusterroles ClusterRole cluster - -
rbac.authorization.k8s.io/v1 clusterrolebindings ClusterRoleBinding cluster - -
storage.k8s.io/v1 storageclasses StorageClass cluster sc -
scheduling.k8s.io/v1 priorityclasses PriorityClass cluster pc -
events.k8s.io/v1 events Event namespaced ev -
discovery.k8s.io/v1 endpointslices EndpointSlice namespaced - -
authorization.k8s.io/v1 selfsubjectaccessreviews SelfSubjectAccessReview cluster - -
authentication.k8s.io/v1 selfsubjectreviews SelfSubjectReview cluster - -
apiextensions.k8s.io/v1 customresourcedefinitions CustomResourceDefinition cluster crd status
"""
_REVIEWS = ("selfsubjectaccessreviews", "selfsubjectreviews")
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


@dataclass(frozen=True)
class Resource:
    """One kind of object, as discovery names it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    generations: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """Its name in messages: ``deployments.apps``, ``pods``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def prefix(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def verbs(self) -> list[str]:
        return ["create"] if self.plural in _REVIEWS else _VERBS


def built_in() -> list[Resource]:
    """Return what every cluster has."""
    return [_resource(*line.split()) for line in _TABLE.strip().splitlines()]


def _resource(version: str, plural: str, kind: str, scope: str, short: str, sub: str) -> Resource:
    group, _, version = version.rpartition("/")
    names, parts = (tuple(t.split(",")) if t != "-" else () for t in (short, sub))
    return Resource(
        *(group, version, plural, kind.rstrip("+"), scope == "namespaced", names, parts),
        generations=kind.endswith("+"),
    )


def custom(kind: str, api_version: str) -> Resource:
    """Return the namespaced kind that a CustomResourceDefinition adds."""
    group, _, version = api_version.rpartition("/")
    name = kind.lower()
    plural = f"{name}es" if name.endswith("s") else re.sub(r"([^aeiou])y$", r"\1ie", name) + "s"
    return Resource(group, version, plural, kind, True)


def discovery(resources: list[Resource], core: bool) -> Object:
    """Return the aggregated discovery document of ``/api`` (core) or ``/apis``."""
    groups: dict[str, dict[str, list[Object]]] = {}
    for resource in resources:
        if bool(resource.group) != core:
            versions = groups.setdefault(resource.group, {})
            versions.setdefault(resource.version, []).append(_described(resource))
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {"version": version, "resources": several, "freshness": "Current"}
                    for version, several in versions.items()
                ],
            }
            for group, versions in groups.items()
        ],
    }


def _described(resource: Resource) -> Object:
    gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    scale = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    return {
        "resource": resource.plural,
        "responseKind": gvk,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.kind.lower(),
        "verbs": resource.verbs,
        "shortNames": list(resource.short),
        "subresources": [
            {
                "subresource": name,
                "responseKind": scale if name == "scale" else gvk,
                "verbs": ["get", "patch", "update"],
            }
            for name in resource.subresources
        ],
    }


def openapi_index(resources: list[Resource]) -> Object:
    """Return ``/openapi/v3``: where each group's document lies."""
    prefixes = sorted({resource.prefix for resource in resources})
    return {"paths": {p[1:]: {"serverRelativeURL": f"/openapi/v3{p}?hash=0"} for p in prefixes}}


def openapi(resources: list[Resource], prefix: str) -> Object:
    """Return what kubectl reads there before it patches: that the server checks fields."""
    known = [{"name": name, "in": "query"} for name in ("dryRun", "fieldValidation")]
    paths = {}
    for resource in resources:
        if resource.prefix != prefix:
            continue
        gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        patch = {"parameters": known, "x-kubernetes-group-version-kind": gvk}
        paths[f"{prefix}/{resource.plural}/{{name}}"] = {"patch": patch}
    return {"openapi": "3.0.0", "info": {"title": "fake", "version": "1"}, "paths": paths}
