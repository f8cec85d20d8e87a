"""The argv that brings an image of the local engine into a local cluster."""

from __future__ import annotations

from mlship.cluster.kubeconfig import Cluster
from mlship.runner import Command


def load(cluster: Cluster, image: str) -> Command | None:
    """Return the command; None where the nodes see the engine's images, or are elsewhere."""
    profile = cluster.profile
    argv: dict[str, tuple[str, ...]] = {
        "kind": ("kind", "load", "docker-image", image, "--name", profile),
        "k3d": ("k3d", "image", "import", image, "--cluster", profile),
        "minikube": ("minikube", "--profile", profile, "image", "load", image),
    }
    found = argv.get(cluster.local or "")
    return Command(found) if found else None
