"""The argv of kubectl. ``target`` is the cluster part: context and namespace."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlship.runner import Command

# Who owns the fields that mlship sets (server-side apply).
MANAGER = "mlship"
# The annotation of a replica set whose rollout failed; its value is the cause.
FAILED = "mlship/failed"
# How long one request that changes something may take, as API servers have it, too: kubectl
# itself would wait for one that hangs.
_ACT = "--request-timeout=60s"
_APPLY = ("apply", "--server-side", f"--field-manager={MANAGER}", _ACT)
# What a rollout is judged by, of one project.
WATCHED = "deployment,replicaset,pod,horizontalpodautoscaler"
# What it may hang on, of the whole namespace.
AROUND = "event,persistentvolumeclaim"


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


def config_view(program: str) -> Command:
    """Ask for the merged kubeconfig, its secrets left out; asks no cluster."""
    return Command((program, "config", "view", "--output", "json"))


def kustomize(program: str, root: Path, folder: Path) -> Command:
    """Render manifests; asks no cluster."""
    return Command((program, "kustomize", str(folder)), cwd=root)


def namespace(target: Target) -> Command:
    """Ask whether the namespace is there; the first word with a cluster."""
    return target.command(
        "get", "namespace", target.namespace, "--output", "json", "--ignore-not-found"
    )


def create_namespace(target: Target) -> Command:
    """Make the namespace."""
    return target.command("create", "namespace", target.namespace)


def diff(target: Target, text: str) -> Command:
    """Compare manifests with the cluster; exits with 1 when something would change."""
    # What the API server is told here is what apply tells it; conflicts are apply's to explain.
    command = target.command(
        "diff", "--server-side", f"--field-manager={MANAGER}", "--force-conflicts", "-f", "-"
    )
    return replace(command, stdin=text)


def live(target: Target, text: str) -> Command:
    """Ask for the objects on the cluster that manifests are about, with who owns which field."""
    command = target.command(
        "get", "-f", "-", "--ignore-not-found", "--output", "json", "--show-managed-fields"
    )
    return replace(command, stdin=text)


def apply(target: Target, text: str, *, force: bool = False, rehearse: bool = False) -> Command:
    """Apply manifests on the server's side.

    By standard input: what was shown and confirmed, whatever becomes of the files meanwhile.
    ``force`` takes over fields that others own. ``rehearse`` has the API server check all of it,
    admission included, and keep nothing.
    """
    take_over = ("--force-conflicts",) if force else ()
    dry = ("--dry-run=server",) if rehearse else ()
    return replace(target.command(*_APPLY, *take_over, *dry, "-f", "-"), stdin=text)


def apply_objects(
    target: Target, objects: Iterable[dict[str, Any]], *, force: bool = False
) -> Command:
    """Apply objects given as values, by standard input."""
    take_over = ("--force-conflicts",) if force else ()
    # One document each: for a List, kubectl fetches the schema of the whole API first.
    manifest = "\n---\n".join(json.dumps(item) for item in objects)
    return replace(target.command(*_APPLY, *take_over, "-f", "-"), stdin=manifest)


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
        "apply", "--server-side", f"--field-manager={MANAGER}-replicas", _ACT, "--force-conflicts",
        "-f", "-",
    )  # fmt: skip
    return replace(command, stdin=json.dumps(manifest))


def patch_json(target: Target, kind: str, name: str, patch: list[dict[str, Any]]) -> Command:
    """Change one object by the steps of a JSON patch (RFC 6902)."""
    text = json.dumps(patch)
    return target.command(
        "patch", kind, name, "--type=json", f"--field-manager={MANAGER}", _ACT, f"--patch={text}"
    )


def get(target: Target, kinds: Iterable[str], *selectors: str) -> Command:
    """Ask for objects of several kinds, with who owns which field; ``selectors`` must all hold."""
    labels = ("--selector", ",".join(selectors)) if selectors else ()
    return target.command(
        "get", ",".join(kinds), *labels, "--output", "json", "--show-managed-fields"
    )


def watched(target: Target, name: str) -> Command:
    """Ask for what a rollout is judged by."""
    return target.command(
        "get", WATCHED, "--selector", f"app.kubernetes.io/name={name}", "--output", "json",
        "--show-managed-fields",
    )  # fmt: skip


def around(target: Target) -> Command:
    """Ask for what a rollout may hang on: events and claims of the namespace."""
    return target.command("get", AROUND, "--output", "json")


def delete(
    target: Target, kind: str, names: Iterable[str], *, cascade: bool = False, seconds: int = 60
) -> Command:
    """Remove objects of one kind (``deployment.apps``).

    ``cascade`` waits until they and all that they own are gone, ``seconds`` at the most.
    """
    how = ("--cascade=foreground", f"--timeout={seconds}s") if cascade else ("--wait=false",)
    return target.command("delete", kind, *names, "--ignore-not-found", *how, _ACT)


def scale(target: Target, name: str, count: int) -> Command:
    """Set the count of pods, by the scale subresource."""
    return target.command("scale", f"deployment/{name}", f"--replicas={count}")


def mark_failed(target: Target, replica_set: str, cause: str) -> Command:
    """Mark a revision as one whose rollout failed, and why."""
    mark = f"{FAILED}={cause}"
    return target.command("annotate", "replicaset", replica_set, mark, "--overwrite")


def unmark_failed(target: Target, name: str, replica_set: str) -> Command:
    """Take the mark off a revision that serves after all.

    Off the Deployment too: `kubectl rollout undo` copies it there, and the controller from there
    to each new revision.
    """
    items = (f"deployment/{name}", f"replicaset/{replica_set}")
    return target.command("annotate", *items, f"{FAILED}-")


def wait(target: Target, name: str, seconds: int) -> Command:
    """Wait until the new pods serve: what `mlship deploy` does with more words."""
    return target.command("rollout", "status", f"deployment/{name}", f"--timeout={seconds}s")


def port_forward(target: Target, name: str, port: int = 0) -> Command:
    """Bring the Service to this machine; port 0 lets the system choose one."""
    return target.command(
        "port-forward", f"service/{name}", f"{port or ''}:80", "--address", "127.0.0.1"
    )


def kinds(target: Target) -> Command:
    """Ask which kinds of objects a namespace there may hold; of the cluster, not of a cache."""
    return target.command("api-resources", "--namespaced=true", "--no-headers")


def pods(target: Target, name: str) -> Command:
    """Ask for the pods as JSON."""
    selector = f"app.kubernetes.io/name={name}"
    return target.command("get", "pods", "--selector", selector, "--output", "json")


def entrances(target: Target) -> Command:
    """Ask for what leads to pods: the namespace's Services and Ingresses."""
    return target.command("get", "service,ingress", "--output", "json")


