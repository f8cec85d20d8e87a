"""How the CPU of a request grows with its rows and its features, for the generated servers."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench.client import Client
from bench.processes import Running
from bench.servers import BY_NAME, Server
from bench.visit import first_answer, place_of, running
from bench.work import Model, Work

SERVERS = ("mlship-fastapi-onnx", "mlship-fastapi-native")
ROWS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000)
# Models by their number of features.
WIDTHS = {4: "linear-4", 10: "linear-10", 30: "linear-30", 100: "linear-100", 300: "linear-300",
          1000: "linear"}  # fmt: skip
ROWS_OF_WIDTHS = 100
# Beyond what they take unless told: 1,000 rows.
LIMITS = {"MAX_BATCH_SIZE": 10_000, "MAX_BODY_BYTES": 256 * 2**20}

Points = list[tuple[int, float]]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the exponent b of the curve y = a x^b that fits best: a line in logarithms."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x = sum(x for x, _ in logs) / len(logs)
    mean_y = sum(y for _, y in logs) / len(logs)
    spread = sum((x - mean_x) ** 2 for x, _ in logs)
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / spread


def line(name: str, points: Points) -> dict[str, Any]:
    """Return one curve: sizes, CPU seconds of a request, and two exponents.

    A request's own cost hides the growth where it is small; so the exponent that counts is that
    of the largest sizes, from a tenth of the last on (and at least the last two).
    """
    count = sum(size >= points[-1][0] / 10 for size, _ in points)
    largest = points[-max(2, count) :]
    return {
        "name": name,
        "points": [{"size": size, "cpu": cpu} for size, cpu in points],
        "overall": slope(points),
        "exponent": slope(largest),
    }


def cpu_of(found: Running, client: Client, body: bytes, seconds: float) -> float:
    """Return the CPU seconds of one request; the kernel counts in 10 ms, so many are sent."""
    for _ in range(3):
        client.post(body)
    before, count, ends = found.cpu(), 0, time.monotonic() + seconds
    while count < 5 or time.monotonic() < ends:
        client.post(body)
        count += 1
    return (found.cpu() - before) / count


def growth(work: Work, seconds: float, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Measure each of the servers over both, ``seconds`` a point."""
    work.train()
    lines = []
    for name in SERVERS:
        server = BY_NAME[name]
        model = work.model("linear-10")
        points = _points(work, server, model, ROWS, seconds)
        lines.append(line(f"{server.label}: rows of 10 features", points))
        points = []
        for width, trained in WIDTHS.items():
            found = _points(work, server, work.model(trained), [ROWS_OF_WIDTHS], seconds)
            points.append((width, found[0][1]))
        lines.append(line(f"{server.label}: features of {ROWS_OF_WIDTHS} rows", points))
        for each in lines[-2:]:
            say(f"{each['name']}: exponent {each['exponent']:.2f}")
    return lines


def prepare(work: Work, say: Callable[[str], None]) -> None:
    """Make the projects."""
    work.train()
    for name, model in itertools.product(SERVERS, ["linear-10", *WIDTHS.values()]):
        say(f"{name}, {model} ...")
        place_of(work, BY_NAME[name], work.model(model))


def _points(
    work: Work, server: Server, model: Model, counts: Sequence[int], seconds: float
) -> Points:
    points: Points = []
    with running(work, server, model, **LIMITS) as (found, place):
        first_answer(found, place, server, model)
        client = Client(place.port, server.path)
        for count in counts:
            rows = list(itertools.islice(itertools.cycle(model.rows), count))
            body = json.dumps(server.body(rows, model.shape)).encode()
            points.append((count, cpu_of(found, client, body, seconds)))
        client.close()
    return points
