"""The worked examples do what their READMEs say."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mlship import environment
from mlship.project import find
from mlship.runner import Runner
from tests.support.projects import mlship
from tests.support.servers import Server

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/train.py"))


def same(got, want):
    """Equal labels, or numbers that are as close as other library versions may come."""
    if isinstance(want, list):
        return len(got) == len(want) and all(map(same, got, want))
    return got == want if isinstance(want, str) else got == pytest.approx(want, rel=1e-2, abs=1e-4)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example(example, tmp_path):
    folder = tmp_path / example.name
    shutil.copytree(example, folder)
    readme = (folder / "README.md").read_text()
    subprocess.run([sys.executable, "train.py"], cwd=folder, check=True, capture_output=True)
    (init,) = re.findall(r"^    mlship (init .*)$", readme, re.M)
    mlship(*init.split(), "--no-input", cwd=folder)
    project = folder / init.split()[1]
    environment.ensure(project, find(project).config.python, Runner())
    server = Server(project, tmp_path / "log")
    try:
        (command,) = re.findall(r"^    mlship (predict .*)$", readme, re.M)
        done = mlship(*command.split(), "--url", server.url, cwd=project)
        (expected,) = re.findall(r"^    (\{\"predictions\": .*\})$", readme, re.M)
        got, want = json.loads(done.stdout), json.loads(expected)
        assert got.keys() == want.keys()
        for key in want:
            assert same(got[key], want[key]), (got, want)
        assert httpx.get(f"{server.url}/docs", follow_redirects=True).status_code == 200
    finally:
        assert server.stop() == 0


def test_the_bundled_model_is_what_the_example_makes(tmp_path):
    path = tmp_path / "iris.onnx"
    train = ROOT / "examples" / "iris" / "train.py"
    subprocess.run([sys.executable, train, path], check=True, capture_output=True)
    from mlship.inspection import inspect

    made, bundled = inspect(path), inspect(ROOT / "mlship" / "data" / "iris.onnx")
    assert made.features == bundled.features and made.classes == bundled.classes
    assert made.example == bundled.example
