"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ProjectDir = Annotated[
    Path, typer.Option("--project", help="A folder inside the project.", show_default="here")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show each command that is run.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the exact commands, run nothing.")]
