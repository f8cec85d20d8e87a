"""What an image is for: an operating system, a processor and a Python."""

from __future__ import annotations

import platform as machine
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlship.errors import UsageError
from mlship.lockfile import Lock, Pin

if TYPE_CHECKING:
    from packaging.markers import Marker
    from packaging.tags import Tag

# As images call processors, and as Python does.
_PROCESSORS = {"amd64": "x86_64", "arm64": "aarch64"}
# Of Debian 12, the older of those that python:*-slim images are made of.
_GLIBC = 36
# Former names of manylinux_2_17, 2_12 and 2_5 (PEP 600).
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}

# A release of any Python that stands for the latest: images are made of it.
NEWEST = 99


@dataclass(frozen=True)
class Target:
    """One platform (``linux/amd64``) with a Python (``3.11``)."""

    platform: str
    python: str

    @property
    def processor(self) -> str:
        """Return the processor as Python calls it: ``x86_64``, ``aarch64``.

        Raises:
            UsageError: no image is made for it; without ``--platform``, it is this machine's.
        """
        return _processor(self.platform)

    @property
    def platform_tags(self) -> list[str]:
        """Return the platforms of wheels that fit (PEP 600), the best first."""
        found = []
        for minor in range(_GLIBC, 4, -1):
            if minor < 17 and self.processor != "x86_64":
                break
            found.append(f"manylinux_2_{minor}_{self.processor}")
            if minor in _LEGACY:
                found.append(f"{_LEGACY[minor]}_{self.processor}")
        return [*found, f"linux_{self.processor}"]

    def tags(self) -> set[Tag]:
        """Return the tags of wheels that can be installed."""
        from packaging import tags

        major, minor = map(int, self.python.split("."))
        version, platforms = (major, minor), self.platform_tags
        interpreter = f"cp{major}{minor}"
        return {
            *tags.cpython_tags(version, platforms=platforms),
            *tags.compatible_tags(version, interpreter, platforms),
        }

    def pins(self, lock: Lock, releases: tuple[int, ...] = (0, NEWEST)) -> list[Pin]:
        """Return the pins that are for this platform and one of these releases of its Python.

        A base image may be any: ``async-timeout`` is for those before 3.11.3.
        """
        machine = {"platform_machine": self.processor}
        environments = [variables(self.python, release) | machine for release in releases]
        return [pin for pin in lock.pins if any(applies(pin, each) for each in environments)]


def variables(python: str, release: int = NEWEST) -> dict[str, str]:
    """Return the variables of markers (PEP 508) in an image, but for its processor."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.{release}",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "extra": "",
    }


def applies(pin: Pin, environment: dict[str, str]) -> bool:
    """Tell whether a pin is for an environment; one whose marker can't be read is for any."""
    from packaging.markers import InvalidMarker, Marker

    try:
        return not pin.marker or holds(Marker(pin.marker), environment)
    except InvalidMarker:
        return True


def holds(marker: Marker, environment: dict[str, str]) -> bool:
    """Tell whether a marker holds; one that compares what can't be compared does."""
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName

    try:
        return marker.evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName):
        return True


def native() -> str:
    """Return the platform of images that this machine runs by itself."""
    python = machine.machine().lower()
    names = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    return f"linux/{names.get(python, python)}"


def platforms(wanted: str | None) -> tuple[str, ...]:
    """Return the platforms of ``linux/arm64,linux/amd64``; of nothing, none.

    Raises:
        UsageError: one is unknown.
    """
    found = tuple(dict.fromkeys(each.strip() for each in (wanted or "").split(",") if each.strip()))
    for each in found:
        _processor(each)
    return found


def _processor(platform: str) -> str:
    parts = platform.split("/")
    if len(parts) < 2 or parts[0] != "linux" or parts[1] not in _PROCESSORS:
        raise UsageError(
            f"An image for {platform} can't be built",
            why=f"Known are {', '.join(known())}.",
            next="--platform linux/amd64, --platform linux/arm64, or both with a comma",
        )
    return _PROCESSORS[parts[1]]


def known() -> Iterable[str]:
    """Return the platforms that images can be built for."""
    return [f"linux/{name}" for name in _PROCESSORS]
