"""Which cluster is meant, and when one is asked before something changes there."""

import json

import pytest

from mlship import state
from mlship.cluster import access, kubeconfig
from mlship.cluster.access import Access
from mlship.cluster.kubeconfig import Cluster
from mlship.commands.kubectl import Target
from mlship.errors import ClusterError
from mlship.person import me
from mlship.project import find
from mlship.runner import Result
from mlship.state import Place

MINIKUBE = {"name": "cluster_info", "extension": {"provider": "minikube.sigs.k8s.io"}}
VIEW = {
    "kind": "Config",
    "current-context": "kind-dev",
    "contexts": [
        {"name": "kind-dev", "context": {"cluster": "kind-dev", "user": "kind-dev"}},
        {"name": "eu", "context": {"cluster": "gke_acme_europe", "user": "ann"}},
        {"name": "k3d-lab", "context": {"cluster": "k3d-lab", "user": "admin"}},
        {"name": "mk", "context": {"cluster": "mk", "user": "mk", "namespace": "x"}},
        {"name": "docker-desktop", "context": {"cluster": "docker-desktop", "user": "d"}},
        {"name": "broken", "context": {"cluster": "gone", "user": ""}},
    ],
    "clusters": [
        {"name": "kind-dev", "cluster": {"server": "https://127.0.0.1:1"}},
        {"name": "gke_acme_europe", "cluster": {"server": "https://203.0.113.1"}},
        {"name": "k3d-lab", "cluster": {"server": "https://0.0.0.0:2"}},
        {"name": "mk", "cluster": {"server": "https://192.0.2.1:8443", "extensions": [MINIKUBE]}},
        {"name": "docker-desktop", "cluster": {"server": "https://kubernetes.docker.internal"}},
    ],
}
HERE = Cluster("dev", "dev", "https://dev", "ann")


class Says:
    """A runner whose kubectl gives one answer."""

    def __init__(self, view=VIEW, code=0, stderr=""):
        self.result = Result(code, json.dumps(view), stderr)
        self.asked = []

    def ask(self, command, timeout=60):
        self.asked.append(command.argv)
        return self.result


@pytest.mark.parametrize(
    ("context", "name", "server", "local", "profile"),
    [
        (None, "kind-dev", "https://127.0.0.1:1", "kind", "dev"),
        ("eu", "gke_acme_europe", "https://203.0.113.1", None, "eu"),
        ("k3d-lab", "k3d-lab", "https://0.0.0.0:2", "k3d", "lab"),
        ("mk", "mk", "https://192.0.2.1:8443", "minikube", "mk"),
        ("docker-desktop", "docker-desktop", "https://kubernetes.docker.internal", "shared",
         "docker-desktop"),
        ("broken", "gone", "", None, "broken"),
    ],
)  # fmt: skip
def test_find(context, name, server, local, profile):
    runner = Says()
    found = kubeconfig.find("kubectl", context, runner)
    assert (found.name, found.server, found.local, found.profile) == (name, server, local, profile)
    assert found.context == (context or "kind-dev")
    assert runner.asked == [("kubectl", "config", "view", "--output", "json")]


@pytest.mark.parametrize(
    ("view", "context", "what", "why"),
    [
        (VIEW, "nope", "There is no context nope in the kubeconfig",
         "It has: broken, docker-desktop, eu, k3d-lab, kind-dev, mk."),
        # What kubectl prints without any file.
        ({"kind": "Config", "preferences": {}, "clusters": None, "users": None, "contexts": None,
          "current-context": ""}, None, "No cluster is chosen",
         "The kubeconfig has no current context. It has none at all."),
        (VIEW | {"current-context": ""}, None, "No cluster is chosen",
         "The kubeconfig has no current context. It has: broken, docker-desktop, eu, k3d-lab, "
         "kind-dev, mk."),
        (VIEW | {"current-context": "old"}, None, "There is no context old in the kubeconfig",
         "It has: broken, docker-desktop, eu, k3d-lab, kind-dev, mk."),
    ],
)  # fmt: skip
def test_find_nothing(view, context, what, why):
    with pytest.raises(ClusterError) as caught:
        kubeconfig.find("kubectl", context, Says(view))
    assert (caught.value.what, caught.value.why) == (what, why)
    assert caught.value.next


def test_a_kubeconfig_that_is_none():
    said = "error: error loading config file: yaml: line 2: mapping values are not allowed\n"
    with pytest.raises(ClusterError) as caught:
        kubeconfig.find("kubectl", None, Says(code=1, stderr=said))
    assert caught.value.what == "The kubeconfig can't be read"
    assert caught.value.why == said.strip()


@pytest.mark.parametrize(
    "name",
    ["prod", "prod-eu", "eu-prod", "PROD", "eu.prod.example.com", "gke_acme_production", "live",
     "prd01", "prod2", "arn:aws:eks:eu-west-1:1:cluster/live-a", "my_prod_cluster"],
)  # fmt: skip
def test_names_of_production(name):
    assert Cluster(name, "x", "", "").looks_like_production
    assert Cluster("x", name, "", "").looks_like_production


@pytest.mark.parametrize(
    "name", ["product", "products-dev", "delivery", "deliver", "alive", "olive", "reproduction",
             "dev", "kind-kind", "approved", ""],
)  # fmt: skip
def test_names_of_other_clusters(name):
    assert not Cluster(name, name, "", "").looks_like_production


