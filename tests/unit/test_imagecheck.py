"""Whether a cluster can get an image: what nodes list, and what registries answer."""

import pytest

from mlship.cluster import imagecheck
from mlship.cluster.imagecheck import Presence, full, has_registry, in_registry, missing, on_nodes
from mlship.runner import Runner
from tests.unit.conftest import write_program

DIGEST = "sha256:" + "ab" * 32


def node(name, *images, **spec):
    told = [{"names": [image], "sizeBytes": 1} for image in images]
    return {"metadata": {"name": name}, "spec": spec, "status": {"images": told}}


@pytest.mark.parametrize(
    ("image", "registry", "whole"),
    [
        ("iris", False, "docker.io/library/iris:latest"),
        ("iris:1", False, "docker.io/library/iris:1"),
        ("ann/iris:1", True, "docker.io/ann/iris:1"),
        (f"ann/iris@{DIGEST}", True, f"docker.io/ann/iris@{DIGEST}"),
        ("localhost/iris:1", True, "localhost/iris:1"),
        ("localhost:5000/iris", True, "localhost:5000/iris:latest"),
        ("registry:5000/team/iris:1", True, "registry:5000/team/iris:1"),
        ("r.example.com/iris", True, "r.example.com/iris:latest"),
        (f"r.example.com/iris@{DIGEST}", True, f"r.example.com/iris@{DIGEST}"),
        (f"iris@{DIGEST}", False, f"docker.io/library/iris@{DIGEST}"),
        (f"iris:1@{DIGEST}", False, f"docker.io/library/iris@{DIGEST}"),
        (f"registry:5000/iris:1@{DIGEST}", True, f"registry:5000/iris@{DIGEST}"),
    ],
)
def test_names(image, registry, whole):
    assert (has_registry(image), full(image)) == (registry, whole)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ("iris:1", "docker.io/library/iris:1"),
        ("iris", "docker.io/library/iris:latest"),
        ("iris:1", "localhost/iris:1"),  # as podman and `k3s ctr` name it
        ("ann/iris:1", "docker.io/ann/iris:1"),
        ("r.example.com/iris:1", "r.example.com/iris:1"),
    ],
)
def test_nodes_tell_full_names(image, told):
    assert on_nodes(image, [node("a", told)]) == Presence("nodes")
    assert on_nodes(image, [node("a", told + "0")]) == Presence("nowhere")


def test_some_nodes_only():
    nodes = [node("a", "docker.io/library/iris:1"), *(node(n) for n in "bcde")]
    assert on_nodes("iris:1", nodes) == Presence(
        "nodes", "of the nodes, b, c, d can't be seen to have it"
    )


def test_a_cordoned_node_does_not_count():
    there = node("a", "docker.io/library/iris:1", unschedulable=True)
    assert on_nodes("iris:1", [there, node("b")]) == Presence("nowhere")
    lacking = node("b", unschedulable=True)
    assert on_nodes("iris:1", [node("a", "docker.io/library/iris:1"), lacking]).note == ""


def test_a_node_that_does_not_tell_of_all_its_images():
    some = [f"docker.io/library/other:{n}" for n in range(49)]
    assert on_nodes("iris:1", [node("a", *some)]) == Presence("nowhere")
    assert on_nodes("iris:1", [node("a", *some, "x.io/y:1")]) == Presence("unknown")
    # Another node's silence proves nothing about the first.
    assert on_nodes("iris:1", [node("a"), node("b", *some, "x.io/y:1")]).where == "unknown"


@pytest.mark.parametrize("nodes", [[], [{"metadata": {"name": "a"}}]])
def test_no_node_tells_anything(nodes):
    assert on_nodes("iris:1", nodes).where == ("nowhere" if nodes else "unknown")


def test_images_without_names():
    """The kubelet lists images whose tags were taken away, too."""
    bare = node("a") | {"status": {"images": [{"sizeBytes": 1}, {"names": None}]}}
    assert on_nodes("iris:1", [bare]).where == "nowhere"


