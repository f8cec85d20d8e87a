"""Load by wrk (https://github.com/wg/wrk): a closed loop of connections."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("wrk.lua")
MISSING = "wrk is not installed; on Debian and Ubuntu: apt-get install wrk"


@dataclass(frozen=True)
class Load:
    """What one run saw. Latencies are in seconds; ``failed`` are answers that are no 2xx."""

    rate: float  # good answers a second
    good: int
    failed: int
    p50: float
    p99: float
    longest: float


def parse(output: str) -> Load:
    """Read what wrk.lua prints at its end.

    Raises:
        ValueError: wrk did not get so far.
    """
    for line in output.splitlines():
        if line.startswith("result "):
            found = json.loads(line.removeprefix("result "))
            break
    else:
        raise ValueError(f"wrk did not finish: {output.strip()[-500:]}")
    # wrk counts answers of every status as requests, and lost connections beside them.
    good = found["requests"] - found["status"]
    lost = sum(found[kind] for kind in ("connect", "read", "write", "timeout"))
    return Load(
        rate=good / (found["microseconds"] / 1e6),
        good=good,
        failed=found["status"] + lost,
        p50=found["p50"] / 1e6,
        p99=found["p99"] / 1e6,
        longest=found["max"] / 1e6,
    )


def run(url: str, bodies: Path, connections: int, seconds: float, core: int) -> Load:
    """Keep ``connections`` requests under way for ``seconds``; ``bodies`` has one a line.

    Raises:
        FileNotFoundError: wrk is not installed.
        ValueError: wrk failed.
    """
    if not shutil.which("wrk"):
        raise FileNotFoundError(MISSING)
    done = subprocess.run(
        ["taskset", "--cpu-list", str(core), "wrk", "--threads", "1",
         "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s",
         "--timeout", "30s", "--script", str(SCRIPT), url],
        env={**os.environ, "BENCH_BODIES": str(bodies)},
        capture_output=True, text=True, timeout=seconds + 90,
    )  # fmt: skip
    return parse(done.stdout + done.stderr)
