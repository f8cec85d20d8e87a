"""Starting a server on a core of its own, and what its processes cost. Reads Linux' /proc."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PR_SET_CHILD_SUBREAPER = 36


@cache
def _usable() -> list[int]:
    return sorted(os.sched_getaffinity(0))  # as it is at first: this process leaves some later


def cores() -> tuple[int, int]:
    """Return the core of the servers and that of the client, which are one where there is one."""
    return _usable()[0], _usable()[-1]


def client_cores() -> set[int]:
    """Return all cores but that of the servers."""
    return set(_usable()[1:] or _usable())


def stay_on_client_core() -> None:
    """Leave the servers' core to them; the children of this process do so too."""
    os.sched_setaffinity(0, {cores()[1]})


def adopt_orphans() -> None:
    """Become the parent of what a server leaves behind, so that it can be found and ended."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text[text.rindex(")") + 2 :].split()  # a program's name may hold anything


def descendants(root: int) -> list[int]:
    """Return the processes below ``root``, the nearest first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        below = children.get(todo.pop(0), [])
        found += below
        todo += below
    return found


def pss(pid: int) -> int:
    """Return a process' share of memory in bytes: what others map too is divided among them."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024


def rss(pid: int) -> int:
    """Return a process' resident memory in bytes."""
    fields = _stat(pid)
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def cpu(pid: int) -> float:
    """Return the CPU seconds of a process and of its children that have ended."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / _TICK if fields else 0.0


@dataclass
class Running:
    """A server that was started; everything below this process is its."""

    process: subprocess.Popen[bytes]
    log: Path
    started: float  # time.monotonic()

    def tree(self) -> list[int]:
        """Return the processes of the server, those included that left its group."""
        return descendants(os.getpid())

    def pss(self) -> int:
        """Return the memory of all its processes in bytes, shared pages counted once."""
        return sum(map(pss, self.tree()))

    def rss(self) -> int:
        """Return the resident memory of all its processes in bytes."""
        return sum(map(rss, self.tree()))

    def cpu(self) -> float:
        """Return the CPU seconds of all its processes."""
        return sum(map(cpu, self.tree()))

    def is_alive(self) -> bool:
        """Tell whether its first process still runs."""
        return self.process.poll() is None

    def stop(self, seconds: float = 5) -> None:
        """End all its processes: asked first, then made to."""
        tree = self.tree()
        _signal([self.process.pid], signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.is_alive():
            time.sleep(0.02)
        _signal({*tree, *self.tree()}, signal.SIGKILL)
        self.process.wait()
        _reap(set(tree))


def _signal(pids: Sequence[int] | set[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _reap(pids: set[int]) -> None:
    deadline = time.monotonic() + 5
    while pids and time.monotonic() < deadline:
        for pid in list(pids):
            try:
                done, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                done = pid
            if done:
                pids.discard(pid)
        time.sleep(0.01)


def start(
    argv: Sequence[str], folder: Path, variables: Mapping[str, str], log: Path, core: int
) -> Running:
    """Start a server on one core."""
    with log.open("wb") as out:
        started = time.monotonic()
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *argv],
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Running(process, log, started)
