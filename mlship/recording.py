"""The golden answers of a model that was not converted: what the project's own server says."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from mlship import client, environment, freshness, golden, lock, ownership, server, wheelhouse
from mlship.commands.uv import LOCK
from mlship.errors import ServiceError, ToolFailed
from mlship.golden import Golden
from mlship.project import Project
from mlship.runner import Command, Runner

_READY_SECONDS = 300


def prepare(project: Project, runner: Runner) -> None:
    """Have what the golden answers are recorded with, where there are none yet.

    Before a build: where it can't be had, nobody shall wait for the image in vain.

    Raises:
        ToolFailed: the environment can't be made.
        ProjectError: the rows can't be read.
    """
    if not golden.read(project.root, project.config.model.sha256).predictions:
        _ensure_environment(project, runner)


def record(project: Project, runner: Runner, settings: Mapping[str, str]) -> Golden:
    """Ask the golden rows of the project's server here, keep and return them with their answers.

    The environment is made when missing, as by ``mlship serve``. Rows that the server refuses (4xx)
    are left out: a model has no answer to each row that its schema allows. ``settings`` are the
    variables of the pods: with others a model may answer otherwise.

    Raises:
        ToolFailed: the environment can't be made, or the server does not start, fails at a row or
            refuses all; the file of former answers stays.
        ProjectError: the rows can't be read.
    """
    config, root = project.config, project.root
    asked = golden.read(root, config.model.sha256)
    _ensure_environment(project, runner)
    kept, answers, refusal = [], [], ""
    with _served(project, runner, settings) as url:
        for index, row in enumerate(asked.rows):
            try:
                answers.append(_answer(url, row))
                kept.append(index)
            except ServiceError as error:
                refusal = f"{error.what}: {error.why}"
                if error.status // 100 != 4:
                    raise ToolFailed(
                        f"The project's own server fails at golden row {index + 1} of "
                        f"{len(asked.rows)}; nothing was recorded",
                        why=refusal,
                        next="mlship serve shows its log; correct that first",
                    ) from None
    if not kept:
        raise ToolFailed(
            "The project's own server answers none of its golden rows", why=refusal,
            next="mlship serve, then mlship predict: that shows the same",
        )  # fmt: skip
    libraries = (root / LOCK).read_text(encoding="utf-8")
    found = golden.answered(asked, kept, answers, config.model.sha256, libraries)
    owned = ownership.ours(root, [golden.FILE])
    ownership.replace_text(root / golden.FILE, golden.written(found))
    ownership.rewritten(root, owned)
    return found


def _answer(url: str, row: Any) -> dict[str, Any]:
    answer = client.predict(url, {"instances": [row]}, timeout=120)
    for name in ("predictions", "probabilities"):
        given = answer.get(name)
        if isinstance(given, list) and len(given) != 1:
            raise ServiceError("Not one answer to one row", why=f"{len(given)} {name}")
    return answer


def _ensure_environment(project: Project, runner: Runner) -> None:
    """Have the environment, of the lock that the image was made from."""
    root, python = project.root, project.config.python
    if reasons := freshness.stale(root, python, LOCK):
        raise lock.out_of_date(reasons)
    wheels = root / wheelhouse.FOLDER
    try:
        environment.ensure(root, python, runner, wheels if wheels.is_dir() else None)
    except ToolFailed as error:
        raise ToolFailed(
            f"{error.what}, which records the golden answers of the model",
            why=error.why,
            next=f"{error.next}; or mlship verify where there is a network, and commit "
            f"{golden.FILE}; or mlship build --no-verify",
        ) from None


@contextlib.contextmanager
def _served(project: Project, runner: Runner, settings: Mapping[str, str]) -> Iterator[str]:
    """Give the URL of the project's server, on a free port here, while the context lasts."""
    config = project.config
    port = _free_port()
    argv = server.local_command(config.server, environment.FOLDER)
    variables = {
        **settings, "HOST": "127.0.0.1", "PORT": str(port), "WORKERS": "1", "DRAIN_SECONDS": "0",
        "LOG_LEVEL": "WARNING", "DEADLINE_SECONDS": "120",
    }  # fmt: skip
    said: deque[str] = deque(maxlen=10)
    with runner.background(Command(tuple(argv), cwd=project.root, env=variables)) as lines:
        reader = threading.Thread(target=said.extend, args=(lines,), daemon=True)
        reader.start()
        url = f"http://127.0.0.1:{port}"
        try:
            client.wait_until_ready(url, _READY_SECONDS, reader.is_alive)
        except ServiceError as error:
            raise ToolFailed(
                "The golden answers could not be recorded: "
                f"{error.what[:1].lower()}{error.what[1:]}",
                why="\n".join(said),
                next="mlship serve shows the same; correct that first",
            ) from None
        yield url


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
