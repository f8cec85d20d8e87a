"""``mlship bench``: how many requests a second a service answers, and how fast."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlship.cli.options import ProjectDir

if TYPE_CHECKING:
    from mlship.cli.bench_view import Board

_GOAL_MS = 50.0


def bench(
    url: Annotated[
        str | None, typer.Argument(help="The service.", show_default="this machine")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.1, max=1e6, help="Requests per second.", show_default="searched"),
    ] = None,
    duration: Annotated[
        float, typer.Option(min=0.1, max=86_400, help="Seconds that count in the end.")
    ] = 10,
    p99: Annotated[
        float | None,
        typer.Option(
            "--p99", min=0.1, max=60_000, help="The goal, in milliseconds.", show_default="50"
        ),
    ] = None,
    connections: Annotated[
        int, typer.Option(min=1, max=1000, help="The most to open at once.")
    ] = 256,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="A .csv or .json.", show_default="sample.json"),
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(min=1, help="Instances in each request.", show_default="those of the file"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    project: ProjectDir = Path(),
) -> None:
    """Load your running service; find the highest rate that it answers fast enough."""
    from mlship import client
    from mlship.cli import bench_view, console
    from mlship.load.target import parse

    url, body = _request(url, file, rows, project)
    target = parse(f"{url.rstrip('/')}/predict", body)
    if not client.is_loopback(url):
        console.note(f"The load goes to {target.host}.")
    _ask_once(url, body)
    board = bench_view.Board(target.url, rate, duration, p99 or (None if rate else _GOAL_MS))
    try:
        with board:
            _measure(board, body, connections)
    except KeyboardInterrupt:
        board.interrupted = True
    bench_view.show(board, as_json=as_json)
    if board.interrupted:
        raise typer.Exit(130)
    _check(board)


def _request(
    url: str | None, file: Path | None, rows: int | None, project: Path
) -> tuple[str, dict[str, Any]]:
    """Return the service's URL and the body to send."""
    from mlship import client
    from mlship.errors import ProjectError, UsageError
    from mlship.project import find

    try:
        found = find(project)
        body = client.read_instances(found.root / "sample.json", {})
        url = url or f"http://127.0.0.1:{found.config.port}"
        if file:
            body = client.read_instances(file, body["instances"][0])
    except ProjectError as error:
        if not (url and file):
            error.next += "; or name both: mlship bench URL --file body.json"
            raise
        if file.suffix.lower() == ".csv":
            raise UsageError(
                f"{file} can be sent only from a project",
                why="The project's sample tells which columns are features.",
                next='pass --project DIR, or a --file like {"instances": [...]}',
            ) from None
        body = client.read_instances(file, {})
    instances = body["instances"]
    if rows and instances:
        body = {"instances": [instances[n % len(instances)] for n in range(rows)]}
    return url, body


def _ask_once(url: str, body: dict[str, Any]) -> None:
    """Raise what is wrong with a single request, before sending thousands."""
    from mlship import client
    from mlship.errors import ServiceError

    try:
        client.predict(url, body, direct=True)  # as the load: a proxy would be what is measured
    except ServiceError as error:
        if "--url" in error.next:
            error.next = (
                "start it with `mlship serve` or `mlship run`, or name it: mlship bench URL"
            )
        raise


def _measure(board: Board, body: dict[str, Any], connections: int) -> None:
    from mlship import load

    if board.rate:
        seconds = board.duration
        board.finish(load.run(board.url, body, board.rate, seconds, connections, watch=board.watch))
    elif board.goal:
        goal = board.goal / 1000
        found = load.search(board.url, body, goal, board.duration, connections,
                            watch=board.watch, on_step=board.add)  # fmt: skip
        board.finish(found.best, found.limit)


def _check(board: Board) -> None:
    """Raise when the service did not do what it should."""
    from mlship.errors import MlshipError, ServiceError

    if board.result and not board.result.ok:
        raise ServiceError("The service answered no request", next="see what it logged")
    if board.goal is None or board.verdict == "meets":
        return
    if board.verdict == "client":
        raise MlshipError(
            f"This machine is too slow to tell whether p99 is within {board.goal:g} ms",
            next="bench from another machine, or at a lower --rate",
        )
    raise ServiceError(
        f"The service does not meet p99 <= {board.goal:g} ms",
        next="a lower --rate, more workers or replicas, or another --p99",
    )
