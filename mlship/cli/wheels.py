"""``mlship wheels``: the locked libraries in a folder, for a build without network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlship.cli.options import DryRun, ProjectDir, Verbose


def wheels(
    folder: Annotated[Path, typer.Argument(help="Made where it is not there.")],
    platform: Annotated[
        str | None, typer.Option(help="linux/amd64, linux/arm64, or both with a comma.")
    ] = None,
    pip_conf: Annotated[
        Path | None,
        typer.Option(help="A pip.conf with the package index.", show_default="the environment's"),
    ] = None,
    ca_bundle: Annotated[
        Path | None,
        typer.Option(help="Certificates to trust, in PEM.", show_default="the environment's"),
    ] = None,
    project: ProjectDir = Path(),
    dry_run: DryRun = False,
    verbose: Verbose = False,
) -> None:
    """Download the locked wheels, for `mlship build --wheels DIR` without network."""
    import os
    import shlex
    import tempfile

    from mlship import building, lock, pipfailure, target, wheelhouse
    from mlship.cli import console
    from mlship.commands import uv
    from mlship.errors import ToolFailed
    from mlship.project import find
    from mlship.surroundings import look_around

    found = find(project)
    around = look_around(os.environ, project=found.root, pip_conf=pip_conf, ca_bundle=ca_bundle)
    runner = console.runner(dry_run=dry_run, verbose=verbose)
    runner.hidden = around.passwords
    runner.env = around.for_uv | around.for_pip
    lock.require_fresh(found, runner)
    locked, name = building.read_lock(found), shlex.quote(str(folder))
    with tempfile.TemporaryDirectory(prefix="mlship-wheels-") as scratch:
        for each in building.targets(found, target.platforms(platform)):
            path = Path(scratch) / f"{each.processor}.txt"
            path.write_text(wheelhouse.requirements(locked, each), encoding="utf-8")
            try:
                with console.err.status(f"Downloading the wheels for {each.platform}"):
                    runner.must(
                        uv.download(uv.program(), path, folder, each),
                        f"The wheels for {each.platform} could not be downloaded",
                        next="check the network and the index, then run the command again",
                    )
            except ToolFailed as error:
                asks = bool(around.index.addresses)
                raise pipfailure.of_download(error, name, each.platform, asks=asks) from None
    if not dry_run:
        console.say(("Next:", "dim"), f" mlship build --wheels {name}")
