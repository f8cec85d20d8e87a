"""What the pods wrote: lines with their times, and the server's JSON read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlship.commands import kubectl
from mlship.commands.kubectl import Target
from mlship.errors import ClusterError, UsageError
from mlship.rollout.snapshot import Object
from mlship.runner import Result, Runner

SERVER = "server"
# How kubectl writes durations (Go's time.ParseDuration), and days.
_DURATION = re.compile(r"(\d+(\.\d+)?(ms|s|m|h))+|(?P<days>\d+)d")
# What servers and libraries call the text of a record.
_MESSAGES = ("message", "msg", "event")
_AT_ONCE = 8


@dataclass(frozen=True)
class Source:
    """One run of one container: ``restarts`` counts those before it."""

    pod: str
    container: str
    restarts: int = 0


@dataclass(frozen=True)
class Line:
    """A line of a container's log.

    Attributes:
        time: when its node took it, RFC 3339 with nanoseconds; empty where that is unknown.
        text: as the container wrote it.
    """

    source: Source
    time: str
    text: str


@dataclass(frozen=True)
class Asked:
    """How much of the logs: the last ``tail`` lines of each container, or ``since`` a while."""

    tail: int | None = None
    since: str | None = None
    previous: bool = False


def duration(text: str) -> str:
    """Return a duration as kubectl takes it: ``10m``, ``1h30m``; ``2d`` is ``48h``.

    Raises:
        UsageError: it is none.
    """
    match = _DURATION.fullmatch(text)
    if not match:
        raise UsageError(f"--since {text} is no duration", next="--since 10m, or 2h, or 1d")
    return f"{int(match['days']) * 24}h" if match["days"] else text


def sources(pods: Iterable[Object]) -> list[Source]:
    """Return the containers that have run: the server's, or what a pod does before it."""
    found = []
    for pod in pods:
        status = pod.get("status", {})
        containers = status.get("containerStatuses", [])
        own = [c for c in containers if c["name"] == SERVER] or containers
        before = status.get("initContainerStatuses", [])
        started = [c for c in own if _has_run(c)] or [c for c in before if _has_run(c)]
        found += [_source(pod, container) for container in started]
    return sorted(found, key=lambda source: (source.pod, source.container))


def running(pods: Iterable[Object]) -> set[Source]:
    """Return the containers that run now."""
    return {
        _source(pod, container)
        for pod in pods
        for key in ("initContainerStatuses", "containerStatuses")
        for container in pod.get("status", {}).get(key, [])
        if "running" in container.get("state", {})
    }


def _source(pod: Object, container: Object) -> Source:
    return Source(pod["metadata"]["name"], container["name"], container.get("restartCount", 0))


def _has_run(container: Object) -> bool:
    return "waiting" not in container.get("state", {}) or bool(container.get("lastState"))


def read(
    runner: Runner, target: Target, wanted: list[Source], asked: Asked
) -> tuple[list[Line], list[str]]:
    """Return the lines of all, the oldest first, and why some could not be read.

    Raises:
        ClusterError: none could.
    """

    def ask(source: Source) -> Result:
        return runner.ask(
            kubectl.logs(
                target, source.pod, source.container, previous=asked.previous, tail=asked.tail,
                since=asked.since,
            )
        )  # fmt: skip

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(ask, wanted))
    lines: list[Line] = []
    failures = []
    for source, answer in zip(wanted, answers, strict=True):
        if answer.code != 0:
            said = answer.stderr.strip().splitlines()
            failures.append(f"{source.pod}: {said[-1] if said else 'no log'}")
        lines += parse(source, answer.stdout)
    if failures and len(failures) == len(wanted) and not lines:
        raise ClusterError("No log can be read", why="\n".join(failures), next="mlship status")
    return sorted(lines, key=lambda line: _moment(line.time)), failures


def parse(source: Source, output: str) -> list[Line]:
    """Return the lines of ``kubectl logs --timestamps``."""
    # Not splitlines(): what separates lines for Unicode may be inside one.
    return [line_of(source, text) for text in output.split("\n") if text]


def line_of(source: Source, text: str) -> Line:
    """Return one line; its time is empty where kubectl itself speaks."""
    time, _, rest = text.partition(" ")
    if _moment(time) == _NEVER:
        return Line(source, "", text)
    return Line(source, time, rest)


_NEVER = 0.0


def _moment(time: str) -> float:
    try:
        return datetime.fromisoformat(time).timestamp() if time[:1].isdigit() else _NEVER
    except ValueError:
        return _NEVER


@dataclass(frozen=True)
class Record:
    """A line of the server, read.

    Attributes:
        level: such as INFO; may be empty.
        message: its text.
        request_id: of the request that it belongs to; empty for none.
        fields: what else it tells, without what the message says already.
        trace: a traceback; may be empty.
    """

    level: str
    message: str
    request_id: str
    fields: dict[str, Any]
    trace: str


def record(text: str) -> Record | None:
    """Read a line of JSON with a message, as the generated app/logs.py writes it; else None."""
    values = fields(text)
    key = next((name for name in _MESSAGES if name in values), None)
    if key is None:
        return None
    message = str(values.pop(key))
    level = str(values.pop("level", "") or "")
    request = str(values.pop("request_id", "") or "")
    trace = str(values.pop("exc_info", "") or values.pop("exception", "") or "")
    values.pop("time", None)
    values.pop("logger", None)
    said = message.split()
    rest = {name: value for name, value in values.items() if str(value) not in said}
    return Record(level, message, request, rest, trace)


def fields(text: str) -> dict[str, Any]:
    """Return the object that a line holds; empty where it is no JSON object."""
    if not text.startswith("{"):
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def as_values(line: Line) -> dict[str, Any]:
    """Return a line for ``--json``: the server's own fields, or the text as ``message``."""
    own = fields(line.text) or {"message": line.text}
    place = {"pod": line.source.pod, "container": line.source.container}
    return {**place, **own, "time": line.time or own.get("time", "")}
