"""What a rollout looks like at one moment: its pods as rows, its events as lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from mlship.rollout.snapshot import Object, Snapshot, last_seen, revision

_EVERYDAY = {
    "Scheduled", "SuccessfulCreate", "SuccessfulDelete", "Pulled", "Created", "Started",
}  # fmt: skip
_NOT_YET = "connect: connection refused"


@dataclass(frozen=True)
class Row:
    """One pod.

    Attributes:
        name: of the pod.
        revision: of the Deployment that it belongs to.
        is_new: whether that is the newest.
        state: as `kubectl get pods` has it: Pending, Running, CrashLoopBackOff, ...
        ready: ready containers of all, ``1/1``.
        restarts: of all its containers.
        age: since it was made, ``2m``.
        reason: why it does not serve; empty where it does.
    """

    name: str
    revision: int
    is_new: bool
    state: str
    ready: str
    restarts: int
    age: str
    reason: str

    @property
    def serves(self) -> bool:
        """Whether it takes requests."""
        done, _, of = self.ready.partition("/")
        return self.state == "Running" and done == of

    @property
    def is_on_its_way(self) -> bool:
        """Whether it comes or goes as all pods do."""
        coming = ("Pending", "ContainerCreating", "PodInitializing", "Terminating")
        return self.state in coming or bool(re.fullmatch(r"Init:\d+/\d+", self.state))


def rows(snapshot: Snapshot) -> list[Row]:
    """Return the pods, those of the newest revision first."""
    numbers = {s["metadata"]["uid"]: revision(s) for s in snapshot.replica_sets}
    newest = snapshot.newest.get("metadata", {}).get("uid")
    found = []
    for pod in snapshot.pods:
        owner = next(
            (r["uid"] for r in pod["metadata"].get("ownerReferences", []) if r.get("controller")),
            "",
        )
        found.append(_row(pod, numbers.get(owner, 0), owner == newest, snapshot.taken))
    return sorted(found, key=lambda row: (-row.revision, row.name))


def _row(pod: Object, number: int, is_new: bool, now: datetime) -> Row:
    status = pod.get("status", {})
    sidecars = _sidecars(pod)
    containers = status.get("containerStatuses", []) + [
        c for c in status.get("initContainerStatuses", []) if c["name"] in sidecars
    ]
    state, reason = _state(pod)
    ready = sum(1 for container in containers if container.get("ready"))
    return Row(
        name=pod["metadata"]["name"],
        revision=number,
        is_new=is_new,
        state=state,
        ready=f"{ready}/{len(pod['spec']['containers']) + len(sidecars)}",
        restarts=sum(container.get("restartCount", 0) for container in containers),
        age=age(pod["metadata"].get("creationTimestamp", ""), now),
        reason=reason,
    )


def _sidecars(pod: Object) -> set[str]:
    """Return the init containers that go on beside the others, as a mesh's proxy does."""
    inits = pod["spec"].get("initContainers", [])
    return {c["name"] for c in inits if c.get("restartPolicy") == "Always"}


def _state(pod: Object) -> tuple[str, str]:
    """Return state and reason, by the rules of `kubectl get pods` (printers' printPod)."""
    status = pod.get("status", {})
    phase = status.get("reason") or status.get("phase", "Unknown")
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating", ""
    if starting := _starting(pod):
        return starting
    idle = ""
    for container in status.get("containerStatuses", []):
        state = container.get("state", {})
        waiting = state.get("waiting", {})
        if waiting.get("reason"):
            return waiting["reason"], _first_line(waiting.get("message", ""))
        if ended := state.get("terminated"):
            return _ending(ended), f"exit code {ended.get('exitCode')}"
        if not container.get("ready"):
            idle = "not ready yet"
    if idle:
        return phase, idle
    if phase == "Pending":
        unmet = [c for c in status.get("conditions", []) if c.get("status") == "False"]
        return phase, _first_line(unmet[0].get("message", "")) if unmet else ""
    return phase, ""


def _starting(pod: Object) -> tuple[str, str] | None:
    """Return state and reason of the init container that is at it; None once all are done."""
    inits = pod.get("status", {}).get("initContainerStatuses", [])
    for number, container in enumerate(inits):
        state = container.get("state", {})
        ended, waiting = state.get("terminated"), state.get("waiting", {})
        if ended and ended.get("exitCode") == 0:
            continue
        if container["name"] in _sidecars(pod) and container.get("started"):
            continue
        if ended:
            return f"Init:{_ending(ended)}", f"exit code {ended.get('exitCode')}"
        if waiting.get("reason", "PodInitializing") != "PodInitializing":
            return f"Init:{waiting['reason']}", _first_line(waiting.get("message", ""))
        return f"Init:{number}/{len(pod['spec'].get('initContainers', inits))}", container["name"]
    return None


def _ending(ended: Object) -> str:
    signal = ended.get("signal")
    return ended.get("reason") or (
        f"Signal:{signal}" if signal else f"ExitCode:{ended.get('exitCode')}"
    )


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""


def age(since: str, now: datetime) -> str:
    """Return the time since an API timestamp, as kubectl shows it; empty for none."""
    if not since:
        return ""
    seconds = int((now - datetime.fromisoformat(since)).total_seconds())
    return duration(max(0, seconds))


def duration(seconds: int) -> str:
    """Return ``42s``, ``3m``, ``5h``, ``2d``: the largest unit that is not 1 or less."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def news(snapshot: Snapshot, seen: set[str]) -> list[str]:
    """Return the telling events of the new pods, and of what makes them, as lines not in ``seen``.

    ``seen`` gets them. Left out is what every start brings: each pod made, placed and started,
    and refused until its server listens.
    """
    objects = [snapshot.deployment, snapshot.newest, *snapshot.new_pods]
    events = sorted((e for o in objects if o for e in snapshot.events_of(o)), key=last_seen)
    lines = []
    for event in events:
        if event.get("reason") in _EVERYDAY or _NOT_YET in event.get("message", ""):
            continue
        line = _line(event)
        if line not in seen:
            seen.add(line)
            lines.append(line)
    return lines


def old_news(snapshot: Snapshot) -> set[str]:
    """Return the lines of all events that have happened already."""
    return {_line(event) for event in snapshot.events}


def _line(event: Object) -> str:
    about = event.get("involvedObject", {})
    name, message = about.get("name", ""), _first_line(event.get("message", ""))
    if about.get("kind") == "ReplicaSet":
        # Each attempt to make a pod has a name of its own.
        message = re.sub(rf"\b{re.escape(name)}-[a-z0-9]{{5}}\b", f"{name}-…", message)
    return f"{name}: {event.get('reason', '')}: {message}"


def counts(snapshot: Snapshot) -> str:
    """Return the rollout in one line: ``2 of 3 new pods serve, 1 old still there``."""
    found = rows(snapshot)
    new = [row for row in found if row.is_new]
    serving = sum(1 for row in new if row.serves)
    staying = [row for row in found if row.state != "Terminating"]
    old = sum(1 for row in staying if not row.is_new)
    leaving = len(found) - len(staying)
    text = f"{serving} of {snapshot.wanted} new pods serve"
    if not snapshot.wanted:
        text = "no pod is wanted"
        if staying:
            text += f", {len(staying)} still there"
    elif old:
        text += f", {old} old still there"
    if leaving:
        text += f", {leaving} leaving"
    return text
