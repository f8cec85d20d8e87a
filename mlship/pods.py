"""Why pods are not ready, in a line each, from ``kubectl get pods -o json``."""

from __future__ import annotations

from typing import Any


def troubles(pods: dict[str, Any]) -> list[str]:
    """Return one line per pod that is not ready: its name and the most telling reason."""
    return [
        f"{pod['metadata']['name']}: {reason}"
        for pod in pods.get("items", [])
        if (reason := _trouble(pod.get("status", {})))
    ]


def _trouble(status: dict[str, Any]) -> str:
    for container in status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting")
        ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get(
            "terminated"
        )
        if waiting and waiting.get("reason") != "CrashLoopBackOff":
            return f"{waiting.get('reason', 'waiting')}: {waiting.get('message', '')}".strip(": ")
        if ended:
            return f"{ended.get('reason', 'ended')}, exit code {ended.get('exitCode')}"
        if not container.get("ready"):
            return "running, but its readiness probe fails"
    for condition in status.get("conditions", []):
        if condition.get("status") == "False" and condition.get("message"):
            return str(condition["message"])
    return ""
