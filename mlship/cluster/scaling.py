"""Setting the count of pods: what has to stand aside, and when it is done."""

from __future__ import annotations

from mlship.cluster import releasing
from mlship.cluster.applyset import Object
from mlship.cluster.deployed import Deployed
from mlship.commands import kubectl
from mlship.rollout.snapshot import Snapshot
from mlship.runner import Command


def steps(deployed: Deployed, standing_aside: list[Object], count: int) -> list[Command]:
    """Return the commands that set the count, in their order."""
    target = deployed.target
    return [
        # With KEDA's own HPA, or that would set its count once more.
        *releasing.removal(standing_aside, target, cascade=True),
        kubectl.scale(target, deployed.name, count),
    ]


def is_reached(snapshot: Snapshot, count: int) -> bool:
    """Tell whether ``count`` pods serve, and no more are left."""
    status = snapshot.deployment.get("status", {})
    return (
        snapshot.is_seen
        and snapshot.wanted == count
        and status.get("replicas", 0) == count
        and status.get("readyReplicas", 0) == count
    )
