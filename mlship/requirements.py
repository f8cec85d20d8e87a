"""What a generated project installs, and the Python it runs on."""

from __future__ import annotations

import sys

from mlship.card import ModelCard
from mlship.errors import UsageError

_SERVICE = ("numpy", "prometheus-client>=0.20", "pydantic>=2.9",
            "python-json-logger>=3.1")  # fmt: skip
_SERVER = {
    # httptools and uvloop are what uvicorn[standard] adds for speed; the rest of it is unused.
    "fastapi": ("fastapi>=0.115", "fastapi-offline>=1.7", "httptools>=0.6", "uvicorn>=0.30",
                "uvloop>=0.20; sys_platform != 'win32'"),
    "flask": ("flask>=3.0", "flask-swagger-ui>=5.0", "gunicorn>=23.0"),
}  # fmt: skip
DEVELOPMENT = ("httpx>=0.27", "mypy>=1.13", "pytest>=8", "ruff>=0.9")
# The first CPython minor that the generated code runs on (hashlib.file_digest).
_OLDEST_MINOR = 11


def runtime(card: ModelCard, server: str) -> list[str]:
    """Return the sorted requirements of the image; the model's own pins replace looser ones."""
    asked = {name_of(requirement) for requirement in card.requirements}
    frame = ("pandas>=2",) if card.takes == "frame" else ()
    own = [r for r in (*_SERVICE, *_SERVER[server], *frame) if name_of(r) not in asked]
    return sorted({*own, *card.requirements})


def runs_onnx(card: ModelCard) -> bool:
    """Tell whether ONNX Runtime runs the model, and no code of the model's own."""
    return card.format == "onnx"


def name_of(requirement: str) -> str:
    """Return the name that a requirement begins with."""
    for index, character in enumerate(requirement):
        if not (character.isalnum() or character in "-_."):
            return requirement[:index]
    return requirement


def python_for(card: ModelCard, wanted: str | None = None) -> tuple[str, str]:
    """Return the Python version (``3.11``) for the project and the reason for it.

    The file does not tell which Python trained it, so the one running mlship is the best
    evidence, moved into the range that the pinned libraries support.

    Raises:
        UsageError: ``wanted`` is outside that range.
    """
    low, high = max(card.python_range[0], _OLDEST_MINOR), card.python_range[1]
    pins = card.python_reason or card.requirements[0]
    supported = f"{pins} runs on 3.{low}" + (f" to 3.{high}" if high > low else " only")
    if high < low:
        raise UsageError(
            f"No Python can serve this model: {pins} ended with 3.{high}, the server "
            f"libraries begin with 3.{low}",
            next="convert the model to ONNX, or train it with a newer library",
        )
    here = sys.version_info.minor
    if wanted is not None:
        major, _, minor = wanted.partition(".")
        if major != "3" or not minor.isdecimal() or not low <= int(minor) <= high:
            raise UsageError(f"Python {wanted} can't serve this model", why=supported + ".",
                             next=f"--set python=3.{high}")  # fmt: skip
        if int(minor) != here:
            return wanted, f"as asked; {supported}"
    minor_version = min(max(here, low), high)
    if minor_version == here:
        return f"3.{here}", f"the version that ran mlship; {supported}"
    return f"3.{minor_version}", f"nearest to 3.{here}, which ran mlship: {supported}"
