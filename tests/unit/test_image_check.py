"""Whether a cluster gets the image: loaded into it, on its nodes, or in the registry."""

import json

import pytest

from mlship.cli import image_check
from mlship.cluster.access import Access
from mlship.cluster.kubeconfig import Cluster
from mlship.commands.kubectl import Target
from mlship.errors import ClusterError
from mlship.runner import Result

HERE, REMOTE, HUB = "iris:1", "r.example.com/team/iris:1", "ann/iris:1"
FULL = {HERE: f"docker.io/library/{HERE}", REMOTE: REMOTE, HUB: f"docker.io/{HUB}"}


class Programs:
    """A runner: nodes that have images, a loader and a registry that work or don't."""

    def __init__(self, *on_nodes, loads=True, registry=None, may_list=True):
        self.on_nodes, self.loads, self.registry = on_nodes, loads, registry
        self.may_list, self.loaded, self.asked = may_list, [], []

    def ask(self, command, timeout=60):
        if "nodes" in command.argv:
            if not self.may_list:
                return Result(1, "", 'Error from server (Forbidden): nodes is forbidden: User '
                              '"ann" cannot list resource "nodes" in API group "" at the cluster '
                              "scope")  # fmt: skip
            images = [{"names": [FULL[name]], "sizeBytes": 1} for name in self.on_nodes]
            node = {"kind": "Node", "metadata": {"name": "a"}, "status": {"images": images}}
            return Result(0, json.dumps({"kind": "List", "items": [node]}), "")
        self.asked.append(command.argv[-1])
        return Result(0, "", "") if self.registry else Result(1, "", "manifest unknown")

    def stream(self, command, on_line):
        self.loaded.append(command.argv)
        on_line('ERROR: image: "iris:1" not present locally')
        return 0 if self.loads else 1


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(image_check, "_NODES_TELL_SECONDS", -1)
    monkeypatch.setattr("mlship.cluster.imagecheck.on_path", lambda name: [f"/bin/{name}"])


def ensure(image, programs, local="kind", own=False, context=None):
    cluster = Cluster(context or f"{local}-dev", "dev", "https://x", "ann", local)
    way = Access(cluster, Target("kubectl", cluster.context, "ml"), None)
    image_check.ensure(image, way, programs, name="iris", own=own)
    return programs


LOAD = {image: ("kind", "load", "docker-image", image, "--name", "dev") for image in (HERE, REMOTE)}


@pytest.mark.parametrize("image", [HERE, REMOTE])
@pytest.mark.parametrize("own", [True, False])
def test_kind_gets_what_its_nodes_lack(image, own):
    assert ensure(image, Programs(), own=own).loaded == [LOAD[image]]


def test_the_name_of_a_context_is_no_markup():
    assert ensure(HERE, Programs(), context="kind-[/x]").loaded[0][-1] == "[/x]"


@pytest.mark.parametrize("image", [HERE, REMOTE])
def test_an_own_image_that_the_nodes_have_is_the_right_one(image):
    found = ensure(image, Programs(image), own=True)
    assert (found.loaded, found.asked) == ([], [])


@pytest.mark.parametrize("image", [HERE, REMOTE])
def test_any_other_of_that_name_may_have_changed(image):
    assert ensure(image, Programs(image)).loaded == [LOAD[image]]


def test_where_nodes_may_not_be_listed_it_is_loaded():
    assert ensure(HERE, Programs(may_list=False), own=True).loaded == [LOAD[HERE]]


def test_what_can_t_be_loaded_may_be_pulled():
    found = ensure(REMOTE, Programs(loads=False, registry=True))
    assert (found.loaded, found.asked) == ([LOAD[REMOTE]], [REMOTE])
    with pytest.raises(ClusterError, match="is not in its registry"):
        ensure(REMOTE, Programs(loads=False))


def test_what_can_t_be_loaded_nor_pulled():
    with pytest.raises(ClusterError, match="could not be loaded into the nodes") as caught:
        ensure(HERE, Programs(loads=False))
    assert "not present locally" in caught.value.why


@pytest.mark.parametrize("image", [HERE, REMOTE])
def test_what_the_nodes_have_serves_where_it_can_t_be_loaded(image, capsys):
    found = ensure(image, Programs(image, loads=False))
    assert (found.loaded, found.asked) == ([LOAD[image]], [])
    assert capsys.readouterr().err.strip().splitlines()[1:] == []


def test_docker_desktop_has_what_the_engine_has():
    found = ensure(HERE, Programs(), local="shared")
    assert (found.loaded, found.asked) == ([], [])


def test_elsewhere_the_registry_is_asked():
    assert ensure(REMOTE, Programs(registry=True), local=None).asked == [REMOTE]
    assert ensure(REMOTE, Programs(REMOTE), local=None).asked == []
    with pytest.raises(ClusterError, match="has no image iris:1 and can't pull it"):
        ensure(HERE, Programs(), local=None)
    # Only the registry can tell, where one may not list nodes.
    assert ensure(REMOTE, Programs(registry=True, may_list=False), local=None).asked == [REMOTE]
    ensure(HERE, Programs(may_list=False), local=None)


@pytest.mark.parametrize("may_list", [True, False])
def test_a_name_of_docker_hub_is_asked_there(may_list, capsys):
    found = ensure(HUB, Programs(registry=True, may_list=may_list), local=None)
    assert found.asked == [FULL[HUB]]
    assert capsys.readouterr().err == "", "nothing to wait for"
    with pytest.raises(ClusterError, match="ann/iris:1 is not in Docker Hub"):
        ensure(HUB, Programs(may_list=may_list), local=None)


@pytest.mark.parametrize(
    ("image", "warned"),
    [
        ("r.io/iris", True),
        ("r.io:5000/iris", True),
        ("r.io/iris:latest", True),
        ("r.io/iris:1", False),
        ("r.io/iris@sha256:" + "0" * 64, False),
    ],
)
def test_latest_is_warned_of(capsys, image, warned):
    ensure(image, Programs(registry=True), local="shared")
    assert ("tag is latest" in capsys.readouterr().err) is warned