# How long one look at the cluster may take: a rollout is watched meanwhile.
_LOOK = "--request-timeout=5s"


def log(target: Target, pod: str, container: str, *, previous: bool, lines: int = 40) -> Command:
    """Ask for the last lines that a container wrote, or its run before this one."""
    former = ("--previous",) if previous else ()
    tail = f"--tail={lines}"
    return target.command("logs", pod, "--container", container, tail, *former, _LOOK)


def proxied(target: Target, pod: str, port: int, path: str) -> Command:
    """Ask a pod by way of the API server; ``-v=8`` shows status and body of errors as well."""
    proxy = f"/api/v1/namespaces/{target.namespace}/pods/{pod}:{port}/proxy/{path.lstrip('/')}"
    # --request-timeout would reach the pod, as ?timeout=5s.
    return target.command("get", "--raw", proxy, "-v=8")


def nodes(target: Target) -> Command:
    """Ask for the nodes as JSON."""
    return target.command("get", "nodes", "--output", "json", _LOOK)


def running_pods(target: Target) -> Command:
    """Ask for the pods of all namespaces that hold room on a node."""
    going = "--field-selector=status.phase!=Succeeded,status.phase!=Failed"
    return target.command("get", "pods", "--all-namespaces", going, "--output", "json", _LOOK)


def one(target: Target, kind: str, name: str) -> Command:
    """Ask whether there is an object: its name, or NotFound."""
    return target.command("get", kind, name, "--output", "name", _LOOK)


def existing(target: Target, kind: str, names: Iterable[str]) -> Command:
    """Ask which of these are there: a line ``configmap/NAME`` for each."""
    return target.command("get", kind, *names, "--ignore-not-found", "--output", "name")


def logs(
    target: Target,
    pod: str,
    container: str,
    *,
    follow: bool = False,
    previous: bool = False,
    tail: int | None = None,
    since: str | None = None,
    since_time: str | None = None,
) -> Command:
    """Print a container's log, each line after the time that its node took it at.

    ``since`` is a duration such as ``10m``; ``since_time`` an RFC 3339 time.
    """
    argv = ["logs", pod, "--container", container, "--timestamps"]
    argv += ["--follow"] if follow else []
    argv += ["--previous"] if previous else []
    argv += [f"--tail={tail}"] if tail is not None else []
    argv += [f"--since={since}"] if since else []
    argv += [f"--since-time={since_time}"] if since_time else []
    return target.command(*argv)
