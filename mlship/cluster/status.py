"""How a project stands on its cluster: what `mlship status` tells."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Literal

from mlship.cluster import autoscaling, endpoints, kinds
from mlship.cluster.autoscaling import SCALED_OBJECT, Autoscaler
from mlship.cluster.deployed import Deployed
from mlship.cluster.endpoints import Endpoint
from mlship.commands import kubectl
from mlship.errors import ClusterError
from mlship.rollout import progress
from mlship.rollout.looking import objects
from mlship.rollout.revisions import BY, applied
from mlship.rollout.snapshot import Object, Snapshot, revision
from mlship.rollout.trouble import Trouble
from mlship.rollout.watching import is_done

# https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#complete-deployment
_COMPLETE = "NewReplicaSetAvailable"

State = Literal["done", "rolling", "failed"]


@dataclass(frozen=True)
class Rollout:
    """The last rollout.

    Attributes:
        state: ``done`` also where a pod has failed since.
        when: an API timestamp; empty where it is not known.
        by: who asked for it; empty where it was not mlship.
    """

    state: State
    when: str
    by: str


@dataclass(frozen=True)
class Status:
    """All of it, at one moment."""

    snapshot: Snapshot
    rollout: Rollout
    ready: int
    autoscaler: Autoscaler | None
    endpoints: tuple[Endpoint, ...]
    troubles: tuple[Trouble, ...]

    @property
    def serves(self) -> bool:
        """Whether as many new pods serve as are wanted, and only these."""
        return is_done(self.snapshot)


def look(deployed: Deployed) -> Status:
    """Return how the project stands.

    Raises:
        ClusterError: the cluster can't be reached, or the project is not there.
    """
    runner, target = deployed.runner, deployed.target
    found = deployed.look()
    there = kinds.served(runner, target)
    ways = endpoints.look(runner, target, deployed.name, there)
    scaled: list[Object] = []
    if SCALED_OBJECT in there:
        with contextlib.suppress(ClusterError):  # one may not read it
            scaled = objects(runner, target, kubectl.get(target, [SCALED_OBJECT.lower()]))
    troubles = [] if is_done(found) else deployed.diagnose(found)
    return of(found, ways, troubles, scaled)


def of(
    snapshot: Snapshot, ways: list[Endpoint], troubles: list[Trouble], scaled: list[Object]
) -> Status:
    """Return the status that these make; ``scaled`` are KEDA's objects."""
    return Status(
        snapshot,
        rollout(snapshot, troubles),
        sum(1 for row in progress.rows(snapshot) if row.serves),
        autoscaling.of(snapshot.deployment, [*snapshot.others, *scaled]),
        tuple(ways),
        tuple(troubles),
    )


def rollout(snapshot: Snapshot, troubles: list[Trouble]) -> Rollout:
    """Return how the last rollout went."""
    deployment = snapshot.deployment
    progressing = _condition(deployment, "Progressing")
    complete = snapshot.is_seen and progressing.get("reason") == _COMPLETE
    state: State = "rolling"
    if is_done(snapshot) or complete:
        state = "done"
    elif progressing.get("status") == "False" or any(trouble.certain for trouble in troubles):
        state = "failed"
    by = deployment["metadata"].get("annotations", {}).get(BY, "")
    return Rollout(state, applied(deployment) or progressing.get("lastUpdateTime", ""), by)


def digests(snapshot: Snapshot) -> list[str]:
    """Return the digests that the new pods run, each once; those of others may differ."""
    found = {
        container.get("imageID", "").rpartition("sha256:")[2]
        for pod in snapshot.new_pods
        for container in pod.get("status", {}).get("containerStatuses", [])
        if container["name"] == "server"
    }
    return [f"sha256:{digest}" for digest in sorted(found) if digest]


def _condition(deployment: Object, kind: str) -> Object:
    conditions = deployment.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), {})


def number(status: Status) -> int:
    """Return the revision that is current."""
    return revision(status.snapshot.deployment)
