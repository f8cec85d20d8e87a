"""One deployment as it is asked for, rendered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlship.cluster import manifests
from mlship.cluster.applyset import Object
from mlship.cluster.manifests import Release
from mlship.commands import kubectl
from mlship.errors import ToolFailed
from mlship.project import Project
from mlship.runner import Runner


@dataclass(frozen=True)
class Prepared:
    """A release as it is to be applied.

    Attributes:
        release: what was asked for.
        text: the rendered manifests: what is shown, checked and applied.
        objects: the same as values.
    """

    project: Project
    release: Release
    text: str
    objects: list[Object]

    @property
    def deployment(self) -> Object:
        """The Deployment among the objects."""
        return manifests.deployment_of(self.objects, self.project.config.name)

    @property
    def deadline(self) -> int:
        """How many seconds a rollout may take: models that are fetched take longer."""
        return int(self.deployment["spec"].get("progressDeadlineSeconds", 300))

    @property
    def fixed(self) -> bool:
        """Whether the count of pods is set, and nothing scales it."""
        return self.deployment["spec"].get("replicas") is not None


def prepare(project: Project, release: Release, runner: Runner) -> Prepared:
    """Render k8s/ with what this release asks for laid over it.

    Raises:
        ToolFailed: k8s/ does not render.
        ProjectError: it has no Deployment of the project's name.
    """
    base = Path("k8s") / "overlays" / release.env
    rendered = manifests.parse(kustomize(project, base, runner))
    files = manifests.overlay(project.config, rendered, release)
    with manifests.written(project.root, files) as folder:
        text = kustomize(project, folder, runner)
    return Prepared(project, release, text, manifests.parse(text))


def kustomize(project: Project, folder: Path, runner: Runner) -> str:
    """Return what a folder of the project renders.

    Raises:
        ToolFailed: it does not render.
    """
    answer = runner.ask(kubectl.kustomize("kubectl", project.root, folder))
    if answer.code != 0:
        raise ToolFailed(
            "The manifests in k8s/ don't render",
            why=answer.stderr.strip(),
            next=f"correct them; `kubectl kustomize {folder}` shows the same",
        )
    return answer.stdout
