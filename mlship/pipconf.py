"""pip's own configuration on this machine: its files and its variables.

See https://pip.pypa.io/en/stable/topics/configuration/.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlship.errors import UsageError

ADDRESSES = ("index-url", "extra-index-url", "find-links")
# What pip is told in the build; the file of certificates goes there as a secret of its own.
KEYS = (*ADDRESSES, "no-index", "trusted-host", "proxy")
READ = (*KEYS, "cert")


def variable(key: str) -> str:
    """Return the variable for a key."""
    return "PIP_" + key.upper().replace("-", "_")


def values(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what pip is told here, and what said so, by key.

    Raises:
        UsageError: a pip.conf can't be read.
    """
    found: dict[str, str] = {}
    origins: dict[str, str] = {}
    for path in _files(environ):
        said = read(path)
        found |= said
        origins |= dict.fromkeys(said, str(path))
    for key in READ:
        if environ.get(name := variable(key)):
            found[key], origins[key] = environ[name], name
    return found, origins


def read(path: Path) -> dict[str, str]:
    """Return the values of a pip.conf that concern indexes; [install] overrides [global].

    Raises:
        UsageError: it can't be read.
    """
    parser = configparser.RawConfigParser()
    try:
        if not path.is_file():
            return {}
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise UsageError(
            f"{path} can't be read as a pip.conf",
            # The parser's message quotes the line, which may hold a password.
            why=f"{type(error).__name__}",
            next="correct it; `pip config debug` lists the files that pip reads",
        ) from None
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            items = {key.replace("_", "-"): value for key, value in parser.items(section)}
            found.update({key: items[key] for key in READ if key in items})
    return found


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files that pip reads, the one that counts most last."""
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return
    own = not (chosen and Path(chosen).exists())  # else the user's are not read
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or "/nowhere")
    folders = environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)
    yield from (Path(folder) / "pip" / "pip.conf" for folder in reversed(folders) if folder)
    yield Path("/etc/pip.conf")
    if own:
        yield home / ".pip" / "pip.conf"
        yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
        yield home / "Library" / "Application Support" / "pip" / "pip.conf"
    if own and environ.get("APPDATA"):
        yield Path(environ["APPDATA"]) / "pip" / "pip.ini"
    if environ.get("VIRTUAL_ENV"):
        yield Path(environ["VIRTUAL_ENV"]) / "pip.conf"
    if chosen:
        yield Path(chosen)
