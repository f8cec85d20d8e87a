"""``mlship predict``: ask a running service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlship.cli.options import (
    DeployedContext,
    DeployedEnv,
    DeployedNamespace,
    ProjectDir,
    Verbose,
)

if TYPE_CHECKING:
    from rich.table import Table

    from mlship.project import Project


def predict(
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="A .csv or .json.", show_default="sample.json"),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="The service.", show_default="this machine")
    ] = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Ask what is deployed, by a tunnel to it.")
    ] = False,
    env: DeployedEnv = None,
    context: DeployedContext = None,
    namespace: DeployedNamespace = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
    project: ProjectDir = Path(),
    verbose: Verbose = False,
) -> None:
    """Send the sample, or a file, to the service and show the predictions."""
    from mlship import client
    from mlship.cli import console
    from mlship.errors import UsageError
    from mlship.project import find

    console.prose_to_stderr(as_json)
    if url and cluster:
        raise UsageError("--url and --cluster are two services", next="leave out one of them")
    if not cluster and (env or context or namespace):
        raise UsageError("--env, --context and --namespace are of a cluster", next="add --cluster")
    found = find(project)
    sample = found.root / "sample.json"
    body = client.read_instances(sample, {})
    if file:
        body = client.read_instances(file, body["instances"][0])
    if cluster:
        answer = _ask_cluster(
            found, body, env, context, namespace, as_json=as_json, verbose=verbose
        )
    else:
        answer = client.predict(url or f"http://127.0.0.1:{found.config.port}", body)
    if as_json:
        console.print_json(answer)
        return
    console.out.print(_table(body["instances"], answer))


def _ask_cluster(
    project: Project,
    body: dict[str, Any],
    env: str | None,
    context: str | None,
    namespace: str | None,
    *,
    as_json: bool,
    verbose: bool,
) -> dict[str, Any]:
    from mlship.cli import reach
    from mlship.cluster import answering

    way = reach.deployed(project.root, env, context, namespace, as_json=as_json, verbose=verbose)
    way.look_for_pods()
    return answering.ask(way.runner, way.target, way.name, body)


def _table(instances: list[Any], answer: dict[str, Any]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("#", "instance", "prediction", box=None, pad_edge=False, header_style="bold")
    scores = answer.get("probabilities")
    if scores and isinstance(scores[0][0], list):
        scores = None  # one list per output; --json has them
    if scores:
        table.add_column("probability", justify="right")
    for index, prediction in enumerate(answer["predictions"][:50]):
        shown = Text(_plain(prediction), style="green")
        score = [f"{max(scores[index]):.3f}"] if scores else []
        table.add_row(str(index), _short(instances[index]), shown, *score)
    if len(answer["predictions"]) > 50:
        table.caption = f"the first 50 of {len(answer['predictions'])}; --json prints all"
    return table


def _plain(prediction: Any) -> str:
    text = f"{prediction:.6g}" if isinstance(prediction, float) else str(prediction)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _short(instance: Any) -> str:
    values = list(instance.values()) if isinstance(instance, dict) else [instance]
    if len(values) == 1 and isinstance(values[0], list):
        values = values[0]
    text = ", ".join(str(value)[:40] for value in values[:4])
    return text + (", …" if len(values) > 4 else "")
