"""Images built behind a company's walls, by each engine, from an index that asks for a password."""

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import tarfile

import httpx
import pytest

from mlship import target
from mlship.project import find
from tests.conftest import require
from tests.support import containers
from tests.support.private_index import INSIDE, PASSWORD, USER, PrivateIndex, write_wheel
from tests.support.projects import copied, mlship
from tests.support.proxy import PASSWORD as PROXY_PASSWORD
from tests.support.proxy import Proxy
from tests.support.servers import free_port

pytestmark = pytest.mark.docker
ENGINES = ("docker", "podman", "buildah")
PACKAGE = "acme-scoring"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
# Of each build another, so that none finds an earlier one's layer.
VERSIONS = (f"1.{os.getpid()}.{number}" for number in itertools.count())
# What this machine knows of indexes and certificates is not what these tests are about.
FOREIGN = re.compile(
    r"(PIP_|UV_).*|(HTTPS?|NO|ALL)_PROXY|SSL_CERT_FILE|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|CI", re.I
)


@pytest.fixture(scope="session")
def own_registry(tmp_path_factory):
    if not shutil.which("docker-registry"):
        require("docker-registry", "it is not on PATH")
    with containers.registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture(scope="session")
def podman(tmp_path_factory, docker, request):
    """The environment of a podman that keeps its images apart."""
    if not shutil.which("podman"):
        require("podman", "it is not on PATH")
    host = request.getfixturevalue("own_registry") if shutil.which("docker-registry") else "none"
    env = containers.own_storage(tmp_path_factory.mktemp("podman"), docker, host)
    yield env
    containers.remove_storage(env)


@pytest.fixture
def env(tmp_path, monkeypatch):
    """An environment that says nothing of indexes, certificates and proxies."""
    for name in [name for name in os.environ if FOREIGN.fullmatch(name)]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    return {**os.environ, "HOME": str(home), "PIP_CONFIG_FILE": os.devnull,
            "UV_CACHE_DIR": str(tmp_path / "uv")}  # fmt: skip


@pytest.fixture
def engine(request, env):
    """One of the engines: its name, and the environment in which it runs."""
    name = getattr(request, "param", "docker")
    if name == "docker":
        return name, env
    if not shutil.which(name):
        require(name, "it is not on PATH")
    return name, {**env, **request.getfixturevalue("podman")}


@pytest.fixture
def wheels(tmp_path):
    folder = tmp_path / "index"
    folder.mkdir()
    return folder


@pytest.fixture
def project(projects, docker, wheels, tmp_path):
    """A project that needs a package of the private index, which has it and nothing else."""
    made = projects.get("fastapi", "tumor.onnx", installed=False)
    copy = copied(made, tmp_path / made.name)
    version = next(VERSIONS)
    write_wheel(wheels, PACKAGE, version)
    (copy / "pyproject.toml").write_text(
        f'[project]\nname = "{copy.name}"\nversion = "0.1.0"\nrequires-python = ">=3.11"\n'
        f'dependencies = ["{PACKAGE}=={version}"]\n[dependency-groups]\ndev = []\n'
    )
    for lock in copy.glob("*.lock"):
        lock.unlink()
    yield copy
    if (copy / "requirements.lock").is_file():
        subprocess.run([docker, "image", "rm", "--force", find(copy).image()], capture_output=True)


