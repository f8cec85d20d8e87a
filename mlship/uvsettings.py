"""The package indexes in uv's own files: uv locks from them, a build has to be told.

See https://docs.astral.sh/uv/reference/settings/. What is wrong there uv itself says
(``mlship lock``); here it is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlship import indexes, pyproject
from mlship.indexes import Index


def of_project(project: Path | None, environ: Mapping[str, str]) -> Index:
    """Return the indexes that uv's files name for a project; an empty one for none.

    Those that uv asks for some libraries alone (``explicit``) are among them: the lock has the
    hashes, so pip takes the same files.

    Raises:
        ProjectError: the project's pyproject.toml can't be read.
        UsageError: an address can't be read.
    """
    if project:
        pyproject.read(project)
    found = Index()
    for origin, settings in _files(project, environ):
        found = indexes.joined(found, _index(settings, environ, origin))
    return found


def _files(
    project: Path | None, environ: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the settings of each file that uv reads, the one that counts most first.

    Of the project and the folders above it, that is the first that has some; see
    https://docs.astral.sh/uv/concepts/configuration-files/.
    """
    if chosen := environ.get("UV_CONFIG_FILE"):
        yield chosen, pyproject.toml_of((project or Path()) / chosen) or {}
        return
    if environ.get("UV_NO_CONFIG", "").lower() in ("1", "y", "yes", "t", "true", "on"):
        return
    root = project.resolve() if project else None
    for folder in (root, *root.parents) if root else ():
        if found := pyproject.uv_settings(folder):
            path, settings = found
            yield path.name if folder == root else str(path), settings
            break
    users = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or "/nowhere") / ".config"
    folders = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    shared = (Path(each) / "uv" / pyproject.UV_FILE for each in (*folders, "/etc") if each)
    system = next((path for path in shared if path.is_file()), None)
    for path in filter(None, (Path(users) / "uv" / pyproject.UV_FILE, system)):
        yield str(path), pyproject.toml_of(path) or {}


def _index(settings: dict[str, Any], environ: Mapping[str, str], origin: str) -> Index:
    pip = settings.get("pip")
    settings = settings | (pip if isinstance(pip, dict) else {})
    listed = list(_listed(settings.get("index")))
    values = {
        "index-url": " ".join([*_of(listed, "default"), *_words(settings.get("index-url"))]),
        "extra-index-url": " ".join(
            [*_of(listed, "extra"), *_words(settings.get("extra-index-url"))]
        ),
        "find-links": " ".join([*_of(listed, "flat"), *_words(settings.get("find-links"))]),
        "no-index": "true" if settings.get("no-index") is True else "",
        "trusted-host": " ".join(_words(settings.get("allow-insecure-host"))),
    }
    return indexes.of_values(values, environ, origin)


def _of(listed: list[tuple[str, str]], kind: str) -> list[str]:
    return [word for each, word in listed if each == kind]


def _listed(entries: Any) -> Iterator[tuple[str, str]]:
    """Yield the kind of each index, and its address as uv's variables have it: ``name=url``."""
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or not isinstance(url := entry.get("url"), str):
            continue
        kind = "default" if entry.get("default") is True else "extra"
        kind = "flat" if entry.get("format") == "flat" else kind
        name = entry.get("name")
        yield kind, f"{name}={url}" if name else url


def _words(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]
