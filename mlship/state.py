"""What mlship remembers of a project on this machine: ``.mlship/state.json``, not in git."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlship.ownership import replace_text

FILE = Path(".mlship") / "state.json"
# As many are kept: enough to go back to a branch's image without another push.
_PUSHES = 20


@dataclass(frozen=True)
class Place:
    """Where an environment was deployed to last.

    Attributes:
        context: of the kubeconfig.
        server: the API server's URL; a context may come to point elsewhere.
        namespace: in that cluster.
    """

    context: str
    server: str
    namespace: str


@dataclass(frozen=True)
class Pushed:
    """An image in a registry.

    Attributes:
        image: the full reference that it was pushed as.
        digest: the registry's, ``sha256:...``.
        content: the project's content hash then.
    """

    image: str
    digest: str
    content: str


def place(root: Path, env: str) -> Place | None:
    """Return where ``env`` (``dev``, ``prod``) was deployed to last; None when nowhere yet."""
    found = _read(root).get("environments", {}).get(env)
    try:
        return Place(**found) if found else None
    except TypeError:
        return None


def environment(root: Path, where: Place) -> str:
    """Return which environment was deployed to a place last; empty where none was."""
    known = reversed(_read(root).get("environments", {}))
    return next((env for env in known if place(root, env) == where), "")


def last(root: Path) -> str:
    """Return the environment that was deployed last; empty where none was."""
    return str(_read(root).get("last", ""))


def remember(root: Path, env: str, where: Place) -> None:
    """Keep where ``env`` is deployed to."""
    state = _read(root)
    known = state.setdefault("environments", {})
    known.pop(env, None)  # the last one comes last
    known[env] = asdict(where)
    state["last"] = env
    _write(root, state)


def pushed(root: Path, image: str) -> Pushed | None:
    """Return the push of what the project calls ``image``; None where there was none."""
    try:
        found = _read(root).get("pushed", {}).get(image)
        return Pushed(**found) if found else None
    except (AttributeError, TypeError):
        return None


def remember_push(root: Path, image: str, push: Pushed) -> None:
    """Keep a push, and of the others the last."""
    state = _read(root)
    known = state.get("pushed")
    others = known if isinstance(known, dict) else {}
    others.pop(image, None)
    latest = list(others.items())[-(_PUSHES - 1) :]
    state["pushed"] = {**dict(latest), image: asdict(push)}
    _write(root, state)


def _write(root: Path, state: dict[str, Any]) -> None:
    replace_text(root / FILE, json.dumps(state, indent=2) + "\n")


def _read(root: Path) -> dict[str, Any]:
    try:
        found = json.loads((root / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    known = isinstance(found, dict) and isinstance(found.get("environments", {}), dict)
    return found if known else {}