def installed(name, env, image):
    """Return the version of the package in an image."""
    program = {"docker": os.environ.get("MLSHIP_DOCKER", "docker")}.get(name, "podman")
    done = subprocess.run(
        [program, "run", "--rm", "--network", "none", image, "python", "-c",
         "import acme_scoring; print(acme_scoring.VERSION)"],
        capture_output=True, text=True, env=env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def named(project, repository):
    """Have the project's image in a repository of its own."""
    config = project / "mlship.yaml"
    text = re.sub(r"^image:.*$", f'image: "{repository}"', config.read_text(), flags=re.M)
    config.write_text(text)


def in_registry(image):
    """Return the digest by which a registry without TLS has an image, or a list of them."""
    host, _, rest = image.partition("/")
    repository, _, tag = rest.rpartition(":")
    kind = "application/vnd.docker.distribution.manifest"
    asked = httpx.head(
        f"http://{host}/v2/{repository}/manifests/{tag}",
        headers={"Accept": f"{kind}.v2+json, {kind}.list.v2+json, {OCI_INDEX}"},
    )
    return asked.headers["docker-content-digest"]


def holds(path, word):
    """Tell whether a saved image has the word in a file of a layer, or in its configuration."""
    with tarfile.open(path) as image:
        for member in image:
            content = image.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            data = content.read()
            # Layers of docker's form are plain archives: the bytes of their files stand in them.
            if word in data:
                return True
    return False


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_private_index_with_a_password_that_nothing_keeps(engine, project, wheels, tmp_path):
    name, env = engine
    with PrivateIndex(wheels) as index:
        done = mlship(
            "build", "--engine", name, "--network", "host", "--verbose", cwd=project,
            env={**env, "PIP_INDEX_URL": index.url},
        )  # fmt: skip
        dry = mlship("build", "--engine", name, "--dry-run", cwd=project,
                     env={**env, "PIP_INDEX_URL": index.url})  # fmt: skip
        assert index.served
    assert f"Installing from {index.address} (PIP_INDEX_URL)" in done.stderr
    image = find(project).image()
    version = re.search(r"==(\S+)\"", (project / "pyproject.toml").read_text())[1]
    assert installed(name, env, image) == version
    # Nowhere: not in what was shown, in the project, in a layer, in the configuration or history.
    assert PASSWORD not in done.stdout + done.stderr + dry.stdout + dry.stderr
    for path in project.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
    program = {"docker": os.environ.get("MLSHIP_DOCKER", "docker")}.get(name, "podman")
    saved = tmp_path / "image.tar"
    subprocess.run([program, "save", "--output", saved, image], env=env, check=True)
    assert holds(saved, b"acme_scoring")  # it is seen what is there
    assert not holds(saved, PASSWORD.encode()) and not holds(saved, USER.encode())
    history = subprocess.run(
        [program, "history", "--no-trunc", image], capture_output=True, text=True, env=env
    )
    assert history.returncode == 0 and PASSWORD not in history.stdout
    assert "loopback" not in done.stderr
    assert "loopback" in dry.stderr and "--network host" in dry.stderr


def test_an_index_of_pyproject_is_locked_and_built_from(engine, project, wheels):
    name, env = engine
    with PrivateIndex(wheels) as index:
        with (project / "pyproject.toml").open("a") as file:
            file.write(
                f'[[tool.uv.index]]\nname = "acme"\nurl = "{index.address}"\ndefault = true\n'
            )
        env = {**env, "UV_INDEX_ACME_USERNAME": USER, "UV_INDEX_ACME_PASSWORD": PASSWORD}
        done = mlship("build", "--network", "host", "--verbose", cwd=project, env=env)
    assert f"Installing from {index.address} (pyproject.toml)" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    installed(name, env, find(project).image())


def test_a_failing_build_does_not_show_the_password(engine, project, wheels):
    """pip prints the whole address when it finds nothing there."""
    _, env = engine
    with PrivateIndex(wheels) as index:
        env = {**env, "PIP_INDEX_URL": index.url}
        mlship("lock", cwd=project, env=env)
        next(wheels.iterdir()).unlink()
        done = mlship("build", "--network", "host", cwd=project, env=env, check=False)
    assert done.returncode == 6 and PACKAGE in done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_without_the_password_the_build_says_so_and_asks_nobody(engine, project, wheels):
    _, env = engine
    with PrivateIndex(wheels) as index:
        mlship("lock", cwd=project, env={**env, "PIP_INDEX_URL": index.url})
        for address in (index.address, index.url.replace(PASSWORD, "wrong-one")):
            done = mlship("build", "--network", "host", cwd=project, check=False,
                          env={**env, "PIP_INDEX_URL": address})  # fmt: skip
            error = done.stderr[done.stderr.index("Error: ") :]
            assert done.returncode == 6 and "user and password" in error
            assert "Traceback" not in error and "wrong-one" not in done.stderr


def test_company_ca_and_pip_conf(engine, project, wheels, tmp_path):
    name, env = engine
    tls = tmp_path / "tls"
    tls.mkdir()
    conf = tmp_path / "pip.conf"
    with PrivateIndex(wheels, tls=tls) as index:
        conf.write_text(f"[global]\nindex-url = {index.url}\ncert = /nowhere/ca.pem\n")
        options = ("--network", "host", "--pip-conf", conf)
        refused = mlship("build", *options, cwd=project, env=env, check=False)
        assert refused.returncode == 6 and "certificate" in refused.stderr.lower()
        known = {**env, "PIP_CONFIG_FILE": str(conf), "SSL_CERT_FILE": str(tls / "ca.pem")}
        mlship("lock", cwd=project, env=known)
        refused = mlship("build", *options, cwd=project, env=env, check=False)
        assert refused.returncode == 6 and "add --ca-bundle FILE" in refused.stderr
        assert "user and password" not in refused.stderr
        for lock in project.glob("*.lock"):
            lock.unlink()
        mlship("build", *options, "--ca-bundle", tls / "ca.pem", cwd=project, env=env)
        assert index.served
    installed(name, env, find(project).image())


@pytest.mark.parametrize("said_by", ["variables", "pip.conf"])
def test_ca_from_the_environment_reaches_lock_and_build(said_by, engine, project, wheels, tmp_path):
    name, env = engine
    tls = tmp_path / "tls"
    tls.mkdir()
    with PrivateIndex(wheels, tls=tls) as index:
        if said_by == "variables":
            env = {**env, "PIP_INDEX_URL": index.url, "REQUESTS_CA_BUNDLE": str(tls / "ca.pem")}
        else:
            conf = tmp_path / "pip.conf"
            conf.write_text(f"[global]\nindex-url = {index.url}\ncert = {tls / 'ca.pem'}\n")
            env = {**env, "PIP_CONFIG_FILE": str(conf)}
        mlship("build", "--network", "host", cwd=project, env=env)
    installed(name, env, find(project).image())


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_proxy_with_a_password_that_nothing_keeps(engine, variable, project, wheels, tmp_path):
    """The index has a name that only the proxy knows: whatever comes from it, came through."""
    name, env = engine
    tls = tmp_path / "tls"
    tls.mkdir()
    with PrivateIndex(wheels, tls=tls) as index, Proxy() as proxy:
        env = {**env, "SSL_CERT_FILE": str(tls / "ca.pem"),
               "PIP_INDEX_URL": index.url.replace("127.0.0.1", INSIDE)}  # fmt: skip
        options = ("build", "--engine", name, "--network", "host", "--verbose")
        without = mlship(*options, cwd=project, env=env, check=False)
        assert without.returncode == 6 and not index.served
        env[variable] = proxy.url
        mlship("lock", cwd=project, env=env)
        locking = len(proxy.asked)
        assert locking
        done = mlship(*options, cwd=project, env=env)
        assert len(proxy.asked) > locking
    image = find(project).image()
    installed(name, env, image)
    assert PROXY_PASSWORD not in done.stdout + done.stderr
    program = {"docker": os.environ.get("MLSHIP_DOCKER", "docker")}.get(name, "podman")
    saved = tmp_path / "image.tar"
    subprocess.run([program, "save", "--output", saved, image], env=env, check=True)
    assert not holds(saved, PROXY_PASSWORD.encode())


@pytest.mark.parametrize("engine", ["docker", "buildah"], indirect=True)
def test_wheelhouse_without_network(engine, project, wheels, tmp_path):
    name, env = engine
    house = tmp_path / "house"
    with PrivateIndex(wheels) as index:
        known = {**env, "PIP_INDEX_URL": index.url}
        mlship("lock", cwd=project, env=known)
    house.mkdir()
    options = ("--engine", name, "--wheels", house, "--network", "none")
    empty = mlship("build", *options, cwd=project, env=env, check=False)
    assert empty.returncode == 6 and "lacks 1 of the wheels" in empty.stderr
    assert f"{PACKAGE} " in empty.stderr and f"mlship wheels {house}" in empty.stderr
    wheel = next(wheels.glob("*.whl"))
    (house / wheel.name).write_bytes(wheel.read_bytes() + b"\0")
    wrong = mlship("build", *options, cwd=project, env=env, check=False)
    assert wrong.returncode == 6 and "another hash than the lock" in wrong.stderr
    shutil.copy(wheel, house)
    mlship("build", *options, cwd=project, env=env)
    assert not (project / "wheels").exists()
    installed(name, env, find(project).image())


@pytest.mark.parametrize("engine", ["docker", "buildah"], indirect=True)
def test_a_better_wheel_that_another_project_locked_is_left_alone(
    engine, project, wheels, tmp_path
):
    """It is in the builder's cache, or in wheels/, beside the one that this lock names."""
    name, env = engine
    other = tmp_path / "other"
    version = re.search(r"==(\S+)\"", (project / "pyproject.toml").read_text())[1]
    options = ("build", "--engine", name)
    with PrivateIndex(wheels) as index:
        known = {**env, "PIP_INDEX_URL": index.url}
        mlship("lock", cwd=project, env=known)
        copied(project, other)
        write_wheel(wheels, PACKAGE, version, "cp311-none-any")
        for lock in other.glob("*.lock"):
            lock.unlink()
        mlship(*options, "--network", "host", "--tag", find(project).image(), cwd=other, env=known)
        assert f"{PACKAGE.replace('-', '_')}-{version}-cp311-none-any.whl" in index.served
        mlship(*options, "--network", "host", cwd=project, env=known)
    assert installed(name, env, find(project).image()) == version
    shutil.copytree(wheels, project / "wheels")
    assert len(list((project / "wheels").iterdir())) == 2
    mlship(*options, "--network", "none", cwd=project, env=env)


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_the_same_files_make_the_same_layers_at_any_time(engine, project, wheels):
    name, env = engine
    program = {"docker": os.environ.get("MLSHIP_DOCKER", "docker")}.get(name, "podman")
    with PrivateIndex(wheels) as index:
        mlship("lock", cwd=project, env={**env, "PIP_INDEX_URL": index.url})
    shutil.copytree(wheels, project / "wheels")
    image = find(project).image()
    made = []
    for seconds in (10**9, 2 * 10**8):
        for path in project.rglob("*"):
            os.utime(path, (seconds, seconds))
        dry = mlship("build", "--engine", name, "--network", "none", "--dry-run", cwd=project,
                     env=env)  # fmt: skip
        words = shlex.split(dry.stdout.partition("&&")[2])
        assignments = dict(word.split("=", 1) for word in words if word == "DOCKER_BUILDKIT=1")
        argv = [*words[len(assignments) : -1], "--no-cache", "."]
        done = subprocess.run(argv, cwd=project, env={**env, **assignments}, capture_output=True)
        assert done.returncode == 0, done.stderr
        told = subprocess.run([program, "inspect", image], env=env, capture_output=True, check=True)
        made.append(json.loads(told.stdout)[0]["RootFS"]["Layers"])
    assert made[0] == made[1]


def test_wheels_are_fetched_for_another_platform(projects, tmp_path):
    """By the machine's own index: onnxruntime and numpy have a wheel for each processor."""
    made = projects.get("fastapi", "tumor.onnx", installed=False)
    copy = copied(made, tmp_path / made.name)
    house = tmp_path / "house"
    mlship("wheels", house, "--platform", "linux/arm64", cwd=copy)
    names = [path.name for path in house.iterdir()]
    assert any("numpy" in name and "aarch64" in name for name in names)
    assert not any("x86_64" in name for name in names)
    dry = mlship("build", "--wheels", house, "--dry-run", cwd=copy, check=False)
    assert dry.returncode == 6 and "for linux/amd64" in dry.stderr


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_pushed_digest_is_deployed_while_the_content_is_the_same(
    engine, project, wheels, own_registry
):
    name, env = engine
    repository = f"{own_registry}/team/{name}"
    named(project, repository)
    with PrivateIndex(wheels) as index:
        env = {**env, "PIP_INDEX_URL": index.url}
        done = mlship("build", "--engine", name, "--network", "host", "--push", cwd=project,
                      env=env)  # fmt: skip
    digest = re.search(r"sha256:[0-9a-f]{64}", done.stdout)[0]
    assert in_registry(find(project).image()) == digest
    assert f"image: {repository}@{digest}" in mlship("deploy", "--dry-run", cwd=project).stdout
    code = project / "app" / "__init__.py"
    code.write_text(code.read_text() + "# changed\n")
    changed = mlship("deploy", "--dry-run", cwd=project).stdout
    assert digest not in changed and f"image: {find(project).image()}" in changed


def test_base_image_of_a_mirror(engine, project, wheels, docker):
    mirror = "mirror.example.com/library/python:3.11-slim"
    subprocess.run([docker, "tag", containers.BASE, mirror], check=True)
    try:
        with PrivateIndex(wheels) as index:
            env = {**engine[1], "PIP_INDEX_URL": index.url}
            done = mlship("build", "--network", "host", "--base", mirror, cwd=project, env=env)
    finally:
        subprocess.run([docker, "rmi", mirror], capture_output=True)
    assert f"FROM {mirror}" in done.stderr


@pytest.mark.parametrize("engine", ["podman", "buildah"], indirect=True)
def test_a_list_of_images_takes_the_name_of_an_image_and_back(
    engine, project, wheels, own_registry, docker
):
    """The same content has the same name, whatever it was built for before."""
    if target.native() != "linux/amd64":
        pytest.skip("no two variants of this processor are known")
    name, env = engine
    base = f"{own_registry}/python:3.11-slim"
    subprocess.run([docker, "tag", containers.BASE, base], check=True)
    subprocess.run([docker, "push", "--quiet", base], check=True, capture_output=True)
    subprocess.run([docker, "rmi", base], check=True, capture_output=True)
    both = ("--platform", "linux/amd64,linux/amd64/v2", "--push")
    named(project, f"{own_registry}/team/list-{name}")
    with (project / "mlship.yaml").open("a") as config:
        config.write(f"base: {base}\n")
    with PrivateIndex(wheels) as index:
        env = {**env, "PIP_INDEX_URL": index.url}
        for platforms in ((), both, both, ()):
            done = mlship("build", "--engine", name, "--network", "host", *platforms,
                          cwd=project, env=env)  # fmt: skip
            asked = subprocess.run([name, "manifest", "inspect", find(project).image()], env=env,
                                   capture_output=True, text=True)  # fmt: skip
            # Without a list here it asks the registry, which has one from the second build on.
            assert not platforms or "manifest.list" in asked.stdout
            if platforms and name == "podman":  # buildah 1.28 tells no digest of a list
                assert in_registry(find(project).image()) in done.stdout
    installed(name, env, find(project).image())


def test_another_processor_is_refused_before_the_build_where_nothing_emulates_it(projects):
    made = projects.get("fastapi", "tumor.onnx", installed=False)
    done = mlship("build", "--platform", "linux/arm64", "--dry-run", cwd=made, check=False)
    if done.returncode == 0:
        pytest.skip("programs for arm64 run where this builder is")
    assert done.returncode == 5 and "tonistiigi/binfmt --install arm64" in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("engine", ["podman", "buildah"], indirect=True)
def test_an_image_of_podman_and_buildah_serves(engine, projects, tmp_path):
    """Tried before it is pushed, then run by podman, hardened as on the cluster."""
    name, env = engine
    env = {**os.environ, **{key: env[key] for key in env if key.startswith("CONTAINERS_")}}
    env.pop("CI", None)
    made = projects.get("flask", "tumor.onnx", installed=False)
    copy = copied(made, tmp_path / made.name)
    mlship("build", "--engine", name, "--verify", cwd=copy, env=env)
    port = free_port()
    try:
        mlship("run", "--engine", name, "--detach", "--port", port, cwd=copy, env=env)
        sample = json.loads((copy / "sample.json").read_text())
        answer = httpx.post(f"http://127.0.0.1:{port}/predict", json=sample, timeout=30)
        assert answer.status_code == 200
    finally:
        subprocess.run(["podman", "rm", "--force", copy.name], env=env, capture_output=True)
