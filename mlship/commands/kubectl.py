"""The argv of kubectl. ``target`` is the cluster part: context and namespace."""

from __future__ import annotations

from dataclasses import dataclass
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


def apply(target: Target, root: Path, folder: Path) -> Command:
    """Apply on the server's side."""
    return target.command(
        "apply", "--server-side", f"--field-manager={MANAGER}", "-k", str(folder), cwd=root
    )


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
