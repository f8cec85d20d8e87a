"""Tests on several workers (``pytest -n 2 --dist loadgroup``): who goes where, who waits for whom.

A file's tests stay together, for the sake of its fixtures, and so does all that uses the one Docker
engine, or the one cluster. Tests marked ``alone`` measure something: nothing else runs meanwhile.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

# What takes longest begins first, so that the workers end together; what is measured comes last.
FIRST = ("docker", "test_zoo.py", "test_manifests_of_options.py", "test_emit.py")
TOGETHER = ("docker", "cluster", "alone")
# Whether this process is one of several workers.
SHARED = "PYTEST_XDIST_WORKER" in os.environ


def group(item: pytest.Item) -> str:
    """Return the name of the tests that stay with this one."""
    marks = (name for name in TOGETHER if item.get_closest_marker(name))
    return next(marks, item.path.name)


def place(items: list[pytest.Item]) -> None:
    """Tell the scheduler which tests belong together, and in which order to begin."""

    def order(item: pytest.Item) -> int:
        name = group(item)
        return FIRST.index(name) if name in FIRST else len(FIRST) + (name == "alone")

    items.sort(key=order)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait until this test may run: beside others, or with none.

    Whoever wants to be alone closes the gate first, or new ones would come in for ever.
    """
    with ExitStack() as stack:
        gate, room = (_file(stack, name) for name in ("gate", "room"))
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


def _file(stack: ExitStack, name: str) -> int:
    path = Path(tempfile.gettempdir()) / f"mlship-tests-{os.getuid()}-{name}"
    return stack.enter_context(path.open("w")).fileno()
