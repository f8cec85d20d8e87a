"""The package indexes in a project's [tool.uv]: uv locks from them, a build has to be told.

See https://docs.astral.sh/uv/reference/settings/. What is wrong there uv itself says
(``mlship lock``); here it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlship import indexes, pyproject
from mlship.indexes import Index


def of_project(project: Path, environ: Mapping[str, str]) -> Index:
    """Return the indexes that a project's pyproject.toml names; an empty one for none.

    Those that uv asks for some libraries alone (``explicit``) are among them: the lock has the
    hashes, so pip takes the same files.

    Raises:
        ProjectError: pyproject.toml can't be read.
        UsageError: an address can't be read.
    """
    asked = pyproject.read(project)
    settings = asked.settings if asked else {}
    pip = settings.get("pip")
    settings = settings | (pip if isinstance(pip, dict) else {})
    listed = list(_listed(settings.get("index")))
    values = {
        "index-url": " ".join([*_of(listed, "default"), *_words(settings.get("index-url"))]),
        "extra-index-url": " ".join(
            [*_of(listed, "extra"), *_words(settings.get("extra-index-url"))]
        ),
        "find-links": " ".join([*_of(listed, "flat"), *_words(settings.get("find-links"))]),
        "trusted-host": " ".join(_words(settings.get("allow-insecure-host"))),
    }
    return indexes.of_values(values, environ, pyproject.FILE_NAME)


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
