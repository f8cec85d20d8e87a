"""The way back from a release whose pods don't serve."""

from __future__ import annotations

from mlship.cluster import applyset, kinds, manifests, releasing, rollingback
from mlship.cluster.preparing import Prepared
from mlship.cluster.releasing import Before
from mlship.commands import kubectl
from mlship.commands.kubectl import MANAGER, Target
from mlship.rollout import undo
from mlship.rollout.snapshot import Object, Snapshot
from mlship.rollout.watching import is_done
from mlship.runner import Command


def way_back(prepared: Prepared, before: Before, now: Snapshot, target: Target) -> list[Command]:
    """Return the commands that undo a release; none where nothing served before it.

    What was replaced is applied as it was; what the release made new goes away. Where the pods
    of the revision before did not serve either, those of the newest that does come back.
    """
    again = undo.restored(before.replaced, MANAGER)
    found: list[Command] = []
    served = served_before(before, now)
    if not served:
        return []
    if served is not before.deployment:
        again = [item for item in again if item["kind"] != "Deployment"]
        again.append(undo.with_template_of(before.deployment, served, MANAGER))
        found += rollingback.taking_over(target, now)
    known = {applyset.key(item) for item in again}
    again += undo.restored([s for s in before.scalers if applyset.key(s) not in known], MANAGER)
    there = {applyset.key(item) for item in before.replaced}
    made = [
        item
        for item in prepared.objects
        if applyset.key(item) not in there
        and kinds.resource(applyset.group_kind(item)) not in before.unread
    ]
    # The pods of the failed revision need its ConfigMap for as long as they last, and its
    # replica set stays in the history: the next deployment's cleaning takes both. What may hold
    # data by now is left to people.
    made = [item for item in made if item["kind"] not in {"ConfigMap", *applyset.KEPT}]
    # First of all, with KEDA's own HPA, or it would set the count back, or take away one that
    # comes by the same name.
    scaling = [item for item in made if item["kind"] in manifests.AUTOSCALERS]
    found += releasing.removal(scaling, target, cascade=True)
    count = _handed_over(before, now)
    if count is not None:
        found.append(kubectl.hand_over_replicas(target, prepared.project.config.name, count))
    found.append(kubectl.apply_objects(target, again, force=True))
    return found + releasing.removal([item for item in made if item not in scaling], target)


def served_before(before: Before, now: Snapshot) -> Object:
    """Return whose pods come back: the Deployment's as it was, or a replica set's; or nothing.

    A release of the same pods failed by something else, such as its count: they come back as
    they were, also where some of them did not serve.
    """
    newest = before.snapshot.newest
    as_they_were = is_done(before.snapshot) or (
        _same_pods(before, now)
        and newest.get("status", {}).get("availableReplicas")
        and not undo.failed(newest)
    )
    if not before.deployment or as_they_were:
        return before.deployment
    return undo.serving(now, before.snapshot)


def is_back(before: Before, now: Snapshot) -> bool:
    """Tell whether all pods serve, or as many of the same as before."""
    if is_done(now) or is_done(before.snapshot) or not _same_pods(before, now):
        return is_done(now)
    return now.is_seen and _available(now.deployment) >= _available(before.deployment)


def _available(deployment: Object) -> int:
    return int(deployment.get("status", {}).get("availableReplicas", 0))


def _same_pods(before: Before, now: Snapshot) -> bool:
    return bool(before.deployment) and not undo.differences(now.deployment, before.deployment)


def _handed_over(before: Before, now: Snapshot) -> int | None:
    """Return the count of pods to set; None where it is applied, or an autoscaler's as before."""
    if undo.owns_replicas(before.deployment, MANAGER):
        return None
    was = before.snapshot.wanted
    # Autoscalers leave a Deployment alone that was scaled to nothing.
    scaled = was and any(
        item["kind"] in manifests.AUTOSCALERS for item in [*before.scalers, *before.replaced]
    )
    if undo.owns_replicas(now.deployment, MANAGER):
        # An autoscaler goes on from as many pods as serve by now, unless the count is what failed.
        return now.wanted if scaled and not _same_pods(before, now) else was
    return None if scaled or now.wanted == was else was
