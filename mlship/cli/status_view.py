"""What a status looks like: lines, the pods as a table, and the troubles."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import datetime
from typing import Any, NoReturn

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mlship.cli import console, rollout_view
from mlship.cluster import status
from mlship.cluster.deployed import Deployed
from mlship.cluster.status import Status
from mlship.errors import ClusterError
from mlship.rollout import progress
from mlship.rollout.revisions import image_of
from mlship.rollout.trouble import Trouble
from mlship.text import printable

_STYLES = {"done": "green", "rolling": "yellow", "failed": "red"}


def picture(deployed: Deployed, found: Status) -> RenderableType:
    """Return the whole status."""
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")
    cluster, snapshot = deployed.way.cluster, found.snapshot
    lines.add_row("context", f"{cluster.context} ({cluster.server})")
    lines.add_row("namespace", deployed.target.namespace)
    lines.add_row("image", Text(image_of(snapshot.deployment), style="bold"))
    for digest in status.digests(snapshot):
        lines.add_row("", Text(digest, style="dim"))
    lines.add_row("revision", _rollout(found))
    lines.add_row("pods", _pods(found))
    lines.add_row("autoscaler", _autoscaler(found))
    for index, way in enumerate(found.endpoints or [None]):
        lines.add_row("" if index else "endpoint", _endpoint(way))
    parts: list[RenderableType] = [lines]
    if snapshot.pods:
        parts += ["", rollout_view.pods(snapshot)]
    for trouble in found.troubles:
        parts += ["", _trouble(trouble)]
    return Group(*parts)


def _rollout(found: Status) -> Text:
    rollout = found.rollout
    text = Text.assemble(
        f"{status.number(found)}, rollout ", (rollout.state, _STYLES[rollout.state])
    )
    if rollout.when:
        when = datetime.fromisoformat(rollout.when)
        age = progress.age(rollout.when, found.snapshot.taken)
        text.append(f", deployed {when.astimezone():%Y-%m-%d %H:%M} ({age} ago)")
    if rollout.by:
        text.append(f" by {printable(rollout.by)}")
    return text


def _pods(found: Status) -> Text:
    wanted = found.snapshot.wanted
    if not wanted:
        return Text("none wanted: scaled to 0, so nothing answers", style="yellow")
    style = "green" if found.serves else "yellow" if found.ready else "red"
    older = sum(1 for row in progress.rows(found.snapshot) if row.serves and not row.is_new)
    of_them = f", {older} of them of an older revision" if older else ""
    return Text(f"{found.ready} of {wanted} serve{of_them}", style=style)


def _autoscaler(found: Status) -> Text:
    scaler = found.autoscaler
    if not scaler:
        return Text("none: the count is fixed")
    text = Text(f"{scaler.least} to {scaler.most} pods")
    if scaler.trouble:
        text.append(f"; does not scale: {printable(scaler.trouble)}", style="yellow")
    elif scaler.metrics:
        text.append(f"; {', '.join(scaler.metrics)}")
    if scaler.kind == "ScaledObject":
        text.append(" (KEDA)")
    return text


def _endpoint(way: Any) -> Text:
    if way is None:
        return Text("none: there is no Service", style="yellow")
    text = Text(" ".join(way.urls) or way.name)
    details = [*way.addresses, *([way.note] if way.note else [])]
    text.append(f"  {way.kind} {', '.join(details)}", style="dim")
    return text


def _trouble(found: Trouble) -> Text:
    text = Text(printable(found.what), style="red")
    for line in found.evidence:
        text.append(f"\n  {printable(line)}", style="dim")
    if found.next:
        text.append("\n  Next: ", style="bold").append(printable(found.next), style="not bold")
    return text


def as_values(deployed: Deployed, found: Status) -> dict[str, Any]:
    """Return the status for ``--json``."""
    snapshot, cluster = found.snapshot, deployed.way.cluster
    return {
        "name": deployed.name,
        "context": cluster.context,
        "server": cluster.server,
        "namespace": deployed.target.namespace,
        "serves": found.serves,
        "revision": status.number(found),
        "image": image_of(snapshot.deployment),
        "digests": status.digests(snapshot),
        "replicas": snapshot.wanted,
        "ready": found.ready,
        "rollout": asdict(found.rollout),
        "autoscaler": asdict(found.autoscaler) if found.autoscaler else None,
        "endpoints": [asdict(way) | {"https": way.https} for way in found.endpoints],
        "pods": [asdict(row) | {"serves": row.serves} for row in progress.rows(snapshot)],
        "troubles": [rollout_view.as_values(trouble) for trouble in found.troubles],
    }


def watch(deployed: Deployed, every: float, *, as_json: bool) -> NoReturn:
    """Show the status until Ctrl-C: in place on a terminal, elsewhere whenever it changes.

    Raises:
        ClusterError: at first, as `mlship status` does; later it waits for the cluster.
    """
    shown: Any = None
    found = status.look(deployed)
    live = Live(console=console.out, refresh_per_second=4, screen=False)
    on_terminal = console.out.is_terminal and not as_json
    if on_terminal:
        live.start()
    try:
        while True:
            values = as_values(deployed, found)
            if on_terminal:
                live.update(picture(deployed, found))
            elif _lasting(values) != shown:
                _print(deployed, found, values, as_json=as_json)
                shown = _lasting(values)
            time.sleep(every)
            try:
                found = status.look(deployed)
            except ClusterError as error:
                console.warn(error.what)
    finally:
        live.stop()


def _print(deployed: Deployed, found: Status, values: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(values), flush=True)
        return
    console.out.print(picture(deployed, found))
    console.out.print()


def _lasting(values: dict[str, Any]) -> dict[str, Any]:
    """Return a status without what changes by itself: ages."""
    pods = [{k: v for k, v in pod.items() if k != "age"} for pod in values["pods"]]
    return values | {"pods": pods}
