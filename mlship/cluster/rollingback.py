"""Going back to an older revision: which one, whether it can start, and the way there."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from mlship.cluster.deployed import Deployed
from mlship.commands import kubectl
from mlship.commands.kubectl import MANAGER, Target
from mlship.errors import ClusterError, ToolFailed
from mlship.rollout import managers, undo
from mlship.rollout.looking import asked
from mlship.rollout.revisions import BY, CAUSE, Revision, image_of, needs, revisions
from mlship.rollout.snapshot import Object, Snapshot, revision
from mlship.rollout.watching import Moment, is_done
from mlship.runner import Command

# A mark is a help for later; nothing waits long for it.
_MARK_SECONDS = 10


@dataclass(frozen=True)
class WayBack:
    """From a revision to an older one.

    Attributes:
        current, wanted: their numbers.
        image_now, image_then: what the server runs.
        replica_set: of the older one.
    """

    current: int
    wanted: int
    image_now: str
    image_then: str
    replica_set: Object


def find(deployed: Deployed, snapshot: Snapshot, wanted: int | None) -> WayBack:
    """Return the way to a revision; to the one before the current where None is wanted.

    Raises:
        ClusterError: there is none, it is the current one, or its pods could not start again.
    """
    found = undo.find_revision(snapshot, wanted)
    current = next((each for each in revisions(snapshot) if each.current), None)
    if current and wanted in (current.number, *current.former):
        raise ClusterError(
            f"Revision {wanted} of {deployed.name} is the current one",
            why="There is nothing to go back to.",
            next="mlship history, then mlship rollback --to N",
        )
    if not found:
        raise _unknown(deployed.name, revisions(snapshot), wanted)
    _check(deployed, found)
    live = snapshot.deployment
    return WayBack(revision(live), revision(found), image_of(live), image_of(found), found)


def _unknown(name: str, known: list[Revision], wanted: int | None) -> ClusterError:
    if wanted is None and any(each.failed for each in known if not each.current):
        older = [each for each in known if not each.current]
        return ClusterError(
            f"{name} has no older revision whose rollout did not fail",
            why="\n".join(f"{o.number}: {o.image} (failed: {o.failed})" for o in older),
            next="mlship deploy --image IMAGE brings any image back; --to N tries one all the same",
        )
    if wanted is None:
        return ClusterError(
            f"{name} has no revision before the current one",
            why="It was deployed once, or the older ones were cleaned up.",
            next="mlship deploy --image IMAGE brings any image back",
        )
    why = [f"{each.number}: {each.image}{' (current)' if each.current else ''}" for each in known]
    now = next((each.number for each in known if wanted in each.former), None)
    if now is not None:
        why.insert(0, f"Somebody went back to it, so it is revision {now} now. There are:")
    return ClusterError(
        f"{name} has no revision {wanted}",
        why="\n".join(why),
        next=f"mlship rollback --to {now if now is not None else 'N'}",
    )


def _check(deployed: Deployed, replica_set: Object) -> None:
    """Make sure that what the pods read is still there.

    Raises:
        ClusterError: it is gone, or the cluster does not answer. Where one may not look, nothing
            is raised.
    """
    gone = []
    for kind, names in needs(replica_set).items():
        if not names:
            continue
        command = kubectl.existing(deployed.target, kind, sorted(names))
        answer = asked(deployed.runner, deployed.target, command)
        if answer.code != 0:
            continue
        there = {line.rpartition("/")[2] for line in answer.stdout.splitlines()}
        gone += [f"{kind} {name}" for name in sorted(names - there)]
    if gone:
        raise ClusterError(
            f"Revision {revision(replica_set)} of {deployed.name} can't start again",
            why=f"Its pods read what is gone: {', '.join(gone)}.",
            next=f"mlship deploy --image {image_of(replica_set)}",
        )


def doubts(way: WayBack) -> list[str]:
    """Return why one may not want to go there."""
    why = undo.failed(way.replica_set)
    return [f"the rollout of revision {way.wanted} failed ({why})"] if why else []


def steps(deployed: Deployed, snapshot: Snapshot, way: WayBack, by: str) -> list[Command]:
    """Return the commands that make the older revision current, by the manager that deploys.

    `kubectl rollout undo` would leave the pods' fields to another one, and the next deployment
    would meet a conflict.
    """
    again = undo.with_template_of(snapshot.deployment, way.replica_set, MANAGER)
    again["metadata"].setdefault("annotations", {}).update(
        {BY: by, CAUSE: f"mlship rollback to revision {way.wanted} ({way.image_then}) by {by}"}
    )
    return [
        *taking_over(deployed.target, snapshot),
        kubectl.apply_objects(deployed.target, [again], force=True),
    ]


def taking_over(target: Target, snapshot: Snapshot) -> list[Command]:
    """Return the command after which an apply leaves nothing in the pods that it does not say.

    None where nobody else set anything there.
    """
    patch = managers.taking_over(snapshot.deployment, MANAGER)
    name = snapshot.deployment["metadata"]["name"]
    return [kubectl.patch_json(target, "deployment", name, patch)] if patch else []


def require_exact(deployed: Deployed, snapshot: Snapshot, replica_set: Object) -> None:
    """Make sure that the Deployment's pods are those of a replica set.

    Raises:
        ClusterError: they are not: something on the cluster changed what was applied.
    """
    found = undo.differences(snapshot.deployment, replica_set)
    if found:
        show = deployed.target.command(
            "get", "deployment", deployed.name, "--output=yaml", "--show-managed-fields"
        )
        raise ClusterError(
            f"The pods are not those of revision {revision(replica_set)}: "
            "something on the cluster changed them",
            why="\n".join(f"{path} differs" for path in found),
            next=f"{show} shows who set it",
        )


def served_before(before: Snapshot, now: Snapshot) -> Object:
    """Return the replica set to return to when a newer revision failed; empty where none serves.

    It is the one before where that was whole, or else the newest of the others that serves.
    """
    if is_done(before) and before.wanted:
        return before.newest
    return undo.serving(now, before)


def back(deployed: Deployed, now: Snapshot, replica_set: Object) -> list[Command]:
    """Return the commands that return to a replica set, after a newer revision failed."""
    again = undo.with_template_of(now.deployment, replica_set, MANAGER)
    return [
        *taking_over(deployed.target, now),
        kubectl.apply_objects(deployed.target, [again], force=True),
    ]


def mark(deployed: Deployed, before: Snapshot, last: Moment) -> bool:
    """Mark the revision whose rollout failed, so that no rollback goes to it by itself.

    Returns whether it is marked: not where nothing new was begun, where one may not, or where the
    API server is slow: what served before waits to come back.
    """
    found = last.snapshot.newest
    uid = found.get("metadata", {}).get("uid")
    if not last.snapshot.is_seen or uid in (None, before.newest.get("metadata", {}).get("uid")):
        return False
    cause = last.troubles[0].cause if last.troubles else "late"
    command = kubectl.mark_failed(deployed.target, found["metadata"]["name"], cause)
    return _annotated(deployed, command)


def unmark(deployed: Deployed, snapshot: Snapshot) -> None:
    """Take the mark off the newest revision, which serves now; where that fails, it stays.

    It stays where no pod is wanted, too: that proves nothing.
    """
    marked = undo.failed(snapshot.newest) or undo.failed(snapshot.deployment)
    if marked and snapshot.wanted:
        name = snapshot.newest["metadata"]["name"]
        _annotated(deployed, kubectl.unmark_failed(deployed.target, deployed.name, name))


def _annotated(deployed: Deployed, command: Command) -> bool:
    with contextlib.suppress(ToolFailed):
        return deployed.runner.ask(command, timeout=_MARK_SECONDS).code == 0
    return False
