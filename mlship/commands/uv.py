"""Locking and installing with uv (https://docs.astral.sh/uv/pip/compile/)."""

from __future__ import annotations

from pathlib import Path

from mlship.runner import Command

LOCK, DEV_LOCK = "requirements.lock", "requirements-dev.lock"


def program() -> str:
    """Return the path of the uv that mlship was installed with."""
    # Imported here: only commands that lock or install need it.
    from uv import find_uv_bin

    return str(find_uv_bin())


def lock(uv: str, project: Path, python: str) -> Command:
    """Lock what the image needs, with hashes, for every platform."""
    return Command((*_compile(uv, python), "--output-file", LOCK), cwd=project)


def lock_dev(uv: str, project: Path, python: str) -> Command:
    """Lock the same versions plus what tests and checks need."""
    argv = (*_compile(uv, python), "--group", "dev", "--constraint", LOCK)
    return Command((*argv, "--output-file", DEV_LOCK), cwd=project)


def _compile(uv: str, python: str) -> tuple[str, ...]:
    # --no-header: uv would write its own absolute path into the file.
    return (uv, "pip", "compile", "pyproject.toml", "--universal", "--python-version", python,
            "--generate-hashes", "--no-header", "--quiet")  # fmt: skip


def make_environment(uv: str, project: Path, python: str) -> Command:
    """Make the project's virtual environment, replacing one of another Python."""
    return Command((uv, "venv", "--python", python, "--clear", "--quiet", ".venv"), cwd=project)


def install(uv: str, project: Path) -> Command:
    """Install exactly the development lock into the project's environment."""
    argv = (uv, "pip", "sync", "--require-hashes", "--python", ".venv/bin/python", DEV_LOCK)
    return Command(argv, cwd=project)


def make_movable(uv: str, folder: Path, python: str) -> Command:
    """Make an environment in an empty folder that may be renamed afterwards."""
    return Command((uv, "venv", "--python", python, "--relocatable", "--allow-existing", "--quiet",
                    str(folder)))  # fmt: skip


def install_into(uv: str, folder: Path, requirements: tuple[str, ...]) -> Command:
    """Install requirements, wheels only, into an environment."""
    argv = (uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"))
    return Command((*argv, "--only-binary", ":all:", *requirements))
