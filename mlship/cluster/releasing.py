"""One deployment: what was there before, rehearsed, applied, cleaned up after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mlship.cluster import applyset, autoscaling, kinds, manifests
from mlship.cluster.applyset import Object
from mlship.cluster.preparing import Prepared
from mlship.commands import kubectl
from mlship.commands.kubectl import MANAGER, Target
from mlship.errors import ClusterError
from mlship.rollout import conflicts, refusals, undo
from mlship.rollout.looking import Answer, asked, objects, snapshot, whole
from mlship.rollout.snapshot import Snapshot
from mlship.runner import Command, Runner


@dataclass(frozen=True)
class Before:
    """The cluster before a release.

    Attributes:
        parent: the record of the set of mlship's objects; empty where there is none.
        members: the live objects of that set.
        replaced: the live objects that the release is about to change.
        snapshot: the rollout as it stood.
        scalers: what scaled the pods; all of it mlship's.
        unread: resources of the release that one may not read: what of them was there is unknown.
    """

    parent: Object
    members: list[Object]
    replaced: list[Object]
    snapshot: Snapshot
    scalers: list[Object] = field(default_factory=list)
    unread: frozenset[str] = frozenset()

    @property
    def deployment(self) -> Object:
        """The live Deployment; empty where there is none."""
        return self.snapshot.deployment


# How long the API server may take to check a whole release, admission included.
CHECKED_SECONDS = 60.0
# What a dry run knows.
NOTHING = Before({}, [], [], Snapshot.of("", []))


def look(prepared: Prepared, target: Target, runner: Runner) -> Before:
    """Return the cluster as it is.

    Raises:
        ClusterError: it can't be reached, does not tell, or an autoscaler that is somebody
            else's would set another count than the release does.
    """
    name = prepared.project.config.name
    parent, members = owned(name, target, runner)
    live = whole(runner, target, kubectl.live(target, prepared.text), spared="*")
    found = snapshot(runner, target, name, strict=True)
    scalers = autoscaling.require_ours(autoscaling.standing(runner, target, found), target)
    return Before(parent, members.objects, live.objects, found, scalers, live.unread)


def owned(name: str, target: Target, runner: Runner) -> tuple[Object, Answer]:
    """Return the parent of the project's set, and its members; nothing where there is no set.

    Raises:
        ClusterError: the cluster can't be reached, or does not tell.
    """
    parent_name = applyset.parent_name(name)
    found = objects(
        runner,
        target,
        target.command("get", "configmap", parent_name, "--ignore-not-found", "--output", "json"),
    )
    parent = found[0] if found else {}
    known = applyset.kinds_of(parent)
    if not known:
        return parent, Answer([])
    selector = f"{applyset.PART_OF}={applyset.identity(name, target.namespace)}"
    try:
        return parent, whole(
            runner, target, kubectl.get(target, sorted(known), selector), spared="*"
        )
    except ClusterError:
        # A kind whose operator was removed since; its objects went with it.
        left = known & kinds.served(runner, target)
        if left in (set(), known):
            raise
    return parent, whole(runner, target, kubectl.get(target, sorted(left), selector), spared="*")


def rehearse(
    prepared: Prepared, before: Before, target: Target, runner: Runner, *, force: bool
) -> bool:
    """Have the API server check the release, keeping nothing; return whether to force conflicts.

    Raises:
        ClusterError: it does not answer, or refuses: rights, admission, a conflict that is not
            ours to take.
    """
    text = prepared.text
    command = kubectl.apply(target, text, force=force, rehearse=True)
    answer = asked(runner, target, command, timeout=CHECKED_SECONDS)
    if answer.code == 0:
        return force
    found = conflicts.parse(answer.stderr)
    was_ours = all(
        applyset.is_labelled(item) for item in before.replaced if _is_plainly_applied(item)
    )
    ours = [
        conflicts.is_ours_to_take(each, fixed=prepared.fixed, was_ours=was_ours) for each in found
    ]
    if not found or not all(ours):
        raise refusals.refused(target, answer.stderr, applied=True)
    command = kubectl.apply(target, text, force=True, rehearse=True)
    again = asked(runner, target, command, timeout=CHECKED_SECONDS)
    if again.code != 0:
        raise refusals.refused(target, again.stderr, applied=True)
    return True


def _is_plainly_applied(item: Object) -> bool:
    """Tell whether a `kubectl apply` without --server-side set fields of it."""
    managers = {entry.get("manager") for entry in item["metadata"].get("managedFields", [])}
    return conflicts.PLAIN_APPLY in managers


def removed_first(prepared: Prepared, before: Before) -> list[Object]:
    """Return the autoscalers that the release does without: they would set the count back."""
    rendered = {applyset.key(item) for item in prepared.objects}
    return [each for each in before.scalers if applyset.key(each) not in rendered]


def steps(prepared: Prepared, before: Before, target: Target, *, force: bool) -> list[Command]:
    """Return the commands that apply a release, in their order."""
    name = prepared.project.config.name
    held = {applyset.group_kind(item) for item in prepared.objects}
    held |= applyset.kinds_of(before.parent)
    found = [kubectl.apply_objects(target, [applyset.parent(name, target.namespace, held)])]
    # KEDA's own HPA has to be gone before another of its name comes.
    found += removal(removed_first(prepared, before), target, cascade=True)
    count = handed_over(prepared, before)
    if count is not None:
        found.append(kubectl.hand_over_replicas(target, name, count))
    found.append(kubectl.apply(target, prepared.text, force=force))
    return found


def handed_over(prepared: Prepared, before: Before) -> int | None:
    """Return the count of pods that an autoscaler takes over; None where none was mlship's."""
    if not before.deployment or prepared.fixed:
        return None
    live = before.snapshot.wanted
    if live == 0:  # autoscalers leave a Deployment alone that was scaled to nothing
        return _least(prepared.objects)
    return live if undo.owns_replicas(before.deployment, MANAGER) else None


