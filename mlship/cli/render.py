"""``mlship render``: k8s/ again, from mlship.yaml; or the same as a Helm chart, or for KServe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlship.cli.options import EmitOption, EnvName, ProjectDir

if TYPE_CHECKING:
    from mlship.ownership import Changes
    from mlship.project import Project


def render(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail when something would change.")
    ] = False,
    emit: EmitOption = None,
    output: Annotated[
        Path | None, typer.Option(help="The folder for --emit.", show_default="helm/, kserve/")
    ] = None,
    env: Annotated[EnvName, typer.Option(help="The overlay that --emit is made of.")] = "prod",
    force: Annotated[
        bool, typer.Option("--force", help="With --emit: replace what was edited there.")
    ] = False,
    project: ProjectDir = Path(),
) -> None:
    """Write k8s/ again from mlship.yaml; your own files stay."""
    from rich.text import Text

    from mlship import rendering
    from mlship.cli import console
    from mlship.cli.emit import emit as emitted
    from mlship.project import find

    found = find(project)
    changes = rendering.check(found) if check else rendering.render(found)
    warn(found, changes)
    if check and (changes.written or changes.removed):
        raise rendering.out_of_date(changes)
    for word, names in (("wrote", changes.written), ("removed", changes.removed)):
        for name in names:
            console.out.print(Text.assemble((f"{word:<8}", "dim"), name))
    if emit:
        emitted(found, emit, env, output, force=force)
    elif not changes.written and not changes.removed:
        console.out.print("k8s/ is what mlship.yaml says", style="dim")


def warn(project: Project, changes: Changes) -> None:
    """Warn of files that are the user's own, so that mlship.yaml does not decide them."""
    from mlship import rendering
    from mlship.cli import console

    if changes.kept:
        console.warn(
            f"yours, so the change of mlship.yaml is not in: {', '.join(changes.kept)}. To take "
            "mlship's version, delete them and run this again; your own part fits into patches."
        )
    if changes.unused:
        console.warn(f"yours, and no longer used: {', '.join(changes.unused)}")
    if rendering.image_disagrees(project):
        source = project.config.model.source
        console.warn(
            f"the Dockerfile {'still takes the model in' if source else 'leaves the model out'}; "
            f"mlship init {project.root.name} --force, from {project.root.parent}, writes it again"
        )
