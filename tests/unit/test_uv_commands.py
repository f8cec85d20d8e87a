"""The exact argv of uv."""

import os
from pathlib import Path

from mlship.commands import uv
from mlship.runner import Command

ROOT = Path("/projects/iris")
COMPILE = (
    *("uv", "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.12"),
    *("--generate-hashes", "--no-header"),
)


def test_program():
    program = Path(uv.program())
    assert program.name == "uv"
    assert program.is_absolute()
    assert os.access(program, os.X_OK)


def test_lock():
    assert uv.lock("uv", ROOT, "3.12") == Command(
        (*COMPILE, "--output-file", "requirements.lock"), cwd=ROOT
    )


def test_lock_dev():
    words = ("--group", "dev", "--constraint", "requirements.lock")
    assert uv.lock_dev("uv", ROOT, "3.12") == Command(
        (*COMPILE, *words, "--output-file", "requirements-dev.lock"), cwd=ROOT
    )


def test_lock_dev_without_such_a_group():
    assert uv.lock_dev("uv", ROOT, "3.12", group=False) == Command(
        (*COMPILE, "--constraint", "requirements.lock", "--output-file", "requirements-dev.lock"),
        cwd=ROOT,
    )


def test_make_environment():
    assert uv.make_environment("uv", ROOT, "3.12") == Command(
        ("uv", "venv", "--python", "3.12", "--clear", "--quiet", ".venv"), cwd=ROOT
    )


def test_install():
    assert uv.install("uv", ROOT) == Command(
        (
            *("uv", "pip", "sync", "--require-hashes", "--python", ".venv/bin/python"),
            "requirements-dev.lock",
        ),
        cwd=ROOT,
    )
