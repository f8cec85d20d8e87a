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
EngineName = Literal["docker", "podman"]
EngineOption = Annotated[
    EngineName | None,
    typer.Option("--engine", help="docker or podman.", show_default="found"),
]
ImageOption = Annotated[
    str | None, typer.Option("--image", help="The image.", show_default="the last build")
]
PortOption = Annotated[
    int | None, typer.Option("--port", help="The port here.", show_default="that of mlship.yaml")
]
