"""The argv of kubectl. ``target`` is the cluster part: context and namespace."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from mlship.runner import Command

# Who owns the fields that mlship sets (server-side apply).
MANAGER = "mlship"


@dataclass(frozen=True)
class Target:
    """Where to: the program, a context of the kubeconfig (None: its current one), a namespace."""

    program: str
    context: str | None
    namespace: str

    def command(self, *argv: str, cwd: Path | None = None) -> Command:
        """Return a kubectl command against this target."""
        context = ("--context", self.context) if self.context else ()
        return Command((self.program, *context, "--namespace", self.namespace, *argv), cwd=cwd)


def current_context(program: str) -> Command:
    """Ask which context the kubeconfig points at."""
    return Command((program, "config", "current-context"))


def kustomize(program: str, root: Path, folder: Path) -> Command:
    """Render manifests; asks no cluster."""
    return Command((program, "kustomize", str(folder)), cwd=root)


def diff(target: Target, root: Path, folder: Path) -> Command:
    """Compare with the cluster; exits with 1 when something would change."""
    return target.command(
        "diff", "--server-side", f"--field-manager={MANAGER}", "-k", str(folder), cwd=root
    )


def apply(target: Target, root: Path, folder: Path, *, force: bool = False) -> Command:
    """Apply on the server's side; ``force`` takes over fields that others own."""
    take_over = ("--force-conflicts",) if force else ()
    return target.command(
        *("apply", "--server-side", f"--field-manager={MANAGER}", *take_over, "-k", str(folder)),
        cwd=root,
    )


def deployment(target: Target, name: str) -> Command:
    """Ask for the live Deployment, with who owns which field."""
    return target.command(
        "get", "deployment", name, "--output", "json", "--show-managed-fields", "--ignore-not-found"
    )


def hand_over_replicas(target: Target, name: str, count: int) -> Command:
    """Have another manager own the count, so that it stays when mlship no longer sets it.

    Else the API server would fall back to one pod: see "Transferring ownership" in
    https://kubernetes.io/docs/reference/using-api/server-side-apply/.
    """
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": count},
    }
    command = target.command(
        "apply", "--server-side", f"--field-manager={MANAGER}-replicas", "-f", "-"
    )
    return replace(command, stdin=json.dumps(manifest))


def delete_autoscaler(target: Target, name: str) -> Command:
    """Remove the autoscaler of an earlier deployment: a fixed count was asked for."""
    return target.command("delete", "horizontalpodautoscaler", name, "--ignore-not-found")


def rollout_status(target: Target, name: str, seconds: int) -> Command:
    """Wait until the new pods serve."""
    return target.command("rollout", "status", f"deployment/{name}", f"--timeout={seconds}s")


def pods(target: Target, name: str) -> Command:
    """Ask for the pods as JSON."""
    selector = f"app.kubernetes.io/name={name}"
    return target.command("get", "pods", "--selector", selector, "--output", "json")
