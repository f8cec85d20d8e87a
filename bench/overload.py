"""Three times what a generated server sustains, open loop: what it still answers, and how fast.

`mlship.load` offers each request when it is due, whatever became of those before, as many
independent users do. Its clients share the cores that the server does not have; where they can't
offer three times the peak, the result says how much they did.
"""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench import wrk
from bench.client import Client, Failed
from bench.processes import Running, client_cores, cores, pss
from bench.servers import BY_NAME, Place
from bench.visit import first_answer, place_of, running
from bench.work import Work, run

CASES = (("mlship-fastapi-onnx", "iris"), ("mlship-fastapi-native", "forest"))
TIMES = 3
# An environment of their own: with uvloop they offer more.
CLIENT = ("httptools>=0.6", "uvloop>=0.21")
ROOT = Path(__file__).parents[1]
# What one client process is asked to offer at most.
_RATE_OF_ONE = 6000
# Recovered is who answers so many in a row, each about as fast as before the load.
_IN_A_ROW, _SLOWER, _PATIENCE = 10, 5, 30

Buckets = list[tuple[float, int]]


def quantile(buckets: Sequence[tuple[float, int]], q: float) -> float | None:
    """Return the value that the share ``q`` does not exceed; buckets are (end, count)."""
    total = sum(count for _, count in buckets)
    rank = q * total
    for end, count in sorted(buckets):
        rank -= count
        if count and rank <= 0:
            return end
    return None


def joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what several clients saw together."""
    elapsed, sending = (max(part[kind] for part in parts) for kind in ("elapsed", "sending"))
    ok, shed, broken = (sum(part[kind] for part in parts) for kind in ("ok", "shed", "broken"))
    latency: Buckets = [bucket for part in parts for bucket in part["latency"]]
    lag: Buckets = [bucket for part in parts for bucket in part["lag"]]
    length = max(len(part["timeline"]) for part in parts)
    timeline = [[0, 0, 0] for _ in range(length)]
    for part in parts:
        for second, counts in enumerate(part["timeline"]):
            timeline[second] = [a + b for a, b in zip(timeline[second], counts, strict=True)]
    return {
        "offered": (ok + shed + broken) / sending,
        # Until the last answer: what is still owed when the load ends is no rate that it keeps.
        "goodput": ok / elapsed,
        "ok": ok,
        "shed": shed,
        "broken": broken,
        "p99": quantile(latency, 0.99),
        "lag": quantile(lag, 0.99),
        "timeline": timeline,
    }


def deadline(place: Place) -> float | None:
    """Return the seconds after which the project itself gives a request up, if it does."""
    settings = json.loads(
        run(
            [
                place.program("python"),
                "-c",
                "from app.settings import settings; print(settings.model_dump_json())",
            ],
            cwd=place.folder,
        )
    )
    for name, value in settings.items():
        if "deadline" in name and isinstance(value, int | float):
            return value / 1000 if name.endswith("_ms") else float(value)
    return None


def recovery(client: Client, body: bytes, limit: float, ended: float) -> float | None:
    """Return how long after ``ended`` the server was as before, None if not within 30 s."""
    row, since = 0, 0.0
    while time.monotonic() - ended < _PATIENCE:
        started = time.monotonic()
        try:
            good = client.seconds(body) <= limit
        except (OSError, Failed):
            client.close()
            good = False
        since = started if good and not row else since
        row = row + 1 if good else 0
        if row == _IN_A_ROW:
            return max(0.0, since - ended)
        time.sleep(0.02)
    return None


def overload(
    work: Work, seconds: float, say: Callable[[str], None], times: float = TIMES
) -> list[dict[str, Any]]:
    """Overload each of the servers for so many seconds."""
    found = []
    for name, trained in CASES:
        server, model = BY_NAME[name], work.model(trained)
        with running(work, server, model) as (process, place):
            first_answer(process, place, server, model)
            body = json.dumps(server.body(model.rows[:1], model.shape)).encode()
            url = f"http://127.0.0.1:{place.port}{server.path}"
            line = {"name": f"{server.label}, {trained}", "deadline": deadline(place)}
            line |= _one(work, process, place, url, body, seconds, times)
        found.append(line)
        back = "never" if line["recovery"] is None else f"after {line['recovery']:.1f} s"
        say(
            f"{line['name']}: sustains {line['peak']:.0f}/s, was offered {line['offered']:.0f}/s, "
            f"answered {line['goodput']:.0f}/s; recovered {back}"
        )
    return found


def _one(
    work: Work, found: Running, place: Place, url: str, body: bytes, seconds: float, times: float
) -> dict[str, Any]:
    client = Client(place.port, "/predict", timeout=5)
    alone = sorted(client.seconds(body) for _ in range(100))[50]
    bodies = work.sub("bodies") / "overload.jsonl"
    bodies.write_bytes(body + b"\n")
    wrk.run(url, bodies, 64, 1, cores()[1])
    peak = wrk.run(url, bodies, 64, 5, cores()[1]).rate
    tree = found.tree()  # now: the clients will be children of this process, too
    before = sum(map(pss, tree))
    count = max(1, math.ceil(times * peak / _RATE_OF_ONE))
    start = time.monotonic() + 1 + 0.5 * count
    client_python = work.environment(CLIENT) / "bin" / "python"
    argv = [client_python, "-m", "bench.offer", url, bodies, times * peak / count, seconds, start,
            ",".join(map(str, client_cores()))]  # fmt: skip
    clients = [
        subprocess.Popen(list(map(str, argv)), cwd=ROOT, stdout=subprocess.PIPE)
        for _ in range(count)
    ]
    with ThreadPoolExecutor(count) as pool:  # their pipes must be read while they end
        outputs = [pool.submit(each.communicate) for each in clients]
        most = before
        while time.monotonic() < start + seconds:
            most = max(most, sum(map(pss, tree)))
            time.sleep(0.5)
        limit = max(0.05, _SLOWER * alone)
        recovered = recovery(client, body, limit, start + seconds)
        result = joined([json.loads(each.result()[0]) for each in outputs])
    after = sum(map(pss, tree))
    client.close()
    return {
        **result,
        "peak": peak,
        "processes": count,
        "recovery": recovered,
        "memory_before": before,
        "memory_most": most,
        "memory_after": after,
    }


def prepare(work: Work, say: Callable[[str], None]) -> None:
    """Make the projects."""
    work.train()
    work.environment(CLIENT)
    for name, trained in CASES:
        say(f"{name}, {trained} ...")
        place_of(work, BY_NAME[name], work.model(trained))
