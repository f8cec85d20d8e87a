"""The package index that this machine installs from, told to a build and to uv.

pip's own configuration says it, and uv's variables do in addition. What lies on this machine's disk
is left out: a build can't reach it, so a lock must not count on it.
"""

from __future__ import annotations

import netrc
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from mlship import network, pipconf
from mlship.errors import UsageError
from mlship.pipconf import ADDRESSES, KEYS, variable

_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1|\[::1\]|.*\.localhost", re.I)
# Its user, password and query are no groups.
_ADDRESS = re.compile(r"(://)(?:[^\s/]*@)?([^\s?#]*)(?:\?[^\s#]*)?")
_UV_URL = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
_UV_EXTRA = ("UV_INDEX", "UV_EXTRA_INDEX_URL")
_EMPTY = "file:///nowhere"


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
        no_index: that only ``links`` are asked; there is no ``url`` and no ``extra`` then.
    """

    url: str = ""
    extra: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    trusted: tuple[str, ...] = ()
    origin: str = ""
    proxy: str = ""
    cert: str = ""
    no_index: bool = False

    def __bool__(self) -> bool:
        """Return whether anything was configured that pip has to be told."""
        return any(any(each) for each in self._values)

    @property
    def _values(self) -> tuple[tuple[str, ...], ...]:
        """Return the values of ``KEYS``."""
        none = ("true",) if self.no_index else ()
        return (self.url,), self.extra, self.links, none, self.trusted, (self.proxy,)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return every address, as configured."""
        return (*([self.url] if self.url else []), *self.extra, *self.links)

    def pip_conf(self) -> str:
        """Return this as a pip.conf."""
        values = zip(KEYS, self._values, strict=True)
        lines = [f"{key} = {' '.join(each)}" for key, each in values if any(each)]
        return "\n".join(["[global]", *lines, ""])

    @property
    def passwords(self) -> tuple[str, ...]:
        """Return what is secret in the addresses, as written there and as meant."""
        parts = [urlsplit(each) for each in self.addresses]
        # Some registries take a token as the user, without a password or with an empty one, and
        # some after the question mark. A short user is a name, its password in a keyring.
        found = [
            secret for each in parts
            for secret in (each.password or network.token(each.username or ""), each.query)
        ]  # fmt: skip
        forms = (form for each in found if each for form in (each, unquote(each)))
        return tuple(dict.fromkeys((*forms, *network.passwords([self.proxy]))))

    def pip_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that make pip use this over its files, and its folders of links."""
        values = zip(KEYS, self._values, strict=True)
        found = {variable(key): " ".join(each) for key, each in values if any(each)}
        if folders := environ.get("PIP_FIND_LINKS") if self.links else None:
            own = [each for each in folders.split() if not any(_addresses(each, environ))]
            found["PIP_FIND_LINKS"] = " ".join([*own, *self.links])
        return found

    def uv_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that make uv use this, and what its own variables name too.

        See https://docs.astral.sh/uv/reference/environment/.
        """

        def added(name: str, values: tuple[str, ...], by: str = " ") -> str:
            own = environ.get(name)
            return by.join([own, *values] if own and values else values)

        values = {
            "UV_DEFAULT_INDEX": self.url,
            "UV_INDEX": added("UV_INDEX", self.extra),
            "UV_FIND_LINKS": added("UV_FIND_LINKS", self.links, ","),
            "UV_INSECURE_HOST": added("UV_INSECURE_HOST", self.trusted),
        }
        found = {name: value for name, value in values.items() if value}
        if self.no_index:  # uv has no variable for it
            found |= {"UV_DEFAULT_INDEX": _EMPTY, **dict.fromkeys(_UV_EXTRA, "")}
        proxy = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), self.proxy) if self.proxy else {}
        return found | proxy


def from_file(path: Path, environ: Mapping[str, str]) -> Index:
    """Return what a pip.conf says.

    Raises:
        UsageError: it can't be read, or names no index.
    """
    if not path.is_file():
        raise UsageError(f"{path} is no file", next="--pip-conf FILE with index-url in [global]")
    index = of_values(pipconf.read(path), environ, str(path))
    if not index:
        raise UsageError(
            f"{path} names no package index that a build can reach",
            why="It needs index-url or extra-index-url, with http:// or https://, in [global].",
            next="correct it, or leave --pip-conf away",
        )
    return index


def from_environment(environ: Mapping[str, str]) -> Index:
    """Return the index that pip would use here, with what uv's variables name; empty for neither.

    Raises:
        UsageError: a pip.conf can't be read.
    """
    return joined(of_pip(environ), of_uv(environ))


def of_pip(environ: Mapping[str, str]) -> Index:
    """Return the index that pip would use here; an empty one for the public one.

    Raises:
        UsageError: a pip.conf can't be read.
    """
    values, origins = pipconf.values(environ)
    # The first of them that a build can reach names the origin.
    reached = (key for key in ADDRESSES if any(_addresses(values.get(key, ""), environ)))
    return of_values(values, environ, origins.get(next(reached, ""), ""))


def of_uv(environ: Mapping[str, str]) -> Index:
    """Return what uv's variables name."""
    names = (*_UV_URL, *_UV_EXTRA, "UV_FIND_LINKS")
    values = {
        "index-url": next((environ[name] for name in _UV_URL if environ.get(name)), ""),
        "extra-index-url": " ".join(environ.get(name, "") for name in _UV_EXTRA),
        "find-links": environ.get("UV_FIND_LINKS", "").replace(",", " "),
        "trusted-host": environ.get("UV_INSECURE_HOST", "").replace(",", " "),
    }
    return of_values(values, environ, next((name for name in names if environ.get(name)), ""))


def joined(first: Index, more: Index) -> Index:
    """Return both; of two main indexes the first counts, as uv's variables do over its settings."""
    none = first.no_index or more.no_index
    if none:
        first, more = (replace(each, url="", extra=()) for each in (first, more))
    new = more if not first.url else replace(more, url="")
    return replace(
        first,
        url=first.url or more.url,
        extra=tuple(dict.fromkeys((*first.extra, *more.extra))),
        links=tuple(dict.fromkeys((*first.links, *more.links))),
        trusted=tuple(dict.fromkeys((*first.trusted, *more.trusted))),
        origin=", ".join(each.origin for each in (first, new) if each.addresses and each.origin),
        no_index=none,
    )


def of_values(values: Mapping[str, str], environ: Mapping[str, str], origin: str) -> Index:
    """Return an index from values by pip's names for them; addresses may be uv's ``name=url``.

    Raises:
        UsageError: an address can't be read.
    """
    addresses = {key: tuple(_addresses(values.get(key, ""), environ)) for key in ADDRESSES}
    none = values.get("no-index", "").strip().lower() in ("1", "y", "yes", "t", "true", "on")
    urls = addresses["index-url"] if not none else ()
    index = Index(
        url=urls[0] if urls else "",
        extra=addresses["extra-index-url"] if not none else (),
        links=addresses["find-links"],
        trusted=tuple(values.get("trusted-host", "").split()),
        origin=origin,
        proxy=_checked(values.get("proxy", "").strip()),
        cert=values.get("cert", "").strip(),
        no_index=none,
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
