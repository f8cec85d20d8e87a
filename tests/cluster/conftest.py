"""A namespace, and the projects that are deployed into it, on the cluster that was named.

``MLSHIP_TEST_CONTEXT`` names the context; ``MLSHIP_TEST_LOAD`` is a command that brings
``{image}`` to the cluster, where that is needed. CONTRIBUTING.md has examples.
"""

import os
import uuid
from pathlib import Path

import pytest

from mlship.project import find
from tests.cluster.kube import CONTEXT, Deployed, kubectl, load
from tests.conftest import SERVERS
from tests.support.projects import copied, mlship


def pytest_collection_modifyitems(items):
    """Mark all of this folder; pytest hands every hook all items of the run."""
    skip = pytest.mark.skipif(not CONTEXT, reason="MLSHIP_TEST_CONTEXT names no context")
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(skip)


@pytest.fixture(scope="session")
def namespace():
    """One namespace that admits only what the restricted Pod Security Standard allows."""
    name = f"mlship-test-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session", params=SERVERS)
def original(request, projects, docker):
    """A project with its image built and brought to the cluster."""
    made = projects.get(request.param, "tumor.onnx", installed=False)
    mlship("build", cwd=made)
    load(find(made).image())
    return made


@pytest.fixture(scope="module")
def deployed(original, namespace, tmp_path_factory) -> Deployed:
    """A copy of the project, three pods of it serving; removed again."""
    root = copied(original, tmp_path_factory.mktemp("cluster") / original.name)
    settings = root / "mlship.yaml"
    # So that a small node has room for both servers and those pods that are on their way out.
    settings.write_text(settings.read_text().replace("cpu: 250m", "cpu: 50m"))
    found = Deployed(root, namespace, os.environ.get("MLSHIP_DOCKER", "docker"))
    found.first = found.deploy("--replicas", 3)
    yield found
    found.mlship("undeploy", "--yes", check=False)
