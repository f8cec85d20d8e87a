"""All servers and models in turn, several times: the machine's drift hits all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

from bench.client import Failed
from bench.figures import Sample
from bench.servers import MODELS, SERVERS, Server
from bench.visit import DidNotStart, Settings, place_of, visit
from bench.work import Work

Say = Callable[[str], None]


def chosen(only: Sequence[str], extra: Sequence[str]) -> list[Server]:
    """Return the servers that are asked for: parts of their names, all but optional ones else."""
    if only:
        return [s for s in SERVERS if any(part in s.name for part in only)]
    return [s for s in SERVERS if not s.optional or any(part in s.name for part in extra)]


def prepare(work: Work, servers: Sequence[Server], models: Sequence[str], say: Say) -> None:
    """Train, install and generate whatever is missing."""
    say("models ...")
    work.train()
    for server, model in product(servers, models):
        if model in server.models:
            say(f"{server.name}, {model} ...")
            place_of(work, server, work.model(model))


def rounds(
    work: Work,
    servers: Sequence[Server],
    settings: Settings,
    *,
    models: Sequence[str] = MODELS,
    repeat: int = 3,
    say: Say = print,
) -> list[Sample]:
    """Measure, round by round; a server that fails is noted and the others go on."""
    found: list[Sample] = []
    visits = [(m, s) for m, s in product(models, servers) if m in s.models]
    for number in range(1, repeat + 1):
        for model, server in visits:
            try:
                figures = visit(work, server, work.model(model), settings, thorough=number == 1)
            except (DidNotStart, Failed, OSError, ValueError, KeyError, RuntimeError) as error:
                found.append(Sample(number, model, server.name, error=str(error)))
                say(f"{number} {model:7} {server.name:22} FAILED: {error}")
                continue
            found.append(Sample(number, model, server.name, figures))
            wrong = f"{figures.get('wrong', 0):.0f} of {figures.get('asked', 0):.0f} wrong"
            most = f"rate@{settings.connections[-1]}"
            say(
                f"{number} {model:7} {server.name:22} {figures[most]:7.0f}/s  "
                f"p50 {figures.get('p50@1', 0) * 1e3:6.2f} ms  "
                f"batch {figures['batch'] * 1e3:6.1f} ms  "
                f"{figures['pss'] / 2**20:4.0f} MiB  {wrong}, {figures['failed']:.0f} failed"
            )
    return found
