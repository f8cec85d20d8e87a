"""``--emit``: the manifests in another form, in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlship.project import Project


def emit(
    project: Project, kind: str, env: str, output: Path | None, *, force: bool = False
) -> list[Path]:
    """Write the manifests of ``env`` as kustomize, kserve or helm; return the files written.

    Raises:
        ProjectError: the folder holds what is not mlship's; the manifests lack the Deployment.
        ToolFailed: k8s/ does not render.
    """
    from rich.text import Text

    from mlship import emitting
    from mlship.cli import console

    if kind == "kustomize" and output is None:
        console.note("k8s/ is that already; --output DIR copies it, with the image")
        return []
    done = emitting.emit(project, kind, env, output, console.runner(), force=force)
    for word, names in (("wrote", done.changes.written), ("removed", done.changes.removed)):
        for name in names:
            console.out.print(Text.assemble((f"{word:<8}", "dim"), str(done.folder / name)))
    if not done.changes.written and not done.changes.removed:
        console.out.print(Text(f"{done.folder} is up to date", style="dim"))
    if done.changes.kept:
        console.warn(
            f"edited there, so left as they are: {', '.join(done.changes.kept)}. "
            "--force replaces them."
        )
    if done.left_out:
        console.warn(f"KServe routes requests itself; left out: {', '.join(done.left_out)}")
    return [done.folder / name for name in done.changes.written]
