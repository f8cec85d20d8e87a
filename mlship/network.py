"""What a company's network asks of a build: its certificates, its proxies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote

from mlship.errors import UsageError

# In the order in which pip heeds them, then the one of OpenSSL and uv.
_BUNDLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
# Arguments that every Dockerfile has, which are in no history:
# https://docs.docker.com/reference/dockerfile/#predefined-args
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
# BuildKit takes no larger secret: MaxSecretSize in moby/buildkit, session/secrets.
LARGEST_SECRET = 500 * 1024
_TOKEN = 8  # characters; fewer are a name


def ca_bundle(path: Path | None, environ: Mapping[str, str], configured: str = "") -> Path | None:
    """Return the file of certificates to trust in the build: ``path``, else the environment's.

    ``configured`` is the one that pip was told, in its file or by its variable.

    Raises:
        UsageError: ``path`` is no file of certificates, or larger than a builder takes.
    """
    if path is None:
        found = _named(environ, configured)
        return next((each.resolve() for each in found if _usable(each)), None)
    if not _usable(path):
        large = path.is_file() and path.stat().st_size > LARGEST_SECRET
        raise UsageError(
            f"{path} can't be used as a CA bundle",
            why="It is larger than the 500 KB that a builder takes." if large else
            "It is no file with certificates in PEM form.",
            next="--ca-bundle FILE with lines of -----BEGIN CERTIFICATE-----",
        )  # fmt: skip
    return path.resolve()


def too_large(environ: Mapping[str, str], configured: str = "") -> Path | None:
    """Return the first file of certificates that a build can't have for its size."""
    for path in _named(environ, configured):
        if _usable(path):
            return None
        if path.is_file() and path.stat().st_size > LARGEST_SECRET:
            return path
    return None


def _named(environ: Mapping[str, str], configured: str) -> list[Path]:
    names = (configured, *(environ.get(name, "") for name in _BUNDLES))
    return [_path(name) for name in names if name]


def _path(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # a user whom nobody knows
        return Path(name)


def _usable(path: Path) -> bool:
    try:
        return path.stat().st_size <= LARGEST_SECRET and b"BEGIN CERT" in path.read_bytes()
    except OSError:
        return False


def proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the proxy variables that are set here."""
    return {name: environ[name] for name in _PROXIES if environ.get(name)}


def all_proxies(environ: Mapping[str, str]) -> list[str]:
    """Return the addresses of proxies here, those too that are not passed on to a build."""
    names = (*_PROXIES, "ALL_PROXY", "all_proxy")
    return [environ.get(name, "") for name in names if name.lower() != "no_proxy"]


def passwords(proxies: Iterable[str]) -> tuple[str, ...]:
    """Return what is secret in addresses of proxies, as written there and as meant.

    To urlsplit an address ends at a ``#`` or ``/``, which a password has where nobody encoded it.
    """
    found = []
    for each in proxies:
        user, _, password = each.rpartition("@")[0].split("//", 1)[-1].partition(":")
        found.append(password or token(user))
    return tuple(dict.fromkeys(form for each in found if each for form in (each, unquote(each))))


def token(user: str) -> str:
    """Return the user of an address where it is no name but a secret."""
    return user if len(user) >= _TOKEN else ""
