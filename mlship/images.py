"""Images that have to be here before anything is done with them."""

from __future__ import annotations

from mlship.commands import docker
from mlship.engine import Engine
from mlship.errors import ToolFailed
from mlship.runner import Runner


def require(engine: Engine, image: str, runner: Runner) -> None:
    """Raise ToolFailed unless the engine has the image."""
    if runner.ask(docker.image_exists(engine, image)).code != 0:
        raise missing(image)


def missing(image: str) -> ToolFailed:
    """Return the error for an image that the engine does not have."""
    return ToolFailed(
        f"The image {image} is not here",
        why="It was not built, or the project has changed since.",
        next="mlship build; or --image, for one of another --tag or --base",
    )
