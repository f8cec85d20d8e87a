"""The package index that this machine installs from, told to a build and to uv.

Read as pip reads its configuration (https://pip.pypa.io/en/stable/topics/configuration/), else
from uv's variables. What lies on this machine's disk is left out: a build can't reach it, so a
lock must not count on it.
"""

from __future__ import annotations

import configparser
import netrc
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from mlship.errors import UsageError

_ADDRESSES = ("index-url", "extra-index-url", "find-links")
# What pip is told in the build; the file of certificates goes there as a secret of its own.
_KEYS = (*_ADDRESSES, "trusted-host", "proxy")
_READ = (*_KEYS, "cert")
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1|\[::1\]|.*\.localhost", re.I)
# Its user, password and query are no groups.
_ADDRESS = re.compile(r"(://)(?:[^\s/]*@)?([^\s?#]*)(?:\?[^\s#]*)?")
_TOKEN = 8  # characters; fewer are a name


@dataclass(frozen=True)
class Index:
    """Where packages come from; the addresses may hold credentials.

    Attributes:
        url: the main index; empty for the public one.
        extra: further indexes.
        links: pages that link to packages.
        trusted: hosts whose certificate is not checked.
        proxy: to go through instead of the environment's.
        cert: the file of certificates to trust.
        origin: what said so, to tell a person.
    """

    url: str = ""
    extra: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    origin: str = ""
    proxy: str = ""
    cert: str = ""

    def __bool__(self) -> bool:
        """Return whether anything was configured that pip has to be told."""
        return any(any(each) for each in self._values)

    @property
    def _values(self) -> tuple[tuple[str, ...], ...]:
        """Return the values of ``_KEYS``."""
        return (self.url,), self.extra, self.links, self.trusted, (self.proxy,)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return every address, as configured."""
        return (*([self.url] if self.url else []), *self.extra, *self.links)

    def pip_conf(self) -> str:
        """Return this as a pip.conf."""
        values = zip(_KEYS, self._values, strict=True)
        lines = [f"{key} = {' '.join(each)}" for key, each in values if any(each)]
        return "\n".join(["[global]", *lines, ""])

    @property
    def passwords(self) -> tuple[str, ...]:
        """Return what is secret in the addresses, as written there and as meant."""
        proxy = self.proxy if "//" in self.proxy else f"//{self.proxy}"
        parts = [urlsplit(each) for each in (*self.addresses, proxy)]
        # Some registries take a token as the user, without a password or with an empty one, and
        # some after the question mark. A short user is a name, its password in a keyring.
        found = [secret for each in parts for secret in (each.password or _token(each), each.query)]
        return tuple(
            dict.fromkeys(form for each in found if each for form in (each, unquote(each)))
        )

    def pip_environment(self) -> dict[str, str]:
        """Return the variables that make pip use this, over its files."""
        values = zip(_KEYS, self._values, strict=True)
        return {_variable(key): " ".join(each) for key, each in values if any(each)}

    def uv_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that make uv use this; none where uv was told otherwise.

        See https://docs.astral.sh/uv/reference/environment/.
        """
        proxy = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), self.proxy) if self.proxy else {}
        if any(environ.get(name) for name in _UV_URL + _UV_EXTRA):
            return proxy
        values = {
            "UV_DEFAULT_INDEX": self.url,
            "UV_INDEX": " ".join(self.extra),
            "UV_FIND_LINKS": ",".join(self.links),
            "UV_INSECURE_HOST": " ".join(self.trusted),
        }
        return {name: value for name, value in values.items() if value} | proxy


def from_file(path: Path, environ: Mapping[str, str]) -> Index:
    """Return what a pip.conf says.

    Raises:
        UsageError: it can't be read, or names no index.
    """
    if not path.is_file():
        raise UsageError(f"{path} is no file", next="--pip-conf FILE with index-url in [global]")
    index = of_values(_read(path), environ, str(path))
    if not index:
        raise UsageError(
            f"{path} names no package index that a build can reach",
            why="It needs index-url or extra-index-url, with http:// or https://, in [global].",
            next="correct it, or leave --pip-conf away",
        )
    return index


def from_environment(environ: Mapping[str, str]) -> Index:
    """Return the index that pip would use here, else the one that uv would; empty for neither.

    Raises:
        UsageError: a pip.conf can't be read.
    """
    values: dict[str, str] = {}
    origins: dict[str, str] = {}
    for path in _files(environ):
        found = _read(path)
        values |= found
        origins |= dict.fromkeys(found, str(path))
    for key in _READ:
        if environ.get(name := _variable(key)):
            values[key], origins[key] = environ[name], name
    # The first of them that a build can reach names the origin.
    reached = (key for key in _ADDRESSES if any(_addresses(values.get(key, ""), environ)))
    index = of_values(values, environ, origins.get(next(reached, ""), ""))
    if index.addresses:
        return index
    return replace(_of_uv(environ) or index, proxy=index.proxy, cert=index.cert)


