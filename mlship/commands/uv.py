"""Locking and installing with uv (https://docs.astral.sh/uv/pip/compile/)."""

from __future__ import annotations

from pathlib import Path

from mlship.runner import Command
from mlship.target import Target

LOCK, DEV_LOCK = "requirements.lock", "requirements-dev.lock"


def program() -> str:
    """Return the path of the uv that mlship was installed with."""
    # Imported here: only commands that lock or install need it.
    from uv import find_uv_bin

    return str(find_uv_bin())


def lock(uv: str, project: Path, python: str, upgrades: tuple[str, ...] = ()) -> Command:
    """Lock what the image needs, with hashes, for every platform."""
    argv = (*_compile(uv, python), *upgrades)
    return Command((*argv, "--output-file", LOCK), cwd=project)


def lock_dev(
    uv: str, project: Path, python: str, upgrades: tuple[str, ...] = (), *, group: bool = True
) -> Command:
    """Lock the same versions plus what tests and checks need, where there is a ``group`` of it."""
    argv = (*_compile(uv, python), *upgrades, *(("--group", "dev") if group else ()))
    return Command((*argv, "--constraint", LOCK, "--output-file", DEV_LOCK), cwd=project)


def upgrades(*, upgrade: bool, packages: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words for what may move; without any, uv keeps the pins of the output file."""
    named = (word for name in packages for word in ("--upgrade-package", name))
    return ("--upgrade",) if upgrade else tuple(named)


def _compile(uv: str, python: str) -> tuple[str, ...]:
    # --no-header: uv would write its own absolute path into the file. Not --quiet: that hides the
    # warning by which uv says that it ignores [tool.uv].
    return (uv, "pip", "compile", "pyproject.toml", "--universal", "--python-version", python,
            "--generate-hashes", "--no-header")  # fmt: skip


def make_environment(uv: str, project: Path, python: str) -> Command:
    """Make the project's virtual environment, replacing one of another Python."""
    return Command((uv, "venv", "--python", python, "--clear", "--quiet", ".venv"), cwd=project)


def install(uv: str, project: Path) -> Command:
    """Install exactly the development lock into the project's environment."""
    argv = (uv, "pip", "sync", "--require-hashes", "--python", ".venv/bin/python", DEV_LOCK)
    return Command(argv, cwd=project)


def install_offline(uv: str, project: Path, wheels: Path) -> Command:
    """Install what the image has into the project's environment, from a folder alone."""
    argv = (uv, "pip", "sync", "--require-hashes", "--no-index", "--find-links", str(wheels),
            "--python", ".venv/bin/python", LOCK)  # fmt: skip
    return Command(argv, cwd=project)


def make_movable(uv: str, folder: Path, python: str) -> Command:
    """Make an environment in an empty folder that may be renamed afterwards."""
    return Command((uv, "venv", "--python", python, "--relocatable", "--allow-existing", "--quiet",
                    str(folder)))  # fmt: skip


def install_into(uv: str, folder: Path, requirements: tuple[str, ...]) -> Command:
    """Install requirements, wheels only, into an environment."""
    argv = (uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"))
    return Command((*argv, "--only-binary", ":all:", *requirements))


def download(uv: str, requirements: Path, folder: Path, target: Target) -> Command:
    """Fetch wheels for a platform into a folder; uv itself has no such command, so by pip."""
    argv = (uv, "tool", "run", "--python", target.python, "pip", "download", "--quiet",
            "--disable-pip-version-check", "--require-hashes", "--no-deps",
            "--only-binary", ":all:", "--implementation", "cp",
            "--python-version", target.python)  # fmt: skip
    platforms = (word for tag in target.platform_tags for word in ("--platform", tag))
    return Command((*argv, *platforms, "--requirement", str(requirements), "--dest", str(folder)))
