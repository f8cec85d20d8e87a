"""The wheel alone, in a bare environment away from the checkout, makes a whole project."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

from mlship.digest import files_of

ROOT = Path(__file__).parents[1]


def run(*argv, cwd):
    done = subprocess.run([*map(str, argv)], cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    run(find_uv_bin(), "build", "--wheel", "--out-dir", out, ROOT, cwd=out)
    (path,) = out.glob("*.whl")
    return path


def test_holds_every_template_and_the_bundled_model(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    templates = files_of(ROOT / "templates")
    assert len(templates) > 30
    for path in templates:
        assert f"mlship/{path.relative_to(ROOT).as_posix()}" in names
    assert "mlship/data/iris.onnx" in names
    assert not [n for n in names if n.startswith(("tests/", "examples/")) or n.endswith(".pyc")]


def test_init_from_a_bare_environment(wheel, tmp_path):
    uv = find_uv_bin()
    run(uv, "venv", "--python", sys.executable, "venv", cwd=tmp_path)
    # Compiled, as pip does it: the modules in the templates, too.
    options = ("--compile-bytecode", "--python", "venv/bin/python")
    run(uv, "pip", "install", *options, wheel, cwd=tmp_path)
    away = tmp_path / "away"
    away.mkdir()
    out = run(tmp_path / "venv/bin/mlship", "init", "iris", "--no-input", "--no-lock", cwd=away)
    assert "mlship serve" in out
    assert (away / "iris/k8s/base/deployment.yaml").is_file()
    assert not list(away.rglob("__pycache__"))
    assert "mlship 0.1.0" in run(tmp_path / "venv/bin/mlship", "--version", cwd=away)
    where = run(
        tmp_path / "venv/bin/python", "-c", "import mlship; print(mlship.__file__)", cwd=away
    )
    assert str(ROOT) not in where