# What docker 28.2 printed on stderr of a registry made for the purpose, and podman's issues hold.
TEXTS = {
    "manifest": ("manifest unknown", "nowhere"),
    "name": ("name unknown", "nowhere"),
    "podman": (
        'Error: reading image "docker://r.io/iris:1": reading manifest 1 in r.io/iris: '
        "manifest unknown: manifest unknown", "nowhere",
    ),
    "podman-name": (
        'Error: reading image "docker://r.io/iris:1": reading manifest 1 in r.io/iris: '
        "name unknown: repository name not known to registry", "nowhere",
    ),
    # docker says so also where one is not logged in.
    "docker-hub": ("no such manifest: docker.io/ann/iris:1", "unknown"),
    "no-login": (
        'Get "https://r.io/v2/team/iris/manifests/1": no basic auth credentials', "unknown",
    ),
    "denied": ("denied", "unknown"),
    "hub-denied": (
        "errors:\ndenied: requested access to the resource is denied\n"
        "unauthorized: authentication required", "unknown",
    ),
    "podman-denied": (
        "Error: reading manifest 1 in r.io/iris: unauthorized: The client does not have "
        "permission for manifest", "unknown",
    ),
    "busy": ("toomanyrequests: You have reached your pull rate limit", "unknown"),
    "broken": ("received unexpected HTTP status: 500 Internal Server Error", "unknown"),
    "plain-http": (
        'failed to configure transport: error pinging v2 registry: Get "https://r.io/v2/": tls: '
        "first record does not look like a TLS handshake", "unknown",
    ),
    "no-host": (
        'failed to configure transport: error pinging v2 registry: Get "https://nope/v2/": dial '
        "tcp: lookup nope on 10.0.0.1:53: no such host", "unknown",
    ),
    "silent": ("", "unknown"),
}  # fmt: skip


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a docker or podman on PATH, alone."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def make(script, name="docker"):
        return write_program(tmp_path / "bin" / name, script)

    return make


@pytest.mark.parametrize("name", TEXTS)
def test_registry_answers(program, name):
    said, where = TEXTS[name]
    quoted = said.replace('"', '\\"')
    program(f'[ "$*" = "manifest inspect r.io/iris:1" ] && echo "{quoted}" >&2; exit 1')
    found = in_registry("r.io/iris:1", Runner())
    assert found.where == where
    assert found.note, "what is unknown is told, too"
    if where == "nowhere":
        assert found.note == said


@pytest.mark.parametrize(
    ("image", "asked"),
    [("ann/iris:1", "docker.io/ann/iris:1"),
     (f"ann/iris@{DIGEST}", f"docker.io/ann/iris@{DIGEST}")],
)  # fmt: skip
def test_docker_hub_is_asked_by_its_name(program, image, asked):
    """podman would look for a short name elsewhere."""
    program(f'[ "$*" = "manifest inspect {asked}" ]')
    assert in_registry(image, Runner()) == Presence("registry")
    program("echo denied >&2; exit 1")
    assert in_registry(image, Runner()).note == "Docker Hub does not let this machine look"


def test_the_registry_has_it(program):
    program('[ "$*" = "manifest inspect r.io/iris:1" ]', "podman")
    assert in_registry("r.io/iris:1", Runner()) == Presence("registry")


def test_nothing_to_ask_with(program):
    assert in_registry("r.io/iris:1", Runner()) == Presence("unknown")


def test_a_registry_that_hangs(program, monkeypatch):
    program("exec /bin/sleep 20")
    ask = Runner.ask
    monkeypatch.setattr(Runner, "ask", lambda self, command, timeout: ask(self, command, 0.2))
    assert in_registry("r.io/iris:1", Runner()).note == "its registry does not answer from here"


def test_what_to_do():
    error = missing("r.io/iris:1", Presence("nowhere", "manifest unknown"), "iris")
    assert error.what == "The image r.io/iris:1 is not in its registry"
    assert error.why == "The registry says: manifest unknown"
    assert error.next.startswith("mlship build --push")
    error = missing("ann/iris:1", Presence("nowhere", "manifest unknown"), "iris")
    assert error.what == "The image ann/iris:1 is not in Docker Hub"
    error = missing("iris:1", Presence("nowhere"), "iris")
    assert "Nothing was applied." in error.why
    assert "registry.example.com/team/iris" in error.next and "--no-image-check" in error.next
    assert imagecheck.missing("iris:1", Presence("nowhere"), "iris").exit_code == 7
