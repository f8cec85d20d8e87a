"""What the API server does not let one do, and the rights to ask for."""

from __future__ import annotations

import re
import shlex

from mlship.rollout.trouble import Trouble

_DENIED = re.compile(
    r'User "(?P<user>[^"]+)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group '
    r'"(?P<group>[^"]*)" (?:in the namespace "(?P<namespace>[^"]+)"|at the cluster scope)'
)
_VERBS = "get,list,watch,create,patch,delete"
# The kinds of k8s/ (server-side apply patches, or creates), the count for `scale`, the mark of a
# revision that failed, the tunnel for `predict --cluster`, `open` and the proof of a rollback.
# Reading the rest is the role `view`.
_KINDS = (
    "deployments.apps", "deployments.apps/scale", "replicasets.apps", "services", "configmaps",
    "serviceaccounts", "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy",
    "networkpolicies.networking.k8s.io", "pods/portforward",
)  # fmt: skip


def trouble(said: str, namespace: str, program: str) -> Trouble | None:
    """Say who may not do what, and which role to ask for; None where all was allowed."""
    denied = [found.groupdict() for found in _DENIED.finditer(said)]
    if not denied:
        if "(Forbidden)" not in said:
            return None
        return Trouble(
            "forbidden", "You may not do this on the cluster", tuple(said.splitlines()[-6:]),
            "ask who runs the cluster for the rights named above",
        )  # fmt: skip
    user = denied[0]["user"]
    acts = list(dict.fromkeys(f"{one['verb']} {_named(one)}" for one in denied))
    where = denied[0]["namespace"]
    what = f"{user} may not {acts[0]} " + (f"in namespace {where}" if where else "on the cluster")
    if len(acts) > 1:
        what += f" (nor {len(acts) - 1} more)"
    named = {_named(one) for one in denied if one["namespace"]}
    commands = _commands(named, user, where or namespace, program)
    if wide := [one for one in denied if not one["namespace"]]:
        commands += _wide(wide, user, program)
    return Trouble(
        "forbidden", what, tuple(f"may not {act}" for act in acts),
        "ask who runs the cluster to type:\n" + "\n".join(f"  {line}" for line in commands),
    )  # fmt: skip


def unread(line: str) -> str:
    """Return what a line of kubectl's says one may not read: ``ingresses.networking.k8s.io``.

    Empty where it says something else.
    """
    found = _DENIED.search(line) if "(Forbidden)" in line else None
    return _named(found.groupdict()) if found and found["verb"] in ("get", "list") else ""


def _named(denied: dict[str, str]) -> str:
    """Return ``deployments.apps/scale``, as `kubectl create role` takes it."""
    resource, slash, part = denied["resource"].partition("/")
    return resource + (f".{denied['group']}" if denied["group"] else "") + slash + part


def _subject(user: str) -> str:
    parts = user.split(":")
    if user.startswith("system:serviceaccount:") and len(parts) == 4:
        return f"--serviceaccount={parts[2]}:{parts[3]}"
    return f"--user={shlex.quote(user)}"


def _commands(named: set[str], user: str, namespace: str, program: str) -> list[str]:
    if not named:
        return []
    read_by_view = {"pods", "pods/log", "events"}
    resources = ",".join([*_KINDS, *sorted(named - set(_KINDS) - read_by_view)])
    start, who = f"{program} --namespace {namespace} create", _subject(user)
    return [
        f"{start} role mlship --verb={_VERBS} --resource={resources}",
        f"{start} rolebinding mlship --role=mlship {who}",
        f"{start} rolebinding mlship-view --clusterrole=view {who}",
    ]


def _wide(denied: list[dict[str, str]], user: str, program: str) -> list[str]:
    verbs = ",".join(dict.fromkeys(one["verb"] for one in denied))
    resources = ",".join(dict.fromkeys(map(_named, denied)))
    return [
        f"{program} create clusterrole mlship --verb={verbs} --resource={resources}",
        f"{program} create clusterrolebinding mlship --clusterrole=mlship {_subject(user)}",
    ]
