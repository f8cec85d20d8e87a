"""Which cluster and namespace a command is about, and whether one should ask before it acts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from mlship import state
from mlship.cluster import kubeconfig
from mlship.cluster.kubeconfig import Cluster
from mlship.commands.kubectl import Target
from mlship.project import Project
from mlship.runner import Runner

PROGRAM = "kubectl"


@dataclass(frozen=True)
class Access:
    """The way to a project on a cluster.

    Attributes:
        cluster: the context chosen.
        target: what kubectl is called with; always names the context, so that a change of the
            kubeconfig's current one while mlship works can't lead elsewhere.
        recorded: where this environment was deployed to last.
        replaces: another environment, the last that was deployed there; empty where none was.
    """

    cluster: Cluster
    target: Target
    recorded: state.Place | None
    replaces: str = ""

    @property
    def place(self) -> state.Place:
        """What is remembered of it."""
        return state.Place(self.cluster.context, self.cluster.server, self.target.namespace)

    def doubts(self) -> list[str]:
        """Return the reasons to ask before something is changed there; none where all is known."""
        found = []
        before, now = self.recorded, self.place
        if self.replaces:  # they have the same names
            found.append(f"{self.replaces} was deployed there last, and this takes its place")
        elif before is None:
            found.append("this project was not deployed from here before")
        elif before.context != now.context:
            found.append(f"it was deployed to the context {before.context} before")
        elif before.server != now.server:
            found.append(f"the context {now.context} pointed at {before.server} before")
        elif before.namespace != now.namespace:
            found.append(f"it was deployed to the namespace {before.namespace} before")
        if self.cluster.looks_like_production or kubeconfig.is_production(now.namespace):
            found.append("its name looks like production")
        return found


def to_deploy(
    project: Project, env: str, context: str | None, namespace: str | None, runner: Runner
) -> Access:
    """Return where a deployment goes: the context named or current, mlship.yaml's namespace.

    Raises:
        ClusterError: there is no such context.
    """
    cluster = kubeconfig.find(PROGRAM, context, runner)
    target = Target(PROGRAM, cluster.context, namespace or project.config.namespace)
    way = Access(cluster, target, state.place(project.root, env))
    there = state.environment(project.root, way.place)
    return replace(way, replaces=there if there != env else "")


def to_deployed(
    project: Project, env: str | None, context: str | None, namespace: str | None, runner: Runner
) -> Access:
    """Return where the project runs: as named, or else where it was deployed to last.

    Raises:
        ClusterError: there is no such context.
    """
    recorded = state.place(project.root, env or state.last(project.root))
    if recorded and context in (None, recorded.context):
        context = recorded.context
        namespace = namespace or recorded.namespace
    cluster = kubeconfig.find(PROGRAM, context, runner)
    target = Target(PROGRAM, cluster.context, namespace or project.config.namespace)
    return Access(cluster, target, recorded)


def remember(root: Path, env: str, access: Access) -> None:
    """Keep where ``env`` was deployed to, so that the next commands need not be told."""
    state.remember(root, env, access.place)