def way(recorded, cluster=HERE, namespace="ml"):
    return Access(cluster, Target("kubectl", cluster.context, namespace), recorded)


def test_doubts():
    assert way(None).doubts() == ["this project was not deployed from here before"]
    assert way(Place("dev", "https://dev", "ml")).doubts() == []
    assert way(Place("eu", "https://dev", "ml")).doubts() == [
        "it was deployed to the context eu before"
    ]
    assert way(Place("dev", "https://other", "ml")).doubts() == [
        "the context dev pointed at https://other before"
    ]
    assert way(Place("dev", "https://dev", "x")).doubts() == [
        "it was deployed to the namespace x before"
    ]


def test_another_environment_in_its_place(project):
    """The overlays share their names: dev over a running prod leaves one pod of it."""
    found = find(project)

    def doubts(env, namespace=None):
        return access.to_deploy(found, env, None, namespace, Says()).doubts()

    def deploy(env):
        access.remember(found.root, env, access.to_deploy(found, env, None, None, Says()))

    deploy("prod")
    assert doubts("dev") == ["prod was deployed there last, and this takes its place"]
    assert doubts("dev", "other") == ["this project was not deployed from here before"]
    deploy("dev")
    assert doubts("dev") == []
    assert doubts("prod") == ["dev was deployed there last, and this takes its place"]
    deploy("prod")
    assert doubts("prod") == []


def test_production_is_always_asked_about():
    cluster = Cluster("prod-eu", "c", "https://p", "ann")
    assert way(Place("prod-eu", "https://p", "ml"), cluster).doubts() == [
        "its name looks like production"
    ]
    assert len(way(None, cluster).doubts()) == 2


def test_state(tmp_path):
    assert (state.place(tmp_path, "prod"), state.last(tmp_path)) == (None, "")
    there, here = Place("eu", "https://eu", "ml"), Place("kind-dev", "https://127.0.0.1:1", "x")
    state.remember(tmp_path, "prod", there)
    state.remember(tmp_path, "dev", here)
    assert (state.place(tmp_path, "prod"), state.place(tmp_path, "dev")) == (there, here)
    assert state.last(tmp_path) == "dev"
    state.remember(tmp_path, "prod", here)
    assert (state.place(tmp_path, "prod"), state.last(tmp_path)) == (here, "prod")


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", "3", '{"environments": {"prod": {"context": "a"}}}', "\xff",
     '{"environments": {"prod": {"a": 1}}, "last": 3}', '{"environments": []}',
     '{"environments": {"prod": "x"}}', '{"environments": {"prod": ["a", "b", "c"]}}'],
)  # fmt: skip
def test_a_state_that_somebody_broke(tmp_path, text):
    path = tmp_path / ".mlship" / "state.json"
    path.parent.mkdir()
    path.write_text(text, encoding="latin-1")
    assert state.place(tmp_path, "prod") is None
    assert state.last(tmp_path) in ("", "3")
    state.remember(tmp_path, "prod", Place("a", "b", "c"))
    assert state.place(tmp_path, "prod") == Place("a", "b", "c")


def test_to_deploy(project):
    found = find(project)
    there = access.to_deploy(found, "prod", None, None, Says())
    assert there.target == Target("kubectl", "kind-dev", "ml")
    assert there.recorded is None
    access.remember(found.root, "prod", there)
    again = access.to_deploy(found, "prod", None, None, Says())
    assert again.doubts() == []
    assert access.to_deploy(found, "dev", None, None, Says()).recorded is None
    # What is current now counts, not where it was last; so one is asked.
    moved = access.to_deploy(found, "prod", None, None, Says(VIEW | {"current-context": "eu"}))
    assert moved.target.context == "eu"
    assert moved.doubts() == ["it was deployed to the context kind-dev before"]
    named = access.to_deploy(found, "prod", "mk", "y", Says())
    assert named.target == Target("kubectl", "mk", "y")


def test_to_deployed(project):
    found = find(project)
    # Nothing recorded: as for a deployment.
    assert access.to_deployed(found, None, None, None, Says()).target.context == "kind-dev"
    there = access.to_deploy(found, "prod", "eu", "team", Says())
    access.remember(found.root, "prod", there)
    for env in (None, "prod"):
        back = access.to_deployed(found, env, None, None, Says())
        assert back.target == Target("kubectl", "eu", "team")
        assert back.doubts() == []
    assert access.to_deployed(found, None, "eu", None, Says()).target.namespace == "team"
    assert access.to_deployed(found, None, None, "x", Says()).target == Target("kubectl", "eu", "x")
    # Elsewhere, the namespace of there means nothing.
    other = access.to_deployed(found, None, "mk", None, Says())
    assert other.target == Target("kubectl", "mk", "ml")
    assert access.to_deployed(found, "dev", None, None, Says()).target.context == "kind-dev"


@pytest.mark.parametrize("name", ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR"])
def test_who_deploys_in_ci(monkeypatch, name):
    for other in ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "bob")
    assert me() == "bob"


def test_who_deploys(monkeypatch):
    for other in ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setattr("socket.gethostname", lambda: "laptop.example.com")
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    assert me() == "ann@laptop"

    def nameless():
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 4711)
    assert me() == "4711@laptop"
