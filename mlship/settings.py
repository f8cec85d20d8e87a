"""``--set key=value``: dotted keys of mlship.yaml, given on the command line."""

from __future__ import annotations

import difflib
from typing import Any

from mlship.errors import UsageError

KEYS = (
    "version", "python", "image", "base", "port", "namespace", "replicas", "autoscale.max",
    "autoscale.cpu", "resources.requests.cpu", "resources.requests.memory",
    "resources.limits.cpu", "resources.limits.memory", "model.source", "model.fetch_image",
    "model.size_limit", "ingress.host", "ingress.path", "ingress.class", "ingress.tls_secret",
    "gateway.name", "gateway.namespace", "gateway.section", "gateway.class",
    "gateway.tls_secret", "gpu", "gpu_resource", "priority_class", "monitoring.kind",
    "monitoring.interval", "keda.polling_interval", "keda.cooldown_period",
)  # fmt: skip


def parse(assignments: list[str]) -> dict[str, Any]:
    """Return nested values: ``["autoscale.max=9"]`` gives ``{"autoscale": {"max": 9}}``.

    Raises:
        UsageError: there is no ``=``, or the key is no setting.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        import yaml  # only here: most runs of `init` set nothing

        key, equals, text = assignment.partition("=")
        if not equals or key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1, cutoff=0.4)
            raise UsageError(
                f"--set {assignment} is not a setting",
                why=f"Settings are key=value with one of: {', '.join(KEYS)}.",
                next=f"--set {near[0] if near else 'port'}={text or 'VALUE'}",
            )
        # "3.10" must not become the number 3.1.
        try:
            value = text if key in ("python", "version") else yaml.safe_load(text)
        except yaml.YAMLError:
            raise UsageError(
                f"{key} can't be {text!r}", next=f"mlship init NAME --set {key}=VALUE"
            ) from None
        merge(values, key.split("."), value)
    return values


def merge(values: dict[str, Any], path: list[str], value: Any) -> None:
    """Set ``value`` at ``path`` in nested dicts, making what is missing."""
    for part in path[:-1]:
        values = values.setdefault(part, {})
    values[path[-1]] = value


def overlay(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the values of ``over`` laid on top, dicts merged."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = overlay(below, value) if both else value  # type: ignore[arg-type]
    return merged
