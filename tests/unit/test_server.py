"""The argv that starts each server."""

from pathlib import Path

import pytest

from mlship import server

VENV = Path(".venv")


@pytest.mark.parametrize(
    ("name", "argv"),
    [("fastapi", ["python", "-m", "app"]), ("flask", ["gunicorn", "app.main:app"])],
)
def test_image_command(name, argv):
    assert server.image_command(name) == argv


@pytest.mark.parametrize(
    ("name", "argv"),
    [
        ("fastapi", [".venv/bin/python", "-m", "app"]),
        ("flask", [".venv/bin/gunicorn", "app.main:app"]),
    ],
)
def test_local_command(name, argv):
    assert server.local_command(name, VENV) == argv


def test_reload_command_of_fastapi():
    assert server.reload_command("fastapi", VENV, "0.0.0.0", 9000) == [
        ".venv/bin/uvicorn",
        "app.main:app",
        *("--reload", "--reload-dir", "app"),
        *("--host", "0.0.0.0", "--port", "9000"),
    ]


def test_reload_command_of_flask():
    assert server.reload_command("flask", VENV, "0.0.0.0", 9000) == [
        ".venv/bin/flask",
        *("--app", "app.main", "run", "--reload"),
        *("--host", "0.0.0.0", "--port", "9000"),
    ]
