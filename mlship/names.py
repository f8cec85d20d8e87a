"""Project names: one name for the folder, the image and every Kubernetes object."""

from __future__ import annotations

import re
import unicodedata

from mlship.errors import UsageError

# What YAML 1.1 reads as something else than text.
_YAML_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
# RFC 1123 label, narrowed to what a Kubernetes Service also takes (RFC 1035: a letter first).
LABEL = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"


def suggest(name: str) -> str:
    """Return the valid name nearest to ``name``: ``My Model`` gives ``my-model``."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    label = re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")
    if label and not label[0].isalpha():
        label = f"model-{label}"
    label = label[:63].rstrip("-") or "model"
    return f"{label}-model" if label in _YAML_WORDS else label


def check(name: str) -> str:
    """Return ``name`` when it is a valid project name.

    Raises:
        UsageError: it is not an RFC 1123 label that starts with a letter.
    """
    if name in _YAML_WORDS:
        raise UsageError(
            f"'{name}' can't name a project",
            why="In YAML that is not a text, and the name stands in many manifests.",
            next=f"mlship init {suggest(name)}",
        )
    if re.fullmatch(LABEL, name):
        return name
    raise UsageError(
        f"'{name}' can't name a project",
        why="The name also names the image and the Kubernetes objects, so it must be an RFC 1123 "
        "label: at most 63 lowercase letters, digits and dashes, starting with a letter and "
        "ending with a letter or digit.",
        next=f"mlship init {suggest(name)}",
    )
