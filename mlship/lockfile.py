"""A lock file's text: its pins, what it was made from, and what moved between two of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mlship.indexes import shown_within

# As uv and pip-tools write them: `name==1.0 ; marker \`, or `name @ https://... \`.
_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*"
    r"(?:==\s*(?P<version>[^\s;\\]+)|@\s*(?P<url>[^\s;\\]+))\s*(?:;\s*(?P<marker>[^\\]*?))?"
    r"\s*(?:--hash=.*|\\)?$"
)
# uv's lines for what is only a place: `-e ../iris`, `../iris.whl`, `file:///iris`.
_UNNAMED = re.compile(r"^(?:-e |[./]|git\+|file:)")
_HASH = re.compile(r"--hash=(\S+)")
# Whose need a pin serves: `# via iris (pyproject.toml:dev)`, pip-tools' `-r pyproject.toml`.
_VIA = re.compile(r"^\s+#\s+(?:via\s+)?(.*\(pyproject\.toml(?::[\w.-]+)?\)|-r \S*pyproject\.toml)$")
_MADE = re.compile(r"^# (asked|pinned) sha256:([0-9a-f]{64})$", re.M)
# What git leaves where two branches changed the same lines.
_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})(?: .*)?$\n?", re.M)
_VERSION = re.compile(r"\d[\w.+!-]*$")
_HEADER = """\
# Exact versions with hashes of what pyproject.toml asks for, for Python {python}. Not for editing:
# the README has the command that makes it again.
# asked sha256:{asked}
# pinned sha256:{pinned}
"""


@dataclass(frozen=True)
class Pin:
    """One line of a lock; ``version`` is the URL of what comes from one.

    ``direct`` tells that pyproject.toml itself asked for it, as far as the lock says so.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    direct: bool = False


@dataclass(frozen=True)
class Lock:
    """A lock file.

    Attributes:
        pins: its lines, those of packages that have a name.
        asked, pinned: the digests in its header, empty without one.
        unnamed: packages that are only a place: a folder, a file, a URL.
        conflicts: whether it was merged by git and nobody has decided yet.
    """

    pins: tuple[Pin, ...]
    asked: str = ""
    pinned: str = ""
    unnamed: tuple[str, ...] = ()
    conflicts: bool = False

    @property
    def is_as_made(self) -> bool:
        """Whether the pins are those that the header was written for."""
        return bool(self.pinned) and self.pinned == digest_of(self.pins)


@dataclass(frozen=True)
class Move:
    """A library that another lock pins otherwise; None where it has none of it."""

    name: str
    before: str | None
    after: str | None


def canonical(name: str) -> str:
    """Return a name as all spellings of it compare (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse(text: str) -> Lock:
    """Read a lock file, mlship's own, uv's, or one made by hand; other lines are ignored."""
    pins: list[Pin] = []
    unnamed: list[str] = []
    conflicts = bool(_CONFLICT.search(text))
    for line in _CONFLICT.sub("", text).splitlines():
        if _UNNAMED.match(line):
            unnamed.append(line.rstrip("\\ "))
        if match := _PIN.match(line):
            version = match["version"] or match["url"]
            pins.append(Pin(canonical(match["name"]), version, match["marker"] or "", ()))
        if not pins:
            continue
        last = pins[-1]
        hashes = (*last.hashes, *_HASH.findall(line)) if not line.startswith("#") else last.hashes
        direct = last.direct or bool(_VIA.match(line))
        pins[-1] = Pin(last.name, last.version, last.marker, hashes, direct)
    made = dict(_MADE.findall(text))
    return Lock(
        tuple(pins), made.get("asked", ""), made.get("pinned", ""), tuple(unnamed), conflicts
    )


def versions_alone(lock: Lock) -> str:
    """Return a lock of its versions without hashes, which any reader of requirements can read.

    A merge may have torn a pin from its hashes.
    """
    lines = (f"{p.name}=={p.version}" + (f" ; {p.marker}" if p.marker else "") for p in lock.pins
             if _VERSION.match(p.version))  # fmt: skip
    return "".join(f"{line}\n" for line in lines)


def elsewhere(lock: Lock) -> list[str]:
    """Return what an image can't install: packages of a folder or of git, which have no hash."""
    pins = (pin for pin in lock.pins if not pin.hashes or pin.version.startswith("file:"))
    found = [*(f"{pin.name} ({pin.version})" for pin in pins), *lock.unnamed]
    return [shown_within(each) for each in found]


def stamped(text: str, asked: str, python: str) -> str:
    """Return the text of a fresh lock with the header that tells what it was made from."""
    header = _HEADER.format(python=python, asked=asked, pinned=digest_of(parse(text).pins))
    body = text.lstrip("\n")
    return header + body


def digest_of(pins: Iterable[Pin]) -> str:
    """Return a hex sha256 of what is pinned: names, versions, markers, hashes, in any order."""
    return digest([(p.name, p.version, p.marker, sorted(p.hashes)) for p in pins])


def digest(values: Iterable[Any]) -> str:
    """Return a hex sha256 of values, as JSON and what TOML has beyond it (times), in any order."""
    lines = sorted(json.dumps(value, sort_keys=True, default=str) for value in values)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def moved(before: Lock, after: Lock) -> list[Move]:
    """Return what changed between two locks, by name; addresses without their credentials."""
    old, new = _versions(before), _versions(after)
    return [
        Move(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _versions(lock: Lock) -> dict[str, str]:
    """Return the version of each name; a lock for all platforms may have several."""
    found: dict[str, list[str]] = {}
    for pin in lock.pins:
        found.setdefault(pin.name, []).append(shown_within(pin.version))
    return {name: ", ".join(sorted(set(versions))) for name, versions in found.items()}
