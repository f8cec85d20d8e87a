"""Understands a builder's plain output: BuildKit's numbered steps and podman's STEP lines."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

_NAMED = re.compile(r"#(\d+) (\[.+?\] .*)")
_ENDED = re.compile(r"#(\d+) (DONE|CACHED|ERROR|CANCELED)\b ?(.*)")
_OUTPUT = re.compile(r"#(\d+) (?:\d+\.\d+ )?(.*)")
_PODMAN = re.compile(r"(?:\[[\d/]+\] )?STEP (\d+/\d+): (.*)")


State = Literal["running", "done", "cached", "failed", "canceled"]
_STATES: dict[str, State] = {
    "DONE": "done",
    "CACHED": "cached",
    "ERROR": "failed",
    "CANCELED": "canceled",  # because another step failed
}


@dataclass
class Step:
    """One instruction of the Dockerfile."""

    name: str
    state: State = "running"
    seconds: str = ""
    output: deque[str] = field(default_factory=lambda: deque(maxlen=20))


@dataclass
class BuildLog:
    """Collects steps from lines; ``steps`` keeps the order in which they began."""

    steps: dict[str, Step] = field(default_factory=dict)
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=200))
    _podman: Step | None = None

    def feed(self, line: str) -> None:
        """Take one line of output."""
        self.lines.append(line)
        if match := _NAMED.fullmatch(line):
            self.steps.setdefault(match[1], Step(" ".join(match[2].split())))
        elif match := _ENDED.fullmatch(line):
            self._end(match[1], match[2], match[3])
        elif match := _OUTPUT.fullmatch(line):
            if match[1] in self.steps:
                self.steps[match[1]].output.append(match[2])
        elif match := _PODMAN.fullmatch(line):
            self._next_podman(match[1], match[2])
        elif self._podman:
            if "Using cache" in line:
                self._podman.state = "cached"
            self._podman.output.append(line)

    def _end(self, number: str, how: str, rest: str) -> None:
        step = self.steps.get(number)
        if step is None:
            return
        step.state = _STATES[how]
        step.seconds = rest if how == "DONE" else step.seconds

    def _next_podman(self, number: str, name: str) -> None:
        if self._podman and self._podman.state == "running":
            self._podman.state = "done"
        # Stages count anew, so the number alone is no key.
        key = f"podman {len(self.steps)} {number}"
        self._podman = self.steps[key] = Step(f"[{number}] {name}")

    def finish(self, code: int) -> None:
        """Take the builder's exit code: podman does not say how its last step ended."""
        if self._podman and self._podman.state == "running":
            self._podman.state = "failed" if code else "done"

    def failure(self) -> str:
        """Return the failed step and its last lines, or the last lines of all."""
        failed = next((s for s in self.steps.values() if s.state == "failed"), self._podman)
        if failed is None:
            return "\n".join(list(self.lines)[-15:])
        last = [line for line in failed.output if line.strip()]
        final = [line for line in list(self.lines)[-1:] if line not in last]
        return "\n".join([_brief(failed.name), *last[-15:], *map(_brief, final)])


def _brief(command: str) -> str:
    """Return a line that repeats an instruction, without the middle of a long one."""
    return command if len(command) <= 160 else f"{command[:110]} … {command[-40:]}"
