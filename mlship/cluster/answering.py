"""Asking the service on a cluster, through a tunnel of kubectl's."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from typing import Any

from mlship import client
from mlship.commands import kubectl
from mlship.commands.kubectl import Target
from mlship.errors import ClusterError, ServiceError
from mlship.rollout import refusals
from mlship.rollout.fields import condition
from mlship.rollout.looking import objects
from mlship.runner import Runner

_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ->")


@contextlib.contextmanager
def tunnel(
    runner: Runner, target: Target, name: str, port: int = 0
) -> Iterator[tuple[str, Iterator[str]]]:
    """Give the URL of the Service ``name`` on this machine, and what kubectl says, line by line.

    The lines end when the tunnel does: it leads to one pod, and goes with that.

    Raises:
        ClusterError: the cluster does not let us, or no pod of it is there.
    """
    with runner.background(kubectl.port_forward(target, name, port)) as lines:
        said: list[str] = []
        for line in lines:
            if match := _FORWARDING.search(line):
                yield f"http://127.0.0.1:{match[1]}", lines
                return
            said.append(line)
        raise _no_tunnel(target, "\n".join(said), port)


def _no_tunnel(target: Target, said: str, port: int) -> ClusterError:
    if "unable to listen on" not in said.lower():
        return refusals.refused(target, said)
    trouble = "is in use" if "address already in use" in said else "can't be used"
    return ClusterError(
        f"Port {port} {trouble} here",
        why=said,
        next="mlship open with another --port, or without, which takes a free one",
    )


@contextlib.contextmanager
def forwarded(runner: Runner, target: Target, name: str, port: int = 0) -> Iterator[str]:
    """Give the URL of the Service ``name``, on this machine, while the context lasts.

    Raises:
        ClusterError: the cluster does not let us, or no pod of it is there.
    """
    with tunnel(runner, target, name, port) as (url, _):
        yield url


def ask(runner: Runner, target: Target, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a request to the service on the cluster and return its answer.

    Raises:
        ServiceError: it does not answer, or refuses.
        ClusterError: there is no way to it.
    """
    with forwarded(runner, target, name) as url:
        try:
            return client.predict(url, body)
        except ServiceError as error:
            error.what = error.what.replace(url, f"service/{name}")
            if "--url" in error.next:  # words for a service on this machine
                error.next = "mlship status, mlship logs"
            raise


def prove(runner: Runner, target: Target, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send the request up to three times: a pod that just left may be the one that was chosen.

    Raises:
        ServiceError: it does not answer, or refuses.
        ClusterError: there is no way to it, or no pod that could answer.
    """
    _require_pods(runner, target, name)
    for _ in range(2):
        with contextlib.suppress(ServiceError, ClusterError):
            return ask(runner, target, name, body)
        time.sleep(1)
    return ask(runner, target, name, body)


def _require_pods(runner: Runner, target: Target, name: str) -> None:
    """Make sure that a pod is ready: kubectl would wait a minute for one, and then again.

    Raises:
        ClusterError: none is. Where one may not look, nothing is raised.
    """
    try:
        pods = objects(runner, target, kubectl.pods(target, name))
    except ClusterError:
        return
    staying = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    if any(condition(pod, "Ready").get("status") == "True" for pod in staying):
        return
    raise ClusterError(
        f"No pod of {name} serves",
        why=f"{len(staying)} pods, none of them ready." if staying else "It has no pod.",
        next="mlship status" if staying else "mlship scale N",
    )
