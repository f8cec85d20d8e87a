"""``mlship init``: read a model, write a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mlship.cli.options import Verbose

if TYPE_CHECKING:
    from mlship.ownership import Changes
    from mlship.plan import Plan
    from mlship.runner import Runner

Server = Literal["fastapi", "flask"]
Runtime = Literal["auto", "native", "onnx"]


def init(
    name: Annotated[str, typer.Argument(help="Names the folder, the image and the service.")],
    model: Annotated[
        Path | None,
        typer.Option(help="The trained model, a file or a folder. Without it: iris."),
    ] = None,
    server: Annotated[
        Server | None, typer.Option(help="The server to write.", show_default="fastapi")
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option(help="Rows as .csv, .parquet or .json: names, types, categories, examples."),
    ] = None,
    target_column: Annotated[
        str | None, typer.Option("--target", help="The sample's column that is the answer.")
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(help="A module or package of yours that the model needs. Repeatable."),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Take a model that runs code when it is loaded.")
    ] = False,
    runtime: Annotated[
        Runtime | None,
        typer.Option(
            help="What runs the model: ONNX Runtime where that is proven to answer the same, "
            "the model's own library, or ONNX Runtime or nothing.",
            show_default="auto",
        ),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A value of mlship.yaml. Repeatable."),
    ] = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a project; your own files stay.")
    ] = False,
    no_lock: Annotated[
        bool, typer.Option("--no-lock", help="Leave the lock files for later (no network).")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Read a model and write a project that serves it."""
    import tempfile

    from mlship import goldenrows, names, plan, scaffold, settings
    from mlship.cli import console
    from mlship.errors import ToolFailed

    target = Path.cwd() / names.check(name)
    scaffold.check_target(target, force=force)
    given = settings.parse(values or [])
    if server is None and not no_input and console.interactive() and not plan.former(target):
        from rich.prompt import Prompt

        chosen = Prompt.ask("Server", choices=["fastapi", "flask"], default="fastapi")
        server = "flask" if chosen == "flask" else "fastapi"
    planned = plan.make(
        target,
        plan.Wishes(model, server, given, sample, target_column, tuple(include or ()), trust,
                    runtime),
    )  # fmt: skip
    runner = console.runner(verbose=verbose)

    def finish(project: Path) -> None:
        if no_lock:
            return
        from mlship import lock  # reads requirements with a library of its own

        lock.keep_pins(target, project)
        try:
            with console.err.status("Locking the libraries with their hashes"):
                lock.lock(project, planned.config.python, runner)
        except ToolFailed as error:
            console.warn(f"{error.what}; `mlship serve` and `mlship build` will try again.")
            console.note(error.why)

    with tempfile.TemporaryDirectory(prefix="mlship-") as folder:
        source = planned.card.path
        if planned.to_convert:
            planned = _convert(planned, Path(folder), runner, sample, offline=no_lock)
        done = scaffold.scaffold(
            planned.card,
            planned.context(),
            target,
            force=force,
            include=planned.include,
            refined=planned.refined,
            files={**planned.files, **goldenrows.files(planned.card, sample, target)},
            finish=finish,
        )
    _show(planned, source, target, done.changes)


def _convert(
    planned: Plan, folder: Path, runner: Runner, sample: Path | None, *, offline: bool
) -> Plan:
    """Return the plan with the model in ONNX, or as it was where that is not proven.

    Raises:
        ModelError, ToolFailed: it is not, and ``--runtime onnx`` asks for it.
    """
    from mlship import conversion, plan
    from mlship.cli import console
    from mlship.conversion import environment
    from mlship.conversion.request import MOST_REAL
    from mlship.errors import ModelError, ToolFailed, UsageError
    from mlship.sampling import rows

    must = planned.config.runtime == "onnx"
    if offline and must:
        raise UsageError(
            "--no-lock and --runtime onnx exclude each other",
            why="A conversion needs the network, as the lock does.",
            next="leave one of them out",
        )
    if offline:
        console.note("Not converted to ONNX: --no-lock stands for no network.")
        return planned
    card = planned.card
    if not must and not conversion.reason_against(card) and environment.brings_cuda(card):
        console.note(
            "Not converted to ONNX: the package index's torch brings several GB of CUDA. With "
            "PIP_EXTRA_INDEX_URL set to PyTorch's index of CPU builds mlship tries it; --runtime "
            "onnx tries it anyway."
        )
        return planned
    try:
        real = rows.read(sample, card.features, MOST_REAL) if sample else []
        with console.err.status("Converting to ONNX, and comparing its answers with the model's"):
            found = conversion.convert(
                card, planned.config.python, folder, runner, rows=real, include=planned.include
            )
    except ModelError as error:
        if must:
            raise
        console.note(f"{error.what}: {error.why}\nIt stays with {card.framework}.")
        return planned
    except ToolFailed as error:
        if must:
            raise
        console.warn(f"{error.what}; the model stays with {card.framework}.")
        console.note(error.why)
        return planned
    return plan.converted(planned, found.card, found.files)


def _show(planned: Plan, model: Path, target: Path, changes: Changes) -> None:
    from rich.text import Text

    from mlship.cli import console
    from mlship.cli.tree import file_tree
    from mlship.plan import BUNDLED_MODEL
    from mlship.text import plain

    card = planned.card
    source = "the bundled iris model" if model == BUNDLED_MODEL else str(model)
    console.out.print(Text.assemble("Read ", (source, "bold"), f": {plain(card.description)}"))
    console.out.print(
        Text(
            f"{card.task}, {len(card.features)} feature{'s' if len(card.features) > 1 else ''}"
            + (f", {len(card.classes)} classes" if card.classes else "")
            + f"; Python {planned.config.python} ({planned.python_reason})",
            style="dim",
        )
    )
    if card.original:
        console.out.print(f"ONNX Runtime runs it: {card.original.summary[0]}", style="dim")
    for warning in card.warnings:
        console.warn(warning)
    console.out.print(file_tree(target.name, changes))
    if changes.kept:
        console.warn(
            f"kept {len(changes.kept)} file(s) that are not mlship's or were edited: "
            f"{', '.join(changes.kept)}. To take mlship's version, delete them and run this again."
        )
    if changes.unused:
        console.warn(f"yours, and no longer used: {', '.join(changes.unused)}")
    console.out.print("Next:", style="bold")
    for command, does in (
        (f"cd {target.name} && mlship serve", "run the server here"),
        ("mlship build", "make the image"),
        (f"mlship deploy --replicas {planned.config.replicas}", "put it on your cluster"),
    ):
        console.out.print(Text.assemble("  ", (f"{command:<34}", "cyan"), (does, "dim")))
