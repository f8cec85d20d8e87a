"""What a cluster says when something goes wrong, in plain words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mlship.commands.kubectl import MANAGER, Target
from mlship.errors import ClusterError


def refused(target: Target, output: str) -> ClusterError:
    """Return the error for what kubectl printed when it could not apply."""
    known = {
        "refused": ("The cluster can't be reached", "start it, or choose another with --context"),
        "no such host": ("The cluster can't be reached", "check the kubeconfig's server address"),
        "i/o timeout": ("The cluster can't be reached", "check the network or the VPN"),
        "does not exist": ("There is no such context", "kubectl config get-contexts"),
        "Unable to connect": (
            "The cluster can't be reached",
            "check the kubeconfig",
        ),
        "Please enter": ("The cluster does not accept your credentials", "log in again"),
        "Unauthorized": ("The cluster does not accept your credentials", "log in again"),
        "forbidden": ("You may not do this on the cluster", "ask for the rights named above"),
        "namespaces": (
            f"There is no namespace {target.namespace}",
            f"{target.program} create namespace {target.namespace}",
        ),
        "conflict": (
            "Another manager owns fields that mlship sets",
            "look at the fields above; --force-conflicts of kubectl apply takes them over",
        ),
    }
    for mark, (what, next_step) in known.items():
        if mark in output:
            return ClusterError(what, why=_last(output), next=next_step)
    return ClusterError("The cluster refused the manifests", why=_last(output),
                        next="correct the file in k8s/ that it names")  # fmt: skip


def _last(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-6:])


@dataclass(frozen=True)
class Live:
    """What is on the cluster now; ``image`` is empty when nothing is."""

    image: str = ""
    replicas: int = 0
    owns_replicas: bool = False


def live(deployment: str) -> Live:
    """Read ``kubectl get deployment -o json --show-managed-fields``, which may be empty."""
    if not deployment.strip():
        return Live()
    found = json.loads(deployment)
    owners = [
        entry.get("manager")
        for entry in found["metadata"].get("managedFields", [])
        if "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
    ]
    spec = found["spec"]
    containers = spec["template"]["spec"]["containers"]
    image = next((c["image"] for c in containers if c["name"] == "server"), "")
    return Live(image, spec.get("replicas", 1), owners == [MANAGER])


def unfinished(name: str, reasons: list[str], before: Live, image: str) -> ClusterError:
    """Return the error for a rollout that did not finish."""
    if not before.image:
        return ClusterError(
            f"The first rollout of {name} did not finish",
            why="\n".join(reasons),
            next="correct that and run `mlship deploy` again",
        )
    again = "correct that and run `mlship deploy` again"
    return ClusterError(
        f"The rollout of {name} did not finish; the former pods still serve",
        why="\n".join(reasons),
        next=f"mlship deploy --image {before.image}" if before.image != image else again,
    )


def troubles(pods: dict[str, Any]) -> list[str]:
    """Return one line per pod that is not ready: its name and the most telling reason."""
    return [
        f"{pod['metadata']['name']}: {reason}"
        for pod in pods.get("items", [])
        if (reason := _trouble(pod.get("status", {})))
    ]


def _trouble(status: dict[str, Any]) -> str:
    for container in status.get("containerStatuses", []):
        if container.get("ready"):
            continue
        waiting = container.get("state", {}).get("waiting")
        ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get(
            "terminated"
        )
        if waiting and waiting.get("reason") != "CrashLoopBackOff":
            return f"{waiting.get('reason', 'waiting')}: {waiting.get('message', '')}".strip(": ")
        if ended:
            return f"{ended.get('reason', 'ended')}, exit code {ended.get('exitCode')}"
        return "running, but its readiness probe fails"
    for condition in status.get("conditions", []):
        if condition.get("status") == "False" and condition.get("message"):
            return str(condition["message"])
    return ""
