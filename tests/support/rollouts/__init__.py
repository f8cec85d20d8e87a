"""What a real cluster said of failed rollouts, and how to change it a little.

``record.py`` recorded the JSON files on Kubernetes 1.36 with containerd 2.4, one moment each. In
image-*.json, what the registry says was taken from containerd's own client, as its registry spoke
plain HTTP.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mlship.rollout.snapshot import Snapshot

HERE = Path(__file__).parent
Object = dict[str, Any]
# Where it was recorded: the only node, one that nothing adds more of.
NODE: Object = {"kind": "Node", "metadata": {"name": "recorder"}}


@dataclass
class Recorded:
    """A witness who tells what was recorded; ``answer`` is what a probe gets."""

    logs: dict[str, list[str]] = field(default_factory=dict)
    answer: str = ""
    cluster: list[Object] = field(default_factory=list)
    running: list[Object] = field(default_factory=list)
    there: bool | None = None

    def log(self, pod: str, container: str, *, previous: bool) -> list[str]:
        return self.logs.get(f"{container}/{'previous' if previous else 'now'}", [])

    def probe(self, pod: str, port: int, path: str) -> str:
        return self.answer

    def nodes(self) -> list[Object]:
        return self.cluster

    def node_pods(self) -> list[Object]:
        return self.running

    def exists(self, kind: str, name: str) -> bool | None:
        return self.there


@dataclass
class Moment:
    """One recorded moment: its time, objects and logs; change them before ``snapshot``."""

    taken: datetime
    items: list[Object]
    logs: dict[str, list[str]]

    def snapshot(self, taken: datetime | None = None) -> Snapshot:
        return Snapshot.of("iris", copy.deepcopy(self.items), taken or self.taken)

    def of(self, kind: str) -> list[Object]:
        return [item for item in self.items if item["kind"] == kind]

    @property
    def pod(self) -> Object:
        return self.of("Pod")[-1]

    @property
    def status(self) -> Object:
        """The status of the first container."""
        return self.pod["status"]["containerStatuses"][0]

    @property
    def witness(self) -> Recorded:
        return Recorded(self.logs, cluster=[copy.deepcopy(NODE)])


def moment(name: str) -> Moment:
    """Read a recorded moment."""
    return read(json.loads((HERE / f"{name}.json").read_text()))


def read(found: Object) -> Moment:
    """Return a recorded moment."""
    return Moment(datetime.fromisoformat(found["taken"]), found["items"], found["logs"])


def recorded() -> list[str]:
    """Return the names of all recorded rollouts."""
    return sorted(path.stem for path in HERE.glob("*.json"))
