"""Tests on several workers (``pytest -n 2``): who goes where, who waits for whom.

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
FIRST = ("docker", "test_zoo.py", "test_manifests_of_options.py", "test_conversion.py")
LAST = ("test_load.py", "test_bench.py", "test_cost.py")
# Folders of tests that share one thing.
ONE = ("docker", "cluster")
# Whether this process is one of several workers.
SHARED = "PYTEST_XDIST_WORKER" in os.environ


def group(path: str) -> str:
    """Return the name of the tests that stay with those of a file (``tests/a/test_b.py``)."""
    *_, folder, name = path.split("/")
    return folder if folder in ONE else name


def rank(item: pytest.Item) -> int:
    """Return when a test has its turn: the lower, the earlier."""
    name = group(item.path.as_posix())
    return FIRST.index(name) if name in FIRST else len(FIRST) + (name in LAST)


def scheduler(config: pytest.Config, log: object) -> object:
    """Return what deals the tests out, in the order of their ranks."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid.partition("::")[0])

    config.option.loadscopereorder = False
    return Groups(config, log)


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
