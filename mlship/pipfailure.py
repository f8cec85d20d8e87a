"""Why pip could not install or download what is locked, read from what it prints.

Wherever it has no file to take, be it for a certificate, a password or the network, pip ends with
"(from versions: none)"; what went before that tells them apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlship.errors import ToolFailed

# Those of pip, and of the uv that runs it.
_CERTIFICATE = re.compile(r"certificate.verify.failed|invalid peer certificate", re.I)
_UNREACHED = re.compile(
    r"NewConnectionError|ConnectTimeoutError|Read timed out|ProxyError|Network is unreachable"
    r"|name resolution|dns error"
)
# Lines of https://pip.pypa.io/en/stable/reference/build-system/: it makes a wheel by what the
# archive asks for, which an image gets from the lock alone.
_UNBUILDABLE = "pip subprocess to install build dependencies did not run successfully"
_ARCHIVE = re.compile(r"Processing \S*?([^/\s]+\.(?:tar\.gz|zip))")
# What helps a build that has no network.
_OF_A_BUILD = (
    "or add --network host; without a network take the wheels from a folder (mlship wheels DIR, "
    "then --wheels DIR),"
)
_UNFOUND = re.compile(r"No matching distribution found for (([\w.-]+)\S*)")


def advice(said: str, lines: Iterable[str], *, asks: bool) -> tuple[str, str]:
    """Return the cause of a failed build and what to do; both empty where pip is not to blame.

    ``said`` is the end of the step that failed, ``lines`` all that was printed; ``asks`` tells
    that an index was configured, which may ask for a password.
    """
    if found := _network(said):
        cause, then = found
        return cause, then if _CERTIFICATE.search(said) else f"{then}, {_OF_A_BUILD}"
    if _UNBUILDABLE in said:
        return _source(said, lines)
    if "(from versions: none)" in said:
        return "", _absent(asks=asks)
    return "", ""


def of_download(error: ToolFailed, folder: str, platform: str, *, asks: bool) -> ToolFailed:
    """Return the error of a failed download of wheels with what to do about its cause."""
    cause, then = _network(error.why) or ("", "")
    unfound = None if then else _UNFOUND.search(error.why)
    if unfound:
        pin, name = unfound.groups()
        cause = f"No wheel of {pin} for {platform} is there; a source archive does not do."
        then = (
            f"choose another version in pyproject.toml, or make its wheel: pip wheel --no-deps "
            f"{pin} --wheel-dir {folder}; UV_FIND_LINKS={folder} mlship lock --upgrade-package "
            f"{name}; PIP_FIND_LINKS={folder} mlship wheels {folder}"
        )
        if asks and "(from versions: none)" in error.why:
            then = f"{_absent(asks=True)}; else {then}"
    if not then:
        return error
    return ToolFailed(error.what, why="\n".join(filter(None, [cause, error.why])), next=then)


def _network(said: str) -> tuple[str, str] | None:
    if _CERTIFICATE.search(said):
        return (
            "The package index' certificate is of nobody who is trusted there.",
            "add --ca-bundle FILE with your company's certificates",
        )
    if _UNREACHED.search(said):
        return (
            "The package index could not be reached.",
            "set HTTPS_PROXY to the proxy, if there is one",
        )
    return None


def _source(said: str, lines: Iterable[str]) -> tuple[str, str]:
    archives = [match[1] for line in lines if (match := _ARCHIVE.search(line))]
    name = archives[-1] if archives else "A library"
    unfound = _UNFOUND.search(said)
    needs = f'"{unfound[2]}"' if unfound else "what builds it"
    # Where an archive does not say what builds it, pip takes these two.
    needs = '"setuptools" and "wheel"' if needs == '"setuptools"' else needs
    return (
        f"{name} is no wheel but a source archive, and what builds it is not in the lock.",
        f"choose in pyproject.toml a version that has a wheel, or add {needs} there; mlship lock,",
    )


def _absent(*, asks: bool) -> str:
    password = ", and that it takes the user and password told to it" if asks else ""
    return f"check that the index has it{password}"
