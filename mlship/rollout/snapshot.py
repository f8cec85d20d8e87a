"""What a cluster says of one project at one moment: the API's own objects, found their way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

Object = dict[str, Any]
# https://kubernetes.io/docs/reference/labels-annotations-taints/#deployment-kubernetes-io-revision
REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class Snapshot:
    """The objects of one project, as ``kubectl get ... --output json`` lists them.

    Attributes:
        taken: when, with a time zone.
        deployment: the Deployment; empty where there is none.
        replica_sets: those that it controls.
        pods: those of its replica sets.
        events: of all objects in the namespace.
        others: what else was asked for: claims, the autoscaler, ...
    """

    taken: datetime
    deployment: Object
    replica_sets: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    events: tuple[Object, ...] = ()
    others: tuple[Object, ...] = ()

    @classmethod
    def of(cls, name: str, items: list[Object], taken: datetime | None = None) -> Snapshot:
        """Sort out objects of any kind; those that belong to other Deployments are left out."""
        kinds: dict[str, list[Object]] = {}
        for item in items:
            kinds.setdefault(item.get("kind", ""), []).append(item)
        deployments = [
            d for d in kinds.pop("Deployment", []) if d.get("metadata", {}).get("name") == name
        ]
        deployment = deployments[0] if deployments else {}
        sets = [s for s in kinds.pop("ReplicaSet", []) if is_controlled_by(s, deployment)]
        pods = [p for p in kinds.pop("Pod", []) if any(is_controlled_by(p, s) for s in sets)]
        return cls(
            taken or datetime.now(UTC),
            deployment,
            tuple(sorted(sets, key=revision)),
            tuple(
                sorted(pods, key=lambda pod: str(pod.get("metadata", {}).get("creationTimestamp")))
            ),
            tuple(kinds.pop("Event", [])),
            tuple(other for several in kinds.values() for other in several),
        )

    @cached_property
    def wanted(self) -> int:
        """How many pods the Deployment asks for."""
        return int(self.deployment.get("spec", {}).get("replicas", 1))

    @cached_property
    def newest(self) -> Object:
        """The replica set of the newest revision; empty where the controller has made none."""
        wanted = revision(self.deployment)
        return next((s for s in reversed(self.replica_sets) if revision(s) == wanted), {})

    @cached_property
    def new_pods(self) -> tuple[Object, ...]:
        """The pods of the newest revision."""
        return tuple(pod for pod in self.pods if is_controlled_by(pod, self.newest))

    @property
    def is_seen(self) -> bool:
        """Whether the controller has looked at the Deployment as it is now."""
        status = self.deployment.get("status", {})
        generation = self.deployment.get("metadata", {}).get("generation", 0)
        return bool(status.get("observedGeneration", -1) >= generation)

    @property
    def is_done(self) -> bool:
        """Whether the new pods, and only they, serve: as ``kubectl rollout status`` sees it."""
        status = self.deployment.get("status", {})
        updated = status.get("updatedReplicas", 0)
        return (
            bool(self.deployment)
            and self.is_seen
            and updated >= self.wanted
            and status.get("replicas", 0) <= updated
            and status.get("availableReplicas", 0) >= updated
        )

    def events_of(self, item: Object) -> list[Object]:
        """Return the events of an object, the oldest first."""
        uid = item.get("metadata", {}).get("uid")
        found = [e for e in self.events if uid and e.get("involvedObject", {}).get("uid") == uid]
        return sorted(found, key=last_seen)


def is_controlled_by(item: Object, owner: Object) -> bool:
    """Tell whether ``owner`` is the controller of ``item``."""
    uid = owner.get("metadata", {}).get("uid")
    references = item.get("metadata", {}).get("ownerReferences", [])
    return any(r.get("controller") and r.get("uid") == uid for r in references)


def scales(autoscaler: Object, deployment: Object) -> bool:
    """Tell whether an HPA or a ScaledObject is about the Deployment."""
    target = autoscaler.get("spec", {}).get("scaleTargetRef", {})
    name = deployment.get("metadata", {}).get("name")
    return bool(
        name and target.get("kind", "Deployment") == "Deployment" and target.get("name") == name
    )


def revision(item: Object) -> int:
    """Return the revision of a Deployment or replica set; 0 before the controller numbers it."""
    return int(item.get("metadata", {}).get("annotations", {}).get(REVISION, 0))


def last_seen(event: Object) -> str:
    """Return when an event last happened, as its own UTC text, which sorts."""
    series = event.get("series") or {}
    return str(
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event.get("metadata", {}).get("creationTimestamp")
        or ""
    )
