"""Taking a snapshot: kubectl's answers, as one value."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection
from dataclasses import dataclass

from mlship.commands import kubectl
from mlship.errors import ClusterError, ToolFailed
from mlship.rollout import refusals
from mlship.rollout.snapshot import Object, Snapshot
from mlship.runner import Command, Result, Runner

# Of one answer; a cluster that is slower than this is out of reach.
_SECONDS = 15.0
# A rollout's kinds that one can do without where one may not read them.
_SPARED = ("replicasets.apps", "pods", "horizontalpodautoscalers.autoscaling")


@dataclass(frozen=True)
class Answer:
    """All that was asked for, but for what one may not read.

    Attributes:
        objects: what is there.
        unread: resources that one may not read, ``secrets``, ``ingresses.networking.k8s.io``.
    """

    objects: list[Object]
    unread: frozenset[str] = frozenset()


def snapshot(
    runner: Runner,
    target: kubectl.Target,
    name: str,
    *,
    around: bool = True,
    strict: bool = False,
) -> Snapshot:
    """Return what the cluster says of the project ``name`` now.

    Kinds that one may not read are left out, the Deployment excepted. So are those that the API
    server fails to tell of, unless ``strict``: where what is not there would be missed.

    Raises:
        ClusterError: the cluster does not answer, or does not tell of Deployments.
    """
    command = kubectl.watched(target, name)
    if strict:
        found = whole(runner, target, command, spared=_SPARED).objects
    else:
        found = objects(runner, target, command, must="deployments.apps")
    if around:
        # Events and claims explain a rollout; it can be watched without.
        with contextlib.suppress(ClusterError):
            found += objects(runner, target, kubectl.around(target))
    return Snapshot.of(name, found)


def objects(
    runner: Runner, target: kubectl.Target, command: Command, *, must: str = ""
) -> list[Object]:
    """Return the objects that a `kubectl get ... --output json` prints; none where nothing is.

    Where some kinds can't be read, the others count, unless that is ``must``
    (``deployments.apps``): none of it would look as if somebody had deleted it.

    Raises:
        ClusterError: the cluster does not answer, or refuses.
    """
    answer = asked(runner, target, command)
    found = _parse(answer.stdout)
    # Of several kinds, kubectl prints those that it may read and fails all the same.
    kinds = {f"{item.get('kind', '').lower()}s" for item in found}
    lacks = must.partition(".")[0] not in kinds if must else not kinds
    if answer.code != 0 and lacks and not _may_be_empty(answer.stderr, must):
        raise refusals.refused(target, answer.stderr)
    return found


def whole(
    runner: Runner, target: kubectl.Target, command: Command, *, spared: Collection[str] = ()
) -> Answer:
    """Return what a `kubectl get ... --output json` is asked for, nothing of it missing.

    Only what one may not read of the resources ``spared`` (``*``: of all) is left out, and named.

    Raises:
        ClusterError: the cluster does not answer, refuses, or failed to tell a part.
    """
    answer = asked(runner, target, command)
    if answer.code == 0:
        return Answer(_parse(answer.stdout))
    unread = refusals.unread(answer.stderr)
    if not unread or ("*" not in spared and not unread <= set(spared)):
        raise refusals.refused(target, answer.stderr)
    return Answer(_parse(answer.stdout), unread)


def _parse(text: str) -> list[Object]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    if found.get("kind", "").endswith("List"):
        return list(found.get("items") or [])
    return [found] if found else []


def asked(
    runner: Runner, target: kubectl.Target, command: Command, *, timeout: float = _SECONDS
) -> Result:
    """Return what kubectl says.

    Raises:
        ClusterError: the cluster does not answer.
    """
    try:
        return runner.ask(command, timeout=timeout)
    except ToolFailed as error:
        raise ClusterError(
            "The cluster does not answer",
            why=error.why,
            next="check the network or the VPN, then `mlship status`",
            cause="unreachable",
        ) from None


def _may_be_empty(said: str, must: str) -> bool:
    """Tell whether only kinds were refused that one can do without."""
    lines = [line for line in said.splitlines() if line.strip()]
    refused = [line for line in lines if "(Forbidden)" in line]
    return bool(must and lines and refused == lines and not any(must in r for r in refused))
