"""What this machine's environment says of package indexes, certificates and proxies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlship import indexes, network, uvsettings
from mlship.indexes import Index
from mlship.runner import Runner


@dataclass(frozen=True)
class Surroundings:
    """Where packages come from, what to trust, and through what to go.

    ``index`` is a build's: ``told``, what pip was told here, and what uv's variables and its files
    name, which uv reads by itself. ``too_large`` is a file of certificates that is
    to be trusted, but that no build can have.
    """

    index: Index
    told: Index
    bundle: Path | None
    proxies: Mapping[str, str]
    environ: Mapping[str, str]
    too_large: Path | None = None

    @property
    def for_uv(self) -> dict[str, str]:
        """Return the variables by which uv locks from the index that the build installs from."""
        bundle = {"SSL_CERT_FILE": str(self.bundle)} if self.bundle else {}
        return {**bundle, **self.told.uv_environment(self.environ)}

    @property
    def for_pip(self) -> dict[str, str]:
        """Return the variables by which pip downloads from that index here."""
        bundle = {"PIP_CERT": str(self.bundle)} if self.bundle else {}
        return {**bundle, **self.index.pip_environment(self.environ)}

    @property
    def passwords(self) -> tuple[str, ...]:
        """Return what nobody shall read of what programs print."""
        return (*self.index.passwords, *network.passwords(network.all_proxies(self.environ)))


def look_around(
    environ: Mapping[str, str],
    *,
    project: Path | None = None,
    pip_conf: Path | None = None,
    ca_bundle: Path | None = None,
) -> Surroundings:
    """Return what the environment and a project say, but for the files that are named.

    Raises:
        UsageError: a file that was named is none of its kind, or a pip.conf can't be read.
        ProjectError: the project's pyproject.toml can't be read.
    """
    told = indexes.from_file(pip_conf, environ) if pip_conf else indexes.of_pip(environ)
    variables = indexes.joined(told, indexes.of_uv(environ))
    index = indexes.joined(variables, uvsettings.of_project(project, environ))
    bundle = network.ca_bundle(ca_bundle, environ, told.cert)
    large = None if ca_bundle else network.too_large(environ, told.cert)
    return Surroundings(index, told, bundle, network.proxies(environ), environ, large)


def for_uv(runner: Runner, project: Path | None = None) -> Runner:
    """Return the runner with what uv needs here, unless it was told already.

    Raises:
        UsageError: a pip.conf can't be read.
        ProjectError: the project's pyproject.toml can't be read.
    """
    if runner.env:
        return runner
    around = look_around(os.environ, project=project)
    return replace(runner, env=around.for_uv, hidden=around.passwords)
