"""Images that were pushed: the digest a registry has them by, for as long as it is the content."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from mlship import state
from mlship.project import Project

_SHA256 = r"sha256:[0-9a-f]{64}"


def in_output(lines: Iterable[str]) -> str:
    """Return the digest that ``docker push`` printed; empty for none."""
    found = [match[1] for line in lines if (match := re.search(rf"digest: ({_SHA256})", line))]
    return found[-1] if found else ""


def in_file(path: Path) -> str:
    """Return the digest in buildx' metadata or in podman's digest file; empty for none."""
    try:
        text = path.read_text(encoding="utf-8").strip()
        if text.startswith("{"):
            text = str(json.loads(text).get("containerimage.digest", ""))
    except (OSError, ValueError):
        return ""
    return text if re.fullmatch(_SHA256, text) else ""


def by_digest(image: str, digest: str) -> str:
    """Return ``repository@digest`` of ``repository:tag``."""
    head, slash, last = image.rpartition("/")
    return f"{head}{slash}{last.partition('@')[0].partition(':')[0]}@{digest}"


def remember(project: Project, image: str, digest: str, content: str) -> None:
    """Keep the digest of the image that was made of the project when it had that ``content``."""
    push = state.Pushed(image, digest, content)
    state.remember_push(project.root, project.image(content), push)


def reference(project: Project) -> str:
    """Return what to deploy: the digest of the last push, else the name that a build gives.

    A push counts while the project's files, version and repository are those that it was made of.
    """
    content = project.content_hash()
    image = project.image(content)
    found = state.pushed(project.root, image)
    if found and found.content == content:
        return by_digest(found.image, found.digest)
    return image
