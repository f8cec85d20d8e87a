"""How the tests themselves are dealt out to several workers."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support import sidebyside


def test_what_belongs_together_stays_so_and_measuring_comes_last():
    paths = ["tests/test_cost.py", "tests/unit/test_a.py", "tests/projects/test_zoo.py",
             "tests/docker/test_b.py", "tests/docker/test_c.py"]  # fmt: skip
    paths.sort(key=lambda path: sidebyside.rank(SimpleNamespace(path=Path(path))))
    groups = [sidebyside.group(path) for path in paths]
    assert groups == ["docker", "docker", "test_zoo.py", "test_a.py", "test_cost.py"]


@pytest.fixture
def running(tmp_path, monkeypatch):
    """Runs tests in threads; gives what each saw running when it began and when it ended."""
    monkeypatch.setattr(sidebyside, "tempfile", SimpleNamespace(gettempdir=lambda: tmp_path))
    now, seen = [], {}

    def one(name, alone):
        with sidebyside.turn(alone=alone):
            now.append(name)
            began = set(now)
            time.sleep(0.3)
            seen[name] = began | set(now)
            now.remove(name)

    def run(*names):
        threads = []
        for name in names:
            threads.append(threading.Thread(target=one, args=(name, name == "alone")))
            threads[-1].start()
            time.sleep(0.1)
        for thread in threads:
            thread.join(10)
        return seen

    return run


def test_others_run_side_by_side(running):
    assert running("one", "other") == {"one": {"one", "other"}, "other": {"one", "other"}}


def test_what_measures_waits_and_lets_nobody_in(running):
    seen = running("one", "alone", "late")
    assert seen["alone"] == {"alone"} and "alone" not in seen["one"] | seen["late"]
    assert "late" not in seen["one"], "who wants to be alone has closed the gate"
