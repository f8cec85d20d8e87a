"""Refuses any model file but the one this service was made for."""

import hashlib
import logging
import sys
from pathlib import Path

from app.settings import settings

logger = logging.getLogger(__name__)

# The exit code that tells gunicorn and uvicorn alike that starting again would not help.
STARTUP_FAILURE = 3


class ModelRefused(Exception):
    """The model file is missing or has changed."""


{% if cookiecutter.is_folder %}
def digest(path: Path) -> str:
    """Return the sha256 of a file, or of a folder's relative names and their digests."""
    if path.is_dir():
        folder = hashlib.sha256()
        files = (f for f in path.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
        for name in sorted(f.relative_to(path).as_posix() for f in files):
            folder.update(f"{name}\0{digest(path / name)}\n".encode())
        return folder.hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: Path, sha256: str) -> None:
    """Raise ModelRefused unless the folder at ``path`` has this sha256."""
    if not path.exists():
        raise ModelRefused(f"model refused: {path} does not exist")
    found = digest(path)
{% else %}
def verify(path: Path, sha256: str) -> None:
    """Raise ModelRefused unless the file at ``path`` has this sha256."""
    if not path.is_file():
        raise ModelRefused(f"model refused: {path} does not exist")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
{% endif %}
    if found != sha256:
        raise ModelRefused(f"model refused: {path} has sha256 {found}, expected {sha256}")


def verify_or_exit() -> None:
    """Say once, before several workers start, what each of them would stop at."""
    try:
        verify(settings.model_file, settings.model_sha256)
    except ModelRefused as error:
        logger.critical("%s", error)
        sys.exit(STARTUP_FAILURE)
