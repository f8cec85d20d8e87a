"""Finding a builder, among programs that only pretend to be docker and podman."""

import os

import pytest

from mlship import engine
from mlship.engine import Engine
from mlship.errors import ToolFailed, ToolMissing
from mlship.runner import Runner
from tests.unit.conftest import write_docker, write_podman

RUNNER = Runner()


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    """Three folders, which are all of PATH."""
    paths = [tmp_path / name for name in ("a", "b", "c")]
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, paths)))
    monkeypatch.delenv("MLSHIP_DOCKER", raising=False)
    return paths


@pytest.mark.parametrize("version", ["28.0.1", "23.0.0", "20.10.24"])
def test_buildx(folders, version):
    program = write_docker(folders[0] / "docker", version, buildx=True)
    assert engine.find_builder(None, RUNNER) == Engine("buildx", program)


@pytest.mark.parametrize("version", ["19.03.15", "20.10.24+dfsg1", "22.0.0"])
def test_own_buildkit(folders, version):
    program = write_docker(folders[0] / "docker", version)
    found = engine.find_builder("docker", RUNNER)
    assert found == Engine("buildkit", program, build_env={"DOCKER_BUILDKIT": "1"})


def test_second_docker_has_buildkit(folders):
    first = write_docker(folders[0] / "docker", "28.0.1")
    second = write_docker(folders[1] / "docker", "20.10.24")
    found = engine.find_builder(None, RUNNER)
    assert (found.kind, found.program) == ("buildkit", second)
    assert found.build_env == {"DOCKER_BUILDKIT": "1"}
    assert found.note == (
        f"{first} (28.0.1) has no buildx plugin, so no BuildKit. Building with {second} instead. "
        f"To choose: install docker-buildx-plugin, or set MLSHIP_DOCKER={second}."
    )


@pytest.mark.parametrize("version", ["28.0.1", "17.05.0"])
@pytest.mark.parametrize("podman", [False, True])
def test_no_buildkit(folders, version, podman):
    program = write_docker(folders[0] / "docker", version)
    if podman:
        write_podman(folders[1] / "podman")
    with pytest.raises(ToolMissing) as caught:
        engine.find_builder(None, RUNNER)
    assert caught.value.what == "No docker here can build with BuildKit"
    assert caught.value.why == f"{program} ({version}) has no buildx plugin."
    assert caught.value.next == (
        "install the package docker-buildx-plugin (docker-buildx in some distributions), or set "
        "MLSHIP_DOCKER to a docker that has it" + (" or use --engine podman" if podman else "")
    )


@pytest.mark.parametrize("find", [engine.find_builder, engine.find_runtime])
def test_daemon_down(folders, find):
    write_docker(folders[0] / "docker", "28.0.1", buildx=True, daemon=False)
    with pytest.raises(ToolFailed) as caught:
        find(None, RUNNER)
    assert caught.value.what == "The Docker engine does not answer"
    assert caught.value.why == "Cannot connect to the Docker daemon."
    assert caught.value.next == (
        "start Docker (or `sudo systemctl start docker`), then check with `docker info`"
    )


@pytest.mark.parametrize("podman", [False, True])
def test_chosen_by_variable(folders, monkeypatch, tmp_path, podman):
    write_docker(folders[0] / "docker", "28.0.1", buildx=True)
    if podman:
        write_podman(folders[0] / "podman")
    chosen = write_docker(tmp_path / "elsewhere" / "my-docker", "20.10.24")
    monkeypatch.setenv("MLSHIP_DOCKER", chosen)
    assert engine.find_builder(None, RUNNER).program == chosen
    assert engine.find_runtime(None, RUNNER).program == chosen


@pytest.mark.parametrize("find", [engine.find_builder, engine.find_runtime])
def test_chosen_is_missing(monkeypatch, find):
    monkeypatch.setenv("MLSHIP_DOCKER", "/opt/no-docker")
    with pytest.raises(ToolMissing) as caught:
        find(None, RUNNER)
    assert caught.value.what == "/opt/no-docker is not installed, or not on PATH"


