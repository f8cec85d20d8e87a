"""Whether a cluster can get an image, told before anything is applied."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from mlship.commands import docker
from mlship.engine import on_path
from mlship.errors import ClusterError, ToolFailed
from mlship.runner import Runner

# As many images as a node tells of, the largest first; nodeStatusMaxImages of
# https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/.
_MOST_TOLD = 50
_ABSENT = re.compile(r"manifest unknown|name unknown|name not known to registry", re.I)
# docker's words for an image that is not there, and as well for one that this machine may not
# see, or a proxy's error page: iterateEndpoints in docker/cli, cli/registry/client/fetcher.go.
_NOT_SHOWN = re.compile(r"no such manifest", re.I)
_DENIED = re.compile(r"unauthorized|denied|authentication required|no basic auth", re.I)


@dataclass(frozen=True)
class Presence:
    """What is known of an image's whereabouts.

    Attributes:
        where: ``nodes`` (all of them, or those in ``note``), ``registry``, ``nowhere`` or
            ``unknown``.
        note: what to tell, where it is more than that.
    """

    where: Literal["nodes", "registry", "nowhere", "unknown"]
    note: str = ""


def has_registry(image: str) -> bool:
    """Tell whether the image can be in a registry: one that it names, or Docker Hub.

    ``ann/iris`` is ``docker.io/ann/iris``. A single name would be one of Docker's own images
    there, so it is one that was only built here.
    """
    return "/" in image


def _names_registry(image: str) -> bool:
    """Tell whether the first part has a dot, a port, or is localhost
    (https://github.com/distribution/reference).
    """
    first, slash, _ = image.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")


def _registry(image: str) -> str:
    """Return the registry that is asked for the image, as one says it."""
    return "its registry" if _names_registry(image) else "Docker Hub"


def full(image: str) -> str:
    """Return the reference as nodes tell it: ``iris:1`` is ``docker.io/library/iris:1``."""
    if not _names_registry(image):
        image = f"docker.io/{image}" if "/" in image else f"docker.io/library/{image}"
    if "@" in image:  # nodes tell digests without tags
        repository, _, digest = image.partition("@")
        head, slash, last = repository.rpartition("/")
        return f"{head}{slash}{last.partition(':')[0]}@{digest}"
    name = image.rpartition("/")[2]
    return image if ":" in name else f"{image}:latest"


def on_nodes(image: str, nodes: Iterable[dict[str, Any]]) -> Presence:
    """Tell from nodes as the API lists them; ``unknown`` where they may not tell of all."""
    # podman calls images without a registry localhost/...
    names = {full(image), f"localhost/{image}"}
    having: list[str] = []
    lacking: list[str] = []
    silent = False
    for node in nodes:
        if node.get("spec", {}).get("unschedulable"):
            continue
        images = node.get("status", {}).get("images", [])
        found = any(names & set(entry.get("names") or []) for entry in images)
        (having if found else lacking).append(node["metadata"]["name"])
        silent = silent or (not found and len(images) >= _MOST_TOLD)
    if having and lacking:
        return Presence("nodes", f"of the nodes, {', '.join(lacking[:3])} can't be seen to have it")
    if having:
        return Presence("nodes")
    return Presence("unknown" if silent or not lacking else "nowhere")


def in_registry(image: str, runner: Runner) -> Presence:
    """Ask the image's registry from here, by the docker or podman on PATH."""
    programs = on_path("docker") + on_path("podman")
    if not programs:
        return Presence("unknown")
    asked = _registry(image)
    try:
        answer = runner.ask(docker.manifest(programs[0], full(image)), timeout=20)
    except ToolFailed:
        return Presence("unknown", f"{asked} does not answer from here")
    if answer.code == 0:
        return Presence("registry")
    said = answer.stderr.strip()
    if _ABSENT.search(said):
        return Presence("nowhere", said.splitlines()[-1])
    if _NOT_SHOWN.search(said):
        return Presence("unknown", f"{asked} shows this machine no such image; if it is not "
                        "there, mlship build --push")  # fmt: skip
    if _DENIED.search(said):
        return Presence("unknown", f"{asked} does not let this machine look")
    return Presence("unknown", f"{asked} can't be asked from here")


def missing(image: str, presence: Presence, project_image: str) -> ClusterError:
    """Return the error for an image that no node could get."""
    if has_registry(image):
        return ClusterError(
            f"The image {image} is not in {_registry(image)}",
            why=f"The registry says: {presence.note}" if presence.note else "",
            next="mlship build --push, or --image with one that is there",
        )
    return ClusterError(
        f"The cluster has no image {image} and can't pull it",
        why="Its name has no registry, and no node tells of it. Nothing was applied.",
        next=f"name your registry: `image: registry.example.com/team/{project_image}` in "
        "mlship.yaml, then `mlship build --push`; or bring the image to the nodes, and add "
        "--no-image-check",
    )


def not_loaded(image: str, lines: list[str]) -> ClusterError:
    """Return the error for an image that a local cluster's own program could not load."""
    return ClusterError(
        f"The image {image} could not be loaded into the nodes",
        why="\n".join([*lines[-3:], "Nothing was applied."]),
        next="mlship build, if the engine here does not have it; then deploy again",
    )