def joined(first: Index, more: Index) -> Index:
    """Return both; of two main indexes the first counts, as uv's variables do over its settings."""
    new = more if not first.url else replace(more, url="")
    return replace(
        first,
        url=first.url or more.url,
        extra=tuple(dict.fromkeys((*first.extra, *more.extra))),
        links=tuple(dict.fromkeys((*first.links, *more.links))),
        trusted=tuple(dict.fromkeys((*first.trusted, *more.trusted))),
        origin=", ".join(each.origin for each in (first, new) if each.addresses and each.origin),
    )


_UV_URL = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
_UV_EXTRA = ("UV_INDEX", "UV_EXTRA_INDEX_URL")


def _of_uv(environ: Mapping[str, str]) -> Index:
    set_ = [name for name in _UV_URL + _UV_EXTRA if environ.get(name)]
    values = {
        "index-url": next((environ[name] for name in _UV_URL if environ.get(name)), ""),
        "extra-index-url": " ".join(environ.get(name, "") for name in _UV_EXTRA),
        "trusted-host": environ.get("UV_INSECURE_HOST", "").replace(",", " "),
    }
    return of_values(values, environ, set_[0] if set_ else "")


def of_values(values: Mapping[str, str], environ: Mapping[str, str], origin: str) -> Index:
    """Return an index from values by pip's names for them; addresses may be uv's ``name=url``.

    Raises:
        UsageError: an address can't be read.
    """
    addresses = {key: tuple(_addresses(values.get(key, ""), environ)) for key in _ADDRESSES}
    urls = addresses["index-url"]
    index = Index(
        url=urls[0] if urls else "",
        extra=addresses["extra-index-url"],
        links=addresses["find-links"],
        trusted=tuple(values.get("trusted-host", "").split()),
        origin=origin,
        proxy=_checked(values.get("proxy", "").strip()),
        cert=values.get("cert", "").strip(),
    )
    return index if index else Index(cert=index.cert)


def _addresses(value: str, environ: Mapping[str, str]) -> Iterator[str]:
    for word in value.split():
        # uv's indexes may have a name, and with it credentials in variables of their own.
        name, equals, rest = word.partition("=")
        named = bool(equals) and re.fullmatch(r"[\w.-]+", name) is not None
        url = rest if named else word
        if urlsplit(_checked(url)).scheme in ("http", "https"):
            yield _with_credentials(url, name if named else "", environ)


def _checked(url: str) -> str:
    try:
        urlsplit(url)
    except ValueError as error:
        raise UsageError(
            f"The address of a package index or a proxy can't be read: {error}",
            # Not quoted: it may hold a password.
            why="It stands in a pip.conf, or in a variable of pip or uv.",
            next="correct it; `pip config debug` lists the files and the variables",
        ) from None
    return url


def _with_credentials(url: str, name: str, environ: Mapping[str, str]) -> str:
    """Return the address with what ``UV_INDEX_<NAME>_*`` or the netrc file know for its host."""
    parts = urlsplit(url)
    if parts.username or not parts.hostname:
        return url
    prefix = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
    user, password = environ.get(f"{prefix}_USERNAME"), environ.get(f"{prefix}_PASSWORD")
    if not (name and (user or password)):
        home = environ.get("HOME", "")
        path = environ.get("NETRC") or str(Path(home) / ".netrc")
        try:
            known = netrc.netrc(path).authenticators(parts.hostname)
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
            known = None
        if known is None:
            return url
        user, _, password = known
    secret = f"{quote(user or '', safe='')}:{quote(password or '', safe='')}"
    return urlunsplit(parts._replace(netloc=f"{secret}@{parts.netloc}"))


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files that pip reads, the one that counts most last."""
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or "/nowhere")
    folders = environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)
    yield from (Path(folder) / "pip" / "pip.conf" for folder in reversed(folders) if folder)
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    yield home / "Library" / "Application Support" / "pip" / "pip.conf"
    if environ.get("APPDATA"):
        yield Path(environ["APPDATA"]) / "pip" / "pip.ini"
    if environ.get("VIRTUAL_ENV"):
        yield Path(environ["VIRTUAL_ENV"]) / "pip.conf"
    if chosen:
        yield Path(chosen)


def _read(path: Path) -> dict[str, str]:
    """Return the values of a pip.conf that concern indexes; [install] overrides [global]."""
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
            found.update({key: items[key] for key in _READ if key in items})
    return found


def _variable(key: str) -> str:
    return "PIP_" + key.upper().replace("-", "_")


def _token(address: SplitResult) -> str:
    user = address.username or ""
    return user if len(user) >= _TOKEN else ""


def shown(address: str) -> str:
    """Return an address without its credentials."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def shown_within(text: str) -> str:
    """Return a text, of which parts may be addresses, without their credentials."""
    return _ADDRESS.sub(r"\1\2", text)


def is_loopback(address: str) -> bool:
    """Tell whether an address is of the machine that uses it, which a container is not."""
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    except ValueError:
        return False
    return _LOOPBACK.fullmatch(host) is not None
