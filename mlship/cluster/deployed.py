"""A project that runs on a cluster, and the way to it."""

from __future__ import annotations

from dataclasses import dataclass

from mlship.cluster.access import Access
from mlship.commands.kubectl import Target
from mlship.errors import ClusterError
from mlship.project import Project
from mlship.rollout import progress
from mlship.rollout.looking import snapshot
from mlship.rollout.snapshot import Snapshot
from mlship.rollout.trouble import Trouble
from mlship.runner import Runner

# The cause of the error that there is no Deployment.
NOT_DEPLOYED = "not-deployed"


@dataclass(frozen=True)
class Deployed:
    """What the commands are about that come after a deployment."""

    project: Project
    way: Access
    runner: Runner

    @property
    def name(self) -> str:
        """The project's name, which its objects have."""
        return self.project.config.name

    @property
    def target(self) -> Target:
        """What kubectl is called with."""
        return self.way.target

    @property
    def place(self) -> str:
        """Where it is, as one says it."""
        return f"the namespace {self.target.namespace} of {self.way.cluster.context}"

    def look(self) -> Snapshot:
        """Return how it stands.

        Raises:
            ClusterError: the cluster can't be reached, or there is no such Deployment.
        """
        found = snapshot(self.runner, self.target, self.name)
        if not found.deployment:
            raise ClusterError(
                f"{self.name} is not deployed there",
                why=f"There is no Deployment {self.name} in {self.place}.",
                next="mlship deploy, or say where it is: --context NAME --namespace NAME",
                cause=NOT_DEPLOYED,
            )
        return found

    def look_for_pods(self) -> Snapshot:
        """Return how it stands, where a pod can be asked; kubectl would wait a minute for one.

        Raises:
            ClusterError: as ``look``, or no pod serves.
        """
        found = self.look()
        if not any(row.serves for row in progress.rows(found)):
            count = f"{len(found.pods)} pods, none of them ready" if found.pods else "no pod"
            raise ClusterError(
                f"No pod of {self.name} serves",
                why=f"There is {count}." if not found.pods else f"There are {count}.",
                next="mlship status" if found.wanted else "mlship scale N",
            )
        return found

    def diagnose(
        self, found: Snapshot, before: Snapshot | None = None, *, limited: bool = False
    ) -> list[Trouble]:
        """Return what is wrong, the most telling first.

        Of pods that ended in the past, or ``before`` what is waited for, nothing is said. Where
        the time is ``limited`` by a person, the Deployment's own deadline decides nothing.
        """
        from mlship.rollout import ended
        from mlship.rollout.diagnosis import diagnose
        from mlship.rollout.witness import Kubectl

        witness = Kubectl(self.runner, self.target)
        return diagnose(ended.left_out(found, before), witness, limited=limited)
