"""What a look at an image found, and reading what an engine and a server say."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from mlship.rollout.logs import error_line, readable

_WIDTH = 300
_HERE = "the lines above say where it was"
# What the log of a server says that met the pod's terms, in words, and what to do.
_CAUSES = (
    (re.compile(r"Read-only file system|Errno 30\b|EROFS"),
     "The server writes to its disk, which is read-only on the cluster",
     f"write to /tmp, or nothing: {_HERE}"),
    (re.compile(r"exec format error", re.I),
     "The image is for another architecture than this machine's",
     "mlship build, without --platform, for an image that can be tried here"),
    # Not any "Operation not permitted": libraries that try to place their memory say so and go on.
    (re.compile(r"PermissionError: \[Errno 1\]|attempting to bind on .*permission denied|"
                r"^(chown|chmod|su|setpriv|mount|ip): .*not permitted", re.M | re.I),
     "The server asks for a right that a pod does not have: no root, no capabilities",
     f"do it while the image is built, or not at all: {_HERE}"),
)  # fmt: skip
# A socket in /proc/net/tcp: its address, no peer, and the state LISTEN.
_LISTENS = re.compile(r"^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) 0+:0000 0A ", re.M)
_LOOPBACK = ("0100007F", "00000000000000000000000001000000")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: such as ``ready``, for programs.
        ok: whether the image passed.
        what: what was found, for people; a failure is a sentence.
        why: the evidence of a failure.
        next: what to do about it.
        figures: numbers, for programs.
    """

    name: str
    ok: bool
    what: str
    why: str = ""
    next: str = ""
    figures: dict[str, float | int | str] = field(default_factory=dict)


def written(changes: str, mounts: list[str]) -> list[str]:
    """Return the lines of ``diff`` but those of what the engine itself lays into a container.

    ``mounts`` are the places of its volumes; the engine makes them and the folders that lead there.
    """
    return [line for line in changes.splitlines() if line[2:] and not _is_laid(line[2:], mounts)]


def _is_laid(path: str, mounts: list[str]) -> bool:
    if any(f"{place}/".startswith(f"{path}/") for place in mounts):
        return True
    return path in ("/etc", "/run", "/dev", "/proc", "/sys", "/tmp") or path.startswith(
        ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab", "/run/.containerenv")
    )


def cause(log: str) -> tuple[str, str] | None:
    """Return what the last that a server said means on a cluster, and what to do; None if unsure.

    Where it speaks of several, the last one is what ended it.
    """
    said = "\n".join(readable(log.splitlines())[-15:])
    found = [(hits[-1].start(), what, fix) for pattern, what, fix in _CAUSES
             if (hits := list(pattern.finditer(said)))]  # fmt: skip
    return max(found)[1:] if found else None


def unheard(sockets: str, port: int, url: str) -> tuple[str, str] | None:
    """Return why nothing answered at ``url``, and what to do; None where nothing listens yet.

    Args:
        sockets: /proc/net/tcp and tcp6 of the container.
        port: where it has to listen.
    """
    found: dict[int, bool] = {}  # each port, and whether it is open to others
    for address, number in _LISTENS.findall(sockets):
        at = int(number, 16)
        found[at] = found.get(at, False) or address not in _LOOPBACK
    fix = f"listen on 0.0.0.0 and on the port of the variable PORT, here {port}"
    if found.get(port):
        return f"The server listens, and can't be reached from here at {url}", (
            "verify where the engine runs (a job in a container has a network of its own), or "
            "mlship build --no-verify"
        )
    if port in found:
        return f"The server listens on port {port} of its own loopback alone", fix
    if found:
        others = ", ".join(map(str, sorted(found)))
        return f"The server listens on port {others}, not on {port}", fix
    return None


def last(log: str, lines: int = 5) -> str:
    """Return the last lines of a log, its JSON as text, cut where they are long.

    With the line that names the error of its last traceback, wherever that is.
    """
    said = log.splitlines()
    shown = [line[:_WIDTH] for line in readable(said)[-lines:]]
    error = error_line(said)
    return "\n".join([error] * (bool(error) and error[:_WIDTH] not in shown) + shown)


def text(value: object) -> str:
    """Return a value as JSON on one line, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:296]} ..."
