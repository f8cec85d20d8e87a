"""slim.py, which every Dockerfile runs over what goes into the image."""

import importlib.util
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlship import plan
from mlship.plan import Wishes
from tests.unit.test_plan import write


@pytest.fixture
def slim(tmp_path):
    """The script of a FastAPI project with an ONNX model."""
    write(plan.make(tmp_path / "iris", Wishes()), tmp_path / "iris")
    return runpy.run_path(str(tmp_path / "iris" / "slim.py"))


@pytest.fixture
def image(tmp_path):
    """A folder as the Dockerfile lays it out."""
    root = tmp_path / "image"
    packages = root / "opt" / "venv" / "lib" / "python3.11" / "site-packages"
    for name in (
        "numpy/__init__.py", "numpy/__init__.pyi", "numpy/tests/test_x.py",
        "numpy/_core/tests/_natype.py", "numpy/_core/tests/test_y.py", "numpy/_core/include/a.h",
        "onnxruntime/capi/libonnxruntime.so.1.32.0", "onnxruntime/capi/onnxruntime_pybind11.so",
        "other/tests/data.py", "other/a.pyi", "other/broken.py",
    ):  # fmt: skip
        path = packages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = {'b', 'a'}\n" if name != "other/broken.py" else "print 'two'\n")
    (root / "srv/app").mkdir(parents=True)
    (root / "srv/app/main.py").write_text("print('as built')\n")
    return root


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_removes_what_is_listed_and_nothing_else(slim, image):
    packages = image / "opt/venv/lib/python3.11/site-packages"
    slim["remove"](packages)
    assert names(packages) == {
        "numpy/__init__.py", "numpy/_core/tests/_natype.py",
        "onnxruntime/capi/onnxruntime_pybind11.so",
        "other/tests/data.py", "other/a.pyi", "other/broken.py",
    }  # fmt: skip


def test_same_time_and_rights_for_all(slim, image):
    odd = image / "opt/venv/lib/python3.11/site-packages/other/a.pyi"
    odd.chmod(0o600)
    (image / "opt/venv/bin").mkdir()
    program = image / "opt/venv/bin/tool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    (image / "opt/venv/bin/python").symlink_to("/nowhere")
    slim["settle"](image)
    assert oct(odd.stat().st_mode)[-3:] == "644" and oct(program.stat().st_mode)[-3:] == "755"
    times = {path.lstat().st_mtime for path in [image, *image.rglob("*")]}
    assert times == {315532800}


def test_bytecode_is_the_same_anywhere_and_trusted(slim, image, tmp_path):
    other = tmp_path / "other-place" / "image"
    shutil.copytree(image, other)
    for root in (image, other):
        slim["main"](root)
    assert names(image) == names(other)
    compiled = [path for path in image.rglob("*.pyc") if "broken" not in path.name]
    assert {"__init__", "_natype", "data"} <= {path.name.partition(".")[0] for path in compiled}
    for path in compiled:
        code = path.read_bytes()
        assert code == (other / path.relative_to(image)).read_bytes()
        # PEP 552: by hash, which is checked for the code and not for the libraries.
        where, flags = ("/srv/app/main.py", 3) if path.name[:4] == "main" else ("/opt/venv/lib", 1)
        assert code[4:8] == bytes([flags, 0, 0, 0])
        assert where.encode() in code and str(tmp_path).encode() not in code


def test_bytecode_that_can_not_be_written_fails_the_build(slim, image):
    """As on a full disk; compileall says nothing of it."""
    (image / "srv/app/__pycache__").write_text("in the way")
    with pytest.raises(OSError, match="app/__pycache__"):
        slim["main"](image)


def test_what_compileall_left_out_is_compiled(slim, image, tmp_path, monkeypatch):
    other = shutil.copytree(image, tmp_path / "other" / "image")
    slim["main"](image)
    monkeypatch.setattr(slim["compileall"], "compile_dir", lambda *_, **__: False)
    slim["main"](other)
    assert names(image) == names(other)
    for name in names(image):
        assert (image / name).read_bytes() == (other / name).read_bytes()


def test_code_that_is_changed_in_the_image_is_what_runs(slim, image):
    """As by somebody's Dockerfile on top of this one, or by hand in a container."""
    slim["main"](image)
    (image / "srv/app/main.py").write_text("print('patched!')\n")
    os.utime(image / "srv/app/main.py", (315532800, 315532800))
    done = subprocess.run(
        [sys.executable, "-B", "-m", "app.main"], cwd=image / "srv", capture_output=True, text=True
    )
    assert done.stdout == "patched!\n"


def test_a_library_without_its_debug_information_still_works(slim, tmp_path):
    """The one of httptools, which mlship itself runs on."""
    spec = importlib.util.find_spec("httptools")
    copy = tmp_path / "site" / "httptools"
    shutil.copytree(Path(spec.origin).parent, copy)
    files = list(copy.glob("parser/*.so"))
    before = sum(file.stat().st_size for file in files)
    for file in files:
        slim["drop_debug"](file)
        assert file.read_bytes()[:4] == b"\x7fELF"
    assert sum(file.stat().st_size for file in files) < before
    done = subprocess.run(
        [sys.executable, "-c", "import httptools; print(httptools.parse_url(b'/a?b').path, "
         "httptools.__file__)"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == f"b'/a' {copy / '__init__.py'}\n", done.stderr


def test_other_files_are_left_as_they_are(slim, tmp_path):
    file = tmp_path / "script.so"
    file.write_bytes(b"INPUT ( libm.so.6 )\n")
    slim["drop_debug"](file)
    assert file.read_bytes() == b"INPUT ( libm.so.6 )\n"


def test_code_of_ones_own_may_use_all_of_onnxruntime(tmp_path):
    (tmp_path / "helpers.py").write_text("x = 1\n")
    planned = plan.make(tmp_path / "iris", Wishes(include=(str(tmp_path / "helpers.py"),)))
    write(planned, tmp_path / "iris")
    project = tmp_path / "iris"
    assert "libonnxruntime" not in (project / "slim.py").read_text()
    assert "exclude-dependencies" not in (project / "pyproject.toml").read_text()