@pytest.mark.parametrize("find", [engine.find_builder, engine.find_runtime])
@pytest.mark.parametrize("wanted", [None, "podman"])
def test_podman_only(folders, find, wanted):
    program = write_podman(folders[2] / "podman")
    assert find(wanted, RUNNER) == Engine("podman", program)


@pytest.mark.parametrize("find", [engine.find_builder, engine.find_runtime])
def test_both(folders, find):
    docker = write_docker(folders[1] / "docker", "28.0.1", buildx=True)
    podman = write_podman(folders[0] / "podman")
    assert find(None, RUNNER).program == docker
    assert find("docker", RUNNER).program == docker
    assert find("podman", RUNNER).program == podman


@pytest.mark.parametrize("find", [engine.find_builder, engine.find_runtime])
def test_docker_that_is_podman(folders, find):
    program = write_podman(folders[0] / "docker")
    assert find("docker", RUNNER) == Engine("podman", program)


@pytest.mark.parametrize("find", [engine.find_builder, engine.find_runtime])
def test_none(find):
    with pytest.raises(ToolMissing) as caught:
        find(None, RUNNER)
    assert caught.value.what == "There is no docker on PATH"
    assert caught.value.next == (
        "install docker (https://docs.docker.com/engine/install/) or podman "
        "(https://podman.io/docs/installation)"
    )


@pytest.mark.parametrize("find", [engine.find_builder, engine.find_runtime])
@pytest.mark.parametrize(("wanted", "other"), [("docker", "podman"), ("podman", "docker")])
def test_the_wanted_one_is_missing(folders, find, wanted, other):
    write = {"docker": write_docker, "podman": lambda path, version: write_podman(path)}[other]
    write(folders[0] / other, "28.0.1")
    with pytest.raises(ToolMissing) as caught:
        find(wanted, RUNNER)
    assert caught.value.what == f"There is no {wanted} on PATH"


def test_on_path(folders):
    first, second = write_podman(folders[0] / "podman"), write_podman(folders[2] / "podman")
    (folders[1] / "podman").mkdir(parents=True)
    assert engine.on_path("podman") == [first, second]


def test_on_path_names_a_file_once(folders):
    program = write_podman(folders[0] / "podman")
    folders[1].symlink_to(folders[0])
    assert engine.on_path("podman") == [program]


def test_on_path_wants_a_program(folders):
    write_podman(folders[0] / "podman")
    (folders[0] / "podman").chmod(0o644)
    assert engine.on_path("podman") == []


def test_buildah(folders):
    program = write_podman(folders[0] / "buildah")
    assert engine.find_builder(None, RUNNER) == Engine("buildah", program)
    assert engine.find_builder("buildah", RUNNER) == Engine("buildah", program)
    write_docker(folders[1] / "docker", "28.0.1", buildx=True)
    assert engine.find_builder(None, RUNNER).kind == "buildx"
    assert engine.find_builder("buildah", RUNNER) == Engine("buildah", program)


def test_what_buildah_built_podman_runs(folders):
    write_podman(folders[0] / "buildah")
    with pytest.raises(ToolMissing) as caught:
        engine.find_runtime("buildah", RUNNER)
    assert caught.value.what == "buildah builds images, it does not run them"
    assert caught.value.next == "install podman; mlship build --no-verify leaves the check out"
    podman = write_podman(folders[1] / "podman")
    assert engine.find_runtime("buildah", RUNNER) == Engine("podman", podman)


def test_no_buildah():
    with pytest.raises(ToolMissing) as caught:
        engine.find_builder("buildah", RUNNER)
    assert caught.value.what == "There is no buildah on PATH"


@pytest.mark.parametrize(
    ("kind", "place", "host"),
    [
        ("docker", "tcp://docker:2376", "docker"),
        ("buildx", "tcp://[fd00::2]:2375", "[fd00::2]"),
        ("docker", "tcp://127.0.0.1:2375", ""),
        ("docker", "unix:///run/docker.sock", ""),
        ("docker", "", ""),
        ("podman", "tcp://docker:2376", ""),
    ],
)
def test_the_machine_of_the_engine(kind, place, host):
    assert engine.remote_host(Engine(kind, kind), {"DOCKER_HOST": place}) == host
