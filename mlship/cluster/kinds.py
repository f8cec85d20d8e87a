"""Which kinds of objects a cluster has: some come with what people install there."""

from __future__ import annotations

import re

from mlship.commands import kubectl
from mlship.commands.kubectl import Target
from mlship.errors import ToolFailed
from mlship.runner import Runner


def served(runner: Runner, target: Target) -> set[str]:
    """Return the namespaced kinds, ``Deployment.apps``; empty where the cluster does not tell."""
    try:
        answer = runner.ask(kubectl.kinds(target), timeout=20)
    except ToolFailed:
        return set()
    # A group that is out of order fails the command, which prints the others all the same.
    return parse(answer.stdout)


def resource(kind: str) -> str:
    """Return ``ingresses.networking.k8s.io`` of ``Ingress.networking.k8s.io``.

    As the API machinery guesses it (UnsafeGuessKindToResource), and a gateway right.
    """
    name, dot, group = kind.lower().partition(".")
    many = re.sub(r"(?<![aeiou])y$", "ie", name + ("e" if name.endswith("s") else "")) + "s"
    return many + dot + group


def parse(table: str) -> set[str]:
    """Return the kinds in what ``kubectl api-resources --no-headers`` prints.

    Columns: name, short names (may be empty), API version, namespaced, kind.
    """
    found = set()
    for line in table.splitlines():
        words = line.split()
        if len(words) < 4:
            continue
        group, _, _ = words[-3].rpartition("/")
        found.add(f"{words[-1]}.{group}" if group else words[-1])
    return found
