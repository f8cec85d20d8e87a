"""Manifests that the API server can't take: fields that others own, unknown kinds, mistakes."""

from __future__ import annotations

import re

from mlship.rollout import conflicts
from mlship.rollout.trouble import Trouble

# Who else writes to Deployments, by the name that managedFields has.
_MANAGERS = {
    "kubectl-client-side-apply": "somebody with kubectl apply",
    "kubectl-edit": "somebody with kubectl edit",
    "kubectl-scale": "somebody with kubectl scale",
    "kubectl-patch": "somebody with kubectl patch",
    "kubectl-set": "somebody with kubectl set",
    "kube-controller-manager": "the cluster's own controllers (the autoscaler)",
    "argocd-controller": "Argo CD (it deploys from git)",
    "kustomize-controller": "Flux (it deploys from git)",
    "helm": "Helm",
}
_KIND = re.compile(r'no matches for kind "([^"]+)" in version "([^"]+)"')
_TYPE = re.compile(r'the server doesn\'t have a resource type "([^"]+)"')
# Who makes the kinds of these groups known.
_OPERATORS = {
    "monitoring.coreos.com": "the Prometheus Operator",
    "keda.sh": "KEDA",
    "serving.kserve.io": "KServe",
    "serving.knative.dev": "Knative Serving",
    "networking.istio.io": "Istio",
    "security.istio.io": "Istio",
    "gateway.networking.k8s.io": "the Gateway API",
    "cert-manager.io": "cert-manager",
    "external-secrets.io": "the External Secrets Operator",
    "bitnami.com": "Sealed Secrets",
    "argoproj.io": "Argo",
    "karpenter.sh": "Karpenter",
    "autoscaling.k8s.io": "the Vertical Pod Autoscaler",
    "snapshot.storage.k8s.io": "the CSI snapshot controller",
}
_INVALID = re.compile(r'The (\w+) "([^"]+)" is invalid:\s*(.+)', re.S)
_STALE = re.compile(
    r"the object has been modified|The request is invalid: the server rejected our request"
)
_TYPED = re.compile(
    r"failed to create (?:typed|manager for existing)[^(]*\((?:[^;]*/)?([^;]+); \S+, "
    r"Kind=(\w+)\): (.+)"
)
_STRICT = re.compile(r"strict decoding error: (.+)")
_PARSE = re.compile(r"error (?:parsing|converting|validating) \"?([^\s\":]+)\"?: (.+)")
_FILES = {
    "HorizontalPodAutoscaler": "overlays/prod/hpa.yaml",
    "PodDisruptionBudget": "overlays/prod/pdb.yaml",
    "ScaledObject": "overlays/prod/scaledobject.yaml",
    "ConfigMap": "base/config.env",
}


def conflict(said: str) -> Trouble | None:
    """Say who else owns which field of the manifests."""
    found = conflicts.parse(said)
    if not found:
        return _meanwhile(said)
    first = found[0].manager
    who = _MANAGERS.get(first, f"another manager ({first})")
    fix = (
        "remove these fields from k8s/; or take them over for good: the same `mlship deploy` "
        "with --force-conflicts"
    )
    if {one.field for one in found} == {".spec.replicas"}:
        fix = "leave the count to it (no replicas in k8s/), or take it: mlship deploy --replicas N"
    elif first in {"argocd-controller", "kustomize-controller", "helm"}:
        fix = f"deploy by {who.split(' (')[0]}, or stop it first: two would undo each other"
    several = f"{len(found)} fields" if len(found) > 1 else found[0].field
    return Trouble(
        "field-conflict",
        f"{who[0].upper()}{who[1:]} owns {several} that mlship would set",
        tuple(f"{one.manager} owns {one.field}" for one in found),
        fix,
    )


def _meanwhile(said: str) -> Trouble | None:
    """Say that an object is no longer as mlship saw it: a patch's test, or a stale version."""
    if not _STALE.search(said):
        return None
    return Trouble(
        "field-conflict", "Somebody changed the same object at the same moment",
        tuple(said.splitlines()[-1:]), "run the same command again",
    )  # fmt: skip


def unknown_kind(said: str) -> Trouble | None:
    """Say which kind the cluster does not know, and who would make it known."""
    if found := _TYPE.search(said):
        return Trouble("version-skew", f"The cluster has no {found.group(1)}", (found.group(),),
                       "kubectl version: cluster and kubectl may be too far apart")  # fmt: skip
    found = _KIND.search(said)
    if not found:
        return None
    kind, version = found.groups()
    group = version.rpartition("/")[0]
    operator = next((o for g, o in _OPERATORS.items() if group == g or group.endswith("." + g)), "")
    if not operator and ("." not in group or group.endswith(".k8s.io")):
        return Trouble(
            "version-skew", f"The cluster has no {kind} of {version}: it is too old, or too new",
            (found.group(),), f"kubectl api-resources shows what it has; correct "
            f"{file_of(kind)}, or update the cluster",
        )  # fmt: skip
    return Trouble(
        "missing-crd", f"The cluster does not know the kind {kind} ({version})", (found.group(),),
        f"install {operator or f'the operator of {group}'} on the cluster, or take out "
        f"what asks for a {kind} in mlship.yaml",
    )  # fmt: skip


def invalid(said: str) -> Trouble | None:
    """Say which field of which file is wrong."""
    if found := _INVALID.search(said):
        kind, name, rest = found.groups()
        facts = [line.strip(" *") for line in rest.splitlines() if line.strip(" *")][:8]
        field = facts[0].split(":")[0] if facts else ""
        fix = f"correct {field} in {file_of(kind)}"
        if "immutable" in rest:
            fix = (
                f"keep {field} as it was in {file_of(kind)}, or delete the {kind} first "
                f"(kubectl delete {kind.lower()} {name}; it stops serving)"
            )
        return Trouble("invalid-manifest", f"The {kind} {name} is not valid: {field}",
                       tuple(facts), fix)  # fmt: skip
    if found := _TYPED.search(said):
        name, kind, rest = found.groups()
        field = rest.split(":")[0].strip().lstrip(".")
        return Trouble("invalid-manifest", f"The {kind} {name} is not valid: {field}",
                       (rest.strip(),), f"correct {field} in {file_of(kind)}")  # fmt: skip
    if found := _STRICT.search(said):
        return Trouble("invalid-manifest", "A manifest has fields that don't exist",
                       (found.group(1),), "correct them in k8s/")  # fmt: skip
    if found := _PARSE.search(said):
        path, rest = found.groups()
        return Trouble("invalid-manifest", f"{path} is not valid", (rest.strip(),),
                       f"correct {path}")  # fmt: skip
    if "kustomization" in said or "YAML" in said or "yaml:" in said:
        last = tuple(line for line in said.splitlines()[-4:] if line.strip())
        return Trouble("invalid-manifest", "The manifests can't be read", last,
                       "correct it: kubectl kustomize k8s/overlays/prod")  # fmt: skip
    return None


def file_of(kind: str) -> str:
    """Return the generated file that holds a kind."""
    return f"k8s/{_FILES.get(kind, f'base/{kind.lower()}.yaml')}"
