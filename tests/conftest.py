"""Fixtures that several kinds of tests share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import sidebyside
from tests.support.projects import Projects

SERVERS = ("fastapi", "flask")


def require(what: str, why: str) -> None:
    """Skip, or fail where the run was promised to have it (``MLSHIP_TEST_REQUIRE=docker,...``)."""
    if what in os.environ.get("MLSHIP_TEST_REQUIRE", "").split(","):
        pytest.fail(f"{what} is required here: {why}")
    pytest.skip(f"{what}: {why}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return sidebyside.scheduler(config, log)


def pytest_collection_modifyitems(items):
    if sidebyside.SHARED:
        items.sort(key=sidebyside.rank)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    if not sidebyside.SHARED:
        return (yield)
    with sidebyside.turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def _path():
    """The programs that were installed with the tests come first, kubectl above all.

    What they print waits in a buffer, as it does for users.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONUNBUFFERED", raising=False)
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        yield


@pytest.fixture(scope="session")
def projects(tmp_path_factory) -> Projects:
    return Projects(tmp_path_factory.mktemp("projects"))


@pytest.fixture
def fake_cluster(monkeypatch):
    """A cluster that is played, which kubectl finds by itself."""
    from tests.support.fake_cluster import FakeCluster

    with FakeCluster() as cluster:
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        yield cluster


@pytest.fixture(scope="session")
def docker() -> str:
    """The docker program, where an engine answers."""
    program = os.environ.get("MLSHIP_DOCKER", "docker")
    try:
        answer = subprocess.run([program, "info"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        require("docker", str(error))
    if answer.returncode != 0:
        require("docker", answer.stderr.strip())
    return program
