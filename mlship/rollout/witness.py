"""What else a cluster knows of a rollout, asked by kubectl when a diagnosis needs it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mlship.commands import kubectl
from mlship.commands.kubectl import Target
from mlship.errors import ToolFailed
from mlship.rollout.fields import parts
from mlship.rollout.snapshot import Object
from mlship.runner import Command, Result, Runner
from mlship.text import printable

# Seconds that nodes and their pods are remembered: a large cluster has megabytes of them.
_REMEMBERED = 15
_BODY = 300
# kubelet's own line, where the log of a container is gone already.
_GONE = "unable to retrieve container logs for "
# client-go's log at -v=8: of today, and of kubectl 1.31 and older.
_STATUS = re.compile(r'"Response" .*?status="(\d{3})|Response Status: (\d{3})')
_SAID = re.compile(
    r'"Response Body" body=(?:("(?:[^"\\]|\\.)*")|<\n(.*?)\n >)|Response Body: ([^\n]*)', re.S
)


@dataclass
class Kubectl:
    """The Witness of one target. Asks only; answers with nothing where kubectl fails."""

    runner: Runner
    target: Target
    now: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[float, list[Object]]] = field(default_factory=dict)

    def log(self, pod: str, container: str, *, previous: bool) -> list[str]:
        """Return the last 40 lines that a container wrote: this one, or the one before it."""
        said = self._ask(kubectl.log(self.target, pod, container, previous=previous))
        if not said or said.code:
            return []
        return [line for line in said.stdout.splitlines() if not line.startswith(_GONE)]

    def probe(self, pod: str, port: int, path: str) -> str:
        """Return status and body of a GET by the API server's proxy: ``503 starting``."""
        said = self._ask(kubectl.proxied(self.target, pod, port, path))
        return answer(said) if said else ""

    def nodes(self) -> list[Object]:
        """Return the nodes of the cluster."""
        return self._items("nodes", kubectl.nodes(self.target))

    def node_pods(self) -> list[Object]:
        """Return all pods of the cluster that hold room on a node."""
        return self._items("pods", kubectl.running_pods(self.target))

    def exists(self, kind: str, name: str) -> bool | None:
        """Tell whether the namespace has an object; None where that may not be asked."""
        said = self._ask(kubectl.one(self.target, kind, name))
        if said and said.code == 0:
            return True
        return False if said and "(NotFound)" in said.stderr else None

    def _items(self, what: str, command: Command) -> list[Object]:
        asked, found = self._known.get(what, (0.0, []))
        if what not in self._known or self.now() - asked > _REMEMBERED:
            said = self._ask(command)
            try:
                found = parts(json.loads(said.stdout), "items") if said and not said.code else []
            except ValueError:
                found = []
            self._known[what] = (self.now(), found)
        return found

    def _ask(self, command: Command) -> Result | None:
        try:
            return self.runner.ask(command, timeout=8)
        except ToolFailed:
            return None


def answer(said: Result) -> str:
    """Read ``kubectl get --raw -v=8``: the pod's status and body; nothing when it wasn't asked.

    A body of the kind Status is the API server's own: it may not be asked, or reaches no one.
    """
    found = _STATUS.findall(said.stderr)
    status = "".join(found[-1]) if found else "200" if said.code == 0 else ""
    body = said.stdout
    if said.code and (texts := _SAID.findall(said.stderr)):
        quoted, block, plain = texts[-1]
        body = _unquoted(quoted) if quoted else block.replace("\n\t", "\n").strip() or plain
    if not status or '"kind":"Status"' in body.replace(" ", ""):
        return ""
    return printable(f"{status} {' '.join(body[:_BODY].split())}".strip())


def _unquoted(text: str) -> str:
    """Undo Go's %q, which is JSON but for the odd control character."""
    try:
        return str(json.loads(text))
    except ValueError:
        return text.strip('"')
