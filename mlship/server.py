"""The two servers: how each is started, in the image and on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

LABELS = {"fastapi": "FastAPI (uvicorn)", "flask": "Flask (gunicorn)"}
# The server's own files.
_CODE_PATHS = {"fastapi": ["app"], "flask": ["app", "gunicorn.conf.py"]}
THREADS = {"fastapi": 4, "flask": 32}
THREADS_NOTE = {
    "fastapi": "Runs of the model at once",
    "flask": "Requests at once in one process",
}


def code_paths(server: str, include: Iterable[str] = ()) -> list[str]:
    """Return what the image holds besides the model; ``include`` are modules of the user's own."""
    return [*_CODE_PATHS[server], *include]


def image_command(server: str) -> list[str]:
    """Return the argv that the image's CMD holds; host, port and workers come as variables."""
    return ["python", "-m", "app"] if server == "fastapi" else ["gunicorn", "app.main:app"]


def local_command(server: str, environment: Path) -> list[str]:
    """Return the same argv, from a virtual environment's programs."""
    program, *arguments = image_command(server)
    return [str(environment / "bin" / program), *arguments]


def reload_command(server: str, environment: Path, host: str, port: int) -> list[str]:
    """Return the argv that serves and starts again when code changes (one process)."""
    address = ["--host", host, "--port", str(port)]
    if server == "flask":
        # gunicorn's own --reload keeps what gunicorn.conf.py has imported.
        flask = str(environment / "bin" / "flask")
        return [flask, "--app", "app.main", "run", "--reload", *address]
    uvicorn = str(environment / "bin" / "uvicorn")
    return [uvicorn, "app.main:app", "--reload", "--reload-dir", "app", *address]
