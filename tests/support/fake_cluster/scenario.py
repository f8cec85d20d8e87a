"""How the pods of one image behave: what the kubelet would say of them, second by second."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.fake_cluster.resources import Object

NODE = "node-1"
STARTING: Object = {"waiting": {"reason": "ContainerCreating"}}
RUNNING: Object = {"running": {"startedAt": "{now}"}}


@dataclass(frozen=True)
class Note:
    """An event: ``Warning``, ``BackOff``, its message."""

    type: str
    reason: str
    message: str
    source: str = "kubelet"


@dataclass(frozen=True)
class Step:
    """What holds from some time after a pod's creation until the next step.

    Texts may hold {pod}, {uid}, {namespace}, {image}, {container}, {ip}, {node}, {now}.

    Attributes:
        at: seconds since the pod's creation; the cluster's ``speed`` divides them.
        state: of the container, as in ``containerStatuses``.
        last: the same for ``lastState``.
        started: whether its startup probe has passed.
        unscheduled: why no node takes the pod; empty once one has.
        phase: of the pod; empty: Running once the container has run.
        notes: events at this moment.
        status: laid over the pod's status, such as a ``reason`` and ``message`` of the pod.
    """

    at: float
    state: Object = field(default_factory=lambda: STARTING)
    last: Object = field(default_factory=dict)
    ready: bool = False
    started: bool = False
    restarts: int = 0
    unscheduled: str = ""
    phase: str = ""
    notes: tuple[Note, ...] = ()
    status: Object = field(default_factory=dict)

    def told(self, **texts: str) -> Step:
        """Return the step with the texts filled in."""

        def fill(value: Any) -> Any:
            text = json.dumps(value)
            for name, new in texts.items():
                text = text.replace(f"{{{name}}}", json.dumps(new)[1:-1])
            return json.loads(text)

        notes = tuple(replace(n, message=fill(n.message)) for n in self.notes)
        parts = {k: fill(getattr(self, k)) for k in ("state", "last", "unscheduled", "status")}
        return replace(self, notes=notes, **parts)


@dataclass(frozen=True)
class Scenario:
    """The life of a pod.

    Attributes:
        name: for messages.
        steps: in the order of their times; the last one lasts.
        log: lines of the container; (seconds since the pod's creation, line) for later ones.
        previous: lines of the container before a restart; None: those of ``log``.
        probes: answers through the API server's proxy and by ``probe``: path to status and body;
            another path, and every path while the container doesn't run, is refused.
        refused: why the API server makes no such pod, as behind ``pods "x" is forbidden: ``.
        quota: refuse only the pods after this many.
        denied: the admission webhook's whole message, with which already the Deployment is refused.
    """

    name: str
    steps: tuple[Step, ...] = ()
    log: tuple[str | tuple[float, str], ...] = ()
    previous: tuple[str, ...] | None = None
    probes: dict[str, tuple[int, str]] = field(default_factory=dict)
    refused: str = ""
    quota: int = 0
    denied: str = ""

    def step(self, seconds: float) -> int:
        """Return the number of the step that holds at a time; -1 before the first."""
        return max((i for i, step in enumerate(self.steps) if step.at <= seconds), default=-1)
