"""Before a deployment: making sure that the cluster can get the image."""

from __future__ import annotations

import contextlib
import time

from rich.text import Text

from mlship.cli import console
from mlship.cluster import imagecheck
from mlship.cluster.access import Access
from mlship.commands import kubectl, localcluster
from mlship.errors import ClusterError
from mlship.rollout import looking
from mlship.runner import Runner

# How long nodes may take to tell of an image that was just brought to them: the kubelet looks
# at its images every 30 s and tells of them within 10 s.
_NODES_TELL_SECONDS = 45


def ensure(image: str, way: Access, runner: Runner, *, name: str, own: bool) -> None:
    """Load the image into a local cluster, or look whether nodes or its registry have it.

    ``own`` images are named by their content: one that a node has is the right one.

    Raises:
        ClusterError: no node has it, and none can pull it.
    """
    if image.endswith(":latest") or not {":", "@"} & set(image.rpartition("/")[2]):
        console.warn("the image's tag is latest: nobody can tell later which one ran")
    if way.cluster.local == "shared":  # the nodes see what the engine here has
        return
    load = localcluster.load(way.cluster, image)
    deadline = time.monotonic() + _NODES_TELL_SECONDS
    presence = _on_nodes(image, way, runner)
    if load and not (own and presence.where == "nodes"):
        lines: list[str] = []
        with console.err.status(Text(f"Loading the image into {way.cluster.context}")):
            code = runner.stream(load, lines.append)
        if code == 0:
            return
        if presence.where != "nodes" and not imagecheck.has_registry(image):
            raise imagecheck.not_loaded(image, lines)
    if presence.where == "nowhere" and imagecheck.has_registry(image):
        presence = imagecheck.in_registry(image, runner)
    elif presence.where == "nowhere":
        console.note(f"No node tells of {image} yet; looking again for {_NODES_TELL_SECONDS} s")
        while presence.where == "nowhere" and time.monotonic() < deadline:
            time.sleep(3)
            presence = _on_nodes(image, way, runner)
    if presence.where == "nowhere":
        raise imagecheck.missing(image, presence, name)
    if presence.note:
        console.warn(f"{image}: {presence.note}")


def _on_nodes(image: str, way: Access, runner: Runner) -> imagecheck.Presence:
    with contextlib.suppress(ClusterError):  # one may not list nodes
        nodes = looking.objects(runner, way.target, kubectl.nodes(way.target))
        return imagecheck.on_nodes(image, nodes)
    if imagecheck.has_registry(image):
        return imagecheck.Presence("nowhere")  # so the registry is asked
    return imagecheck.Presence(
        "unknown", "no node may be asked for it, and it names no registry to pull it from"
    )
