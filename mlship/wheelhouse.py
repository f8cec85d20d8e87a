"""A folder of wheels that an image is built from without network."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mlship.digest import sha256_of
from mlship.errors import ToolFailed
from mlship.indexes import shown
from mlship.lockfile import Lock, Pin, canonical
from mlship.target import Target

if TYPE_CHECKING:
    from packaging.tags import Tag

# In the project, where the Dockerfile looks; git ignores it.
FOLDER = "wheels"
_SOURCE = re.compile(r"\.(tar\.gz|zip)$")


@dataclass(frozen=True)
class Lack:
    """A pin that no file of the wheelhouse is for, and why not."""

    pin: Pin
    platform: str
    why: str

    def __str__(self) -> str:
        return f"{self.pin.name} {self.pin.version} for {self.platform}: {self.why}"


def choose(folder: Path, lock: Lock, targets: Iterable[Target]) -> tuple[list[Path], list[Lack]]:
    """Return the files that the lock needs on these targets, and what is missing.

    A wheel counts when it fits the target and its sha256 is in the lock. A source archive does
    not: what builds it is not there.
    """
    known: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if key := _key(path.name):
            known.setdefault(key, []).append(path)
    chosen: dict[Path, None] = {}
    lacks: list[Lack] = []
    for target in targets:
        tags = target.tags()
        for pin in target.pins(lock):
            files = known.get((pin.name, _version(pin.version)), [])
            fitting = [path for path in files if _fits(path, tags)]
            right = [path for path in fitting if f"sha256:{sha256_of(path)}" in pin.hashes]
            chosen.update(dict.fromkeys(right))
            if not right:
                lacks.append(Lack(pin, target.platform, _why(files, fitting)))
    return list(chosen), lacks


def require(folder: Path, lock: Lock, targets: list[Target], command: str) -> list[Path]:
    """Return the files that the lock needs; ``command`` is what fills the folder.

    Raises:
        ToolFailed: the folder lacks some; names each. Or the lock takes one from an address.
    """
    if not folder.is_dir():
        raise ToolFailed(f"There is no folder {folder}", next=command)
    _require_versions(folder, lock, targets, command)
    files, lacks = choose(folder, lock, targets)
    if lacks:
        more = [f"and {len(lacks) - 15} more"] if len(lacks) > 15 else []
        raise ToolFailed(
            f"{folder} lacks {len(lacks)} of the wheels that the lock asks for",
            why="\n".join([*(str(lack) for lack in lacks[:15]), *more]),
            next=f"{command}, where there is a network",
        )
    return files


def _require_versions(folder: Path, lock: Lock, targets: list[Target], command: str) -> None:
    found = {pin.name: pin for target in targets for pin in target.pins(lock)
             if "://" in pin.version}  # fmt: skip
    if not found:
        return
    keys = [_key(unquote(urlsplit(pin.version).path).rpartition("/")[2]) for pin in found.values()]
    asked = [
        f"{name}=={key[1] if key else 'VERSION'}" for name, key in zip(found, keys, strict=True)
    ]
    raise ToolFailed(
        f"{', '.join(found)} can't be taken from {folder}: the lock has an address for it",
        why="Whatever is in a folder, pip takes such a library from its address:\n"
        + "\n".join(shown(pin.version) for pin in found.values()),
        next=f"{command}, where there is a network; then {' and '.join(asked)} in pyproject.toml, "
        f"without the address, and UV_FIND_LINKS={shlex.quote(str(folder))} mlship lock",
    )


@contextlib.contextmanager
def placed(files: list[Path], project: Path) -> Iterator[None]:
    """Have the files in the project's ``wheels/`` while the context lasts.

    Linked where the disk allows, so that large wheels don't take their space twice.

    Raises:
        ToolFailed: the project has such a folder already.
    """
    folder = project / FOLDER
    if folder.exists():
        raise ToolFailed(
            f"{folder} is there already",
            why="The wheels of --wheels are put there while the image is built.",
            next=f"mlship build --wheels {folder}, or move that folder away",
        )
    folder.mkdir()
    try:
        for path in files:
            try:
                os.link(path.resolve(), folder / path.name)
            except OSError:
                shutil.copyfile(path, folder / path.name)
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def requirements(lock: Lock, target: Target) -> str:
    """Return the pins of one target as a requirements file without markers.

    pip evaluates markers for the machine that it runs on, also when it downloads for another.
    """
    lines = []
    for pin in target.pins(lock):
        joined = (
            f"{pin.name} @ {pin.version}" if "://" in pin.version else f"{pin.name}=={pin.version}"
        )
        lines.append(" ".join([joined, *(f"--hash={each}" for each in pin.hashes)]))
    return "\n".join([*lines, ""])


def _key(name: str) -> tuple[str, str] | None:
    """Return name and version of a wheel's or a source archive's file name."""
    if name.endswith(".whl"):
        parts = name.split("-")
        return (canonical(parts[0]), _version(parts[1])) if len(parts) >= 5 else None
    if _SOURCE.search(name):
        project, dash, version = _SOURCE.sub("", name).rpartition("-")
        return (canonical(project), _version(version)) if dash else None
    return None


def _version(text: str) -> str:
    """Return a version as all spellings of it compare: 1.0 and 1.0.0 are the same."""
    from packaging.utils import canonicalize_version

    return canonicalize_version(text)


def _fits(path: Path, tags: set[Tag]) -> bool:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    if path.suffix != ".whl":
        return False
    try:
        return not tags.isdisjoint(parse_wheel_filename(path.name)[3])
    except InvalidWheelFilename:
        return False


def _why(files: list[Path], fitting: list[Path]) -> str:
    if fitting:
        return f"{fitting[0].name} has another hash than the lock"
    if files:
        no_wheel = ", which is no wheel" if files[0].suffix != ".whl" else ""
        return f"only {files[0].name} is there{no_wheel}"
    return "no file"
