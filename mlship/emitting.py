"""Emits a project: renders its manifests, makes the other form of them, writes that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlship import ownership
from mlship.cluster import manifests
from mlship.cluster.preparing import kustomize
from mlship.emit import Rendered, comments, writing
from mlship.project import Project
from mlship.runner import Runner


@dataclass(frozen=True)
class Emitted:
    """What was written where; ``left_out`` are objects that this form has no place for."""

    folder: Path
    changes: ownership.Changes
    left_out: list[str]


def emit(
    project: Project,
    kind: str,
    env: str,
    output: Path | None,
    runner: Runner,
    *,
    force: bool = False,
) -> Emitted:
    """Write the manifests of ``env`` as ``kind``; the default folder is named after the kind.

    Raises:
        ToolFailed: k8s/ does not render.
        ProjectError: it has no Deployment of the project's name; the folder is somebody's own.
    """
    found = render(project, env, runner)
    folder = output or project.root / kind
    files, left_out = _files(project, kind, env, found)
    changes = writing.write(files, folder, force=force)
    return Emitted(folder, changes, left_out)


def render(project: Project, env: str, runner: Runner) -> Rendered:
    """Return the manifests of ``env`` with the image that a build makes.

    Raises:
        ToolFailed: k8s/ does not render.
    """
    text = kustomize(project, Path("k8s") / "overlays" / env, runner)
    k8s = project.root / "k8s"
    said = comments.of_folders(k8s / "base", k8s / "overlays" / env)
    return Rendered(manifests.parse(text), image(project), said)


def image(project: Project) -> str:
    """Return the image: by its content where the libraries are locked, else by the version."""
    if (project.root / "requirements.lock").is_file():
        return project.image()
    return f"{project.config.image}:{project.config.version}"


def _files(
    project: Project, kind: str, env: str, found: Rendered
) -> tuple[dict[str, str], list[str]]:
    config = project.config
    if kind == "helm":
        from mlship.emit import helm

        return helm.chart(found, config, env), []
    if kind == "kserve":
        from mlship.emit import kserve

        return kserve.manifests(found, config), kserve.left_out(found, config)
    from mlship.emit import kustomize as copied

    return copied.files(project.root, found, config, env), []
