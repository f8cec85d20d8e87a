"""The one command: measures, prints, and writes results.json, results.md and charts."""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import charts, growth, machine, overload, report, wrk
from bench.figures import medians, samples_of
from bench.processes import adopt_orphans, stay_on_client_core
from bench.rounds import chosen, prepare, rounds
from bench.servers import MODELS, SERVERS, Server
from bench.visit import Settings
from bench.work import Work, default_folder, versions

PARTS = ("speed", "growth", "overload")
TOLD = ("fastapi", "flask", "starlette", "uvicorn", "gunicorn", "bentoml", "mlserver", "litserve",
        "mlflow", "ray", "scikit-learn", "onnxruntime", "numpy")  # fmt: skip


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("--work", type=Path, default=default_folder(), help="kept between runs (%(default)s)")
    add("--out", type=Path, help="where the results go (WORK/results)")
    add("--models", default=",".join(MODELS), help="%(default)s")
    add("--only", default="", help="servers whose name has one of these parts: mlship,ceiling")
    add("--with", dest="extra", default="", help="servers that are left out otherwise: ray")
    add("--parts", default=",".join(PARTS), help="%(default)s")
    add("--repeat", type=int, default=3, help="rounds (%(default)s)")
    add("--duration", type=float, default=5, help="seconds of each point (%(default)s)")
    add("--overload-seconds", type=float, default=60, help="seconds of overload (%(default)s)")
    add("--quick", action="store_true", help="one round of 1 s points, to see that all works")
    add("--render", type=Path, metavar="JSON", help="only write the report of these results")
    add("--list", action="store_true", help="only name the servers")
    found = parser.parse_args(argv)
    if found.quick:
        found.repeat, found.duration, found.overload_seconds = 1, 1, 10
    found.out = found.out or found.work / "results"
    return found


def main() -> int:
    """Run the benchmark; the exit code is 1 where a generated project answered wrong or failed."""
    args = arguments()
    if args.list:
        for server in SERVERS:
            print(f"{server.name:24}{server.label}")
        return 0
    if args.render:
        return write(json.loads(args.render.read_text()), args.out)
    if not shutil.which("wrk"):
        print(wrk.MISSING, file=sys.stderr)
        return 2
    return write(measure(args), args.out)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Measure what is asked for and return what results.json holds."""
    work = Work(args.work.resolve())
    parts = args.parts.split(",")
    servers = chosen(_words(args.only), _words(args.extra))
    models = [name for name in MODELS if name in args.models.split(",")]
    data: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": machine.describe(),
        "load": machine.busy(),
        "settings": {"seconds": args.duration, "repeat": args.repeat},
        "samples": [],
    }
    adopt_orphans()
    if "speed" in parts:
        prepare(work, servers, models, _say)
        data["versions"] = _versions(work, servers)
    for name, part in (("growth", growth), ("overload", overload)):
        if name in parts:
            part.prepare(work, _say)
    stay_on_client_core()
    if "speed" in parts:
        settings = Settings(seconds=args.duration)
        found = rounds(work, servers, settings, models=models, repeat=args.repeat, say=_say)
        data["samples"] = [asdict(sample) for sample in found]
    if "growth" in parts:
        data["growth"] = growth.growth(work, max(0.5, args.duration / 2), _say)
    if "overload" in parts:
        data["overload"] = overload.overload(work, args.overload_seconds, _say)
    return data


def write(data: dict[str, Any], out: Path) -> int:
    """Write the results and print them; return the exit code."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(data, indent=1))
    text = report.render(data)
    (out / "results.md").write_text(text)
    charts.write(data, out)
    print(f"\n{text}\nwritten to {out}")
    table = medians(samples_of(data["samples"]))
    ours = {server.name for server in SERVERS if server.kind == "ours"}
    failed = [s for s in data["samples"] if s["server"] in ours and s["error"]]
    wrong = [
        name for cells in table.cells.values() for name in ours & set(cells) if cells[name]["wrong"]
    ]
    return 1 if failed or wrong else 0


def _versions(work: Work, servers: list[Server]) -> dict[str, list[str]]:
    found = {}
    for server in servers:
        if not server.generated:
            installed = versions(work.environment(server.requirements))
            found[server.label] = [f"{n} {installed[n]}" for n in TOLD if n in installed]
    return found


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
