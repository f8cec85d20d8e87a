"""The revisions that one can go back to, and what their pods could not start without."""

from __future__ import annotations

from dataclasses import dataclass

from mlship.commands.kubectl import FAILED, MANAGER
from mlship.rollout.snapshot import Object, Snapshot, is_controlled_by, revision

CAUSE = "kubernetes.io/change-cause"
BY = "mlship/by"
# The numbers that a replica set had before it was gone back to, ``1,3``.
_FORMER = "deployment.kubernetes.io/revision-history"


@dataclass(frozen=True)
class Revision:
    """One revision of the Deployment.

    Attributes:
        number: as the controller counts.
        former: numbers that it had before somebody went back to it.
        image: of the server.
        when: its pods were first asked for, as an API timestamp; of the current one, when mlship
            applied it last.
        by: who deployed it; empty where it was not mlship.
        cause: what `kubectl rollout history` shows; may be empty.
        pods: how many it has now, without those that are leaving.
        current: whether it is the newest.
        failed: why its rollout failed; empty where it did not.
    """

    number: int
    former: tuple[int, ...]
    image: str
    when: str
    by: str
    cause: str
    pods: int
    current: bool
    failed: str = ""

    @property
    def action(self) -> str:
        """The cause without what the other columns say: ``deploy``."""
        text = self.cause.removeprefix("mlship ").removesuffix(f" by {self.by}")
        return text.removesuffix(f" ({self.image})").removesuffix(f" {self.image}")


def revisions(snapshot: Snapshot) -> list[Revision]:
    """Return the revisions that the cluster keeps, the newest last."""
    return [_revision(found, snapshot) for found in snapshot.replica_sets]


def _revision(found: Object, snapshot: Snapshot) -> Revision:
    annotations = found["metadata"].get("annotations", {})
    current = found is snapshot.newest
    made = found["metadata"].get("creationTimestamp", "")
    return Revision(
        revision(found),
        tuple(int(n) for n in annotations.get(_FORMER, "").split(",") if n),
        image_of(found),
        (applied(snapshot.deployment) if current else "") or made,
        annotations.get(BY, ""),
        annotations.get(CAUSE, ""),
        sum(
            1
            for pod in snapshot.pods
            if is_controlled_by(pod, found) and not pod["metadata"].get("deletionTimestamp")
        ),
        current,
        annotations.get(FAILED, ""),
    )


def applied(deployment: Object) -> str:
    """Return when mlship applied it last, as an API timestamp; empty where it never did."""
    times = [
        entry.get("time", "")
        for entry in deployment["metadata"].get("managedFields", [])
        if entry.get("manager") == MANAGER and entry.get("operation") == "Apply"
    ]
    return max(times, default="")


def image_of(item: Object) -> str:
    """Return the image that the server runs, of a Deployment or a replica set."""
    spec = item.get("spec", {}).get("template", {}).get("spec", {})
    containers = spec.get("containers", [])
    return next((str(c["image"]) for c in containers if c["name"] == "server"), "")


def needs(replica_set: Object) -> dict[str, set[str]]:
    """Return the ConfigMaps and Secrets that its pods can't start without, by kind."""
    spec = replica_set["spec"]["template"]["spec"]
    found: dict[str, set[str]] = {"configmap": set(), "secret": set()}

    def add(kind: str, reference: Object | None, key: str = "name") -> None:
        if reference and reference.get(key) and not reference.get("optional"):
            found[kind].add(reference[key])

    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        for source in container.get("envFrom", []):
            add("configmap", source.get("configMapRef"))
            add("secret", source.get("secretRef"))
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            add("configmap", source.get("configMapKeyRef"))
            add("secret", source.get("secretKeyRef"))
    for volume in spec.get("volumes", []):
        sources = [volume, *volume.get("projected", {}).get("sources", [])]
        for source in sources:
            add("configmap", source.get("configMap"))
            add("secret", source.get("secret"), "name" if source is not volume else "secretName")
    return found
