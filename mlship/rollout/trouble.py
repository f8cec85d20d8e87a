"""Why a rollout does not finish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mlship.rollout.snapshot import Object


@dataclass(frozen=True)
class Trouble:
    """One cause, in plain words.

    Attributes:
        cause: a word for programs, such as ``image-pull``; the table in docs/rollouts.md has all.
        what: one sentence without a final full stop.
        evidence: what the cluster said, line by line: messages, the last lines of a log.
        next: the next command to type or thing to do.
        certain: whether waiting longer can't help; only then is the rollout given up early.
        pod: the name of the pod that shows it; empty where there is none.
    """

    cause: str
    what: str
    evidence: tuple[str, ...]
    next: str
    certain: bool = True
    pod: str = ""


class Witness(Protocol):
    """Answers what a snapshot does not hold. Each answers with nothing where it may not know."""

    def log(self, pod: str, container: str, *, previous: bool) -> list[str]:
        """Return the last lines that a container wrote: this one, or the one before it."""
        ...

    def probe(self, pod: str, port: int, path: str) -> str:
        """Return status and body of a GET by the API server's proxy: ``503 starting``."""
        ...

    def nodes(self) -> list[Object]:
        """Return the nodes of the cluster."""
        ...

    def node_pods(self) -> list[Object]:
        """Return all pods of the cluster, to see what room its nodes have left."""
        ...

    def exists(self, kind: str, name: str) -> bool | None:
        """Tell whether the namespace has an object; None where that may not be asked."""
        ...
