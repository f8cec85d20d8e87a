"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

ProjectDir = Annotated[
    Path, typer.Option("--project", help="A folder inside the project.", show_default="here")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show each command that is run.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the exact commands, run nothing.")]
EngineName = Literal["docker", "podman", "buildah"]
EngineOption = Annotated[
    EngineName | None,
    typer.Option("--engine", help="docker, podman or buildah.", show_default="found"),
]
ImageOption = Annotated[
    str | None, typer.Option("--image", help="The image.", show_default="the project's own")
]
PortOption = Annotated[
    int | None, typer.Option("--port", help="The port here.", show_default="that of mlship.yaml")
]
ContextOption = Annotated[
    str | None, typer.Option("--context", help="Of the kubeconfig.", show_default="the current")
]
NamespaceOption = Annotated[
    str | None, typer.Option("--namespace", "-n", show_default="that of mlship.yaml")
]
# Where something runs already, it is looked for where it was put.
DeployedContext = Annotated[
    str | None,
    typer.Option("--context", help="Of the kubeconfig.", show_default="that of the last deploy"),
]
DeployedNamespace = Annotated[
    str | None, typer.Option("--namespace", "-n", show_default="that of the last deploy")
]
EnvName = Literal["dev", "prod"]
DeployedEnv = Annotated[
    EnvName | None,
    typer.Option("--env", help="dev or prod.", show_default="that of the last deploy"),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")]
EmitOption = Annotated[
    Literal["kustomize", "kserve", "helm"] | None,
    typer.Option("--emit", help="Write the manifests in another form, into a folder."),
]
