"""Reading the API's objects, of which any field may be missing or null."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from mlship.rollout.snapshot import Object

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_SUFFIXES = {
    **{suffix: Decimal(1024) ** (n + 1) for n, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"))},
    **{"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("0.001"), "": Decimal(1)},
    **{"k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12)},
}


def value(item: Any, *path: str) -> Any:
    """Return what stands at a path; None where any part of it is missing."""
    for key in path:
        item = item.get(key) if isinstance(item, dict) else None
    return item


def part(item: Any, *path: str) -> Object:
    """Return the object at a path; empty where there is none."""
    found = value(item, *path)
    return found if isinstance(found, dict) else {}


def parts(item: Any, *path: str) -> list[Object]:
    """Return the objects of the list at a path."""
    found = value(item, *path)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def word(item: Any, *path: str) -> str:
    """Return the text at a path; empty where there is none."""
    found = value(item, *path)
    return "" if found is None else str(found)


def number(item: Any, *path: str) -> int:
    """Return the count at a path; 0 where there is none."""
    found = value(item, *path)
    return found if isinstance(found, int) else 0


def name(item: Object) -> str:
    """Return an object's name."""
    return word(item, "metadata", "name")


def condition(item: Object, type: str) -> Object:
    """Return the status condition of a type; empty where there is none."""
    found = [c for c in parts(item, "status", "conditions") if c.get("type") == type]
    return found[0] if found else {}


def moment(text: str) -> datetime | None:
    """Return a time of the API (RFC 3339, with or without fractions)."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def age(text: str, now: datetime) -> float:
    """Return the seconds since a time of the API; 0 where it is unknown.

    The clocks of cluster and user may differ; a time in the future counts as now.
    """
    then = moment(text)
    return max(0.0, (now - then).total_seconds()) if then else 0.0


def amount(quantity: Any) -> Decimal | None:
    """Return a quantity such as ``250m`` or ``1Gi`` as a number of cores or bytes."""
    text = str(quantity)
    digits = text.rstrip("KMGTPinumk")
    try:
        return Decimal(digits) * _SUFFIXES[text[len(digits) :]]
    except (InvalidOperation, KeyError):
        return None


def written(resource: str, count: Decimal) -> str:
    """Return a number of a resource as one says it: ``1.5 GiB of memory``, ``2 CPUs``."""
    if resource == "cpu":
        return f"{_short(count)} CPU" + ("" if count == 1 else "s")
    if resource in {"memory", "ephemeral-storage", "storage"}:
        words = {"memory": "memory", "ephemeral-storage": "local disk", "storage": "storage"}
        unit, size = next(
            (u, s) for u, s in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("bytes", 1))
            if abs(count) >= s or s == 1
        )  # fmt: skip
        return f"{_short(count / size)} {unit} of {words[resource]}"
    return f"{_short(count)} {resource}"


def _short(count: Decimal) -> str:
    text = f"{count:.2f}" if abs(count) < 10 else f"{count:.1f}"
    return text.rstrip("0").rstrip(".")
