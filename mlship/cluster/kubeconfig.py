"""Which cluster: what the kubeconfig says of its contexts, and which one is meant."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from mlship.commands import kubectl
from mlship.errors import ClusterError
from mlship.runner import Runner

Local = Literal["kind", "k3d", "minikube", "shared"]

# Parts of names that people give to what must not break.
_PRODUCTION = re.compile(r"(^|[^a-z])(prod|production|prd|live)([^a-z]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Cluster:
    """One context of the kubeconfig.

    Attributes:
        context: its name.
        name: of the cluster that it points at.
        server: the API server's URL.
        user: of the kubeconfig.
        local: the program that runs the cluster on this machine, whose nodes see only the images
            that are loaded into them; ``shared`` where they see the container engine's own.
    """

    context: str
    name: str
    server: str
    user: str
    local: Local | None = None

    @property
    def profile(self) -> str:
        """What the local cluster's own program calls it."""
        return re.sub(r"^(kind|k3d)-", "", self.context)

    @property
    def looks_like_production(self) -> bool:
        """Whether a part of its names says so."""
        return is_production(self.context) or is_production(self.name)


def is_production(name: str) -> bool:
    """Tell whether a part of a name says that it must not break: ``prod-eu``, ``ml-live``."""
    return bool(_PRODUCTION.search(name))


def find(program: str, context: str | None, runner: Runner) -> Cluster:
    """Return the context named, or else the kubeconfig's current one.

    Raises:
        ClusterError: there is no such context, or none is current.
        ToolMissing: there is no kubectl.
    """
    answer = runner.ask(kubectl.config_view(program))
    if answer.code != 0:
        raise ClusterError(
            "The kubeconfig can't be read",
            why=answer.stderr.strip(),
            next="correct it, or set KUBECONFIG to another file",
        )
    view = json.loads(answer.stdout)
    contexts = {entry["name"]: entry["context"] for entry in view.get("contexts") or []}
    wanted = context or view.get("current-context")
    known = f"It has: {', '.join(sorted(contexts))}." if contexts else "It has none at all."
    if not wanted:
        raise ClusterError(
            "No cluster is chosen",
            why=f"The kubeconfig has no current context. {known}",
            next="mlship deploy --context NAME, or kubectl config use-context NAME",
            cause="no-context",
        )
    if wanted not in contexts:
        raise ClusterError(
            f"There is no context {wanted} in the kubeconfig",
            why=known,
            next="--context with one of these, or set KUBECONFIG to the right file",
            cause="no-context",
        )
    found = contexts[wanted]
    clusters = {entry["name"]: entry["cluster"] for entry in view.get("clusters") or []}
    cluster = clusters.get(found.get("cluster"), {})
    return Cluster(
        wanted,
        found.get("cluster", ""),
        cluster.get("server", ""),
        found.get("user", ""),
        _local(wanted, cluster),
    )


def _local(context: str, cluster: dict[str, Any]) -> Local | None:
    """Tell by the names that these programs give their contexts, and minikube by its mark."""
    if context.startswith("kind-"):
        return "kind"
    if context.startswith("k3d-"):
        return "k3d"
    providers = {
        (entry.get("extension") or {}).get("provider") for entry in cluster.get("extensions") or []
    }
    if context == "minikube" or "minikube.sigs.k8s.io" in providers:
        return "minikube"
    if context in ("docker-desktop", "docker-for-desktop", "rancher-desktop", "orbstack"):
        return "shared"
    return None
