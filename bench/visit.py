"""One server with one model: started, checked, measured, stopped."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import wrk
from bench.check import check
from bench.client import Client, Failed
from bench.processes import Running, cores, start
from bench.projects import project
from bench.servers import Place, Server
from bench.work import Model, Work

CONNECTIONS = (1, 16, 64)
BATCH = 1000
START_SECONDS = 120
# MLServer takes the next one too.
_ports = itertools.cycle(range(8400, 8498, 2))

Figures = dict[str, float]


class DidNotStart(Exception):
    """The server ended, or gave no good answer in time; holds the end of its log."""


@dataclass(frozen=True)
class Settings:
    """How long and how much is measured."""

    seconds: float = 5  # of each point
    connections: tuple[int, ...] = CONNECTIONS
    batches: int = 15  # at most, of 1,000 rows


def free_port() -> int:
    """Return the next of the benchmark's ports that nobody uses."""
    for port in itertools.islice(_ports, 49):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)):
                return port
    raise OSError("all ports from 8400 to 8498 are taken")


def place_of(work: Work, server: Server, model: Model) -> Place:
    """Install a server, or make the project, and return where it runs."""
    if server.generated:
        folder = project(work, server.generated, server.runtime, model)
        environment = folder / ".venv"
    else:
        folder = work.sub("run", f"{server.name}-{model.name}")
        environment = work.environment(server.requirements)
    return Place(environment, folder, model.folder, model.shape, free_port())


@contextmanager
def running(
    work: Work, server: Server, model: Model, **variables: object
) -> Iterator[tuple[Running, Place]]:
    """Run a server on its core; ``variables`` are added to its environment."""
    place = place_of(work, server, model)
    server.prepare(place)
    log = work.sub("logs") / f"{server.name}-{model.name}.log"
    set_for_all = {
        # MLflow calls uvicorn by its name.
        "PATH": f"{place.environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOST": "127.0.0.1",
        "PORT": place.port,
        "BENCH_MODEL": place.model,
        "BENCH_RUNTIME": server.runtime_for(model.name),
        **server.variables,
        **variables,
    }
    found = start(
        server.argv(place),
        place.folder,
        {name: str(value) for name, value in set_for_all.items()},
        log,
        cores()[0],
    )
    try:
        yield found, place
    finally:
        found.stop()


def first_answer(found: Running, place: Place, server: Server, model: Model) -> float:
    """Wait for the first prediction; return the seconds since the process was started.

    Raises:
        DidNotStart: there was none.
    """
    body = json.dumps(server.body(model.rows[:1], model.shape)).encode()
    mistake = "no answer"
    while time.monotonic() - found.started < START_SECONDS:
        client = Client(place.port, server.path, timeout=10)
        try:
            client.post(body)
            return time.monotonic() - found.started
        except (OSError, Failed) as error:
            mistake = str(error)
        finally:
            client.close()
        if not found.is_alive():
            break
        time.sleep(0.01)
    log = found.log.read_text(errors="replace")[-2000:]
    raise DidNotStart(f"{server.name} with {model.name}: {mistake}\n{log}")


def visit(
    work: Work, server: Server, model: Model, settings: Settings, *, thorough: bool
) -> Figures:
    """Return all figures of one server and one model, times in seconds and memory in bytes.

    Raises:
        DidNotStart: no prediction came.
        Failed: a request that the check sends was refused.
    """
    figures: Figures = {}
    with running(work, server, model) as (found, place):
        figures["cold"] = first_answer(found, place, server, model)
        if server.kind != "ceiling":
            checked = check(server, model, place.port, thorough=thorough)
            figures |= {"asked": checked.asked, "wrong": checked.wrong}
            figures["difference"] = checked.difference
        bodies = work.sub("bodies") / f"{server.name}-{model.name}.jsonl"
        lines = (json.dumps(server.body([row], model.shape)) for row in model.rows[:64])
        bodies.write_text("".join(f"{line}\n" for line in lines))
        url = f"http://127.0.0.1:{place.port}{server.path}"
        figures |= _load(found, url, bodies, settings)
        figures["pss"], figures["rss"] = found.pss(), found.rss()
        figures["batch"] = _batch(place.port, server, model, settings)
    if not server.generated:
        shutil.rmtree(place.folder, ignore_errors=True)
    return figures


def _load(found: Running, url: str, bodies: Path, settings: Settings) -> Figures:
    figures: Figures = {"failed": 0}
    core = cores()[1]
    wrk.run(url, bodies, 16, 1, core)  # warms up
    for connections in settings.connections:
        before = found.cpu()
        load = wrk.run(url, bodies, connections, settings.seconds, core)
        spent = found.cpu() - before
        figures[f"rate@{connections}"] = load.rate
        figures["failed"] += load.failed
        if load.good:  # else there are no times, which must not look like short ones
            figures[f"p50@{connections}"] = load.p50
            figures[f"p99@{connections}"] = load.p99
            figures[f"cpu@{connections}"] = spent / load.good
    return figures


def _batch(port: int, server: Server, model: Model, settings: Settings) -> float:
    """Return the median seconds of a request of 1,000 rows."""
    count = BATCH if model.name != "cnn" else 100  # 1,000 images would be 16 MB of JSON
    rows = list(itertools.islice(itertools.cycle(model.rows), count))
    body = json.dumps(server.body(rows, model.shape)).encode()
    client = Client(port, server.path)
    client.seconds(body)
    ends = time.monotonic() + max(2.0, settings.seconds)
    found = [client.seconds(body) for _ in range(3)]
    while len(found) < settings.batches and time.monotonic() < ends:
        found.append(client.seconds(body))
    client.close()
    return statistics.median(found)
