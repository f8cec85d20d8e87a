"""Watching a rollout until it is done, is certain not to be, or takes too long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from mlship.errors import ClusterError
from mlship.rollout.fields import condition
from mlship.rollout.snapshot import Snapshot, scales
from mlship.rollout.trouble import Trouble

Verdict = Literal["rolling", "done", "failed", "late"]
# How long the API server may be out of reach before the watching ends.
_OUT_OF_REACH = 60.0
# What may pass by itself; of words that nobody has seen, one can't know.
_PASSING = {"unreachable", "api-busy", "refused"}
# Beyond the Deployment's own deadline: the cluster's verdict comes first, and says more.
_MARGIN = 15.0


@dataclass(frozen=True)
class Moment:
    """One look at a rollout.

    Attributes:
        snapshot: what the cluster said, the last time that it said something.
        verdict: whether it goes on, and how it ended.
        troubles: what is wrong now, the most telling first.
        seconds: since the watching began.
        idle: seconds since something progressed.
        silent: seconds since the cluster answered; None where it does.
    """

    snapshot: Snapshot
    verdict: Verdict
    troubles: tuple[Trouble, ...]
    seconds: float
    idle: float = 0.0
    silent: float | None = None


def watch(
    look: Callable[[], Snapshot],
    diagnose: Callable[[Snapshot], list[Trouble]],
    timeout: float | None,
    *,
    done: Callable[[Snapshot], bool] | None = None,
    every: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Moment]:
    """Yield a moment a second; the last one's verdict is not ``rolling``.

    It is late after ``timeout`` seconds in all; without, when nothing has progressed for as long
    as the Deployment itself allows (``patience``): many pods, one after another, take their time.
    ``done`` tells the end; without, that is a rollout's (``is_done``).

    Raises:
        ClusterError: the cluster was out of reach for a minute, or refuses to tell; the rollout
            goes on without us.
    """
    started = answered = moved = clock()
    best: Progress | None = None
    moment = Moment(Snapshot.of("", []), "rolling", (), 0.0)
    while True:
        began = clock()
        try:
            snapshot = look()
        except ClusterError as error:
            now = clock()
            if error.cause not in _PASSING or now - answered > _OUT_OF_REACH:
                raise
            moment = replace(moment, seconds=now - started, silent=now - answered)
            yield moment
            sleep(every)
            continue
        if answered < began - _MARGIN:  # what happened meanwhile was not seen
            moved = began
        answered = clock()
        progress = Progress.of(snapshot)
        if best is None or progress.is_beyond(best):
            moved = answered
        best = progress.best(best)
        ended = (done or is_done)(snapshot)
        troubles = () if ended else tuple(diagnose(snapshot))
        seconds, idle = clock() - started, clock() - moved
        verdict: Verdict = "rolling"
        if ended:
            verdict = "done"
        elif troubles and troubles[0].certain:
            verdict = "failed"
        elif idle >= patience(snapshot) if timeout is None else seconds >= timeout:
            verdict = "late"
        moment = Moment(snapshot, verdict, troubles, seconds, idle)
        yield moment
        if verdict != "rolling":
            return
        sleep(max(0.0, every - (clock() - began)))


def patience(snapshot: Snapshot) -> float:
    """Return how many seconds may pass without progress before a rollout is late."""
    # https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#progress-deadline-seconds
    deadline = snapshot.deployment.get("spec", {}).get("progressDeadlineSeconds", 600)
    return float(deadline) + _MARGIN


@dataclass(frozen=True)
class Progress:
    """How far a revision has come: what Kubernetes resets its own deadline by, and ready pods.

    Attributes:
        revision: the uid of its replica set.
        updated, available, ready: pods, the first two as the Deployment's status counts them.
        old: pods of other revisions.
    """

    revision: str
    updated: int
    available: int
    ready: int
    old: int

    @classmethod
    def of(cls, snapshot: Snapshot) -> Progress:
        """Return the progress that a snapshot shows."""
        status = snapshot.deployment.get("status", {})
        return cls(
            snapshot.newest.get("metadata", {}).get("uid", ""),
            status.get("updatedReplicas", 0),
            status.get("availableReplicas", 0),
            sum(1 for pod in snapshot.new_pods if condition(pod, "Ready").get("status") == "True"),
            len(snapshot.pods) - len(snapshot.new_pods),
        )

    def is_beyond(self, best: Progress) -> bool:
        """Tell whether it is further than ever; coming back to where one was is no progress."""
        return self.revision != best.revision or self.best(best) != best

    def best(self, other: Progress | None) -> Progress:
        """Return the furthest of both; of another revision, nothing counts any more."""
        if other is None or other.revision != self.revision:
            return self
        return Progress(
            self.revision,
            max(self.updated, other.updated),
            max(self.available, other.available),
            max(self.ready, other.ready),
            min(self.old, other.old),
        )


def is_done(snapshot: Snapshot) -> bool:
    """Tell whether the new pods serve, and as many as the autoscaler wants at the least.

    An autoscaler rests where the count was set to 0:
    https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#implicit-maintenance-mode-deactivation
    """
    enough = snapshot.wanted == 0 or snapshot.wanted >= least(snapshot)
    return snapshot.is_done and enough


def least(snapshot: Snapshot) -> int:
    """Return how many pods the autoscaler wants at the least; 0 where there is none."""
    scaled = [
        int(other["spec"].get("minReplicas", 1))
        for other in snapshot.others
        if other["kind"] == "HorizontalPodAutoscaler" and scales(other, snapshot.deployment)
    ]
    return max(scaled, default=0)
