"""podman and buildah with a storage of their own, and a registry on loopback."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.support.servers import free_port

BASE = "python:3.11-slim"
# What runs also where this process may not raise its limits, and beside any version of cgroups.
_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
tmp_dir = "{folder}/libpod"
"""
_STORAGE = """\
[storage]
driver = "{driver}"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""


def own_storage(folder: Path, docker: str, insecure: str) -> dict[str, str]:
    """Return the environment of a podman that keeps all in ``folder``; it has the base image.

    ``insecure`` is the host of a registry without TLS.
    """
    conf = _CONF.format(folder=folder) + ('runtime = "runc"\n' if shutil.which("runc") else "")
    (folder / "containers.conf").write_text(conf)
    (folder / "storage.conf").write_text(_STORAGE.format(driver="overlay", folder=folder))
    (folder / "registries.conf").write_text(
        f'unqualified-search-registries = []\n[[registry]]\nlocation = "{insecure}"\n'
        "insecure = true\n"
    )
    env = {
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
    }
    saved = subprocess.Popen([docker, "save", BASE], stdout=subprocess.PIPE)
    subprocess.run(
        ["podman", "load", "--quiet"], stdin=saved.stdout, env={**os.environ, **env}, check=True
    )
    assert saved.wait() == 0
    return env


def remove_storage(env: dict[str, str]) -> None:
    """Remove all that podman keeps there; plain removal fails on mounts."""
    subprocess.run(["podman", "system", "reset", "--force"], env={**os.environ, **env}, check=False)


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Run Debian's docker-registry on loopback; gives its host and port."""
    host = f"127.0.0.1:{free_port()}"
    (folder / "registry.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: "
        f"{folder}/registry}}}}\nhttp: {{addr: '{host}'}}\n"
    )
    with (folder / "registry.log").open("w") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "registry.yml")], stdout=log, stderr=log
        )
    try:
        for _ in range(100):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"http://{host}/v2/").status_code == 200:
                    break
            time.sleep(0.1)
        else:
            raise AssertionError((folder / "registry.log").read_text())
        yield host
    finally:
        process.terminate()
        process.wait(10)
