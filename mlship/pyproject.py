"""What a project's pyproject.toml asks for: the libraries of the image, and those of its tests."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlship.errors import ProjectError
from mlship.indexes import shown_within
from mlship.lockfile import canonical

if TYPE_CHECKING:
    from packaging.requirements import Requirement

FILE_NAME, UV_FILE = "pyproject.toml", "uv.toml"


@dataclass(frozen=True)
class Asked:
    """What is asked.

    Attributes:
        runtime: of the image.
        dev: what tests and checks need besides.
        python: of which Python the project is (``requires-python``); empty for any.
        settings: what else decides uv's choice: indexes, overrides, sources ([tool.uv]).
        extras: the optional dependencies, where the settings have uv take some of them.
        has_dev: whether there is a group ``dev``, which may be empty.
        uv_toml: what stands in uv.toml, which uv reads in place of [tool.uv]; None without one.
    """

    runtime: tuple[Requirement, ...]
    dev: tuple[Requirement, ...]
    settings: dict[str, Any]
    python: str = ""
    extras: dict[str, Any] = field(default_factory=dict)
    has_dev: bool = False
    uv_toml: dict[str, Any] | None = None

    def is_for(self, python: str) -> bool:
        """Tell whether some release of a Python, such as ``3.11``, is asked for."""
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            wanted = SpecifierSet(self.python)
        except InvalidSpecifier:
            return True  # uv says what is wrong with it
        return any(wanted.contains(f"{python}.{release}") for release in range(100))


def read(root: Path) -> Asked | None:
    """Return what the project at ``root`` asks for; None when it has no pyproject.toml.

    Raises:
        ProjectError: the file is no TOML, one of its requirements is none, or they stand elsewhere.
    """
    path = root / FILE_NAME
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(
            f"{path} is not valid TOML",
            why=str(error),
            next=f"correct {FILE_NAME}, then mlship lock",
        ) from None
    project = _table(values, "project")
    _require_static(path, project)
    # Names of groups compare as those of packages do (PEP 735).
    groups = {canonical(n): group for n, group in _table(values, "dependency-groups").items()}
    settings, uv_toml = _table(_table(values, "tool"), "uv"), toml_of(root / UV_FILE)
    pip = _table(settings if uv_toml is None else uv_toml, "pip")
    takes_extras = pip.get("extra") or pip.get("all-extras")
    return Asked(
        _requirements(path, project.get("dependencies")),
        _requirements(path, _group(groups, "dev", ())),
        settings,
        str(project.get("requires-python") or ""),
        _table(project, "optional-dependencies") if takes_extras else {},
        "dev" in groups,
        uv_toml,
    )


def uv_settings(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return the file of a folder that uv takes its settings from, and these; None for none."""
    if (settings := toml_of(folder / UV_FILE)) is not None:
        return folder / UV_FILE, settings
    tool = _table(toml_of(folder / FILE_NAME) or {}, "tool")
    return (folder / FILE_NAME, _table(tool, "uv")) if "uv" in tool else None


def toml_of(path: Path) -> dict[str, Any] | None:
    """Return what a file holds; None where there is none, or uv will say what is wrong with it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None


def _table(values: dict[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _require_static(path: Path, project: dict[str, Any]) -> None:
    dynamic = project.get("dynamic")
    if isinstance(dynamic, list) and "dependencies" in dynamic:
        raise ProjectError(
            f"{path} leaves its dependencies to its build backend (dynamic)",
            why="What stands in another file makes no lock stale.",
            next="write them under [project], as dependencies, then mlship lock",
        )


def _group(groups: dict[str, Any], name: str, seen: tuple[str, ...]) -> list[Any]:
    """Return a group's requirements, those of the groups that it includes too (PEP 735)."""
    entries = groups.get(name, []) if name not in seen else []
    found: list[Any] = []
    # What is no list is no group; _requirements names it.
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, dict):
            included = canonical(str(entry.get("include-group", "")))
            found += _group(groups, included, (*seen, name))
        else:
            found.append(entry)
    return found


def _requirements(path: Path, texts: Any) -> tuple[Requirement, ...]:
    from packaging.requirements import InvalidRequirement, Requirement

    if not isinstance(texts, list | None):
        raise ProjectError(
            f"{path} has dependencies that are no list",
            why=shown_within(f"dependencies = {texts!r}"),
            next='write them like dependencies = ["numpy>=1.26"], then mlship lock',
        )
    found = []
    for text in texts or ():
        try:
            found.append(Requirement(text))
        except (InvalidRequirement, TypeError) as error:
            raise ProjectError(
                shown_within(f"{path} asks for {text!r}, which is no requirement"),
                why=shown_within(str(error).splitlines()[0]),
                next='write it like "numpy>=1.26", then mlship lock',
            ) from None
    return tuple(found)
