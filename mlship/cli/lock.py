"""``mlship lock``: exact versions with hashes of what pyproject.toml asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlship.cli.options import AsJson, ProjectDir, Verbose

if TYPE_CHECKING:
    from mlship.lock import Locked


def lock(
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Take the newest versions that pyproject.toml allows.")
    ] = False,
    upgrade_package: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Take the newest version of this one. Repeatable."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail when the locks are out of date.")
    ] = False,
    as_json: AsJson = False,
    project: ProjectDir = Path(),
    verbose: Verbose = False,
) -> None:
    """Lock the libraries with their hashes, where pyproject.toml has changed; show what moved."""
    from mlship import lock as locking
    from mlship.cli import console
    from mlship.errors import UsageError
    from mlship.project import find

    console.prose_to_stderr(as_json)
    packages = tuple(upgrade_package or ())
    if check and (upgrade or packages):
        raise UsageError("--check writes nothing, so it can't upgrade", next="leave out one")
    found = find(project)
    python = found.config.python
    locking.wishes(found.root)  # without any, there is nothing to be fresh against
    reasons = locking.stale(found.root, python)
    if check and reasons:
        raise locking.out_of_date(reasons)
    moved = locking.Locked([], [])
    wanted = upgrade or bool(packages)
    if reasons or wanted:
        with console.err.status("Locking the libraries with their hashes"):
            moved = locking.lock(
                found.root, python, console.runner(verbose=verbose),
                upgrade=upgrade, packages=packages,
            )  # fmt: skip
    if as_json:
        console.print_json(_values(moved, reasons))
        return
    _show(moved, reasons, wanted=wanted)
    for line in locking.held(found.root, moved, packages, upgrade=upgrade):
        console.note(line)


def _values(moved: Locked, reasons: list[str]) -> dict[str, Any]:
    return {
        "stale": reasons,
        "moved": [
            {"name": move.name, "from": move.before, "to": move.after, "in_image": in_image}
            for in_image, moves in ((True, moved.image), (False, moved.dev))
            for move in moves
        ],
    }


def _show(moved: Locked, reasons: list[str], *, wanted: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from mlship.cli import console

    if moved.first:
        more = sum(move.before is None for move in moved.dev)
        console.out.print(
            f"Locked {len(moved.image)} libraries for the image, {more} more for its tests"
        )
        return
    for reason in reasons:
        console.out.print(f"Locked again: {reason}", style="dim")
    if not moved.image and not moved.dev:
        same = "no version moved" if reasons else "the locks are what pyproject.toml asks for"
        console.out.print("Nothing newer fits" if wanted and not reasons else f"Fresh: {same}")
        return
    table = Table("library", "from", "", "to", "in", box=None, pad_edge=False, header_style="dim")
    for place, moves in (("image", moved.image), ("tests", moved.dev)):
        for move in moves:
            before = move.before or Text("none", style="dim")
            after = move.after or Text("removed", style="red")
            table.add_row(move.name, before, "→", after, Text(place, style="dim"))
    console.out.print(table)
    console.say(("Next:", "dim"), " mlship build --verify")
