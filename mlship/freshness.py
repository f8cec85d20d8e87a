"""Whether the locks are what pyproject.toml asks for; told by their content.

A lock of mlship's has a digest of what it was made from, so that any change of the wishes shows,
such as a requirement that went away or another Python. One that was made or edited by hand has
none: it counts as fresh when it pins, with hashes, what is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlship import lockfile, pyproject
from mlship.commands.uv import DEV_LOCK, LOCK
from mlship.indexes import shown_within
from mlship.lockfile import Lock, Pin, canonical
from mlship.pyproject import Asked
from mlship.target import applies, holds, variables

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def stale(root: Path, python: str, name: str) -> list[str]:
    """Return why the lock ``name`` is not what is asked for; empty when it is.

    Without a pyproject.toml a lock is what its owner made it.

    Raises:
        ProjectError: pyproject.toml can't be read.
    """
    asked = pyproject.read(root)
    if not (root / name).is_file():
        return [f"{name} is missing"]
    if asked is None:
        return []
    return [shown_within(reason) for reason in _stale(root, python, name, asked)]


def _stale(root: Path, python: str, name: str, asked: Asked) -> list[str]:
    lock = read(root, name)
    if lock.conflicts:
        return [f"{name} has the conflict marks of a merge"]
    if not _is_text(root / name):  # pip in the image could not read it
        return [f"{name} is not in UTF-8"]
    same = lock.is_as_made and lock.asked == digest(asked, python, name)
    if name == LOCK:
        if same:
            return []
        reasons = list(_reasons(lock, asked.runtime, python))
    else:
        reasons = list(_apart(lock, read(root, LOCK)))
        if same:
            return reasons
        reasons += _reasons(lock, (*asked.runtime, *asked.dev), python)
    if lock.is_as_made and not reasons:
        places = f"{pyproject.FILE_NAME}, {pyproject.UV_FILE} or the Python of mlship.yaml"
        return [f"{places} has changed since {name} was made"]
    return reasons


def read(root: Path, name: str) -> Lock:
    """Return a lock of the project; an empty one where it is missing."""
    path = root / name
    return lockfile.parse(path.read_text("utf-8", "replace") if path.is_file() else "")


def _is_text(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True


def digest(asked: Asked, python: str, name: str) -> str:
    """Return a hex sha256 of what a lock is made from; spaces, order and comments don't matter."""
    wanted = asked.runtime if name == LOCK else (*asked.runtime, *asked.dev)
    more = {"extras": asked.extras or None, "uv.toml": asked.uv_toml}
    return lockfile.digest([
        *(_text(each) for each in wanted), {"python": python}, asked.settings,
        *({key: value} for key, value in more.items() if value is not None),
    ])  # fmt: skip


def _text(requirement: Requirement) -> str:
    """Return a requirement as all spellings of it compare."""
    text = str(requirement)
    return canonical(requirement.name) + text[len(requirement.name) :]


def _apart(dev: Lock, runtime: Lock) -> Iterator[str]:
    """Yield where the development lock has other versions than the image's."""
    found = {(pin.name, pin.version) for pin in dev.pins}
    for pin in runtime.pins:
        if (pin.name, pin.version) not in found:
            yield f"{LOCK} pins {pin.name} {pin.version}, {DEV_LOCK} does not"
            return


def _reasons(lock: Lock, wanted: Iterable[Requirement], python: str) -> Iterator[str]:
    """Yield what a lock lacks of what is wanted, or has beyond it."""
    for pin in lock.pins:
        if not pin.hashes:
            yield f"{pin.name} {pin.version} is pinned without a hash"
            break
    for place in lock.unnamed:
        yield f"{place} is pinned without a hash"
    environment = variables(python)
    here = [pin for pin in lock.pins if applies(pin, environment)]
    for requirement in wanted:
        if requirement.marker and not holds(requirement.marker, environment):
            continue
        pins = [pin for pin in here if pin.name == canonical(requirement.name)]
        if not pins:
            yield f"{_text(requirement)} is asked for, and not pinned"
        for pin in pins:
            if not _fits(pin, requirement):
                yield f"{_text(requirement)} is asked for, {pin.version} is pinned"
    names = {canonical(requirement.name) for requirement in wanted}
    for pin in lock.pins:
        if pin.direct and pin.name not in names:
            yield f"{pin.name} {pin.version} is pinned, and no longer asked for"


def _fits(pin: Pin, requirement: Requirement) -> bool:
    from packaging.version import InvalidVersion

    if requirement.url:
        return pin.version == requirement.url
    try:
        return requirement.specifier.contains(pin.version, prereleases=True)
    except InvalidVersion:
        return "://" in pin.version  # a source of [tool.uv] gives it a place of its own