def _least(items: list[Object]) -> int:
    """Return how many pods the autoscaler among ``items`` wants at the least; 1 without one."""
    found = [item["spec"] for item in items if item["kind"] in manifests.AUTOSCALERS]
    return max([1, *(int(s.get("minReplicas", s.get("minReplicaCount", 1))) for s in found)])


def run(
    commands: list[Command], target: Target, runner: Runner, on_line: Callable[[str], None]
) -> None:
    """Run commands that must succeed, giving each line that they print to ``on_line``.

    Raises:
        ClusterError: the cluster refused one.
    """
    for command in commands:
        lines: list[str] = []
        code = runner.stream(command, lines.append)
        for line in lines if code == 0 else filter(_is_done, lines):
            on_line(line)
        if code != 0:
            raise refusals.refused(target, "\n".join(lines), applied="apply" in command.argv)


def _is_done(line: str) -> bool:
    """Tell whether kubectl says of an object that it was changed, before it failed at another."""
    # Since 1.34: ... deleted from ml namespace
    line = line.partition(" from ")[0]
    return line.endswith(("serverside-applied", " created", " configured", " deleted"))


def leftovers(prepared: Prepared, before: Before) -> list[Object]:
    """Return mlship's objects of this project, as they were, that are no longer rendered.

    The autoscalers that the release does without go before it is applied.
    """
    gone = {applyset.key(item) for item in removed_first(prepared, before)}
    stale = applyset.stale(before.members, prepared.objects, _sets(before.snapshot))
    return [item for item in stale if applyset.key(item) not in gone]


@dataclass(frozen=True)
class Cleaning:
    """What becomes of mlship's objects that are no longer rendered.

    Attributes:
        removed: what goes.
        kept: what stays for what it holds; it stays a member of the set.
        unread: resources of the set that one may not read; they stay as they are.
        steps: the commands that remove what goes, and set the record right.
    """

    removed: list[Object]
    kept: list[Object]
    unread: frozenset[str]
    steps: list[Command]


def clean(prepared: Prepared, target: Target, runner: Runner) -> Cleaning:
    """Return what is no longer rendered, and how to clean up after it.

    Raises:
        ClusterError: the cluster can't be reached.
    """
    name = prepared.project.config.name
    parent, members = owned(name, target, runner)
    sets = _sets(snapshot(runner, target, name, around=False, strict=True))
    stale = applyset.stale(members.objects, prepared.objects, sets)
    left = [item for item in members.objects if item not in stale]
    held = {applyset.group_kind(item) for item in [*left, *prepared.objects]}
    if members.unread:  # of these, too, some may be left
        held |= applyset.kinds_of(parent)
    found = removal(stale, target)
    if applyset.kinds_of(parent) != held:
        found.append(kubectl.apply_objects(target, [applyset.parent(name, target.namespace, held)]))
    kept = applyset.staying(members.objects, prepared.objects, sets)
    return Cleaning(stale, kept, members.unread, found)


def _sets(snapshot: Snapshot) -> list[Object]:
    """Return the revisions; none where the Deployment's own was not seen, so the others neither."""
    return list(snapshot.replica_sets) if snapshot.newest else []


def removal(
    items: list[Object], target: Target, *, cascade: bool = False, seconds: int = 60
) -> list[Command]:
    """Return the commands that remove objects, one for each kind.

    ``cascade`` waits until all that they own is gone, too, ``seconds`` for each kind.
    """
    names_of: dict[str, list[str]] = {}
    for item in items:
        names_of.setdefault(applyset.group_kind(item), []).append(item["metadata"]["name"])
    return [
        kubectl.delete(target, kind.lower(), sorted(names), cascade=cascade, seconds=seconds)
        for kind, names in sorted(names_of.items())
    ]


def require_namespace(target: Target, runner: Runner, *, create: bool) -> bool:
    """Make sure that the namespace is there; return whether it was made.

    Raises:
        ClusterError: the cluster can't be reached, or there is none and ``create`` is not given.
    """
    answer = asked(runner, target, kubectl.namespace(target))
    if answer.code == 0 and answer.stdout.strip():
        return False
    if answer.code != 0 and "forbidden" in answer.stderr.lower():
        return False  # one may work in a namespace without the right to look at it
    if answer.code != 0:
        raise refusals.refused(target, answer.stderr)
    if not create:
        raise ClusterError(
            f"There is no namespace {target.namespace}",
            why="Nothing was applied.",
            next=f"mlship deploy --namespace {target.namespace} --create-namespace",
            cause="no-namespace",
        )
    run([kubectl.create_namespace(target)], target, runner, lambda line: None)
    return True
