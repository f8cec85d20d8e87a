"""One client process of the overload: offers requests at a constant rate, prints what came of it.

python -m bench.offer URL FILE_OF_BODY RATE SECONDS START CORES
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

# Requests kept open by one process, and the seconds after which it gives one up: whoever asked has
# gone. That is also DEADLINE_SECONDS of the generated projects.
CONNECTIONS, TIMEOUT = 512, 2
# Each user has a connection of their own; a process has not. A request that waits for one of its
# 512 longer than this is given up unsent, and counts as failed.
PATIENCE = 0.1


def offer(url: str, body: bytes, rate: float, seconds: float, start: float) -> dict[str, Any]:
    """Offer load beginning at ``start`` of the monotonic clock, which all processes share."""
    from mlship.load import run

    time.sleep(max(0.0, start - time.monotonic()))
    found = run(url, body, rate, seconds, CONNECTIONS, TIMEOUT, patience=PATIENCE, warmup=0)
    return {
        "ok": found.ok,
        "shed": found.shed,
        "broken": found.refused + found.broken + found.timed_out,
        # A client that can't keep up goes on sending after its time.
        "sending": seconds + found.lag.max,
        "elapsed": found.elapsed,
        "latency": list(found.latency.buckets()),
        "lag": list(found.lag.buckets()),
        "timeline": [(s.ok, s.shed, s.refused + s.broken + s.timed_out) for s in found.timeline],
    }


def main() -> None:
    """Do what the command line says."""
    url, body, rate, seconds, start, cores = sys.argv[1:]
    os.sched_setaffinity(0, map(int, cores.split(",")))
    found = offer(url, Path(body).read_bytes(), float(rate), float(seconds), float(start))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
